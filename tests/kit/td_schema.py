"""The W3C's JSON schema for Thing Descriptions 1.1, installed by npm into the cache (its licence: W3C-20150513)."""

import json
from typing import Any

from hub.bench import npm

PACKAGE = "wot-thing-description-types@1.1.0-24-May-2023"
_FILE = "wot-thing-description-types/schema/td-json-schema-validation.json"


class NoSchema(Exception):
    """The schema cannot be had here; the text says why."""


def td_schema() -> dict[str, Any]:
    """Return the schema, installing it at the first time.

    Raises:
        NoSchema: node, npm or the package cannot be had.
    """
    found: dict[str, Any] = json.loads((npm.installed(PACKAGE, NoSchema) / _FILE).read_text())
    return found
