"""The steps of the set-up. Each blocks, and returns its outcome; none raises what a user can cause.

They do what the command line does, mostly by running it. The key goes to a command's standard
input only, and comes back in no text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_core.config import loader
from offramp_core.config.stored_keys import FROM_KEY_FILE, FROM_KEYRING
from offramp_core.control.client import ControlClient, ControlError, NotRunningError
from offramp_core.errors import OfframpError
from offramp_core.login_item import autostart, detect
from offramp_core.services import DELEGATE
from offramp_core.setup import model_choices
from offramp_core.wording.formatting import printable
from offramp_dashboard.data.setup.offramp_command import OfframpCommand
from offramp_dashboard.data.setup.outcome import CANCELLED, StepOutcome, Way

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from offramp_core.login_item.plan import LoginItemPlan
    from offramp_core.login_item.service import LoginItemManager
    from offramp_core.paths import Paths
    from offramp_core.setup.model_choices import ModelsInForce
    from offramp_dashboard.data.setup.offramp_command import CommandEnding

_QUICK_S = 30.0
_KEYRING_S = 180.0
"""A keyring may ask for its password."""
_INSTALL_S = 180.0
_TRY_S = 200.0
_STORED = {FROM_KEYRING: "system keyring", FROM_KEY_FILE: "key file, which only you can read"}
_CONNECTED = frozenset({"connected", "already-connected"})


class SetupSteps:
    """Everything that the set-up window can do."""

    def __init__(
        self,
        paths: Paths,
        environ: Mapping[str, str],
        command: OfframpCommand,
        *,
        find_manager: Callable[[Mapping[str, str]], LoginItemManager] = detect.detect,
    ) -> None:
        """Set up the Offramp of `paths`; `find_manager` finds what starts programs at login."""
        self._paths = paths
        self._environ = environ
        self._command = command
        self._find_manager = find_manager
        self._models_before: ModelsInForce | None = None

    def cancel(self) -> None:
        """End what runs, if that can be ended."""
        self._command.cancel()

    # The key.

    def look_at_key(self) -> StepOutcome:
        """Find out whether there is a key, by where it comes from; the key is not read."""
        try:
            loaded = loader.load(self._paths, self._environ)
        except OfframpError as error:
            return _failed(error.title, error.hint)
        origin = loaded.origins.get(f"backend.{DELEGATE.name}.key", "default")
        if origin in _STORED:
            text = f"A key is stored in the {_STORED[origin]}. A new one replaces it."
            return StepOutcome(standing="done", text=text, can_undo=True)
        if loaded.settings.backend(DELEGATE.name).key is None:
            return StepOutcome(standing="open")
        text = f"There is already a key, from {_source(origin)}. It wins over one stored here."
        return StepOutcome(standing="done", text=text)

    def store_key(self, key: str, *, is_checked: bool = True) -> StepOutcome:
        """Have Z.ai check `key`, then store it."""
        if not key.strip():
            return _failed("There is no key in the field. Paste it there first.")
        options = () if is_checked else ("--no-check",)
        ended = self._command.run("key", "set", "--json", *options, given=key, limit_s=_KEYRING_S)
        if ended.is_cancelled:
            return CANCELLED
        said = ended.document
        if said.get("check") == "refused":
            text = f"{ended.error}\nCopy it again from {DELEGATE.key_source}."
            return StepOutcome(standing="failed", text=text, way=Way.STORE_UNCHECKED)
        if ended.code:
            return _failed(ended.error, ended.hint)
        is_known = said.get("check") == "accepted"
        says, notes = said.get("says", []), said.get("notes", [])
        # That nobody could check it comes first.
        lines = [*says, *notes] if is_known else [*notes, *says]
        text = "\n".join(printable(str(line)) for line in lines)
        return StepOutcome(standing="done", text=text, can_undo=True)

    def remove_key(self) -> StepOutcome:
        """Delete the stored key."""
        ended = self._command.run("key", "delete", limit_s=_KEYRING_S)
        if ended.is_cancelled:
            return CANCELLED
        if ended.code:
            return _failed(ended.error, ended.hint, can_undo=True)
        return StepOutcome(standing="open", text=_lines(ended.out, ended.err))

    # The models.

    def models_in_force(self) -> Mapping[str, str | None]:
        """Return what serves each tier now.

        Raises:
            ConfigError: the settings are wrong as they stand.
        """
        return model_choices.in_force(self._paths, self._environ).by_tier

    def save_models(self, wanted: Mapping[str, str]) -> StepOutcome:
        """Have these models serve their tiers: a key of `model_choices` each."""
        try:
            before = model_choices.in_force(self._paths, self._environ)
            model_choices.save(self._paths, self._environ, wanted)
            after = model_choices.in_force(self._paths, self._environ)
        except OfframpError as error:
            return _failed(error.title, error.hint)
        if self._models_before is None and after != before:
            self._models_before = before
        served = ", ".join(f"{tier.capitalize()}: {after.by_tier[tier]}" for tier in wanted)
        text = f"New conversations use these models. {served}."
        can_undo = self._models_before is not None
        return StepOutcome(standing="done", text=self._reloaded(text), can_undo=can_undo)

    def put_models_back(self) -> StepOutcome:
        """Have the routes that were there before."""
        before = self._models_before
        if before is not None:
            try:
                model_choices.put_back(self._paths, self._environ, before.routes)
            except OfframpError as error:
                return _failed(error.title, error.hint, can_undo=True)
        self._models_before = None
        text = self._reloaded("The earlier models are set again.")
        return StepOutcome(standing="open", text=text)

    def _reloaded(self, text: str) -> str:
        """Have a daemon that runs take the settings, and add what it says."""
        try:
            answer = ControlClient(self._paths.control_socket).reload()
        except NotRunningError:
            return f"{text}\nThe daemon is not running; it will use them when it starts."
        except ControlError as error:
            return f"{text}\nIt is not known whether the daemon uses them: {error}"
        if answer.problem:
            return f"{text}\nThe daemon does not use them yet: {answer.problem}"
        return text

    # Starting at login.

    def look_at_login(self) -> StepOutcome:
        """Find out whether the daemon starts at login."""
        try:
            state = self._find_manager(self._environ).state()
        except OfframpError as error:
            return _failed(error.title, error.hint)
        if not state.is_installed:
            return StepOutcome(standing="open")
        running = "runs" if state.is_running else "is not running"
        return StepOutcome(
            standing="done",
            text=f"The daemon starts at login, and {running}.",
            can_undo=True,
            way=None if state.is_running else Way.START,
        )

    def install(self) -> StepOutcome:
        """Have daemon and tray start at login, and the daemon run from now on."""
        arguments = ("install", "--yes", "--no-connect", "--tray")
        ended = self._command.run(*arguments, limit_s=_INSTALL_S)
        if ended.is_cancelled:
            return CANCELLED
        if ended.code:
            return _failed(ended.error, ended.hint)
        text = "The daemon runs. From now on it starts at login, together with the tray."
        return StepOutcome(standing="done", text=text, can_undo=True)

    def remove_login(self) -> StepOutcome:
        """Have neither start at login, and the daemon end."""
        if self._is_connected():
            return StepOutcome(
                standing="failed",
                text="Claude Code is connected, and would stop working without the daemon. "
                "Disconnect it first.",
                can_undo=True,
                way=Way.CONNECT,
            )
        try:
            _apply(self._find_manager(self._environ).plan_uninstall())
            _apply(autostart.find(self._environ).plan_off())
        except OfframpError as error:
            return _failed(error.title, error.hint, can_undo=True)
        text = "The daemon was stopped, and nothing starts at login any more."
        return StepOutcome(standing="open", text=text)

    def start_daemon(self) -> StepOutcome:
        """Start the daemon; without a login item, offer to install one."""
        standing = self.look_at_login()
        if standing.standing == "open":
            text = "The daemon is not set up to start at login yet. Set that up to start it."
            return StepOutcome(standing="failed", text=text, way=Way.INSTALL)
        if standing.standing == "failed":
            return standing
        ended = self._command.run("start", limit_s=_INSTALL_S)
        if ended.is_cancelled:
            return CANCELLED
        if ended.code:
            return _failed(ended.error, ended.hint)
        return StepOutcome(standing="done", text=_lines(ended.out, ""))

    # Claude Code.

    def look_at_connection(self) -> StepOutcome:
        """Find out whether Claude Code is connected, and which line would change."""
        ended = self._command.run("connect", "--dry-run", "--json", limit_s=_QUICK_S)
        if ended.is_cancelled:
            return CANCELLED
        said = ended.document
        if said.get("outcome") == "already-connected":
            return _connected(ended, "Claude Code uses Offramp.")
        if said.get("outcome") == "foreign":
            return _foreign(ended)
        if ended.code or not said:
            return _failed(ended.error, ended.hint)
        text = f"Only this changes in {said['file']}:"
        return StepOutcome(standing="open", text=text, shown=_changed_lines(said["diff"] or ""))

    def connect(self, *, is_forced: bool = False) -> StepOutcome:
        """Point Claude Code at Offramp, if the daemon answers."""
        try:
            ControlClient(self._paths.control_socket).status()
        except ControlError:
            text = "The daemon is not running. Start it first, so that Claude Code can work."
            return StepOutcome(standing="failed", text=text, way=Way.START)
        options = ("--force",) if is_forced else ()
        ended = self._command.run("connect", "--json", *options, limit_s=_QUICK_S)
        if ended.is_cancelled:
            return CANCELLED
        outcome = ended.document.get("outcome")
        if outcome == "foreign":
            return _foreign(ended)
        if outcome == "unanswered":
            return _failed("\n".join(map(str, ended.document.get("warnings", ()))), "")
        if ended.code or outcome not in _CONNECTED:
            return _failed(ended.error, ended.hint)
        text = "Claude Code uses Offramp. Sessions that are already open don't: start them again."
        return _connected(ended, text)

    def disconnect(self) -> StepOutcome:
        """Let Claude Code go."""
        ended = self._command.run("disconnect", "--json", limit_s=_QUICK_S)
        if ended.is_cancelled:
            return CANCELLED
        if ended.code:
            return _failed(ended.error, ended.hint, can_undo=True)
        text = "Claude Code no longer uses Offramp. Its earlier settings are back."
        if ended.document.get("outcome") in {"not-connected", "changed-meanwhile"}:
            text = "Claude Code does not use Offramp. Its settings were not changed."
        return StepOutcome(standing="open", text=_with_warnings(text, ended))

    def _is_connected(self) -> bool:
        ended = self._command.run("connect", "--dry-run", "--json", limit_s=_QUICK_S)
        return ended.document.get("outcome") == "already-connected"

    # The test.

    def try_it(self, *, is_with_claude: bool) -> StepOutcome:
        """Send a request through the daemon, and say who answered."""
        options = ("--claude",) if is_with_claude else ()
        ended = self._command.run("try", "--json", *options, limit_s=_TRY_S)
        if ended.is_cancelled:
            return CANCELLED
        trials = ended.document.get("trials")
        if not trials:
            return _failed(ended.error, ended.hint)
        is_ok = all(trial["outcome"] != "failed" for trial in trials)
        text = "\n".join(printable(f"{trial['text']} {trial['hint']}".strip()) for trial in trials)
        return StepOutcome(
            standing="done" if is_ok else "failed", text=text, way=None if is_ok else _way(text)
        )


def steps_for(paths: Paths, environ: Mapping[str, str]) -> SetupSteps:
    """Make the steps that set up this user's Offramp."""
    return SetupSteps(paths, environ, OfframpCommand(environ, Path.home()))


def _source(origin: str) -> str:
    """Where a key comes from, as `LoadedSettings.origins` has it, in words."""
    kind, _, name = origin.partition(" ")
    return {"file": "config.toml", ".env": f"{name} in .env"}.get(kind, f"the variable {name}")


def _way(text: str) -> Way | None:
    """The button for what a trial says to type; the key step is about the usual delegate's key."""
    commands = {
        "offramp start": Way.START,
        "offramp key set": Way.KEY,
        "offramp connect": Way.CONNECT,
    }
    found = (way for command, way in commands.items() if re.search(rf"{command}(?! \w)", text))
    return next(found, None)


def _connected(ended: CommandEnding, text: str) -> StepOutcome:
    return StepOutcome(standing="done", text=_with_warnings(text, ended), can_undo=True)


def _foreign(ended: CommandEnding) -> StepOutcome:
    said = ended.document
    text = (
        f"Claude Code's settings already have another address: {printable(str(said['old']))}. "
        "Offramp can replace it, and restores it when you disconnect."
    )
    return StepOutcome(standing="failed", text=text, way=Way.REPLACE)


def _with_warnings(text: str, ended: CommandEnding) -> str:
    warnings = ended.document.get("warnings") or ()
    return "\n".join([text, *(printable(str(warning)) for warning in warnings)])


def _changed_lines(diff: str) -> str:
    """The lines of a unified diff that come or go, without its head."""
    lines = (line for line in diff.splitlines() if line[:1] in {"+", "-"})
    return "\n".join(printable(each) for each in lines if each[:3] not in {"+++", "---"})


def _lines(out: str, err: str) -> str:
    return "\n".join(printable(line.strip()) for line in (out + err).splitlines() if line.strip())


def _failed(text: str, hint: str = "", *, can_undo: bool = False) -> StepOutcome:
    return StepOutcome(standing="failed", text=_lines(text, f"\n{hint}"), can_undo=can_undo)


def _apply(plan: LoginItemPlan) -> None:
    for _ in plan.apply():
        pass
