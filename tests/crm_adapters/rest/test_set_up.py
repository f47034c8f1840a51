"""Set-up: the proof that ordering twice orders once, and what would be sent."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from fake_crm import FakeCrm

from actors.model.secrets import Secret
from crm_adapters.proving import prove_ordering_once
from crm_adapters.rest import SPEC, RestConfig
from crm_adapters.rest.adapter import RestAdapter
from crm_adapters.rest.sandbox import SANDBOX as SHOP
from crm_adapters.rest.sandbox.vendors import ERPNEXT, HUBSPOT, ODOO, SERVICENOW
from crm_adapters.sandboxing import SandboxOptions, SandboxSpec, listening
from crm_adapters.testing import OWNER, TickingClock, deps, offer_query, order_from
from hub.cli.root import cli

CANARY = "c4n4ry-do-not-show"
SYSTEMS = [SHOP, ODOO, HUBSPOT, SERVICENOW, ERPNEXT]


@asynccontextmanager
async def connected(spec: SandboxSpec, manifest_file: Path | None = None) -> AsyncGenerator[RestAdapter, None]:
    """Open the adapter against a sandbox whose secrets are canaries."""
    secrets = {name: CANARY for name in spec.credentials if name not in {"client_id", "username", "webhook_secret"}}
    known = {**spec.credentials, **secrets}
    options = SandboxOptions(clock=TickingClock(), accounts=(OWNER,), credentials=known)
    async with listening(spec, options) as base_url:
        config = RestConfig(
            base_url=base_url,
            internal_hosts=("127.0.0.1",),
            manifest="shop" if spec is SHOP else spec.name,
            manifest_file=manifest_file,
            client_id=known.get("client_id", ""),
            username=known.get("username", ""),
            client_secret=Secret(CANARY),
            password=Secret(CANARY),
            api_key=Secret(CANARY),
            variables={"company": "Seller"},
        )
        async with SPEC.open(config, deps()) as adapter:
            assert isinstance(adapter, RestAdapter)
            yield adapter


@pytest.mark.parametrize("spec", SYSTEMS, ids=lambda spec: spec.name)
async def test_every_shipped_manifest_proves_that_it_orders_once(spec: SandboxSpec) -> None:
    async with connected(spec) as adapter:
        offers = await adapter.find_offers(offer_query())
        proof = await prove_ordering_once(adapter, order_from(offers.offers[0]))
    assert (proof.holds, proof.left) == (True, ()), proof


async def test_a_manifest_that_only_claims_to_be_safe_is_found_out(edited_shop: Callable[..., Path]) -> None:
    put = 'method = "PUT"\npath = "/api/v1/orders/{in.key}"\nheaders = { If-None-Match = "*" }\n'
    bare = 'method = "POST"\npath = "/api/v1/orders"\n'
    key = '[operations.place_order.body]\nreference = "${in.key}"\n'
    claims = edited_shop((put, bare), ("[operations.place_order.body]\n", key))
    async with connected(SHOP, claims) as adapter:
        offers = await adapter.find_offers(offer_query())
        proof = await prove_ordering_once(adapter, order_from(offers.offers[0]))
    assert not proof.holds
    assert "made a second record" in proof.said
    assert "SO-1002" in proof.left


async def test_a_crm_that_can_prove_nothing_gets_no_test_order() -> None:
    blind = FakeCrm(unique_key=False, search_by_key=False)
    offers = await blind.find_offers(offer_query())
    proof = await prove_ordering_once(blind, order_from(offers.offers[0]))
    assert not proof.holds
    assert "a person confirms every order" in proof.said


@pytest.mark.parametrize(
    ("spec", "steps"),
    [
        (SHOP, ["create"]),
        (ODOO, ["search first", "customer", "products", "create", "confirmed"]),
        (HUBSPOT, ["customer", "products", "lines", "create"]),
        (SERVICENOW, ["search first", "customer", "items", "create", "itemised", "in process"]),
        (ERPNEXT, ["customer", "create", "submitted"]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
async def test_a_dry_run_shows_every_request_and_no_secret(spec: SandboxSpec, steps: list[str]) -> None:
    async with connected(spec) as adapter:
        offers = await adapter.find_offers(offer_query())
        order = order_from(offers.offers[0])
        shown = adapter.previews(order)
    assert [preview.step for preview in shown] == steps
    text = msgspec.json.encode(shown).decode()
    assert order.key in text
    assert CANARY not in text
    assert "depends on" not in text


def test_the_command_names_a_connection_that_is_not_there(tmp_path: Path) -> None:
    profile = Path(__file__).parents[3] / "examples/plant/profiles/ink_printer.toml"
    config = tmp_path / "hub.toml"
    config.write_text(f'[hub]\nname = "x"\ndata_dir = "data"\nprofiles = ["{profile}"]\n\n[protocols.http]\n')
    sent = ["crm", "prove", "shop", "--owner", "o", "--sku", "s", "-c", str(config)]
    result = CliRunner().invoke(cli, sent)
    assert (result.exit_code, "there is no [crm.shop]" in result.output) == (2, True)
