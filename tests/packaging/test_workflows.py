"""The workflows: what they run exists, and they may do no more than they need."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

TOP = Path(__file__).parents[2]
WORKFLOWS = sorted((TOP / ".github" / "workflows").glob("*.yml"))
RELEASE = TOP / ".github" / "workflows" / "release.yml"
TARGETS = set(re.findall(r"^([a-z0-9-]+):.*##", (TOP / "Makefile").read_text(), re.MULTILINE))
_PINNED = re.compile(r"[\w-]+/[\w.-]+@(v\d+|[0-9a-f]{40})")
_STEPS_OF_THE_SHELL = {"if", "then", "fi", "mkdir", "rm", "echo", "cd"}
_PROGRAMS = _STEPS_OF_THE_SHELL | {"make", "sh", ".venv/bin/python", "apt-get", "gh"}
"""What a step may begin with; the last two belong to the machines that the jobs run on."""


def workflow(file: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(file.read_text())
    return loaded


def steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in workflow(file)["jobs"].values() for step in job["steps"]]


def commands(file: Path) -> list[list[str]]:
    """The words of each command that the workflow runs."""
    found = []
    for step in steps(file):
        for line in step.get("run", "").splitlines():
            for part in re.split(r"&&|\|\||;|\|", re.sub(r"\$\{\{.*?\}\}", "X", line)):
                text = re.sub(r"^[\s({!]*(?:umask \d+|\w+=\$\()?\s*", "", part).rstrip(" )")
                if text and not text.startswith(("[", "printf", "tee ", "#")):
                    found.append(shlex.split(text.replace("2>&1", "")))
    return [words for words in found if words]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_workflow_runs_only_what_there_is(file: Path) -> None:
    for words in commands(file):
        assert words[0] in _PROGRAMS, words
        if words[0] == "make":
            wanted = [word for word in words[1:] if "=" not in word]
            assert wanted, words
            assert set(wanted) <= TARGETS, words
        scripts = [word for word in words if word.startswith("packaging/")]
        assert all((TOP / script).is_file() for script in scripts), words


def test_makefile_can_be_read() -> None:
    subprocess.run(["make", "--dry-run", "help"], cwd=TOP, check=True, capture_output=True)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_workflow_names_a_version_of_each_action(file: Path) -> None:
    used = [step["uses"] for step in steps(file) if "uses" in step]
    assert used
    assert [each for each in used if not _PINNED.fullmatch(each)] == []


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_workflow_may_only_read_except_where_a_job_says_more(file: Path) -> None:
    read = workflow(file)
    assert read["permissions"] == {"contents": "read"}
    wider = {name: job["permissions"] for name, job in read["jobs"].items() if "permissions" in job}
    expected = {"contents": "write", "id-token": "write", "attestations": "write"}
    assert wider == ({"draft": expected} if file == RELEASE else {})


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_checkout_keeps_no_credential(file: Path) -> None:
    checkouts = [
        step for step in steps(file) if step.get("uses", "").startswith("actions/checkout")
    ]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_nothing_from_outside_is_put_into_a_script(file: Path) -> None:
    """An expression becomes text of the script, so secrets and names come by the environment."""
    for step in steps(file):
        found = re.findall(r"\$\{\{\s*([\w.]+)", step.get("run", ""))
        assert all(name.startswith(("matrix.", "runner.")) for name in found), step["run"]


@pytest.mark.parametrize(
    "tag",
    ["v1;touch${IFS}done", "v`touch${IFS}done`", "v$(touch${IFS}done)", "v$(shell,touch)", "v'\""],
)
def test_tag_that_looks_like_a_command_is_only_a_tag(tmp_path: Path, tag: str) -> None:
    (step,) = [each for each in steps(RELEASE) if "make release-check" in each.get("run", "")]
    (tmp_path / "Makefile").write_text("release-check:\n\t@printf '<%s>' $(ARGS)\n")
    done = subprocess.run(
        ["sh", "-c", step["run"]],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "GITHUB_REF_NAME": tag},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (f"<--tag><{tag}>", "")
    assert not (tmp_path / "done").exists()


def test_release_starts_by_a_tag_only_and_needs_every_job_before_its_draft() -> None:
    read = workflow(RELEASE)
    # YAML reads the key `on` as true.
    assert read[True] == {"push": {"tags": ["v*"]}}
    jobs = read["jobs"]
    assert set(jobs["draft"]["needs"]) == set(jobs) - {"draft"}
    assert {"ubuntu-latest", "macos-latest"} <= set(jobs["check"]["strategy"]["matrix"]["system"])
    assert "--draft" in jobs["draft"]["steps"][-1]["run"]


def test_release_has_a_time_limit_for_each_job() -> None:
    assert all(job["timeout-minutes"] <= 90 for job in workflow(RELEASE)["jobs"].values())


def test_secrets_reach_only_the_steps_that_sign() -> None:
    read = workflow(RELEASE)
    assert "env" not in read
    for name, job in read["jobs"].items():
        assert "secrets." not in str(job.get("env", ""))
        holders = [step for step in job["steps"] if "secrets." in str(step)]
        assert not holders or name == "macos"
