"""The bundle: its sources always, and the built one where OFFRAMP_BUNDLE names its folder."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from daemon_process import environment, free_port, read_records, write_config
from installed_offramp import InstalledOfframp
from patience import PATIENCE_S
from proxy_harness import ZAI_KEY
from stream_load import StreamLoad
from supervised import supervised
from user_systemd import user_systemd

from offramp_core import programs

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from offramp_simulator import Simulator

TOP = Path(__file__).parents[2]
SOURCES = TOP / "packaging" / "bundle"
WHEEL_DAEMON = TOP / ".venv" / "bin" / "offramp-daemon"
BUNDLE = Path(os.environ.get("OFFRAMP_BUNDLE", "/nowhere")).absolute()

needs_bundle = pytest.mark.skipif(
    not (BUNDLE / "offramp").exists(), reason="make bundle, then set OFFRAMP_BUNDLE to its folder"
)


# Its sources.


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SOURCES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def inventory(*distributions: str, libraries: tuple[dict[str, str], ...] = ()) -> dict[str, Any]:
    parts = [{"name": name, "version": "1"} for name in distributions]
    return {"distributions": parts, "libraries": list(libraries)}


def test_spec_is_python_and_keeps_a_place_for_macos() -> None:
    text = (SOURCES / "offramp.spec").read_text(encoding="utf-8")
    compile(text, "offramp.spec", "exec")
    assert 'if sys.platform == "darwin":' in text


@pytest.mark.parametrize("script", ["build.sh", "tarball.sh", "install.sh", "test.sh"])
def test_script_is_what_a_posix_shell_takes(script: str) -> None:
    subprocess.run(["sh", "-n", str(SOURCES / script)], check=True)


def test_launcher_restores_the_environment_before_it_does_anything_else() -> None:
    tree = ast.parse((SOURCES / "launcher.py").read_text(encoding="utf-8"))
    (main,) = [
        each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == "main"
    ]
    assert ast.unparse(main.body[1]) == "programs.restore_environment(os.environ)"
    imported = [each for each in tree.body if isinstance(each, ast.Import | ast.ImportFrom)]
    names = [ast.unparse(each) for each in imported]
    ours = [name for name in names if "offramp" in name]
    assert all("offramp_core" in name for name in ours)  # which loads no toolkit


def test_each_distribution_comes_with_its_text() -> None:
    texts = list(load("licenses").sections(inventory("aiohttp", "pystray")))
    assert "Apache License" in texts[0]
    assert "LESSER GENERAL PUBLIC" in texts[1].upper()


@pytest.mark.parametrize("name", ["PySide6_Essentials", "pyside6-essentials", "shiboken6"])
def test_qt_comes_with_the_texts_of_the_lgpl_and_of_the_gpl_that_it_adds_to(name: str) -> None:
    text = next(iter(load("licenses").sections(inventory(name))))
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in text
    assert "GNU GENERAL PUBLIC LICENSE" in text


def test_part_without_a_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    licenses = load("licenses")
    monkeypatch.setattr(licenses, "texts_of", lambda _name: iter(("  \n",)))
    with pytest.raises(licenses.MissingLicenseError, match="rich 1"):
        list(licenses.sections(inventory("rich")))


def test_library_of_the_system_without_a_text_is_refused() -> None:
    licenses = load("licenses")
    library = {"file": "libodd.so.1", "package": "", "version": ""}
    with pytest.raises(licenses.MissingLicenseError, match=re.escape("libodd.so.1")):
        list(licenses.sections(inventory(libraries=(library,))))


# The installer of the tar.gz, with a stand-in for what it installs.


@pytest.fixture
def unpack(tmp_path: Path) -> Callable[[str], Path]:
    def unpacked(version: str) -> Path:
        folder = tmp_path / f"offramp-{version}"
        (folder / "_internal").mkdir(parents=True)
        for name in ("offramp", "offramp-daemon"):
            (folder / name).write_text(f'#!/bin/sh\necho {version} "$@" >>"$HOME/ran"\n')
            (folder / name).chmod(0o755)
        text = (SOURCES / "install.sh").read_text().replace("@VERSION@", version)
        (folder / "install.sh").write_text(text)
        return folder

    return unpacked


def run_installer(home: Path, bundle: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    home.mkdir(exist_ok=True)
    return subprocess.run(
        ["sh", str(bundle / "install.sh"), *arguments],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def ran(home: Path) -> list[str]:
    return (home / "ran").read_text().splitlines()


needs_proc = pytest.mark.skipif(not Path("/proc/self/exe").exists(), reason="Linux's installer")


@needs_proc
def test_installer_links_the_version_in_use_and_passes_its_arguments_on(tmp_path, unpack) -> None:
    home = tmp_path / "home"
    assert run_installer(home, unpack("1.0"), "--yes").returncode == 0
    link = home / ".local" / "bin" / "offramp"
    assert link.readlink() == home / ".local" / "lib" / "offramp" / "1.0" / "offramp"
    assert ran(home)[-1] == "1.0 install --restart --yes"


@needs_proc
def test_upgrade_changes_the_links_and_removes_what_no_longer_runs(tmp_path, unpack) -> None:
    home = tmp_path / "home"
    run_installer(home, unpack("1.0"))
    assert run_installer(home, unpack("2.0")).returncode == 0
    assert ran(home)[-1].startswith("2.0 install")
    folders = [each.name for each in (home / ".local/lib/offramp").iterdir()]
    assert folders == ["2.0"]


@needs_proc
def test_older_version_stays_while_a_process_of_it_runs(tmp_path, unpack) -> None:
    home = tmp_path / "home"
    old = unpack("1.0")
    shutil.copy2("/bin/cat", old / "_internal" / "cat")
    run_installer(home, old)
    program = home / ".local/lib/offramp/1.0/_internal/cat"
    with subprocess.Popen([program], stdin=subprocess.PIPE) as running:
        said = run_installer(home, unpack("2.0")).stdout
        assert "still in use" in said
        assert program.exists()
        running.communicate(b"")
    run_installer(home, tmp_path / "offramp-2.0")
    assert not program.exists()


@needs_proc
def test_installer_run_again_copies_nothing_and_restarts_nothing(tmp_path, unpack) -> None:
    home = tmp_path / "home"
    bundle = unpack("1.0")
    run_installer(home, bundle)
    said = run_installer(home, bundle, "--no-tray")
    assert "Copying" not in said.stdout
    assert ran(home)[-1] == "1.0 install --no-tray"


@needs_proc
def test_other_build_of_the_same_version_gets_a_folder_of_its_own(tmp_path, unpack) -> None:
    home = tmp_path / "home"
    bundle = unpack("1.0")
    run_installer(home, bundle)
    with (bundle / "offramp").open("a") as program:
        program.write("# another build\n")
    assert run_installer(home, bundle).returncode == 0
    (target,) = (home / ".local/lib/offramp").iterdir()
    assert target.name.startswith("1.0-2")
    assert (home / ".local/bin/offramp").resolve().parent == target


@pytest.mark.parametrize("name", ["offramp", "offramp-daemon"])
@pytest.mark.parametrize("options", [(), ("--replace",)])
def test_installer_leaves_the_programs_of_others_alone(tmp_path, unpack, name, options) -> None:
    home = tmp_path / "home"
    stranger = home / ".local" / "bin" / name
    stranger.parent.mkdir(parents=True)
    stranger.write_text("")
    done = run_installer(home, unpack("1.0"), *options)
    assert done.returncode == 1
    assert "did not create it" in done.stderr
    assert not (home / ".local" / "lib").exists()


@needs_proc
def test_installer_takes_the_place_of_another_offramp_only_if_told_to(tmp_path, unpack) -> None:
    home = tmp_path / "home"
    link = home / ".local" / "bin" / "offramp"
    link.parent.mkdir(parents=True)
    link.symlink_to(home / ".local/share/pipx/venvs/offramp/bin/offramp")
    bundle = unpack("1.0")
    assert "--replace" in run_installer(home, bundle).stderr
    assert "pipx" in str(link.readlink())
    assert run_installer(home, bundle, "--replace", "--yes").returncode == 0
    assert link.readlink().parent.name == "1.0"
    assert ran(home)[-1] == "1.0 install --restart --yes"


def test_dry_run_of_the_installer_changes_nothing(tmp_path, unpack) -> None:
    home = tmp_path / "home"
    assert run_installer(home, unpack("1.0"), "--dry-run").returncode == 0
    assert list(home.iterdir()) == []


@needs_proc
def test_installer_uninstalls_with_the_installed_program(tmp_path, unpack) -> None:
    home = tmp_path / "home"
    bundle = unpack("1.0")
    run_installer(home, bundle)
    run_installer(home, bundle, "--uninstall", "--purge")
    assert ran(home)[-1] == "1.0 uninstall --purge"


@needs_proc
def test_older_version_that_runs_stays_where_the_home_folder_is_a_link(tmp_path, unpack) -> None:
    (tmp_path / "disk").mkdir()
    home = tmp_path / "home"
    home.symlink_to("disk")
    old = unpack("1.0")
    shutil.copy2("/bin/cat", old / "_internal" / "cat")
    run_installer(home, old)
    program = home / ".local/lib/offramp/1.0/_internal/cat"
    with subprocess.Popen([program], stdin=subprocess.PIPE) as running:
        assert "still in use" in run_installer(home, unpack("2.0")).stdout
        assert program.exists()
        running.communicate(b"")


@needs_proc
def test_installer_run_again_repairs_what_is_damaged(tmp_path, unpack) -> None:
    home = tmp_path / "home"
    bundle = unpack("1.0")
    (bundle / "_internal" / "library").write_text("whole")
    run_installer(home, bundle)
    (home / ".local/lib/offramp/1.0/_internal/library").write_text("damaged")
    assert run_installer(home, bundle).returncode == 0
    (target,) = (home / ".local/lib/offramp").iterdir()
    assert (target / "_internal/library").read_text() == "whole"
    assert (home / ".local/bin/offramp").resolve().parent == target


@needs_proc
def test_number_that_another_program_has_got_since_holds_nobody_up(tmp_path, unpack) -> None:
    home = tmp_path / "home"
    left = home / ".local/lib/offramp/.installing"
    left.mkdir(parents=True)
    (left / "pid").write_text(f"{os.getpid()}\n")
    assert run_installer(home, unpack("1.0")).returncode == 0


@needs_proc
def test_installer_waits_for_no_other_but_says_so(tmp_path, unpack) -> None:
    home = tmp_path / "home"
    left = home / ".local/lib/offramp/.installing"
    left.mkdir(parents=True)
    command = ["sh", "-c", "echo ready; read word", "install.sh"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"ready\n"
        (left / "pid").write_text(f"{other.pid}\n")
        done = run_installer(home, unpack("1.0"))
        other.communicate(b"\n")
    assert done.returncode == 1
    assert f"Another install.sh is running (process {other.pid})" in done.stderr
    assert (left / "pid").exists()


@pytest.mark.parametrize(
    "options", [("--help",), ("-h",), ("--yes", "--help"), ("--replace", "-h")]
)
def test_help_of_the_installer_changes_nothing(tmp_path, unpack, options) -> None:
    home = tmp_path / "home"
    done = run_installer(home, unpack("1.0"), *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: sh install.sh [--replace]" in done.stdout
    assert "set -eu" not in done.stdout
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("value", [None, "", "somewhere"])
@pytest.mark.parametrize("arguments", [(), ("--uninstall",), ("--dry-run",)])
def test_installer_without_a_home_folder_says_so(tmp_path, unpack, value, arguments) -> None:
    environ = (
        {"PATH": "/usr/bin:/bin"} if value is None else {"PATH": "/usr/bin:/bin", "HOME": value}
    )
    done = subprocess.run(
        ["sh", str(unpack("1.0") / "install.sh"), *arguments],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert f"HOME is '{value or ''}'" in done.stderr
    assert not (tmp_path / "somewhere").exists()


@needs_proc
def test_installer_finds_its_bundle_whatever_the_shell_looks_for_folders_in(
    tmp_path, unpack
) -> None:
    bundle = unpack("1.0")
    (tmp_path / "home").mkdir()
    done = subprocess.run(
        ["sh", f"{bundle.name}/install.sh"],
        env={"HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin", "CDPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_installer_uninstalls_no_other_offramp(tmp_path, unpack) -> None:
    home = tmp_path / "home"
    other = unpack("other")
    link = home / ".local" / "bin" / "offramp"
    link.parent.mkdir(parents=True)
    link.symlink_to(other / "offramp")
    done = run_installer(home, unpack("1.0"), "--uninstall")
    assert done.returncode == 1
    assert f"{link} is not from install.sh" in done.stderr
    assert not (home / "ran").exists()


# The built one.


def in_bundle(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = environment(home, **variables)
    command = [str(BUNDLE / "offramp"), *arguments]
    return subprocess.run(
        command,
        env=environ,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


def exe_of(pid: int) -> Path:
    return Path(f"/proc/{pid}/exe").readlink()


@needs_bundle
def test_bundle_holds_the_licence_of_each_part_that_it_lists() -> None:
    listed = json.loads((BUNDLE / "_internal" / "inventory.json").read_text())
    text = (BUNDLE / "THIRD-PARTY-LICENSES").read_text()
    for part in listed["distributions"]:
        assert f"\n{part['name']} {part['version']}\n" in text
    for library in listed["libraries"]:
        assert library["package"] in text
    assert "Replacing the LGPL libraries" in text


@needs_bundle
@pytest.mark.parametrize("before", [None, "/mine"])
def test_programs_of_the_system_see_nothing_of_the_bundle(tmp_path, before: str | None) -> None:
    seen = tmp_path / "seen"
    claude = tmp_path / "claude"
    claude.write_text(f'#!/bin/sh\nenv >"{seen}"\necho "2.0.0 (Claude Code)"\n')
    claude.chmod(0o755)
    variables = {} if before is None else {"LD_LIBRARY_PATH": before}
    in_bundle(tmp_path, "doctor", PATH=f"{tmp_path}:/usr/bin:/bin", **variables)
    lines = seen.read_text().splitlines()
    paths = [line for line in lines if line.startswith("LD_LIBRARY_PATH")]
    assert paths == ([] if before is None else [f"LD_LIBRARY_PATH={before}"])
    assert not [line for line in lines if line.startswith(("_PYI", "QT_PLUGIN", "QML"))]


@needs_bundle
@pytest.mark.parametrize("name", sorted(programs.MODULES))
def test_each_program_of_the_bundle_is_the_one_asked_for(tmp_path, name: str) -> None:
    if name == "keyring":
        command = b'{"do":"look","service":"offramp-test"}'
        done = subprocess.run(
            [str(BUNDLE / "offramp"), programs.PART_OPTION, name],
            input=command,
            env=environment(tmp_path),
            capture_output=True,
            check=True,
        )
        assert b'"outcome":' in done.stdout
    elif name == "charts-check":
        assert in_bundle(tmp_path, programs.PART_OPTION, name).stdout == ""
    else:
        command = [str(BUNDLE / name), "--version"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert said.startswith(f"{name}, version ")


@needs_bundle
def test_charts_are_drawn_without_a_display(tmp_path) -> None:
    file = tmp_path / "charts.png"
    done = in_bundle(tmp_path, "charts", "--screenshot", str(file))
    assert done.returncode == 0, done.stderr
    assert file.read_bytes().startswith(b"\x89PNG")


@needs_bundle
async def test_upgrades_from_wheel_to_bundle_to_bundle_and_back_lose_nothing(
    tmp_path: Path, sim: Simulator
) -> None:
    """Twenty streams at every moment; the daemon is the same process throughout."""
    versions = [tmp_path / "lib" / "offramp" / version for version in ("0.2.0", "0.3.0")]
    link = tmp_path / "bin" / "offramp-daemon"
    link.parent.mkdir()
    for folder in versions:
        folder.parent.mkdir(exist_ok=True, parents=True)
        shutil.copytree(BUNDLE, folder, symlinks=True, copy_function=os.link)

    def use(folder: Path) -> None:
        for name in ("offramp", "offramp-daemon"):
            new = link.with_name("new")
            new.symlink_to(folder / name)
            new.replace(link.with_name(name))

    use(versions[0])
    write_config(tmp_path, sim.anthropic_url, sim.zai_url)
    python = exe_of(os.getpid())
    async with supervised(tmp_path, command=[str(WHEEL_DAEMON)]) as running:
        load = StreamLoad(running.url, lanes=20, stream_s=2.0)
        pids, seen = [(await running.commands.status()).pid], []

        async def go_on(program: str, wanted: Path) -> None:
            await load.until_streams(10)
            await running.commands.restart(program)
            status = await running.until_serving(other_than=pids[-1])
            pids.append(status.pid)
            assert status.supervisor_pid == running.process.pid
            assert exe_of(status.pid) == wanted
            await running.until_said("Renewed", times=len(pids) - 1)
            seen.append(exe_of(running.process.pid))

        async with load.running(long_stream_s=20.0):
            await go_on(str(link), versions[0] / "offramp")
            use(versions[1])
            await go_on("", versions[1] / "offramp")
            await go_on(str(WHEEL_DAEMON), python)
        assert load.failures == []
        assert await running.stop() == 0
    assert seen == [versions[0] / "offramp", versions[1] / "offramp", python]
    assert Counter(record.status for record in running.records) == {"success": len(load.outcomes)}
    assert "Traceback" not in running.said


@needs_bundle
@pytest.mark.root
async def test_bundle_takes_over_the_login_item_of_a_wheel_under_streams(
    tmp_path: Path, sim: Simulator
) -> None:
    """In a real `systemd --user`, first installed as by `make install`."""
    home = tmp_path / "home"
    async with user_systemd(home) as systemd:
        wheel, port = InstalledOfframp(home), free_port()
        wheel.add("env-1")
        config = home / ".config" / "offramp" / "config.toml"
        config.parent.mkdir(parents=True)
        config.write_text(
            f'port = {port}\n[backend.anthropic]\nbase_url = "{sim.anthropic_url}"\n'
            f'[backend.zai]\nbase_url = "{sim.zai_url}"\nkey = "{ZAI_KEY}"\n'
        )
        config.chmod(0o600)
        installed = await systemd.run(wheel.command, "install", "--yes", "--no-tray")
        assert installed.code == 0, installed
        main_pid = await systemd.property_of("offramp.service", "MainPID")
        load = StreamLoad(f"http://127.0.0.1:{port}", lanes=20, stream_s=2.0)
        async with load.running(long_stream_s=20.0):
            await load.until_streams(10)
            script = str(BUNDLE / "install.sh")
            ending = await systemd.run("sh", script, "--replace", "--yes", "--no-tray")
            assert ending.code == 0, ending
            assert "restarted" in ending.out
            await load.until_streams(10)
        assert load.failures == []
        unit = (home / ".config/systemd/user/offramp.service").read_text()
        assert f'ExecStart="{home}/.local/bin/offramp-daemon"' in unit
        assert await systemd.property_of("offramp.service", "MainPID") == main_pid
        assert int(await systemd.property_of("offramp.service", "NRestarts")) == 0
        removed = await systemd.run(wheel.command, "uninstall", "--yes")
        assert removed.code == 0, removed
        assert not (home / ".local/lib/offramp").exists()
        assert not (home / ".local/bin/offramp").is_symlink()
    records = read_records(home / ".local" / "share" / "offramp" / "log")
    assert Counter(record.status for record in records) == {"success": len(load.outcomes)}
