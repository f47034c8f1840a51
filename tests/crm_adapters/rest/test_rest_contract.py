from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from actors.model.secrets import Secret
from actors.ports import CrmAdapter
from crm_adapters.rest import SPEC, RestConfig
from crm_adapters.rest.sandbox import SANDBOX
from crm_adapters.testing import CrmAdapterContract, deps

CREATE_ONLY = """method = "PUT"
path = "/api/v1/orders/{in.key}"
headers = { If-None-Match = "*" }
idempotency = "create_only"
"""
OAUTH2 = 'kind = "oauth2"\ntoken_url = "/oauth/token"\nscope = "shop"\n'
REFERENCE = ("[operations.place_order.body]\n", '[operations.place_order.body]\nreference = "${in.key}"\n')
BY_PATH = """[operations.find_by_key.order]
method = "GET"
path = "/api/v1/orders/{in.key}"
"""
BY_SEARCH = """[operations.find_by_key.order]
method = "GET"
path = "/api/v1/orders"
query = { reference = "${in.key}" }
record = "body.orders[0]"
"""
REPLAYED = """
[[operations.place_order.rules]]
when = '''headers."idempotency-replayed" == 'true' || body.error.code == 'idempotency_key_reused' '''
outcome = "duplicate"
"""


class TestShop(CrmAdapterContract):
    sandbox = SANDBOX

    def open_adapter(self, base_url: str, *, wrong_credentials: bool) -> AbstractAsyncContextManager[CrmAdapter]:
        secret = "wrong" if wrong_credentials else SANDBOX.credentials["client_secret"]
        config = RestConfig(
            base_url=base_url,
            internal_hosts=("127.0.0.1",),
            client_id=SANDBOX.credentials["client_id"],
            client_secret=Secret(secret),
            read_timeout_s=3.0,
            total_timeout_s=4.0,
        )
        return SPEC.open(config, deps())


class ByApiKey(CrmAdapterContract):
    """The same shop with a key in a header, and orders by POST."""

    sandbox = SANDBOX
    manifest: Path

    def open_adapter(self, base_url: str, *, wrong_credentials: bool) -> AbstractAsyncContextManager[CrmAdapter]:
        key = "wrong" if wrong_credentials else SANDBOX.credentials["api_key"]
        config = RestConfig(
            base_url=base_url,
            internal_hosts=("127.0.0.1",),
            manifest_file=self.manifest,
            api_key=Secret(key),
            read_timeout_s=3.0,
            total_timeout_s=4.0,
        )
        return SPEC.open(config, deps())


class TestIdempotencyKey(ByApiKey):
    @pytest.fixture(autouse=True)
    def write_manifest(self, edited_shop: Callable[..., Path]) -> None:
        posted = 'method = "POST"\npath = "/api/v1/orders"\nidempotency = "idempotency_key"\n'
        rules = ("\n[operations.find_by_key.order]", REPLAYED + "\n[operations.find_by_key.order]")
        first = '[[operations.place_order.rules]]\nwhen = "status == `422` || status == `409`"'
        not_reused = first.replace("`422`", "`422` && body.error.code != 'idempotency_key_reused'")
        auth = (OAUTH2, 'kind = "header"\nheader = "X-Api-Key"\n')
        self.manifest = edited_shop(auth, (CREATE_ONLY, posted), REFERENCE, rules, (first, not_reused))


class TestSearchFirst(ByApiKey):
    @pytest.fixture(autouse=True)
    def write_manifest(self, edited_shop: Callable[..., Path]) -> None:
        posted = 'method = "POST"\npath = "/api/v1/orders"\nidempotency = "search_first"\n'
        auth = (OAUTH2, 'kind = "header"\nheader = "X-Api-Key"\n')
        self.manifest = edited_shop(auth, (CREATE_ONLY, posted), REFERENCE, (BY_PATH, BY_SEARCH))

    async def test_it_declares_that_the_crm_knows_no_unique_key(self) -> None:
        async with self.bench() as bench:
            assert not bench.adapter.capabilities.unique_key
