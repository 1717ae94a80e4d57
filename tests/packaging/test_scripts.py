"""The set-up's scripts, where they must cope with what a machine has or lacks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "packaging"
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
    assert "3.11, 3.12 or 3.13" in done.stderr


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
