from collections.abc import Callable
from pathlib import Path

import pytest

from actors.model.errors import ConfigError
from actors.model.secrets import Secret
from crm_adapters.rest import RestConfig
from crm_adapters.rest.adapter import load_program
from crm_adapters.rest.reading import shipped_names

NEEDED = {"tryton": {"database": "crm"}, "erpnext": {"company": "Seller"}}
Edited = Callable[..., Path]
FIND_ORDER = '[operations.find_by_key.order]\nmethod = "GET"\npath = "/api/v1/orders/{in.key}"\n'


def load(manifest_file: Path | None = None, manifest: str = "shop", **variables: str) -> None:
    config = RestConfig(
        base_url="https://shop.example",
        manifest=manifest,
        manifest_file=manifest_file,
        client_id="id",
        client_secret=Secret("s"),
        username="u",
        password=Secret("p"),
        api_key=Secret("k"),
        variables=variables,
    )
    load_program(config)


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_manifest_loads(name: str) -> None:
    load(manifest=name, **NEEDED.get(name, {}))


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (
            ('method = "GET"\npath = "/api/v1/offers"', 'methd = "GET"\npath = "/"'),
            r"\[operations.find_offers\] methd: .* did you mean 'method'",
        ),
        (
            ('outcome = "conflict"', 'outcome = "maybe"'),
            r"\[operations.place_order.rules\[0\]\] outcome: expected one of .*'maybe'",
        ),
        (('kind = "oauth2"', 'kind = "magic"'), r"\[auth\] kind: expected one of none, basic, .*'magic'"),
        (('title = "Shop"\n', ""), r"title: is missing; expected a text"),
        (
            ('idempotency = "create_only"\nrecord = "body.order', 'record = "body.order'),
            r"place_order\] idempotency: is m",
        ),
        (("${in.fingerprint}", "${in.fingerprin}"), r"\[operations.place_order\] body.fingerprint: is null"),
        (("{sku: sku, quantity: quantity}", "{sku: sk, quantity: quantity}"), r"body.lines\[0\].sku: is null"),
        (("/orders/{in.key}", "/orders/{in.kye}"), r"\[operations.place_order\] path: expected a text"),
        (('"${in.quantity}"', '"${in.amount}"'), r"\[operations.find_offers\] query: expected a text"),
        (("to_minor(item.tax", "to_minro(item.tax"), r"\[offers\] tax: .* calls to_minro\(\)"),
        (('"record.number"', '"recrd.number"'), r"\[records.order\] number: .* names 'recrd'"),
        (("lookup('urgency'", "lookup('urgent'"), r"tables are: urgency"),
        (('items = "body.offers"\n', ""), r"\[operations.find_offers\] items: is missing"),
        (('cursor = "body.cursor"\n', ""), r"\[operations.changes\] cursor: is missing"),
        ((FIND_ORDER, ""), r"\[operations.find_by_key.order\] is missing; place_order needs it"),
        (('path = "/api/v1/offers"', 'path = "api/v1/offers"'), r"does not begin with a slash"),
        (('test = "${in.is_test}"', 'site_id = "${config.site_id}"'), r"body.site_id: is null"),
    ],
)
def test_a_manifest_that_cannot_work_is_refused_with_file_table_and_key(
    edited_shop: Edited, edit: tuple[str, str], says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as refused:
        load(edited_shop(edit))
    assert "edited.toml" in str(refused.value)


def test_all_problems_are_told_at_once(edited_shop: Edited) -> None:
    path = edited_shop(
        ('"record.number"', '"recrd.number"'), ("to_minor(item.tax", "to_minro(item.tax"), (FIND_ORDER, "")
    )
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert len(str(refused.value).splitlines()) == 6  # the file, three numbers, one tax, one look-up


def test_the_operators_variables_stand_where_the_manifest_reads_them(edited_shop: Edited) -> None:
    load(edited_shop(('test = "${in.is_test}"', 'site_id = "${config.site_id}"')), site_id="7")


def test_an_unknown_name_lists_the_shipped_ones() -> None:
    with pytest.raises(ConfigError, match=r"'sap': expected one of .*shop"):
        load(manifest="sap")


@pytest.mark.parametrize(("text", "says"), [("[x", "is no TOML"), (None, "cannot be read")])
def test_a_file_that_is_no_manifest_is_named(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "mine.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=f"mine.toml.*{says}"):
        load(path)


def test_missing_credentials_are_named_before_anything_is_opened() -> None:
    with pytest.raises(ConfigError, match="needs client_id and client_secret"):
        load_program(RestConfig(base_url="https://shop.example"))
