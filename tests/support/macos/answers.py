"""What macOS's commands say when they fail, word for word, and what that was seen on.

A source is a public report (repository#issue) or a program's source. Nothing here was seen by us.
"""

from __future__ import annotations

from typing import NamedTuple


class Answer(NamedTuple):
    """How a command ends."""

    code: int
    out: str = ""
    err: str = ""


_AS_ROOT = "Try re-running the command as root for richer errors.\n"

# launchctl. Its exit status is the error's number.

BOOTSTRAP_IO_ERROR = Answer(5, err=f"Bootstrap failed: 5: Input/output error\n{_AS_ROOT}")
"""What a user's `bootstrap` says of nearly everything: a label that is loaded, or not yet gone
(some five seconds: headroomlabs-ai/headroom#1289), a bad file, a wrong owner, a label
that is disabled (only root reads "119: Service is disabled"). pirj/noclamshell#25,
tomcounsell/ai#2013."""

BOOTSTRAP_ALREADY = Answer(37, err="Bootstrap failed: 37: Operation already in progress\n")
"""The agent before is still being cleaned up; Layr-Labs/d-inference#1102."""

BOOTSTRAP_DISABLED_AS_ROOT = Answer(119, err="Bootstrap failed: 119: Service is disabled\n")

BOOTSTRAP_NO_SCREEN = Answer(
    125, err="Bootstrap failed: 125: Domain does not support specified action\n"
)
"""Over SSH, with nobody logged in at the screen; nix-community/home-manager#4413."""

BOOTSTRAP_OTHER_SESSION = Answer(
    134, err="Bootstrap failed: 134: Service cannot load in requested session\n"
)
"""The agent's LimitLoadToSessionType, Aqua by itself, has not the domain's session; chilcote/outset
#108, Homebrew/homebrew-services#517, duh17/oppi#31."""

BOOT_OUT_IN_PROGRESS = Answer(36, err="Boot-out failed: 36: Operation now in progress\n")
"""It ends, but has not ended yet; osquery/osquery#5698."""

BOOT_OUT_NOT_LOADED = Answer(3, err="Boot-out failed: 3: No such process\n")
"""DeterminateSystems/nix-installer#1148, nix-community/home-manager#9585."""

BOOT_OUT_IO_ERROR = Answer(5, err="Boot-out failed: 5: Input/output error\n")
"""DeterminateSystems/nix-installer#1148."""

KICKSTART_STARTING = Answer(37)
"""It is being started already, of which nothing is said (ProcursusTeam/launchctl, kickstart.c);
headroomlabs-ai/headroom#1289."""

KILL_NOT_RUNNING = Answer(3, err="No process to signal.\n")
"""ProcursusTeam/launchctl, kill.c."""

NO_SCREEN_CODES = (125, 112)
"""How `print gui/UID` ends with nobody at the screen; duh17/oppi#38 had both."""


def no_such_service(label: str, domain: str) -> Answer:
    """What `print` and `kickstart` say of what is not loaded; NousResearch/hermes-agent#5536.

    `domain` is `user gui: 501`, or `user: 501` for the background's.
    """
    text = f'Could not find service "{label}" in domain for {domain}\n'
    return Answer(113, err=f"Bad request.\n{text}")


def no_such_domain(uid: int, code: int) -> Answer:
    """What `print` says with nobody logged in at the screen."""
    if code == 112:
        return Answer(112, err=f"Bad request.\nCould not find domain for user gui: {uid}\n")
    return Answer(125, err="Domain does not support specified action\n")


def kickstart_no_screen(label: str) -> Answer:
    """NousResearch/hermes-agent#30352."""
    text = f'Could not kickstart service "{label}": 125: Domain does not support specified action\n'
    return Answer(125, err=text)


# security. Its exit status is the last byte of the error's number: -25308 ends with 36.

KEYCHAIN_TEXTS = {
    -25300: "The specified item could not be found in the keychain.",
    -25308: "User interaction is not allowed.",
    -25293: "The user name or passphrase you entered is not correct.",
    -25244: "Invalid attempt to change the owner of this item.",
    -25307: "A default keychain could not be found.",
}
"""SecCopyErrorMessageString: locked with nobody to ask, an entry of another program's, an access
list that names another, no keychain at all."""


def keychain_failure(status: int) -> Answer:
    """How `security find-generic-password` fails."""
    call = "SecKeychainSearchCopyNext" if status == -25300 else "SecKeychainItemCopyContent"
    return Answer(status & 0xFF, err=f"security: {call}: {KEYCHAIN_TEXTS[status]}\n")


# osascript.

NOTIFICATION_DROPPED = Answer(0)
"""Nothing is shown, and nothing is said, until Script Editor was allowed to show notifications;
cline/cline#3097, wyattjoh/claude-code-notification#1."""

APPLE_EVENTS_REFUSED = Answer(
    1,
    err="0:56: execution error: Not authorized to send Apple events to System Events. (-1743)\n",
)
"""ankurk91/google-chat-electron#13; British systems spell it "authorised" (create-dmg#113)."""

NO_WINDOW_SERVER = Answer(
    1, err="0:48: execution error: An error of type -10810 has occurred. (-10810)\n"
)

# scutil.

PROXY_NONE = Answer(
    0,
    "<dictionary> {\n"
    "  ExceptionsList : <array> {\n"
    "    0 : *.local\n"
    "    1 : 169.254/16\n"
    "  }\n"
    "  FTPPassive : 1\n"
    "}\n",
)
PROXY_HTTP = Answer(
    0,
    "<dictionary> {\n"
    "  ExceptionsList : <array> {\n"
    "    0 : 127.0.0.1\n"
    "    1 : *.local\n"
    "    2 : <local>\n"
    "  }\n"
    "  HTTPEnable : 1\n"
    "  HTTPPort : 7897\n"
    "  HTTPProxy : 127.0.0.1\n"
    "  HTTPSEnable : 1\n"
    "  HTTPSPort : 7897\n"
    "  HTTPSProxy : 127.0.0.1\n"
    "  ProxyAutoConfigEnable : 0\n"
    "  SOCKSEnable : 1\n"
    "  SOCKSPort : 7897\n"
    "  SOCKSProxy : 127.0.0.1\n"
    "}\n",
)
PROXY_BY_SCRIPT = Answer(
    0,
    "<dictionary> {\n"
    "  ProxyAutoConfigEnable : 1\n"
    "  ProxyAutoConfigURLString : http://wpad.company.com/wpad.dat\n"
    "}\n",
)
"""httptoolkit/httptoolkit#151."""

DNS = Answer(
    0,
    "DNS configuration\n\n"
    "resolver #1\n"
    "  nameserver[0] : 192.168.1.1\n"
    "  if_index : 15 (en0)\n"
    "  flags    : Request A records\n"
    "  reach    : 0x00020002 (Reachable,Directly Reachable Address)\n\n"
    "resolver #2\n"
    "  domain   : local\n"
    "  options  : mdns\n"
    "  timeout  : 5\n"
    "  flags    : Request A records\n"
    "  reach    : 0x00000000 (Not Reachable)\n"
    "  order    : 300000\n\n"
    "DNS configuration (for scoped queries)\n\n"
    "resolver #1\n"
    "  nameserver[0] : 192.168.1.1\n"
    "  if_index : 15 (en0)\n"
    "  flags    : Scoped, Request A records\n"
    "  reach    : 0x00020002 (Reachable,Directly Reachable Address)\n",
)
DNS_NONE = Answer(0, "No DNS configuration available\n")
