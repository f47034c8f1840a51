"""Owner and orders together, in any order of messages: never over budget, never after OFF, never two for one need."""

from typing import Any

from buying import OWNER_ADDRESS
from fake_crm import offer, time_slot
from firm import INSTALLATION, eur, granted, need, raised, settings
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from world import WRITES, World

from actors.dialogue import (
    Approve,
    Cancel,
    CloseNeed,
    FindOffers,
    LookUp,
    RevokeMandate,
    SearchTimes,
    SwitchOff,
    SwitchOn,
    TakeTurn,
    order_address,
)
from actors.model.ids import MandateId
from actors.model.needs import NeedKind
from actors.model.orders import TERMINAL, OrderState, RecordKind
from actors.model.outcomes import (
    Absent,
    Ambiguous,
    Created,
    CrmRecord,
    Found,
    Offers,
    Permanent,
    RecordStatus,
    TimeSlots,
    Transient,
)
from actors.purchasing.choosing import key_of

NEEDS = [raised(need=need(subject=subject)) for subject in ("black", "cyan", "red")] + [
    raised(need=need(NeedKind.SERVICE, subject="jam"))
]
CAP = 5000


class Buying(RuleBasedStateMachine):
    """Rules are what may happen next; invariants hold after each."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(settings())
        self.world.send(OWNER_ADDRESS, granted(budget=eur(CAP), approval_above=eur(2500)))
        self.orders: dict[str, Any] = {order_address(key_of(INSTALLATION, each.need)): each for each in NEEDS}
        self.ended: dict[str, Any] = {}
        self.off = False
        self.told_under_way: set[str] = set()

    @rule(number=st.integers(0, 3))
    def notice(self, number: int) -> None:
        address = list(self.orders)[number]
        if self.world.state(address).order is None:
            self.world.tell(address, self.orders[address])

    @rule(pick=st.integers(0, 9))
    def work(self, pick: int) -> None:
        waiting = list(self.world.mail)
        if waiting:
            self.world.turn(waiting[pick % len(waiting)])

    @rule()
    def work_until_idle(self) -> None:
        self.world.drain()

    @rule(pick=st.integers(0, 9), price=st.sampled_from([10, 2000, 3000]), luck=st.integers(0, 5), twice=st.booleans())
    def answer(self, pick: int, price: int, luck: int, twice: bool) -> None:
        if not self.world.jobs:
            return
        job = self.world.jobs.pop(pick % len(self.world.jobs))
        report = job.report(self.outcome(job, price, luck))
        for _repeat in range(1 + twice):
            self.world.tell(job.address, report)

    @rule(number=st.integers(0, 3), rounds=st.integers(1, 3))
    def all_goes_well(self, number: int, rounds: int) -> None:
        self.notice(number)
        for _round in range(rounds):
            self.world.drain()
            self.answer(0, price=2000, luck=5, twice=False)

    @rule(pick=st.integers(0, 9))
    def the_desk_gives_a_turn(self, pick: int) -> None:
        turns = [job for job in self.world.jobs if isinstance(job.body, TakeTurn)]
        if turns:
            job = turns[pick % len(turns)]
            self.world.jobs.remove(job)
            self.world.tell(job.address, job.report(None))
            self.world.drain()

    def outcome(self, job: Any, price: int, luck: int) -> Any:
        match job.body:
            case FindOffers():
                return Offers(offers=(offer(minor=price),)) if luck else Transient(reason="down")
            case SearchTimes():
                return TimeSlots(slots=(time_slot(luck),))
            case TakeTurn():
                return None
        failures = [Transient(reason="down"), Permanent(code="x", message="no"), Ambiguous(reason="reset")]
        if luck < len(failures):
            return Absent() if isinstance(job.body, LookUp) and luck else failures[luck]
        record = self.record(job)
        return Created(record=record) if isinstance(job.body, WRITES) else Found(record=record)

    def record(self, job: Any) -> CrmRecord:
        request = self.world.state(job.address).request
        kind = getattr(job.body, "kind", RecordKind.ORDER)
        mark = None if kind is RecordKind.APPOINTMENT else request.fingerprint
        key = request.key if request else ""
        return CrmRecord(record_id="R", kind=kind, key=key, fingerprint=mark, status=RecordStatus.CONFIRMED)

    @rule(number=st.integers(0, 3), what=st.sampled_from(["approve", "cancel", "met"]))
    def decide(self, number: int, what: str) -> None:
        message = {
            "approve": Approve(by="Ada"),
            "cancel": Cancel(by="Ada", reason="no"),
            "met": CloseNeed(reason="refilled"),
        }
        self.world.tell(list(self.orders)[number], message[what])

    @rule()
    def switch_off(self) -> None:
        before = self.at_desk()
        ack = self.world.ask(OWNER_ADDRESS, SwitchOff(thing_id=None, by="Ada"))
        self.told_under_way = {order_address(key) for key in ack.already_under_way}
        assert before <= self.told_under_way, "what is at the desk was told as under way"
        self.off = True

    @rule()
    def switch_on(self) -> None:
        self.world.ask(OWNER_ADDRESS, SwitchOn(thing_id=None, by="Ada"))
        self.off = False

    @rule(revoke=st.booleans(), budget=st.sampled_from([CAP, CAP, 2000]))
    def change_the_mandate(self, revoke: bool, budget: int) -> None:
        change = RevokeMandate(mandate_id=MandateId("m1"), by="Ada") if revoke else granted(budget=eur(budget))
        self.world.tell(OWNER_ADDRESS, change)

    @rule(hours=st.sampled_from([1, 2, 400]))
    def wait(self, hours: int) -> None:
        until = self.world.now.timestamp() + hours * 3600
        for key, (at, message) in sorted(self.world.reminders.items(), key=lambda item: item[1][0]):
            if at.timestamp() <= until:
                self.world.tell(key[0], message)
                self.world.reminders.pop(key)

    def at_desk(self) -> set[str]:
        return {job.address for job in self.world.jobs if isinstance(job.body, WRITES)}

    @invariant()
    def nothing_leaves_after_off_but_what_was_told(self) -> None:
        assert not self.off or self.at_desk() <= self.told_under_way

    @invariant()
    def one_write_an_order_at_a_time(self) -> None:
        assert len(self.at_desk()) == sum(isinstance(job.body, WRITES) for job in self.world.jobs)

    @invariant()
    def the_budget_holds_and_is_exact(self) -> None:
        owner = self.world.state(OWNER_ADDRESS)
        assert {k: v for k, v in owner.used.items() if v} == {k: v for k, v in self.world.meters.items() if v}
        assert sum(owner.used.values()) <= CAP
        reserved = sum(each.amount.minor for each in owner.reservations.values() if each.amount)
        fulfilled = [address for address in self.orders if self.world.state(address).state is OrderState.FULFILLED]
        assert reserved <= sum(owner.used.values()) <= reserved + 3000 * len(fulfilled)

    @invariant()
    def terminal_is_terminal(self) -> None:
        for address in self.orders:
            data = self.world.state(address)
            if data.state in TERMINAL:
                assert self.ended.setdefault(address, data) == data

    def teardown(self) -> None:
        """Without requests at the desk and messages on the way, ended orders hold no money."""
        self.world.drain()
        owner = self.world.state(OWNER_ADDRESS)
        for address in self.orders:
            if self.world.state(address).state in TERMINAL:
                assert address.removeprefix("order/") not in owner.reservations


TestBuying = Buying.TestCase
TestBuying.settings = hypothesis_settings(max_examples=100, stateful_step_count=50, deadline=None)
