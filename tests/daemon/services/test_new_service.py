"""A service that speaks Anthropic's protocol takes one file and one entry in a list."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_S

import offramp_core

KEY = "acme-0123456789abcdef0123"
FILE = '''
"""Everything that is known of Acme's service."""

from offramp_core.backend import Backend, Route
from offramp_core.services.service import ErrorKind, Model, QuotaPage, Service

SERVICE = Service(
    title="Acme",
    company="Acme Inc.",
    backend=Backend(name="acme", base_url="https://api.acme.example/claude", auth="bearer"),
    error_codes={"out-of-credits": ErrorKind.QUOTA, "1302": ErrorKind.SERVER},
    models=(Model(name="acme-1", context_tokens=1_000_000),),
    routes=(Route(match="sonnet", backend="acme", send_model="acme-1"),),
    key_shape=r"acme-[0-9a-f]{20}",
    key_source="https://acme.example/keys",
)
'''
ASKED = """
import json, sys
from pathlib import Path
from offramp_core.config import loader
from offramp_core.config.loader import ConfigError
from offramp_core.keys import key_input
from offramp_core.paths import Paths
from offramp_core.redaction import mask_credentials
from offramp_core.services import SERVICES, service_of
from offramp_core.settings import Secret
from offramp_core.wording import colours
from offramp_core.wording.formatting import backend_name
from offramp_daemon.messages import request_body
from offramp_daemon.messages.answers import errors
from offramp_daemon.messages.answers.error_bodies import ServiceError
from offramp_daemon.routing import router

key, home = sys.argv[1], Path(sys.argv[2])
paths = Paths.under(home)


def load(text):
    paths.config_file.parent.mkdir(parents=True, exist_ok=True)
    paths.config_file.write_text(text)
    return loader.load(paths, {}).settings


def refusal(text):
    try:
        load(text)
    except ConfigError as error:
        return error.title
    return ""


def failure(code):
    error = ServiceError(code=code, message="no")
    return errors.from_delegate("acme", 400, error, service_of("acme"))


route = '[[route]]\\nmatch = "sonnet"\\nbackend = "acme"\\n'
settings = load(f'[backend.acme]\\nkey = "{key}"\\n{route}')
decision = router.decide(request_body.read(b'{"model":"claude-sonnet-5-5"}'), settings)
paths.config_file.write_text("")
notes = loader.load(paths, {"ANTHROPIC_BASE_URL": "https://api.acme.example"}).notes
hues = {colours.hue_of(service.name).on_light for service in SERVICES}
print(json.dumps({
    "sent to": [decision.backend.base_url, decision.backend.auth],
    "called": backend_name("acme"),
    "hues": len(hues) == len(SERVICES),
    "masked": mask_credentials(f"it says {key}."),
    "shapes": [key_input.has_usual_shape(Secret(text), "acme") for text in (key, "other")],
    "client": refusal('[backend.acme]\\nauth = "client"\\n'),
    "notes": notes,
    "statuses": [failure(code).status for code in ("out-of-credits", "1302", "1308")],
}))
"""


@pytest.fixture
def facts(tmp_path: Path) -> dict[str, Any]:
    """What a process says that finds the service in its copy of the core."""
    core = tmp_path / "core" / "offramp_core"
    shutil.copytree(Path(offramp_core.__file__).parent, core)
    (core / "services" / "acme.py").write_text(FILE)
    listing = core / "services" / "__init__.py"
    text = listing.read_text()
    changed = text.replace("    anthropic,\n", "    acme,\n    anthropic,\n", 1).replace(
        "(anthropic.SERVICE, zai.SERVICE)", "(anthropic.SERVICE, zai.SERVICE, acme.SERVICE)"
    )
    assert changed.count("acme") == 2
    listing.write_text(changed)
    answer = subprocess.run(
        [sys.executable, "-c", ASKED, KEY, str(tmp_path / "home")],
        env={**os.environ, "PYTHONPATH": str(core.parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def test_one_file_and_one_entry_make_a_service_known_everywhere(facts: dict[str, Any]) -> None:
    assert facts["sent to"] == ["https://api.acme.example/claude", "bearer"]
    assert facts["called"] == "Acme"
    assert facts["hues"]
    assert facts["masked"] == "it says ***."
    assert facts["shapes"] == [True, False]
    assert "credentials to Acme Inc." in facts["client"]
    assert "Acme Inc., which must not get your Claude login" in facts["notes"][0]
    assert facts["statuses"] == [429, 500, 400]
