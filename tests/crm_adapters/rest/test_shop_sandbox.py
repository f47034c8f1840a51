from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest

from crm_adapters.rest.sandbox import SANDBOX
from crm_adapters.sandboxing import SandboxOptions, listening
from crm_adapters.testing import TickingClock

CREATE = {"If-None-Match": "*"}


def order(**changes: Any) -> dict[str, Any]:
    lines = [{"sku": "INK-XL-BK", "quantity": 2}]
    return {"customer": "owner-1", "machine": {"id": "printer-7"}, "lines": lines, "currency": "EUR", **changes}


@pytest.fixture
async def shop() -> AsyncGenerator[aiohttp.ClientSession, None]:
    headers = {"X-Api-Key": SANDBOX.credentials["api_key"]}
    async with (
        listening(SANDBOX, SandboxOptions(clock=TickingClock(), accounts=("owner-1",))) as base_url,
        aiohttp.ClientSession(base_url, headers=headers) as session,
    ):
        yield session


async def said(shop: aiohttp.ClientSession, method: str, path: str, **details: Any) -> tuple[int, Any]:
    async with shop.request(method, path, **details) as reply:
        return reply.status, await reply.json()


@pytest.mark.parametrize(
    ("body", "field", "text"),
    [
        (order(customer="stranger"), "customer", "no customer 'stranger'"),
        (order(lines=[{"sku": "X", "quantity": 1}]), "lines[0].sku", "not in the catalogue"),
        (order(lines=[{"sku": "INK-XL-BK", "quantity": 0}]), "lines[0].quantity", ">= 1"),
        (order(lines=[{"sku": "INK-XL-BK"}]), "lines[0].quantity", "is required"),
        (order(colour="red"), "colour", "is not a field of this form"),
        (order(currency="USD"), "currency", "sold in EUR, not in USD"),
        ({}, "customer", "is required"),
    ],
)
async def test_a_wrong_field_is_named_with_what_is_wrong(
    shop: aiohttp.ClientSession, body: Any, field: str, text: str
) -> None:
    status, answer = await said(shop, "PUT", "/api/v1/orders/A", json=body, headers=CREATE)
    (error,) = answer["error"]["fields"]
    assert (status, answer["error"]["code"], error["field"]) == (422, "validation_failed", field)
    assert text in error["message"]


async def test_put_only_creates_and_never_changes(shop: aiohttp.ClientSession) -> None:
    assert (await said(shop, "PUT", "/api/v1/orders/A", json=order()))[0] == 428
    assert (await said(shop, "PUT", "/api/v1/orders/A", json=order(), headers=CREATE))[0] == 201
    status, answer = await said(shop, "PUT", "/api/v1/orders/A", json=order(note="other"), headers=CREATE)
    assert (status, answer["order"]["note"]) == (412, "")


async def test_an_idempotency_key_answers_again_and_refuses_another_body(shop: aiohttp.ClientSession) -> None:
    key = {"Idempotency-Key": "k"}
    first = await said(shop, "POST", "/api/v1/orders", json=order(), headers=key)
    assert first == await said(shop, "POST", "/api/v1/orders", json=order(), headers=key)
    status, answer = await said(shop, "POST", "/api/v1/orders", json=order(note="other"), headers=key)
    assert (first[0], status, answer["error"]["code"]) == (201, 422, "idempotency_key_reused")


async def test_a_bare_post_orders_each_time(shop: aiohttp.ClientSession) -> None:
    for _ in range(2):
        await said(shop, "POST", "/api/v1/orders", json=order(reference="A"))
    assert len((await said(shop, "GET", "/api/v1/orders?reference=A"))[1]["orders"]) == 2


async def test_an_order_at_another_price_than_offered_is_refused(shop: aiohttp.ClientSession) -> None:
    body = order(expected_total="1.00")
    status, answer = await said(shop, "PUT", "/api/v1/orders/A", json=body, headers=CREATE)
    assert (status, answer["error"]["code"]) == (409, "price_changed")


async def test_what_is_not_in_stock_is_not_sold(shop: aiohttp.ClientSession) -> None:
    body = order(lines=[{"sku": "ENGINE-MOD-1", "quantity": 30}])
    assert (await said(shop, "PUT", "/api/v1/orders/A", json=body, headers=CREATE))[0] == 201
    status, answer = await said(shop, "PUT", "/api/v1/orders/B", json=body, headers=CREATE)
    assert (status, answer["error"]["code"]) == (409, "out_of_stock")


async def test_prices_break_with_quantity_and_coupons_take_off(shop: aiohttp.ClientSession) -> None:
    path = "/api/v1/offers?sku=INK-XL-BK&quantity=12&coupon=MACHINE5&coupon=OLD"
    (offer,) = (await said(shop, "GET", path))[1]["offers"]
    amounts = [(discount["title"], discount["amount"]) for discount in offer["discounts"]]
    assert offer["goods"] == "478.80"
    assert amounts == [("Machine price", "96.00"), ("Coupon MACHINE5", "19.14")]
    assert offer["refused_coupons"] == [{"code": "OLD", "reason": "discount_code_invalid"}]


async def test_nobody_enters_without_token_or_key(shop: aiohttp.ClientSession) -> None:
    for headers in ({"X-Api-Key": "guess"}, {"X-Api-Key": "", "Authorization": "Bearer shop-token-1"}):
        status, answer = await said(shop, "GET", "/api/v1/offers", headers=headers)
        assert (status, answer["error"]["code"]) == (401, "unauthorized")


async def test_a_shipped_order_cannot_be_cancelled(shop: aiohttp.ClientSession) -> None:
    _, created = await said(shop, "PUT", "/api/v1/orders/A", json=order(), headers=CREATE)
    await shop.post("/_sandbox/advance", json={"record_id": created["id"], "status": "fulfilled"})
    status, answer = await said(shop, "POST", "/api/v1/orders/A/cancel", json={"reason": "changed my mind"})
    assert (status, answer["error"]["code"]) == (409, "too_late")
