"""The Debian package: what is in it, and what its scripts do, with a stand-in for the bundle.

A real dpkg installs it into a root of its own, so nothing here needs root or touches the machine.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHECKOUT = Path(__file__).parents[2]
DEB = CHECKOUT / "packaging" / "deb"
SCRIPTS = ("build.sh", "test.sh", "postinst", "prerm", "postrm")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
SHELL = Path("/bin/sh").resolve()

pytestmark = pytest.mark.skipif(
    shutil.which("dpkg-deb") is None, reason="this system has no dpkg: it is not Debian's kin"
)


def _run(
    *command: str | Path, check: bool = True, path: str = PATH
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=CHECKOUT,
        env={"PATH": path, "HOME": "/nonexistent", "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if check:
        assert done.returncode == 0, done
    return done


def _need(program: str, package: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"this machine has no {program} (Debian: apt-get install {package})")


class Parts:
    """A folder with stand-ins for what `make bundle man completions` builds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._write("man/offramp.1", ".TH OFFRAMP 1\n.SH NAME\nofframp \\- a proxy\n")
        self._write(
            "man/offramp-daemon.1", ".TH OFFRAMP-DAEMON 1\n.SH NAME\nofframp-daemon \\- it\n"
        )
        for name in ("bash/offramp", "zsh/_offramp", "fish/offramp.fish"):
            self._write(f"completions/{name}", "# asks offramp\n")

    def bundle(self, version: str, *, said: str = "") -> Path:
        """Make a bundle, whose programs are shells; `said` is in its data file."""
        bundle = self.folder / f"offramp-{version}-linux-x86_64"
        self._write(f"{bundle.name}/_internal/data.txt", said or version)
        self._write(f"{bundle.name}/THIRD-PARTY-LICENSES", "texts\n")
        program = bundle / "offramp"
        program.write_text(f"#!/bin/sh\necho {version} {said}\n")
        program.chmod(0o755)
        (bundle / "offramp-daemon").unlink(missing_ok=True)
        (bundle / "offramp-daemon").symlink_to("offramp")
        return bundle

    def build(self, bundle: Path) -> Path:
        """Build the package."""
        folders = (self.folder / "man", self.folder / "completions", self.folder / "out")
        return CHECKOUT / _run("sh", DEB / "build.sh", bundle, *folders).stdout.strip()

    def package(self, version: str, *, said: str = "") -> Path:
        """Build a package around a new bundle."""
        return self.build(self.bundle(version, said=said))

    def _write(self, name: str, text: str) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


class Machine:
    """A root for dpkg, with nothing in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.top = root / "usr" / "lib" / "offramp"
        database = root / "var" / "lib" / "dpkg"
        for folder in ("info", "updates", "triggers"):
            (database / folder).mkdir(parents=True)
        (database / "status").touch()
        (database / "available").touch()
        self._programs = root / "stand-ins"

    def dpkg(self, *arguments: str | Path, check: bool = True) -> str:
        """Run dpkg, with this package's scripts; what they printed."""
        forced = ("--force-script-chrootless", "--force-not-root", "--force-depends")
        path = f"{self._programs}:{PATH}"
        done = _run("dpkg", f"--root={self.root}", *forced, *arguments, check=check, path=path)
        return done.stdout + done.stderr

    def add_user(self, name: str, *, program: str) -> Path:
        """Add somebody whose login item starts `program`; the folder of the units."""
        units = self.root / "home" / name / ".config" / "systemd" / "user"
        units.mkdir(parents=True)
        (units / "offramp.service").write_text(f'[Service]\nExecStart="{program}"\n')
        return units

    def has_runuser_do(self, script: str) -> None:
        """Put stand-ins for what only root may do, and for the system's list of users."""
        homes = self.root / "home"
        users = self.root / "users"
        lines = [f"{home.name}:x:1:1::{home}:/bin/sh\n" for home in sorted(homes.iterdir())]
        users.write_text("".join(lines))
        one = f'grep -F -e "${{2:+$2:x}}" "{users}"'
        for name, text in (("getent", one), ("id", "echo 1"), ("runuser", script)):
            self._programs.mkdir(exist_ok=True)
            (self._programs / name).write_text(f"#!/bin/sh\n{text}\n")
            (self._programs / name).chmod(0o755)

    @property
    def current(self) -> Path:
        """The folder of the version in use."""
        return (self.top / "current").resolve(strict=True)

    @property
    def kept(self) -> set[str]:
        """The versions on disk from which something may run."""
        return {each.name.partition(".in-use.")[0] for each in self.top.glob("*.in-use.*")}


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return Parts(tmp_path / "parts")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "root")


@pytest.fixture
def running() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a program; each is ended with the test."""
    processes: list[subprocess.Popen[str]] = []

    def start(*command: str | Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def _shell_bundle(parts: Parts, version: str) -> Path:
    """A bundle whose program is this machine's shell itself, so that processes run from it."""
    bundle = parts.bundle(version)
    shutil.copy(SHELL, bundle / "offramp")
    return bundle


def _compiled_package(parts: Parts, version: str) -> Path:
    _need("dpkg-shlibdeps", "dpkg-dev")
    return parts.build(_shell_bundle(parts, version))


def test_package_holds_program_links_manuals_completions_entry_and_papers(parts: Parts) -> None:
    package = parts.package("1.2.3")
    assert package.name.startswith("offramp_1.2.3_")
    listed = _run("dpkg-deb", "--contents", package).stdout
    lines = [line.split(None, 5) for line in listed.splitlines()]
    assert {line[1] for line in lines} == {"root/root"}
    names = {line[5].removeprefix("./") for line in lines}
    assert names >= {
        "usr/bin/offramp -> ../lib/offramp/current/offramp",
        "usr/bin/offramp-daemon -> ../lib/offramp/current/offramp-daemon",
        "usr/lib/offramp/1.2.3/offramp",
        "usr/lib/offramp/1.2.3/THIRD-PARTY-LICENSES",
        "usr/share/applications/offramp.desktop",
        "usr/share/icons/hicolor/scalable/apps/offramp.svg",
        "usr/share/bash-completion/completions/offramp",
        "usr/share/zsh/vendor-completions/_offramp",
        "usr/share/fish/vendor_completions.d/offramp.fish",
        "usr/share/man/man1/offramp.1.gz",
        "usr/share/man/man1/offramp-daemon.1.gz",
        "usr/share/doc/offramp/copyright",
        "usr/share/doc/offramp/changelog.gz",
    }
    modes = {line[0] for line in lines}
    assert modes <= {"drwxr-xr-x", "-rwxr-xr-x", "-rw-r--r--", "lrwxrwxrwx"}


def test_same_tree_built_twice_gives_the_same_package(parts: Parts) -> None:
    bundle = parts.bundle("1.2.3")
    first = parts.build(bundle).read_bytes()
    (bundle / "offramp").touch()
    assert parts.build(bundle).read_bytes() == first


@pytest.mark.parametrize(
    ("version", "debian"), [("1.0.0rc1", "1.0.0~rc1"), ("1.0.0.dev3", "1.0.0~dev3")]
)
def test_version_before_a_release_sorts_before_it(parts: Parts, version: str, debian: str) -> None:
    package = parts.package(version)
    assert _run("dpkg-deb", "--field", package, "Version").stdout.strip() == debian
    _run("dpkg", "--compare-versions", debian, "lt", "1.0.0")


def test_maintainer_is_a_placeholder_until_there_is_one(parts: Parts) -> None:
    package = parts.package("1.2.3")
    maintainer = _run("dpkg-deb", "--field", package, "Maintainer").stdout.strip()
    assert maintainer == "Offramp contributors <offramp@maintainer.invalid>"
    assert _run("dpkg-deb", "--field", package, "Homepage").stdout.strip() == ""


def test_changelog_is_one_that_debians_tools_read(parts: Parts, tmp_path: Path) -> None:
    _run("dpkg-deb", "--extract", parts.package("1.2.3"), tmp_path / "out")
    text = gzip.decompress((tmp_path / "out/usr/share/doc/offramp/changelog.gz").read_bytes())
    (tmp_path / "changelog").write_bytes(text)
    assert text.startswith(b"offramp (1.2.3) unstable;")
    assert b"\n  * " in text
    _need("dpkg-parsechangelog", "dpkg-dev")
    read = _run("dpkg-parsechangelog", "--all", f"-l{tmp_path / 'changelog'}")
    assert "Version: 1.2.3" in read.stdout
    assert read.stderr == ""


@pytest.mark.parametrize(
    ("missing", "hint"),
    [
        ("offramp-1.2.3-linux-x86_64/offramp", "make bundle"),
        ("man/offramp.1", "make man completions"),
        ("completions/bash/offramp", "make man completions"),
    ],
)
def test_part_that_was_not_built_is_named(parts: Parts, missing: str, hint: str) -> None:
    bundle = parts.bundle("1.2.3")
    (parts.folder / missing).unlink()
    folders = (parts.folder / "man", parts.folder / "completions", parts.folder / "out")
    done = _run("sh", DEB / "build.sh", bundle, *folders, check=False)
    assert done.returncode == 1
    assert hint in done.stderr
    assert not (parts.folder / "out").exists()


def test_compiled_program_depends_on_what_it_loads(parts: Parts) -> None:
    package = _compiled_package(parts, "1.2.3")
    assert "libc6 (>= 2." in _run("dpkg-deb", "--field", package, "Depends").stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_is_one_that_the_shell_can_read(script: str) -> None:
    _run("sh", "-n", DEB / script)


@pytest.mark.parametrize("script", SCRIPTS)
def test_shellcheck_finds_nothing(script: str) -> None:
    _need("shellcheck", "shellcheck")
    _run("shellcheck", "--external-sources", DEB / script)


def test_application_entry_starts_the_tray_with_an_icon_that_is_packed() -> None:
    text = (DEB / "offramp.desktop").read_text()
    assert "\nExec=offramp tray\n" in text
    assert "\nIcon=offramp\n" in text


def test_application_entry_is_valid() -> None:
    _need("desktop-file-validate", "desktop-file-utils")
    assert _run("desktop-file-validate", DEB / "offramp.desktop").stdout == ""


def test_lintian_finds_nothing(parts: Parts) -> None:
    _need("lintian", "lintian")
    done = _run("lintian", "--allow-root", "--fail-on", "error,warning", parts.package("1.2.3"))
    assert done.stdout == ""


def test_install_puts_the_unpacked_files_in_use(parts: Parts, machine: Machine) -> None:
    machine.dpkg("--install", parts.package("1.2.3"))
    command = machine.root / "usr/bin/offramp"
    assert _run(command).stdout.split() == ["1.2.3"]
    assert command.samefile(machine.top / "1.2.3" / "offramp")
    assert machine.current.stat().st_mode & 0o777 == 0o755


def test_upgrade_keeps_the_version_before_until_the_next_one(
    parts: Parts, machine: Machine
) -> None:
    machine.dpkg("--install", parts.package("1.2.3"))
    first = machine.current
    machine.dpkg("--install", parts.package("1.2.4"))
    assert not (machine.top / "1.2.3").exists()
    assert (first / "_internal/data.txt").read_text() == "1.2.3"
    assert _run(machine.root / "usr/bin/offramp").stdout.split() == ["1.2.4"]
    machine.dpkg("--install", parts.package("1.2.5"))
    assert not first.exists()
    assert machine.kept == {"1.2.4", "1.2.5"}


def test_other_build_of_the_same_version_leaves_the_files_in_use_as_they_are(
    parts: Parts, machine: Machine
) -> None:
    machine.dpkg("--install", parts.package("1.2.3", said="first"))
    first = machine.current
    machine.dpkg("--install", parts.package("1.2.3", said="second"))
    assert (first / "_internal/data.txt").read_text() == "first"
    assert _run(machine.root / "usr/bin/offramp").stdout.split() == ["1.2.3", "second"]


def test_configuring_again_changes_nothing(parts: Parts, machine: Machine) -> None:
    machine.dpkg("--install", parts.package("1.2.3"))
    before = machine.current
    environ = {"DPKG_ROOT": str(machine.root), "PATH": "/usr/bin:/bin"}
    script = machine.root / "var/lib/dpkg/info/offramp.postinst"
    subprocess.run([script, "configure", "1.2.3"], env=environ, check=True)
    assert machine.current == before
    assert machine.kept == {"1.2.3"}


def test_version_that_runs_stays_over_any_number_of_upgrades(
    parts: Parts, machine: Machine, running: Callable[..., subprocess.Popen[str]]
) -> None:
    machine.dpkg("--install", _compiled_package(parts, "1.2.3"))
    process = running(
        machine.root / "usr/bin/offramp",
        "-c",
        'read word; cat "$1"',
        "sh",
        machine.current / "_internal/data.txt",
    )
    for version in ("1.2.4", "1.2.5", "1.2.6"):
        machine.dpkg("--install", parts.package(version))
    assert machine.kept == {"1.2.3", "1.2.5", "1.2.6"}
    assert process.communicate("go on\n")[0] == "1.2.3"
    machine.dpkg("--install", parts.package("1.2.7"))
    assert machine.kept == {"1.2.6", "1.2.7"}


def test_version_that_runs_stays_where_the_folder_is_a_link(
    parts: Parts, machine: Machine, running: Callable[..., subprocess.Popen[str]]
) -> None:
    (machine.root / "elsewhere").mkdir()
    machine.top.parent.mkdir(parents=True)
    machine.top.symlink_to("../../elsewhere")
    machine.dpkg("--install", _compiled_package(parts, "1.2.3"))
    running(machine.root / "usr/bin/offramp", "-c", "read word")
    for version in ("1.2.4", "1.2.5", "1.2.6"):
        machine.dpkg("--install", parts.package(version))
    assert machine.kept == {"1.2.3", "1.2.5", "1.2.6"}


@pytest.mark.parametrize(
    ("name", "word", "number"), [("offramp-daemon", "", "HUP"), ("offramp", "tray", "USR1")]
)
def test_upgrade_tells_what_runs_to_move(
    parts: Parts,
    machine: Machine,
    name: str,
    word: str,
    number: str,
) -> None:
    machine.dpkg("--install", _compiled_package(parts, "1.2.3"))
    # A shell reads its commands from a file named like the program's command.
    script = machine.root / (word or "serve")
    script.write_text(
        f"trap 'echo moves; exit' {number}\necho ready\nwhile :; do sleep 0.05; done\n"
    )
    process = subprocess.Popen(
        [machine.root / "usr/bin" / name, script.name],
        cwd=machine.root,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        machine.dpkg("--install", parts.package("1.2.4"))
        assert process.stdout.readline() == "moves\n"
    finally:
        process.kill()
        process.communicate()


def test_upgrade_ends_no_process_that_does_not_know_the_signal(
    parts: Parts, machine: Machine, running: Callable[..., subprocess.Popen[str]]
) -> None:
    machine.dpkg("--install", _compiled_package(parts, "1.2.3"))
    process = running(
        machine.root / "usr/bin/offramp-daemon", "-c", "echo ready; read word; echo $word"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    machine.dpkg("--install", parts.package("1.2.4"))
    assert process.communicate("unharmed\n")[0] == "unharmed\n"


def test_removal_takes_everything_that_nobody_runs(parts: Parts, machine: Machine) -> None:
    machine.dpkg("--install", parts.package("1.2.3"))
    machine.dpkg("--install", parts.package("1.2.4"))
    machine.dpkg("--remove", "offramp")
    assert not machine.top.exists()
    assert not (machine.root / "usr/bin/offramp").is_symlink()
    machine.dpkg("--purge", "offramp")


def test_removal_leaves_the_files_of_what_still_runs_and_names_the_command(
    parts: Parts, machine: Machine, running: Callable[..., subprocess.Popen[str]]
) -> None:
    machine.dpkg("--install", _compiled_package(parts, "1.2.3"))
    process = running(
        machine.root / "usr/bin/offramp-daemon", "-c", "echo ready; read word; echo $word"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    said = machine.dpkg("--remove", "offramp")
    program = machine.top / "current" / "offramp"
    assert f"{program} uninstall" in said
    assert os.access(program, os.X_OK)
    assert process.communicate("unharmed\n")[0] == "unharmed\n"


def test_removal_uninstalls_for_those_whose_login_item_is_the_packages(
    parts: Parts, machine: Machine
) -> None:
    machine.dpkg("--install", parts.package("1.2.3"))
    units = machine.add_user("alice", program="/usr/bin/offramp-daemon")
    machine.add_user("carol", program="/home/carol/.local/bin/offramp-daemon")
    machine.has_runuser_do(f'echo "as $2: $*"; rm "{units}/offramp.service"')
    said = machine.dpkg("--remove", "offramp")
    program = machine.top / "current" / "offramp"
    assert "as alice: -u alice -- env -i HOME=" in said
    assert f" {program} uninstall --yes\n" in said
    assert "as carol" not in said
    assert not machine.top.exists()


@pytest.mark.parametrize("answer", ["exit 1", "echo 'there is no service manager'", "kill $$"])
def test_user_who_can_not_be_reached_gets_a_command_that_still_works(
    parts: Parts, machine: Machine, answer: str
) -> None:
    machine.dpkg("--install", parts.package("1.2.3"))
    machine.add_user("bob", program="/usr/bin/offramp-daemon")
    machine.has_runuser_do(answer)
    said = machine.dpkg("--purge", "offramp")
    program = machine.top / "current" / "offramp"
    assert "could not be removed completely: bob\n" in said
    assert f"    {program} uninstall\n" in said
    assert _run(program).stdout.split() == ["1.2.3"]


@pytest.mark.parametrize(
    "name", ["CORP\\nils", "anna maria", "dave$", "j.-p_o'brien", "*", "größe"]
)
def test_user_with_an_odd_name_is_asked_and_named(
    parts: Parts, machine: Machine, name: str
) -> None:
    machine.dpkg("--install", parts.package("1.2.3"))
    machine.add_user("alice", program="/usr/bin/offramp-daemon")
    machine.add_user(name, program="/usr/bin/offramp-daemon")
    machine.has_runuser_do("printf 'as <%s>\\n' \"$2\"; exit 1")
    said = machine.dpkg("--remove", "offramp")
    assert f"as <{name}>\n" in said
    everybody = ", ".join(sorted(("alice", name), key=str.encode))
    assert f"could not be removed completely: {everybody}\n" in said


@pytest.mark.parametrize("kind", ["pipe", "device", "large"])
def test_home_that_would_hold_root_up_keeps_nothing_from_going(
    parts: Parts, machine: Machine, kind: str
) -> None:
    machine.dpkg("--install", parts.package("1.2.3"))
    unit = machine.add_user("mallory", program="/usr/bin/offramp-daemon") / "offramp.service"
    unit.unlink()
    if kind == "pipe":
        os.mkfifo(unit)
    elif kind == "device":
        unit.symlink_to("/dev/zero")
    else:
        with unit.open("wb") as file:
            file.truncate(1 << 40)
    machine.has_runuser_do("exit 1")
    assert "mallory" not in machine.dpkg("--remove", "offramp")
    assert not machine.top.exists()


def test_process_that_only_names_the_daemon_is_not_taken_for_it(
    parts: Parts, machine: Machine, running: Callable[..., subprocess.Popen[str]]
) -> None:
    machine.dpkg("--install", _compiled_package(parts, "1.2.3"))
    program = machine.root / "usr/bin/offramp"
    process = running(program, "-c", "echo ready; read word", "/usr/bin/offramp-daemon", "x")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert "set-up of" not in machine.dpkg("--remove", "offramp")


def test_root_with_an_odd_name_loses_no_version_that_runs(
    parts: Parts, tmp_path: Path, running: Callable[..., subprocess.Popen[str]]
) -> None:
    machine = Machine(tmp_path / "an [odd]* root?")
    machine.dpkg("--install", _compiled_package(parts, "1.2.3"))
    process = running(machine.root / "usr/bin/offramp", "-c", "echo ready; read word")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    for version in ("1.2.4", "1.2.5"):
        machine.dpkg("--install", parts.package(version))
    assert machine.kept == {"1.2.3", "1.2.4", "1.2.5"}
    machine.dpkg("--remove", "offramp")
    assert machine.kept == {"1.2.3"}


def test_package_installed_again_after_that_is_in_use(parts: Parts, machine: Machine) -> None:
    machine.dpkg("--install", parts.package("1.2.3"))
    machine.add_user("bob", program="/usr/bin/offramp-daemon")
    machine.has_runuser_do("exit 1")
    machine.dpkg("--remove", "offramp")
    machine.dpkg("--install", parts.package("1.2.4"))
    assert _run(machine.root / "usr/bin/offramp").stdout.split() == ["1.2.4"]


def test_upgrade_removes_nobodys_setup(parts: Parts, machine: Machine) -> None:
    machine.dpkg("--install", parts.package("1.2.3"))
    assert "uninstall" not in machine.dpkg("--install", parts.package("1.2.4"))
