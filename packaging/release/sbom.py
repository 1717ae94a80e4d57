"""Writes the software bill of materials of this system's bundle, as CycloneDX 1.6 in JSON.

Usage: sbom.py FILE

The parts are the pins of constraints/app.txt that this system needs, and Python. Versions and
licences are those of the packages in the environment that runs this; a pin that is not installed
here, or in another version, ends it with an error.
"""

from __future__ import annotations

import json
import platform
import re
import sys
import uuid
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.markers import Marker
from packaging.utils import canonicalize_name
from release_facts import TOP, ReleaseError, project_version

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[^\s;\\]+)(?: *; *(?P<marker>[^\\\n]+))?",
    re.MULTILINE,
)
_NAMESPACE = uuid.UUID("5d5b0c1a-6f2e-4c0e-9f6b-4a3a1f9f4f52")
_CLASSIFIER = "License :: OSI Approved :: "
_LONGEST_NAME = 80


def main() -> None:
    """Write it."""
    if len(sys.argv) != 2:
        sys.exit("Usage: sbom.py FILE")
    try:
        document = bill(project_version())
    except ReleaseError as error:
        sys.exit(f"sbom.py: {error}")
    Path(sys.argv[1]).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def bill(version: str) -> dict[str, Any]:
    """Return the whole document.

    Raises:
        ReleaseError: a pinned package is not here, or says nothing of its licence.
    """
    pins = (TOP / "constraints" / "app.txt").read_text("utf-8")
    components = [_component(name, pinned) for name, pinned in wanted(pins)]
    system = f"{platform.system().lower()}-{platform.machine()}"
    refs = [each["bom-ref"] for each in components]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # The same parts always have the same number, so that a build can be repeated.
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, f'{version} {system} {refs}')}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "offramp",
                "name": "offramp",
                "version": version,
                "licenses": [{"expression": "MIT"}],
            },
            "properties": [{"name": "offramp:system", "value": system}],
        },
        "components": [*components, _python()],
        "dependencies": [{"ref": "offramp", "dependsOn": [*refs, "python"]}],
    }


def wanted(pins: str) -> Iterator[tuple[str, str]]:
    """Yield name and version of each pin that this system and this Python need."""
    for pin in _PIN.finditer(pins):
        marker = (pin["marker"] or "").strip()
        if not marker or Marker(marker).evaluate():
            yield canonicalize_name(pin["name"]), pin["version"]


def _component(name: str, version: str) -> dict[str, Any]:
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise ReleaseError(
            f"{name} {version} is pinned, but not installed here. Run `make setup`."
        ) from None
    if found.version != version:
        raise ReleaseError(
            f"{name} is pinned at {version}, but {found.version} is installed here. Run "
            "`make setup`."
        )
    address = f"pkg:pypi/{name}@{version}"
    return {
        "type": "library",
        "bom-ref": address,
        "name": name,
        "version": version,
        "purl": address,
        "licenses": [licence(found.metadata, name)],
    }


def licence(facts: metadata.PackageMetadata, name: str) -> dict[str, Any]:
    """Return the licence that a package's metadata states, the most exact statement first.

    Raises:
        ReleaseError: it states none.
    """
    if expression := facts.get("License-Expression"):
        return {"expression": expression}
    # Older packages write its name here, or all of its text.
    named = (facts.get("License") or "").strip()
    if named and len(named) <= _LONGEST_NAME:
        return {"license": {"name": named}}
    classifiers = [
        each.removeprefix(_CLASSIFIER)
        for each in facts.get_all("Classifier") or []
        if each.startswith(_CLASSIFIER)
    ]
    if classifiers:
        return {"license": {"name": "; ".join(classifiers)}}
    if named:
        return {"license": {"name": named.splitlines()[0][:_LONGEST_NAME]}}
    raise ReleaseError(f"The metadata of {name} name no licence: look at it before a release.")


def _python() -> dict[str, Any]:
    version = platform.python_version()
    return {
        "type": "platform",
        "bom-ref": "python",
        "name": "python",
        "version": version,
        "cpe": f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*",
        "licenses": [{"license": {"id": "Python-2.0"}}],
    }


if __name__ == "__main__":
    main()
