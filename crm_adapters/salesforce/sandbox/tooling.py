"""``/tooling/sobjects/CustomField``: fields added through the API.

Source: Salesforce Tooling API guide, CustomField.
"""

from typing import Any

import msgspec
from msgspec import Struct

from crm_adapters.salesforce.sandbox.api import Api
from crm_adapters.salesforce.sandbox.errors import Refusal, Reply, bad_request, not_found
from crm_adapters.salesforce.sandbox.ids import numbered_id
from crm_adapters.salesforce.sandbox.model import CUSTOMIZE


class _CustomField(Struct, frozen=True, kw_only=True, rename={"full_name": "FullName", "metadata": "Metadata"}):
    full_name: str
    metadata: dict[str, Any]


def answer_tooling(api: Api, method: str, path: tuple[str, ...], body: Any) -> Reply:
    """Answer one of the resources; ``path`` is what follows ``tooling``."""
    try:
        if (method, path) != ("POST", ("sobjects", "CustomField")):
            raise not_found()
        return _added(api, body)
    except Refusal as refusal:
        return refusal.reply()


def _added(api: Api, body: Any) -> Reply:
    store = api.organisation.store
    api.organisation.require(CUSTOMIZE)
    try:
        asked = msgspec.convert(body, _CustomField)
    except msgspec.ValidationError as error:
        raise bad_request("JSON_PARSER_ERROR", str(error)) from error
    with store.tables.transaction():
        store.model.add_field(asked.full_name, asked.metadata)
        number = store.tables.next_number("custom field")
    said: dict[str, Any] = {
        "id": numbered_id("00N", number),
        "success": True,
        "errors": [],
        "warnings": [],
        "infos": [],
    }
    return Reply(status=201, body=said)
