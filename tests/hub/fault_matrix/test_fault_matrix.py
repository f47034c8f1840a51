"""A fixed sample of the fault matrix holds, and its judge sees adapters that lose, double or forge orders."""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from actors.model.ids import OrderKey
from actors.model.orders import PurchaseOrder, RecordKind
from actors.model.outcomes import Ambiguous, Created, CrmRecord, Permanent, PlaceOutcome, RecordStatus, Transient
from actors.ports import CrmAdapter, CrmDeps, CrmSpec
from crm_adapters.sandboxing.faults import FaultPlan
from hub.fault_matrix.__main__ import main
from hub.fault_matrix.cell import Cell, plan_of
from hub.fault_matrix.judge import Judgement
from hub.fault_matrix.running import Played, all_cells, figures_of, play_all

SAMPLE = """
refused/salesforce/order/first          refused_after/dynamics/order/first       drop_before/odoo/finish/first
drop_after/salesforce/visit/first       drop_after/servicenow/lines/first        reset_after/hubspot/order/retry
hang_after/erpnext/order/first          late_commit/odoo/order/first             late_commit/servicenow/order/retry
very_late_commit/salesforce/order/first very_late_commit/shop/service/first      answered_too_late/dynamics/order/first
torn_after/dynamics/visit/first         huge_after/salesforce/order/found        cut_json_after/erpnext/finish/first
empty_after/shop/order/found            empty_after/hubspot/lines/first          object_after/odoo/order/found
false_gzip_after/dynamics/service/first page_after/servicenow/order/found        redirect_after/hubspot/service/first
401/odoo/order/found                    token_expired/salesforce/order/first     token_expired/dynamics/visit/retry
403/dynamics/order/first                refused_by_rule/erpnext/finish/first     409/salesforce/order/first
412/shop/order/first                    row_lock/odoo/order/first                429/salesforce/service/retry
500_after/servicenow/finish/first       502_after/erpnext/order/retry            503/shop/visit/absent
401_for_good/hubspot/order/first        500_for_good/odoo/finish/first           quota/salesforce/order/first
null_for_good/servicenow/order/found    404_for_good/odoo/service/found          no_tls/dynamics/sign-in/first
no_such_name/erpnext/service/first      500_for_good/shop/order/found            object_after/hubspot/customer/first
""".split()


def cells(*names: str) -> list[Cell]:
    """Return cells by name."""
    known = {cell.name: cell for cell in all_cells()}
    return [known[name] for name in names]


def played(chosen: Sequence[Cell], folder: Path) -> list[Played]:
    """Play cells."""
    return asyncio.run(play_all(chosen, folder, 1, lambda _: None))


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> list[Played]:
    return played(cells(*SAMPLE), tmp_path_factory.mktemp("matrix"))


def test_a_sample_of_troubles_ends_every_order_with_a_reason_and_one_record(sample: list[Played]) -> None:
    assert [(each.cell.name, each.wrong) for each in sample if each.wrong] == []
    figures = figures_of(sample, 0.0, 1)
    assert (figures.ok, figures.cells) == (True, len(SAMPLE))


def test_the_sample_meets_every_system_and_every_way_to_end(sample: list[Played]) -> None:
    assert {each.cell.plug.system.name for each in sample} == {cell.plug.system.name for cell in all_cells()}
    ends = {each.evidence.order.state for each in sample if each.evidence}
    assert ends == {"confirmed", "rejected", "expired", "dead_letter"}


def test_the_whole_matrix_has_a_row_a_trouble_and_over_a_thousand_cells() -> None:
    names = [cell.name for cell in all_cells()]
    assert len(names) == len(set(names)) > 1000


@pytest.mark.parametrize("name", ["409/odoo/service/absent", "409/odoo/finish/found", "409/servicenow/lines/found"])
def test_searches_before_the_lost_write_meet_nothing_of_what_the_look_up_is_to_meet(name: str) -> None:
    (cell,) = cells(name)
    faults = FaultPlan(plan_of(cell))
    search, write = (sample_of(line) for line in (cell.flow.look, cell.flow.write))
    slow_machine = [faults.take(search) for _ in range(5)]  # each answer came too late, so it was asked for again
    lost, met = faults.take(write), faults.take(search)
    assert slow_machine == [None] * 5
    assert lost is not None
    assert met is not None
    assert (lost.action, met.status) == (plan_of(cell)[0].action, 409)


def sample_of(expression: str) -> str:
    """Return a request that a plain expression of a flow matches."""
    return re.sub(r"\[(.)\]", r"\1", expression).lstrip("^")


PERMANENT = Permanent(code="refused", message="it did not work")


class Careless:
    """An adapter that passes everything on but what a subclass does wrong."""

    def __init__(self, adapter: CrmAdapter) -> None:
        self._adapter = adapter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)


class NeverInDoubt(Careless):
    """Takes a lost answer for a request that did not leave."""

    async def place_order(self, order: PurchaseOrder) -> PlaceOutcome:
        outcome = await self._adapter.place_order(order)
        return Transient(reason=outcome.reason) if isinstance(outcome, Ambiguous) else outcome


class KeyPerAttempt(Careless):
    """Places each attempt under a key of its own, and so finds none of them."""

    attempts = 0

    async def place_order(self, order: PurchaseOrder) -> PlaceOutcome:
        self.attempts += 1
        own = OrderKey(f"{order.key[:-2]}{self.attempts:02}")
        outcome = await self._adapter.place_order(replace(order, key=own))
        return Created(record=replace(outcome.record, key=order.key)) if isinstance(outcome, Created) else outcome


class Optimist(Careless):
    """Takes a lost answer for a yes."""

    async def place_order(self, order: PurchaseOrder) -> PlaceOutcome:
        outcome = await self._adapter.place_order(order)
        if not isinstance(outcome, Ambiguous):
            return outcome
        record = CrmRecord(
            record_id="?",
            kind=RecordKind.ORDER,
            key=order.key,
            fingerprint=order.fingerprint,
            status=RecordStatus.CONFIRMED,
        )
        return Created(record=record)


class Pessimist(Careless):
    """Takes a lost answer for a refusal."""

    async def place_order(self, order: PurchaseOrder) -> PlaceOutcome:
        outcome = await self._adapter.place_order(order)
        return PERMANENT if isinstance(outcome, Ambiguous) else outcome


class NeverAnswers(Careless):
    """Says for ever that it cannot say."""

    async def find_by_key(self, key: OrderKey, kind: RecordKind) -> Any:
        del key, kind
        return Transient(reason="ask me later")


class Forger(Careless):
    """Writes another fingerprint than it was given."""

    async def place_order(self, order: PurchaseOrder) -> PlaceOutcome:
        outcome = await self._adapter.place_order(replace(order, fingerprint="0" * 16))
        if not isinstance(outcome, Created):
            return outcome
        return Created(record=replace(outcome.record, fingerprint=order.fingerprint))


def careless(cell: Cell, kind: type[Careless]) -> Cell:
    """Return the cell with this adapter in place of its own."""
    spec = cell.plug.adapter

    @asynccontextmanager
    async def opened(config: Any, deps: CrmDeps) -> AsyncGenerator[CrmAdapter, None]:
        async with spec.open(config, deps) as adapter:
            own: Any = kind(adapter)
            yield own

    worse = CrmSpec(name=spec.name, title=spec.title, config_type=spec.config_type, open=opened)
    return replace(cell, plug=replace(cell.plug, adapter=worse))


@pytest.mark.parametrize(
    ("adapter", "name", "sees"),
    [
        (NeverInDoubt, "late_commit/odoo/order/first", "doubled"),
        (KeyPerAttempt, "drop_after/shop/order/first", "doubled"),
        (Optimist, "drop_before/salesforce/order/first", "lost"),
        (Pessimist, "drop_after/dynamics/order/first", "lost"),
        (NeverAnswers, "drop_after/servicenow/order/first", "unnamed"),
        (Forger, "slow/shop/order/first", "unlike"),
        (Careless, "drop_after/shop/order/first", ""),
    ],
)
def test_the_judge_sees_what_a_careless_adapter_does(
    adapter: type[Careless], name: str, sees: str, tmp_path: Path
) -> None:
    (cell,) = cells(name)
    patient = 2.0 if adapter is NeverAnswers else cell.deadline_s
    (seen,) = played([careless(replace(cell, deadline_s=patient), adapter)], tmp_path)
    assert not seen.broken
    found = {field for field in Judgement.__struct_fields__ if getattr(seen.judgement, field)}
    assert (sees in found) if sees else (found == set()), seen.wrong


def test_a_trouble_that_never_happened_proves_nothing(tmp_path: Path) -> None:
    (cell,) = cells("drop_after/shop/order/first")
    (seen,) = played([replace(cell, flow=replace(cell.flow, write="^PUT /nowhere"))], tmp_path)
    assert seen.wrong == ("the trouble did not happen",)


def test_a_cell_that_cannot_be_played_is_told_and_fails_the_matrix(tmp_path: Path) -> None:
    (cell,) = cells("drop_after/shop/order/first")

    def nothing(url: str, known: Any) -> dict[str, Any]:
        return {"base_url": url}

    system = replace(cell.plug.system, config=nothing)
    (seen,) = played([replace(cell, plug=replace(cell.plug, system=system))], tmp_path)
    assert "internal_hosts" in seen.broken
    assert not figures_of([seen], 0.0, 1).ok


def test_the_command_prints_a_table_what_its_marks_mean_and_the_figures() -> None:
    asked = ["--only", "^(drop_after|404)/shop/order/first", "--seed", "1", "--processes", "1"]
    told = CliRunner().invoke(main, asked)
    lines = told.stdout.splitlines()
    assert told.exit_code == 0, told.output
    assert "shop" in lines[0]
    assert re.search(r"^drop_after\s+1\?$", told.stdout, re.MULTILINE)
    assert "  a  rejected/crm_404  (1)" in lines
    assert msgspec.json.decode(lines[-1])["cells"] == 2


def test_scripts_get_a_line_of_json_a_cell_from_two_processes() -> None:
    asked = ["--only", "^(drop_after|404)/shop/order/first", "--json", "--processes", "2"]
    told = CliRunner().invoke(main, asked)
    *found, figures = [msgspec.json.decode(line) for line in told.stdout.splitlines()]
    assert [(line["cell"], line["state"]) for line in found] == [
        ("drop_after/shop/order/first", "confirmed"),
        ("404/shop/order/first", "rejected"),
    ]
    assert (figures["doubled"], figures["lost"]) == (0, 0)


@pytest.mark.parametrize(("asked", "says"), [("nothing", "no cell has such a name"), ("(", "a regular expression")])
def test_a_choice_of_no_cells_is_refused_with_the_reason(asked: str, says: str) -> None:
    told = CliRunner().invoke(main, ["--only", asked])
    assert told.exit_code == 2
    assert says in told.output
