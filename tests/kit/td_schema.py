"""The W3C's JSON schema for Thing Descriptions 1.1, installed by npm into the cache (its licence: W3C-20150513)."""

import fcntl
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

HOME = Path(__file__).parents[2] / ".cache" / "wot-td-schema"
PACKAGE = "wot-thing-description-types@1.1.0-24-May-2023"
_FILE = "node_modules/wot-thing-description-types/schema/td-json-schema-validation.json"


class NoSchema(Exception):
    """The schema cannot be had here; the text says why."""


def td_schema() -> dict[str, Any]:
    """Return the schema, installing it at the first time.

    Raises:
        NoSchema: npm or the package cannot be had.
    """
    if shutil.which("npm") is None:
        raise NoSchema(f"{PACKAGE}: npm is not installed")
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (HOME / _FILE).exists():
            _install()
    found: dict[str, Any] = json.loads((HOME / _FILE).read_text())
    return found


def _install() -> None:
    npm = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(HOME), PACKAGE]
    try:
        subprocess.run(npm, check=True, capture_output=True, timeout=120, text=True)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise NoSchema(f"{PACKAGE} cannot be installed: {said[-1] if said else error}") from error
