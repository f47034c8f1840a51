"""Commands that talk to a running hub."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hub.cli.root import cli

KEY = "I2CAAAA"


def _run(*words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(cli, list(words), input=typed)


def test_things_are_listed_for_people_and_for_scripts(fake_hub: Any) -> None:
    entry = {"thing_id": "printer-1", "profile": "ink_printer", "place": {"name": "Hall 2"}, "state": "on"}
    fake_hub.answers["GET /api/v1/things"] = (200, {"things": [entry]})
    shown = _run("things", "list", *fake_hub.options)
    assert shown.exit_code == 0
    assert shown.output.splitlines()[1].split() == ["printer-1", "ink_printer", "Hall", "2", "on"]
    assert json.loads(_run("things", "list", "--json", *fake_hub.options).output)["things"] == [entry]


def test_every_request_carries_the_token_and_every_post_a_key_of_its_own(fake_hub: Any) -> None:
    fake_hub.answers["POST /api/v1/things/a%2Fb/off"] = (200, {"thing_id": "a/b", "under_way": [KEY]})
    first, _ = _run("things", "off", "a/b", *fake_hub.options), _run("things", "off", "a/b", *fake_hub.options)
    assert KEY in first.output
    headers = [headers for _, headers, _ in fake_hub.asked]
    assert {each["authorization"] for each in headers} == {"Bearer canary-token"}
    assert len({each["idempotency-key"] for each in headers}) == 2


@pytest.mark.parametrize(("name", "media_type"), [("t.json", "application/json"), ("t.CSV", "text/csv")])
def test_a_file_of_things_is_sent_as_it_is(fake_hub: Any, tmp_path: Path, name: str, media_type: str) -> None:
    (tmp_path / name).write_text("[]")
    fake_hub.answers["POST /api/v1/things/import"] = (201, {"registered": 2})
    result = _run("things", "import", str(tmp_path / name), *fake_hub.options)
    assert result.exit_code == 0
    _, headers, body = fake_hub.asked[0]
    assert (headers["content-type"], body) == (media_type, b"[]")


@pytest.mark.parametrize("ending", ["json", "csv"])
def test_a_long_file_is_sent_in_pieces_and_told_as_one(fake_hub: Any, tmp_path: Path, ending: str) -> None:
    names = [f't"{number},é' for number in range(1200)]
    file = tmp_path / f"t.{ending}"
    rows = [{"thing_id": name, "place.city": "Bonn"} for name in names]
    file.write_text(
        json.dumps(rows) if ending == "json" else table(rows), encoding="utf-8-sig" if ending == "csv" else "utf-8"
    )
    fake_hub.answers["POST /api/v1/things/import"] = (200, {"things": [{"token": "x"}], "rejected": [{"row": "7"}]})
    told = json.loads(_run("things", "import", str(file), "--json", *fake_hub.options).output)
    sent = [rows_in(body, ending) for _, _, body in fake_hub.asked]
    assert [len(piece) for piece in sent] == [500, 500, 200]
    assert [row for piece in sent for row in piece] == rows
    assert (len(told["things"]), [row["row"] for row in told["rejected"]]) == (3, ["7", "507", "1007"])


def test_what_was_taken_before_the_hub_ended_is_shown(fake_hub: Any, tmp_path: Path) -> None:
    answers = [(200, {"things": [{"token": "kept-1"}], "rejected": []}), (503, {"title": "Stopping"})]
    fake_hub.answer = lambda _line: answers.pop(0)
    (tmp_path / "t.json").write_text(json.dumps([{}] * 1200))
    result = _run("things", "import", str(tmp_path / "t.json"), *fake_hub.options)
    assert (result.exit_code, answers) == (1, [])
    assert "kept-1" in result.stdout
    assert "Stopping" in result.stderr


def test_a_piece_that_is_all_wrong_does_not_stop_the_others(fake_hub: Any, tmp_path: Path) -> None:
    answers = [(422, {"things": [], "rejected": [{"row": "1"}]}), (200, {"things": [{"token": "t"}], "rejected": []})]
    fake_hub.answer = lambda _line: answers.pop(0)
    (tmp_path / "t.json").write_text(json.dumps([{}] * 600))
    result = _run("things", "import", str(tmp_path / "t.json"), "--json", *fake_hub.options)
    assert (result.exit_code, answers) == (0, [])
    assert json.loads(result.output) == {"things": [{"token": "t"}], "rejected": [{"row": "1"}]}


def table(rows: list[dict[str, str]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def rows_in(body: bytes, ending: str) -> Any:
    return json.loads(body) if ending == "json" else list(csv.DictReader(io.StringIO(body.decode(), newline="")))


def test_all_pages_of_a_list_are_shown(fake_hub: Any) -> None:
    fake_hub.answers["GET /api/v1/things"] = (200, [{"thing_id": "a b"}])
    fake_hub.links["GET /api/v1/things"] = "/api/v1/things?after=a+b&limit=1"
    fake_hub.answers["GET /api/v1/things?after=a+b&limit=1"] = (200, [{"thing_id": "c"}])
    told = json.loads(_run("things", "list", "--json", *fake_hub.options).output)
    assert [row["thing_id"] for row in told] == ["a b", "c"]


def test_an_import_that_took_nothing_tells_what_is_wrong_with_each_row(fake_hub: Any, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a;b")
    rejected = [{"row": "1", "detail": "no thing_id"}, {"row": "2", "detail": "no profile"}]
    fake_hub.answers["POST /api/v1/things/import"] = (422, {"things": [], "rejected": rejected})
    result = _run("things", "import", str(tmp_path / "t.csv"), *fake_hub.options)
    assert result.exit_code == 1
    assert "row 1: no thing_id; row 2: no profile" in result.output


def test_a_file_of_another_kind_is_refused_before_anything_is_sent(fake_hub: Any, tmp_path: Path) -> None:
    (tmp_path / "things.xlsx").touch()
    result = _run("things", "import", str(tmp_path / "things.xlsx"), *fake_hub.options)
    assert result.exit_code == 2
    assert not fake_hub.asked


def test_retiring_asks_first(fake_hub: Any) -> None:
    fake_hub.answers["POST /api/v1/things/p/retire"] = (200, {"thing_id": "p"})
    assert _run("things", "retire", "p", *fake_hub.options, typed="n\n").exit_code == 1
    assert not fake_hub.asked
    assert _run("things", "retire", "p", "--yes", *fake_hub.options).exit_code == 0
    assert len(fake_hub.asked) == 1


def test_orders_show_money_and_reason(fake_hub: Any) -> None:
    order = {"key": KEY, "state": "blocked", "total": {"minor": 1299, "currency": "EUR"}, "reason": "over_budget"}
    fake_hub.answers["GET /api/v1/orders?state=blocked"] = (200, [order])
    result = _run("orders", "list", "--state", "blocked", *fake_hub.options)
    assert "12.99 EUR" in result.output
    assert "over_budget" in result.output


@pytest.mark.parametrize("terminal", ["", "1"])
def test_an_order_s_key_is_shown_whole_however_narrow_the_place(
    fake_hub: Any, monkeypatch: pytest.MonkeyPatch, terminal: str
) -> None:
    monkeypatch.setenv("FORCE_COLOR", terminal)
    monkeypatch.setenv("COLUMNS", "60")
    key = "I2C" + "A" * 26
    order = {"key": key, "state": "confirmed", "thing_id": "printer-1", "subject": "black_ink", "sentence": "why not"}
    fake_hub.answers["GET /api/v1/orders"] = (200, {"orders": [order]})
    shown = _run("orders", "list", *fake_hub.options).output
    assert key in shown
    assert "…" not in shown


def test_a_trace_is_told_step_by_step(fake_hub: Any) -> None:
    steps = [
        {"at": "2026-01-31T12:00:00Z", "step": "reading", "value": 14.0},
        {"at": "2026-01-31T12:00:01Z", "step": "offers", "landed": {"minor": 100, "currency": "EUR"}},
    ]
    fake_hub.answers[f"GET /api/v1/orders/{KEY}/trace"] = (200, {"key": KEY, "steps": steps})
    told = _run("orders", "trace", KEY, *fake_hub.options).output.splitlines()
    assert told == [
        "2026-01-31T12:00:00Z  reading",
        "    value: 14.0",
        "2026-01-31T12:00:01Z  offers",
        "    landed: 1.00 EUR",
    ]


def test_decisions_reach_the_order(fake_hub: Any) -> None:
    fake_hub.answers["GET /api/v1/approvals"] = (200, [])
    fake_hub.answers[f"POST /api/v1/orders/{KEY}/approve"] = (200, {"state": "approved"})
    fake_hub.answers[f"POST /api/v1/orders/{KEY}/reject"] = (200, {"state": "rejected"})
    assert _run("approvals", "list", *fake_hub.options).output == "Nothing waits for you.\n"
    assert "approved" in _run("approvals", "approve", KEY, *fake_hub.options).output
    assert "rejected" in _run("approvals", "reject", KEY, "--reason", "too dear", *fake_hub.options).output
    assert json.loads(fake_hub.asked[-1][2]) == {"reason": "too dear"}


def test_health_is_an_exit_code(fake_hub: Any) -> None:
    fake_hub.answers["GET /healthz"] = (200, {"status": "ok"})
    assert _run("health", *fake_hub.options).exit_code == 0
    fake_hub.answers["GET /healthz"] = (503, {"status": "stopping"})
    result = _run("health", *fake_hub.options)
    assert (result.exit_code, "stopping" in result.output) == (1, True)


def test_a_problem_is_one_clear_line_with_a_next_step(fake_hub: Any) -> None:
    result = _run("orders", "show", "NONE", *fake_hub.options)
    assert result.exit_code == 1
    assert result.stderr == (
        "Not found: nothing at GET /api/v1/orders/NONE. "
        "Next: look up the exact name with `iot2crm things list` or `iot2crm orders list`\n"
    )
    fake_hub.answers["GET /api/v1/things"] = (401, {"title": "Unauthorized"})
    refused = _run("things", "list", *fake_hub.options)
    fake_hub.answers["GET /api/v1/orders"] = (503, {"title": "Busy", "next_step": "Wait a minute."})
    assert _run("orders", "list", *fake_hub.options).stderr == "Busy. Next: Wait a minute.\n"
    assert "--token-file" in refused.stderr
    assert "canary" not in refused.output


def test_no_hub_is_one_clear_line(fake_hub: Any) -> None:
    result = _run("things", "list", "--url", "http://127.0.0.1:1", "--token-file", str(fake_hub.token_file))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("no hub answers at http://127.0.0.1:1 (connection refused). Next: start it")


def test_the_configuration_says_where_the_hub_and_its_token_are(fake_hub: Any, tmp_path: Path) -> None:
    port = fake_hub.url.rsplit(":", 1)[1]
    (tmp_path / "hub.toml").write_text(f'[hub]\nname = "x"\ndata_dir = "."\nlisten = "127.0.0.1:{port}"\n')
    fake_hub.answers["GET /api/v1/things"] = (200, [])
    result = _run("things", "list", "-c", str(tmp_path / "hub.toml"))
    assert result.output == "No things yet. Add some: iot2crm things import FILE\n"


def test_a_hub_on_a_free_port_is_found_by_what_it_wrote_down(fake_hub: Any, tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text('[hub]\nname = "x"\ndata_dir = "."\nlisten = "127.0.0.1:0"\n')
    before = _run("things", "list", "-c", str(tmp_path / "hub.toml"))
    assert (before.exit_code, "no hub runs in" in before.stderr) == (2, True)
    (tmp_path / "hub.url").write_text(fake_hub.url + "\n")
    fake_hub.answers["GET /api/v1/things"] = (200, [])
    assert _run("things", "list", "-c", str(tmp_path / "hub.toml")).exit_code == 0


def test_without_any_address_the_next_step_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = _run("things", "list")
    assert (result.exit_code, result.stderr[:10]) == (2, "which hub?")
    (tmp_path / "hub.toml").write_text('[hub]\nname = "x"\ndata_dir = "d"\n')
    assert "start the hub once" in _run("things", "list").stderr


def test_what_became_of_advice_is_reported_for_people_and_for_scripts(fake_hub: Any) -> None:
    figures = {
        "community_id": "office",
        "subject": "drum",
        "topic": "health",
        "model_version": "hi1-a",
        "given": 9,
        "still_open": 2,
        "inside_share": {"0.80": 0.75},
        "orders": 3,
        "false_orders": 1,
        "failures": 4,
        "misses": 0,
        "outcomes": {"failed_before": 4},
    }
    fake_hub.answers["GET /api/v1/advice/report?community=office"] = (200, [figures])
    shown = _run("community", "report", "office", *fake_hub.options)
    assert shown.exit_code == 0
    assert {"office", "drum", "hi1-a", "0.75"} <= set(shown.output.split())
    assert json.loads(_run("community", "report", "office", "--json", *fake_hub.options).output) == [figures]
    fake_hub.answers["GET /api/v1/advice/report"] = (200, [])
    assert "No advice was given yet." in _run("community", "report", *fake_hub.options).output


def test_an_endpoint_is_added_listed_and_removed(fake_hub: Any) -> None:
    entry = {"endpoint_id": "ep_1", "owner_id": "firm", "url": "https://x/", "topics": ["order.changed"], "state": "up"}
    fake_hub.answers["POST /api/v1/endpoints"] = (201, {**entry, "secret": "whsec_x"})
    fake_hub.answers["GET /api/v1/endpoints"] = (200, [entry])
    fake_hub.answers["DELETE /api/v1/endpoints/ep_1"] = (200, {"endpoint_id": "ep_1", "state": "deleted"})
    words = ("https://x/", "--owner", "firm", "--topic", "order.changed")
    assert "whsec_x" in _run("endpoints", "add", *words, *fake_hub.options).output
    sent = json.loads(fake_hub.asked[0][2])
    assert sent == {"url": "https://x/", "owner_id": "firm", "topics": ["order.changed"]}
    shown = _run("endpoints", "list", *fake_hub.options).output.splitlines()[1].split()
    assert shown == ["ep_1", "firm", "https://x/", "order.changed", "up"]
    assert "deleted" in _run("endpoints", "remove", "ep_1", *fake_hub.options).output


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("show", "e/1"), "GET /api/v1/endpoints/e%2F1"),
        (("test", "e1"), "POST /api/v1/endpoints/e1/test"),
        (("enable", "e1"), "POST /api/v1/endpoints/e1/enable"),
        (("secret", "e1"), "POST /api/v1/endpoints/e1/secret"),
    ],
)
def test_an_endpoint_is_looked_after(fake_hub: Any, words: tuple[str, ...], line: str) -> None:
    fake_hub.answers[line] = (200, {"detail": "as told"})
    assert "as told" in _run("endpoints", *words, *fake_hub.options).output


def test_a_topic_that_nobody_tells_of_is_refused_before_anything_is_sent(fake_hub: Any) -> None:
    result = _run("endpoints", "add", "https://x/", "--topic", "weather", *fake_hub.options)
    assert (result.exit_code, "order.changed" in result.output, fake_hub.asked) == (2, True, [])


def test_orders_of_several_pages_are_listed_as_the_hub_orders_them(fake_hub: Any) -> None:
    def order(key: str, *days: int) -> dict[str, Any]:
        return {"key": key, "state": "confirmed", "passages": [{"at": f"2026-11-{day:02}T08:00:00Z"} for day in days]}

    fake_hub.answers["GET /api/v1/orders"] = (200, [order("N"), order("D", 25), order("B", 20, 27)])
    fake_hub.answers["GET /api/v1/orders?after=B"] = (200, [order("A", 10), order("C", 5)])
    fake_hub.links["GET /api/v1/orders"] = "/api/v1/orders?after=B"
    shown = _run("orders", "list", *fake_hub.options).output.splitlines()[1:]
    assert [row.split()[0] for row in shown] == ["N", "D", "B", "A", "C"]
