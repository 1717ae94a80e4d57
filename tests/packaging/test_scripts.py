"""The set-up's scripts, where they must cope with what a machine has or lacks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "packaging"
SYSTEM_PACKAGES = SCRIPTS / "system-packages.sh"
BROKEN_SHIM = "#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n"
OLD_PYTHON = '#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.6" && exit 0\nexit 1\n'


def _program(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def _find_python(path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(SCRIPTS / "find-python.sh"), *arguments],
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_broken_shim_before_a_working_python_is_passed_over(tmp_path: Path) -> None:
    _program(tmp_path / "shims", "python3.13", BROKEN_SHIM)
    _program(tmp_path / "real ones", "python3.12", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    done = _find_python(f"{tmp_path / 'shims'}:{tmp_path / 'real ones'}")
    assert (done.returncode, done.stdout.strip()) == (0, sys.executable)


def test_only_an_old_python_is_refused(tmp_path: Path) -> None:
    _program(tmp_path / "bin", "python3", OLD_PYTHON)
    done = _find_python(str(tmp_path / "bin"))
    assert done.returncode == 1
    assert "3.11, 3.12, 3.13 or 3.14" in done.stderr


def test_chosen_python_that_is_too_old_is_named_with_its_version(tmp_path: Path) -> None:
    old = _program(tmp_path / "bin", "python3", OLD_PYTHON)
    done = _find_python("", str(old))
    assert done.returncode == 1
    assert f"PYTHON={old} is Python 3.9.6" in done.stderr


def test_chosen_python_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = _find_python("", str(tmp_path / "python3.12"))
    assert done.returncode == 1
    assert "does not run" in done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git checkout with nothing wrong in it."""
    if shutil.which("git") is None:
        pytest.skip("this machine has no git, and the check reads what git tracks")
    shutil.copytree(SCRIPTS, tmp_path / "packaging")
    (tmp_path / "constraints").mkdir()
    (tmp_path / "constraints" / "all.txt").write_text("click==8.3.0 --hash=sha256:00\n")
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


def _check_tree(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(checkout / "packaging" / "check-tree.sh")],
        env={"PATH": os.environ["PATH"], "HOME": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_clean_tree_passes(checkout: Path) -> None:
    done = _check_tree(checkout)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("notes.md", "pip install -i https://pypi" + ".org/simple offramp\n"),
        ("notes.md", "see " + "/".join(["", "work", "main"]) + "\n"),
        ("uv.lock", "version = 1\n"),
        ("constraints/all.txt", "--index-url mirror\n"),
        ("packaging/__init__.py", ""),
    ],
)
def test_tree_with_something_of_one_machine_is_refused(
    checkout: Path, name: str, text: str
) -> None:
    (checkout / name).write_text(text)
    done = _check_tree(checkout)
    assert done.returncode == 1
    assert name in done.stderr


def test_copy_of_a_checkout_is_as_it_stands_without_what_is_ignored(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def run(script: str) -> None:
        environ = {"PATH": os.environ["PATH"], "HOME": str(checkout), "COPY": str(copy)}
        subprocess.run(["/bin/sh", "-euc", script], cwd=checkout, env=environ, check=True)

    copy = tmp_path_factory.mktemp("other") / "copy"
    (checkout / ".gitignore").write_text(".venv/\n")
    (checkout / "gone").touch()
    run("git add . && git -c user.name=a -c user.email=a@b commit --quiet -m first && rm gone")
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "python").touch()
    (checkout / "a new one").write_text("new")
    run('. packaging/bare.sh && copy_checkout "$COPY"')
    assert (copy / "a new one").read_text() == "new"
    assert (copy / "packaging" / "bare.sh").exists()
    assert not (copy / "gone").exists()
    assert not (copy / ".venv").exists()


def _desktop(
    tmp_path: Path, ldconfig: str, *, kind: str = "desktop", **programs: str
) -> subprocess.CompletedProcess[str]:
    """What `system-packages.sh desktop` says where only these programs are."""
    tools = tmp_path / "tools"
    for name in ("tr", "find", "grep", "mkdir", "env", "id", "cat", "tail"):
        found = shutil.which(name)
        assert found is not None
        tools.mkdir(exist_ok=True)
        if name not in programs:
            (tools / name).symlink_to(found)
    _program(tools, "uname", "#!/bin/sh\necho Linux\n")
    _program(tools, "ldconfig", f"#!/bin/sh\nprintf '{ldconfig}'\n")
    for name, text in programs.items():
        _program(tools, name.replace("_", "-"), text)
    return subprocess.run(
        ["/bin/sh", str(SCRIPTS / "system-packages.sh"), kind],
        env={"PATH": str(tools), "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )


def test_libraries_that_qt_lacks_are_installed_where_that_is_allowed(tmp_path: Path) -> None:
    done = _desktop(
        tmp_path,
        "\\tlibEGL.so.1 (libc6) => /x\\n",
        id="#!/bin/sh\necho 0\n",
        apt_get='#!/bin/sh\necho "$@" >>"$HOME/asked"\n',
    )

    asked = (tmp_path / "asked").read_text()
    assert done.returncode == 0
    assert "libxcb-cursor0" in asked
    assert "xvfb" not in asked
    assert "libegl1" not in asked


def test_programs_that_tests_start_are_installed_where_that_is_allowed(tmp_path: Path) -> None:
    done = _desktop(
        tmp_path,
        "",
        kind="tests",
        id="#!/bin/sh\necho 0\n",
        apt_get='#!/bin/sh\necho "$@" >>"$HOME/asked"\n',
        Xvfb="#!/bin/sh\n",
    )

    asked = (tmp_path / "asked").read_text()
    assert done.returncode == 0
    of_package = ["dpkg-dev", "desktop-file-utils", "shellcheck"]
    assert asked.split()[-6:] == ["xauth", "dbus", "gnome-keyring", *of_package]


def test_missing_libraries_are_named_and_stop_nothing(tmp_path: Path) -> None:
    done = _desktop(tmp_path, "", id="#!/bin/sh\necho 1000\n", apt_get="#!/bin/sh\nexit 1\n")

    assert done.returncode == 0
    assert "sudo apt-get install -y --no-install-recommends" in done.stderr
    assert "libegl1" in done.stderr
    assert "Set-up goes on without them" in done.stderr


def test_what_is_missing_is_named_again_and_not_installed(tmp_path: Path) -> None:
    asked = '#!/bin/sh\necho "$@" >>"$HOME/asked"\n'
    done = _desktop(tmp_path, "", kind="missing", id="#!/bin/sh\necho 0\n", apt_get=asked)

    assert done.returncode == 0
    assert "apt-get install -y --no-install-recommends" in done.stderr
    assert "libegl1" in done.stderr
    assert "dbus" in done.stderr
    assert not (tmp_path / "asked").exists()


def test_nothing_is_said_where_nothing_is_missing(tmp_path: Path) -> None:
    libraries = re.findall(r"^(lib\S+\.so\.\d+) ", SYSTEM_PACKAGES.read_text(), re.MULTILINE)
    for_tests = ["Xvfb", "xauth", "dbus_daemon", "gnome_keyring_daemon"]
    for_package = ["dpkg_shlibdeps", "desktop_file_validate", "shellcheck"]
    programs = dict.fromkeys([*for_tests, *for_package], "#!/bin/sh\n")
    (tmp_path / ".local" / "share" / "fonts").mkdir(parents=True)
    (tmp_path / ".local" / "share" / "fonts" / "any.ttf").touch()
    ldconfig = "".join(f"\\t{library} => /x\\n" for library in libraries)
    done = _desktop(tmp_path, ldconfig, kind="missing", **programs)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_other_systems_are_told_what_is_missing(tmp_path: Path) -> None:
    done = _desktop(tmp_path, "")

    assert done.returncode == 0
    assert "libfontconfig1" in done.stderr
