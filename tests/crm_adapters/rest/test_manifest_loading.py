from collections.abc import Callable
from pathlib import Path

import pytest

from actors.model.errors import ConfigError
from actors.model.secrets import Secret
from crm_adapters.rest import RestConfig
from crm_adapters.rest.adapter import load_program
from crm_adapters.rest.manifest import Idempotency
from crm_adapters.rest.reading import SHIPPED, shipped_names

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


STEPS = """
[[operations.place_order.before]]
name = "customer"
method = "POST"
path = "/customers"
value = "body.id"

[[operations.place_order.after]]
name = "confirmed"
method = "POST"
path = "/confirm/{recrd.record_id}"

[operations.find_offers.pages]
next = "body.next"

[preflight]
path = "/"
header = "X"
expired = "stats == `403`"
"""


def test_steps_that_could_order_twice_or_never_end_are_refused_all_at_once(edited_shop: Edited) -> None:
    with pytest.raises(ConfigError) as refused:
        load(edited_shop(("[records.order]", STEPS + "[records.order]")))
    told = str(refused.value)
    assert "[operations.place_order.before[0]] repeatable: is missing" in told
    assert "[operations.place_order.after[0]] done, check: expected one of them" in told
    assert "names 'recrd'" in told
    assert "[operations.find_offers.pages] parameter, argument, header, link: expected one of them" in told
    assert "[records.order] complete: is missing" in told
    assert "[preflight] expired: " in told


def test_a_sample_record_finds_what_would_be_null_for_every_order(edited_shop: Edited) -> None:
    sample = '[records.order]\nsample = { id = 7, reference = "K", stat = "accepted" }\n'
    with pytest.raises(ConfigError, match=r"\[records.order\] status: 'record.status' is null for a sample"):
        load(edited_shop(("[records.order]\n", sample)))


def test_all_mistakes_of_shape_are_told_at_once(edited_shop: Edited) -> None:
    path = edited_shop(
        ('title = "Shop"\n', ""), ('scope = "shop"', "scope = 7"), ('outcome = "conflict"', 'outcome = "x"')
    )
    with pytest.raises(ConfigError) as refused:
        load(path)
    lines = str(refused.value).splitlines()[1:]
    assert sorted(line.split(":")[0].strip() for line in lines) == [
        "[auth] scope",
        "[operations.place_order.rules[0]] outcome",
        "title",
    ]


def test_a_manifest_without_key_and_search_needs_a_person_for_every_order(tmp_path: Path) -> None:
    text = (SHIPPED / "shop.toml").read_text()
    whole = text[: text.index("# ---------------------------------------------------------------- service")]
    begin, end = whole.index("[operations.find_by_key.order]"), whole.index("[records.order]")
    blind = (whole[:begin] + whole[end:]).replace('"create_only"', '"none"')
    path = tmp_path / "blind.toml"
    path.write_text(blind)
    config = RestConfig(base_url="https://x.example", manifest_file=path, client_id="i", client_secret=Secret("s"))
    program = load_program(config)
    assert program.operations["place_order"].idempotency is Idempotency.NONE
    assert not program.finds
