"""The owners' API over HTTP: who may what, what wrong input is told, and what people decide."""

from pathlib import Path
from typing import Any

import pytest
from fake_crm import FakeCrm
from served_hub import MANDATE, sent_raw, served_hub, thing

from actors.model.outcomes import Transient


def told(**changes: Any) -> dict[str, Any]:
    return MANDATE | changes


PRIVATE = [
    ("GET", "/api/v1/things/printer-1"),
    ("POST", "/api/v1/things/printer-1/off"),
    ("POST", "/api/v1/things/printer-1/retire"),
    ("POST", "/api/v1/owners/firm/off"),
    ("POST", "/api/v1/mandates/m1/revoke"),
]


async def test_nobody_acts_without_a_token_that_the_hub_gave(tmp_path: Path) -> None:
    async with served_hub(tmp_path) as operator:
        for token in ("", "guessed", " "):
            for method, path in [*PRIVATE, ("GET", "/api/v1/orders")]:
                status, problem = await operator.with_token(token).ask(method, path)
                assert (status, problem["code"], problem["status"]) == (401, "unauthorized", 401)
        assert (await operator.with_token("").get("/healthz"))[0] == 200


async def test_a_token_that_is_no_text_is_refused_under_a_key_too(tmp_path: Path) -> None:
    async with served_hub(tmp_path) as operator:
        for key in (b"", b"\r\nIdempotency-Key: k"):
            assert await sent_raw(operator, b"POST /api/v1/owners/firm/off", b"Authorization: Bearer \xff" + key) == 401


async def test_a_thing_is_no_owner(tmp_path: Path) -> None:
    async with served_hub(tmp_path) as operator:
        printer = await operator.registered()
        for method, path in PRIVATE:
            assert (await printer.ask(method, path))[0] == 403


async def test_what_belongs_to_another_owner_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    async with served_hub(tmp_path) as operator:
        await operator.registered()
        await operator.post("/api/v1/mandates", told())
        stranger = await operator.owner("stranger")
        for method, path in PRIVATE:
            assert (await stranger.ask(method, path))[0] == 404, path
        assert (await stranger.get("/api/v1/things"))[1] == []
        assert (await stranger.get("/api/v1/mandates"))[1] == []
        assert (await stranger.post("/api/v1/things", thing("x")))[0] == 404
        assert (await stranger.post("/api/v1/things", thing("printer-1", "stranger")))[0] == 409
        assert (await stranger.get("/api/v1/dead-letters"))[0] == 403
        assert (await stranger.post("/api/v1/owners/firm/token"))[0] == 403


async def test_two_owners_may_give_their_mandates_the_same_name(tmp_path: Path) -> None:
    async with served_hub(tmp_path) as operator:
        firm, other = await operator.owner("firm"), await operator.owner("other")
        assert (await firm.post("/api/v1/mandates", told()))[0] == 201
        assert (await other.post("/api/v1/mandates", told(owner_id="other")))[0] == 201
        assert (await other.post("/api/v1/mandates/m1/revoke"))[0] == 200
        ((mandate,), (revoked,)) = [(await who.get("/api/v1/mandates"))[1] for who in (firm, other)]
        assert (mandate["revoked_at"], mandate["seal_holds"]) == (None, True)
        assert revoked["revoked_at"] is not None
        assert revoked["seal_holds"]
        assert (await operator.post("/api/v1/mandates/m1/revoke"))[0] == 409
        assert (await operator.post("/api/v1/mandates/m1/revoke?owner_id=firm"))[0] == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/api/v1/things", {"thing_id": "x"}, 422, "malformed"),
        ("/api/v1/things", thing("a thing with blanks"), 422, "malformed"),
        ("/api/v1/things", thing(profile="toaster"), 422, "unknown_profile"),
        ("/api/v1/things", thing("printer-1\n"), 422, "malformed"),
        ("/api/v1/things", thing(owner_id=""), 422, "malformed"),
        ("/api/v1/things", thing(owner_id="firm/other"), 422, "malformed"),
        ("/api/v1/things", thing(place={"name": "\x1b[31mred"}), 422, "malformed"),
        ("/api/v1/things", thing(serial="x" * 201), 422, "malformed"),
        ("/api/v1/things", thing(connection={"protocol": "htpp"}), 422, "unknown_protocol"),
        ("/api/v1/owners/%20/off", None, 422, "malformed"),
        ("/api/v1/owners/a%00b/token", None, 422, "malformed"),
        ("/api/v1/mandates", told(budget={"minor": "much"}), 422, "malformed"),
        ("/api/v1/mandates", told(mandate_id="m1\n"), 422, "malformed"),
        ("/api/v1/things/none/off", None, 404, "not_found"),
        ("/api/v1/orders/none/approve", None, 404, "not_found"),
        ("/api/v1/nowhere", None, 404, "not_found"),
    ],
)
async def test_wrong_input_is_told_as_a_problem(tmp_path: Path, path: str, body: Any, status: int, code: str) -> None:
    async with served_hub(tmp_path) as operator:
        got, problem = await operator.post(path, body)
        assert (got, problem["code"], problem["type"]) == (status, code, f"urn:iot2crm:problem:{code}")
        assert problem["detail"]


@pytest.mark.parametrize("body", [b'{"thing_id": "\xff"}', b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000])
async def test_bytes_that_are_no_json_are_the_askers_mistake(tmp_path: Path, body: bytes) -> None:
    async with served_hub(tmp_path) as operator:
        for path in ("/api/v1/things", "/api/v1/things/import", "/api/v1/mandates"):
            status, problem = await operator.post(path, data=body)
            assert (status, problem["code"]) == (422, "malformed")


EUR, USD = {"minor": 1, "currency": "EUR"}, {"minor": 1, "currency": "USD"}


@pytest.mark.parametrize(
    ("terms", "named"),
    [
        ({"levels": {}}, "levels"),
        ({"budget": {"minor": -1, "currency": "EUR"}}, "budget.minor"),
        ({"budget": {"minor": 10**40, "currency": "EUR"}}, "budget.minor"),
        ({"per_order_limit": {"minor": 2**63, "currency": "EUR"}}, "per_order_limit.minor"),
        ({"per_order_limit": USD}, "per_order_limit.currency"),
        ({"approval_above": USD}, "approval_above.currency"),
        ({"valid_until": "2001-01-01T00:00:00Z"}, "after now"),
        ({"valid_from": "2100-01-01T00:00:00Z"}, "after valid_from"),
        ({"valid_until": "9999-12-31T23:59:59-23:00"}, "1970 to 9000"),
        ({"valid_from": "0001-01-01T00:00:00+23:00"}, "1970 to 9000"),
    ],
)
async def test_terms_that_cannot_be_are_refused_and_named(tmp_path: Path, terms: dict[str, Any], named: str) -> None:
    async with served_hub(tmp_path) as operator:
        status, problem = await operator.post("/api/v1/mandates", told(**terms))
        assert (status, problem["code"]) == (422, "impossible_terms")
        assert named in problem["detail"]
        assert (await operator.get("/api/v1/mandates"))[1] == []
        assert (await operator.get("/api/v1/dead-letters"))[1] == []


async def test_every_impossible_term_is_told_at_once(tmp_path: Path) -> None:
    async with served_hub(tmp_path) as operator:
        wrong = told(levels={}, approval_above=USD, per_order_limit=EUR | {"minor": -1})
        _, problem = await operator.post("/api/v1/mandates", wrong)
        assert problem["detail"].count("; ") == 2


async def test_an_import_takes_what_is_right_and_tells_what_is_wrong(tmp_path: Path) -> None:
    rows = [thing("p1"), {"thing_id": "p2"}, 7, thing("p3", profile="toaster"), thing("p4")]
    async with served_hub(tmp_path) as operator:
        status, done = await operator.post("/api/v1/things/import", rows)
        assert (status, [each["thing_id"] for each in done["things"]]) == (200, ["p1", "p4"])
        assert [wrong["row"] for wrong in done["rejected"]] == ["2", "3", "4"]
        assert (await operator.post("/api/v1/things/import", [7]))[0] == 422


CSV = """\ufeffthing_id,owner_id,profile,connection.protocol,place.city,is_test,shares
p1,firm,printer,http,Hamburg,true,supplies prices
p2,firm,toaster,http,,,
p3,firm,printer,http,,,,a cell too many
p4,firm,printer
"""


@pytest.mark.parametrize(
    ("body", "status", "taken", "wrong"),
    [
        (CSV.encode(), 200, ["p1"], ["2", "3", "4"]),
        (b"thing_id,place,place.city\np1,here,Hamburg\n", 422, [], ["1"]),
        (b"\xff\xfe", 422, None, None),
        (b"", 200, [], []),
    ],
)
async def test_a_table_from_a_spreadsheet_is_imported(
    tmp_path: Path, body: bytes, status: int, taken: list[str] | None, wrong: list[str] | None
) -> None:
    async with served_hub(tmp_path) as operator:
        got, done = await operator.post("/api/v1/things/import", data=body, headers={"Content-Type": "text/csv"})
        assert got == status
        assert taken is None or [each["thing_id"] for each in done["things"]] == taken
        assert wrong is None or [each["row"] for each in done["rejected"]] == wrong


LIFE = {"life_id": "l1", "owner_id": "firm", "rows": [[1.0, 2.0, 3.0]] * 12}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"subject": "wheel"}, "unknown_component"),
        ({"n_settings": 3}, "malformed"),
        ({"lives": [LIFE | {"rows": [[1.0, 2.0]] * 12}]}, "malformed"),
        ({"lives": [LIFE | {"rows": [[]] * 12}]}, "malformed"),
        ({"lives": [LIFE | {"rows": [[1.0, 2.0, 3.0], [1.0]] * 6}]}, "malformed"),
    ],
)
async def test_lives_of_another_shape_cannot_spoil_the_training(
    tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    async with served_hub(tmp_path) as operator:
        body = {"subject": "drum", "n_settings": 1, "lives": [LIFE]}
        status, problem = await operator.post("/api/v1/communities/office/lives", body | changes)
        assert (status, problem["code"]) == (422, code)
        (community,) = (await operator.get("/api/v1/communities"))[1]
        assert community["lives"] == {}


async def test_a_retired_thing_is_gone_for_good(tmp_path: Path) -> None:
    async with served_hub(tmp_path) as operator:
        printer = await operator.registered()
        assert (await operator.post("/api/v1/things/printer-1/retire"))[0] == 200
        assert (await printer.report({"ink": 5}))[0] == 401
        status, problem = await operator.post("/api/v1/things", thing())
        assert (status, problem["code"]) == (409, "retired_thing")
        assert (await operator.get("/api/v1/things/printer-1"))[1]["state"] == "retired"


async def test_a_reading_becomes_an_order_that_can_be_read_back(tmp_path: Path) -> None:
    async with served_hub(tmp_path) as operator:
        printer = await operator.registered()
        await operator.post("/api/v1/mandates", told())
        assert (await printer.report({"ink": 9}))[0] == 204
        order = await operator.order_in("confirmed")
        _, trace = await operator.get(f"/api/v1/orders/{order['key']}/trace")
        steps = [link["step"] for link in trace]
        assert [step for step in ("reading", "offers", "choice", "mandate", "crm_record") if step not in steps] == []
        _, (mandate,) = await operator.get("/api/v1/mandates")
        assert list(mandate["used_minor"].values()) == [2000]
        for decision in ("approve", "reject"):
            assert (await operator.post(f"/api/v1/orders/{order['key']}/{decision}"))[0] == 409


@pytest.mark.parametrize(
    ("decision", "state"), [("approve", "confirmed"), ("reject", "rejected"), ("cancel", "cancelled")]
)
async def test_a_person_decides_once(tmp_path: Path, decision: str, state: str) -> None:
    async with served_hub(tmp_path) as operator:
        printer = await operator.registered()
        await operator.post("/api/v1/mandates", told(approval_kinds=["supply"]))
        await printer.report({"ink": 9})
        key = (await operator.order_in("awaiting_approval"))["key"]
        assert [each["key"] for each in (await operator.get("/api/v1/approvals"))[1]] == [key]
        assert (await operator.post(f"/api/v1/orders/{key}/{decision}", {"reason": "because"}))[0] == 200
        await operator.order_in(state)
        assert (await operator.post(f"/api/v1/orders/{key}/reject"))[0] == 409


async def test_off_is_acknowledged_and_nothing_leaves_until_on(tmp_path: Path) -> None:
    crm = FakeCrm()
    async with served_hub(tmp_path, crm) as operator:
        printer = await operator.registered()
        await operator.post("/api/v1/mandates", told())
        _, ack = await operator.post("/api/v1/things/printer-1/off")
        assert (ack["state"], ack["already_under_way"]) == ("off", [])
        await printer.report({"ink": 9})
        assert (await operator.order_in("blocked"))["code"] == "thing_off"
        assert crm.called("place_order") == []
        await operator.post("/api/v1/things/printer-1/on")
        await operator.order_in("confirmed")


@pytest.mark.parametrize("place", ["things/printer-1", "owners/firm"])
@pytest.mark.parametrize(("instead", "state"), [("reject", "rejected"), ("cancel", "cancelled"), ("on", "confirmed")])
async def test_nothing_is_approved_for_a_thing_that_is_off(
    tmp_path: Path, place: str, instead: str, state: str
) -> None:
    crm = FakeCrm()
    async with served_hub(tmp_path, crm) as operator:
        printer = await operator.registered()
        await operator.post("/api/v1/mandates", told(approval_kinds=["supply"]))
        await printer.report({"ink": 9})
        order = f"/api/v1/orders/{(await operator.order_in('awaiting_approval'))['key']}"
        await operator.post(f"/api/v1/{place}/off")
        status, problem = await operator.post(f"{order}/approve")
        assert (status, problem["code"]) == (409, "thing_off")
        assert "switched off by operator" in problem["detail"]
        assert (await operator.get(order))[1]["state"] == "awaiting_approval"
        assert crm.called("place_order") == []
        decide = [f"/api/v1/{place}/on", f"{order}/approve"] if instead == "on" else [f"{order}/{instead}"]
        assert [(await operator.post(path))[0] for path in decide] == [200] * len(decide)
        await operator.order_in(state)


async def test_a_crm_that_is_down_is_told_with_its_reason(tmp_path: Path) -> None:
    crm = FakeCrm()
    crm.plan("place_order", Transient(reason="connection refused"))
    async with served_hub(tmp_path, crm) as operator:
        printer = await operator.registered()
        await operator.post("/api/v1/mandates", told())
        await printer.report({"ink": 9})
        order = await operator.order_in("confirmed")
        _, trace = await operator.get(f"/api/v1/orders/{order['key']}/trace")
        assert "connection refused" in [link["sentence"] for link in trace if link["step"] == "waiting"]
        assert crm.writes() == 1


async def test_an_amount_that_no_disk_can_hold_does_not_stop_the_hub(tmp_path: Path) -> None:
    huge = {"minor": 10**15, "currency": "EUR"}
    async with served_hub(tmp_path) as operator:
        printer = await operator.registered()
        for budget in ({"minor": 2**63, "currency": "EUR"}, huge):
            await operator.post("/api/v1/mandates", told(budget=budget, per_order_limit=huge))
        assert (await printer.report({"ink": 9}))[0] == 204
        await operator.order_in("confirmed")


READINGS = [
    ({"coffee": 1}, "unknown_property"),
    ({"ink": "much"}, "wrong_type"),
    ({"ink": 101}, "out_of_range"),
    ({"pages": 10**400}, "out_of_range"),
    ({"snapshot": [1.0, 2.0]}, "wrong_type"),
]


async def test_wrong_readings_are_refused_by_name_and_counted(tmp_path: Path) -> None:
    async with served_hub(tmp_path) as operator:
        printer, other = await operator.registered(), await operator.registered(thing_id="printer-2")
        for body, code in READINGS:
            status, problem = await printer.report(body)
            assert (400 <= status < 500, problem.get("code")) in {(True, code), (True, "malformed")}, problem
        senml = [{"n": "ink", "u": "kg", "v": 5}]
        headers = {"Content-Type": "application/senml+json"}
        assert (await printer.post("/things/printer-1/readings", senml, headers=headers))[1]["code"] == "wrong_unit"
        assert (await other.report({"ink": 5}))[0] == 403
        assert (await printer.report({"ink": 50, "snapshot": [1, 2, 3]}))[0] == 204
        metrics = await operator.metrics()
        counted = {
            name: metrics.get(f"iot2crm_sink_refused_{name}_total") for name in ("unknown_property", "wrong_unit")
        }
        assert counted == {"unknown_property": 1.0, "wrong_unit": 1.0}
        assert metrics["iot2crm_protocol_http_refused_foreign_thing_total"] == 1.0
        assert metrics["iot2crm_sink_accepted_total"] == 1.0


async def test_a_device_cannot_take_the_hubs_own_message_numbers(tmp_path: Path) -> None:
    async with served_hub(tmp_path) as operator:
        printer = await operator.registered()
        for number in range(1, 6):
            headers = {"Idempotency-Key": f'"#{number}"'}
            assert (await printer.report({"ink": 60 + number}, headers=headers))[0] == 204
        _, shown = await operator.get("/api/v1/things/printer-1")
        assert shown["messages"] == 5


async def test_off_for_an_owner_that_nobody_knows_is_refused_and_not_taken_for_done(tmp_path: Path) -> None:
    async with served_hub(tmp_path) as operator:
        await operator.registered()
        for switch in ("off", "on"):
            status, problem = await operator.post(f"/api/v1/owners/frim/{switch}")
            assert (status, problem["code"]) == (404, "not_found")
            assert "there is no owner frim" in problem["detail"]
            assert (await operator.post(f"/api/v1/owners/firm/{switch}"))[0] == 200
        newcomer = await operator.owner("newcomer")
        assert (await newcomer.post("/api/v1/owners/newcomer/off"))[0] == 200
