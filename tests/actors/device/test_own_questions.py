"""A thing asks its peers and the sellers by itself; the owner's rules hold for that too."""

from typing import Any

from fake_crm import offer
from firm import COMMUNITY, NOW, OWNER, PRINTER, granted
from world import World

from actors.dialogue import (
    AdviceGiven,
    AskPeers,
    FindOffers,
    JoinCommunity,
    SearchOffers,
    SwitchOff,
    chapter_address,
    device_address,
    owner_address,
)
from actors.model.advice import Abstention, Question, Topic
from actors.model.ids import CorrelationId
from actors.model.machine import DeclineCode, Declined, OffersFound
from actors.model.needs import NeedKind
from actors.model.outcomes import Offers, Transient

ADDRESS = device_address(PRINTER)


def question(chain: str = "printer-1.black.asked.1") -> Question:
    return Question(
        correlation_id=CorrelationId(chain),
        community_id=COMMUNITY,
        topic=Topic.MATERIAL,
        thing_id=PRINTER,
        owner_id=OWNER,
        subject="black",
        asked_at=NOW,
    )


def answer(chain: str) -> Abstention:
    return Abstention(
        correlation_id=CorrelationId(chain),
        topic=Topic.MATERIAL,
        subject="black",
        reason="no_evidence",
        sentence="nobody knows",
        answered_at=NOW,
    )


def search(search_id: str = "s1", skus: tuple[str, ...] = ("INK-1",)) -> SearchOffers:
    return SearchOffers(
        search_id=search_id, thing_id=PRINTER, owner_id=OWNER, subject="black", kind=NeedKind.SUPPLY, skus=skus
    )


def allowed_world() -> World:
    world = World()
    world.send(owner_address(OWNER), granted())
    return world


def found(world: World) -> Any:
    return world.records["search", PRINTER].answer


def test_a_members_question_reaches_those_who_compute_answers() -> None:
    world = World()
    join = JoinCommunity(thing_id=PRINTER, owner_id=OWNER, purposes=())
    world.send(chapter_address(COMMUNITY, PRINTER), join)
    world.send(ADDRESS, AskPeers(question=question()))
    assert [work.question for work in world.other_work] == [question()]
    assert world.other_work[0].reply_to == ADDRESS


def test_who_is_no_member_is_told_so() -> None:
    world = World()
    world.send(ADDRESS, AskPeers(question=question()))
    assert world.records["advice", f"{PRINTER}/black"].reason == "not_a_member"


def test_an_answer_to_a_former_question_is_not_taken_for_the_present_one() -> None:
    world = World()
    world.ask(ADDRESS, AskPeers(question=question("chain.2")))
    world.ask(ADDRESS, AdviceGiven(advice=answer("chain.1")))
    assert ("advice", f"{PRINTER}/black") not in world.records


def test_sellers_offers_are_told_cheapest_first() -> None:
    world = allowed_world()
    world.send(ADDRESS, search())
    world.answer(FindOffers, Offers(offers=(offer(minor=3000), offer(minor=2000), offer("OTHER", 1))))
    assert isinstance(found(world), OffersFound)
    assert [told.landed.minor for told in found(world).offers] == [2000, 3000]


def test_no_seller_hears_of_a_thing_that_is_switched_off() -> None:
    world = allowed_world()
    world.send(owner_address(OWNER), SwitchOff(thing_id=PRINTER, by="anna"))
    world.send(ADDRESS, search())
    assert found(world) == Declined(
        code=DeclineCode.NOT_PERMITTED,
        detail="thing_off: the owner switched this thing off; switch it on to let it order again",
        next_step="the owner changes what the reason names",
    )
    assert not world.jobs


def test_without_a_mandate_no_seller_is_asked() -> None:
    world = World()
    world.send(ADDRESS, search())
    assert found(world).code is DeclineCode.NOT_PERMITTED
    assert not world.jobs


def test_a_refused_search_makes_nothing_wait_for_the_owner() -> None:
    world = World()
    world.send(ADDRESS, search())
    assert not world.state(owner_address(OWNER)).blocked


def test_one_search_at_a_time() -> None:
    world = allowed_world()
    assert [world.send(ADDRESS, search("s1")), world.send(ADDRESS, search("s2"))] == ["begun", "busy"]


def test_a_seller_that_does_not_answer_is_named_after_some_seconds() -> None:
    world = allowed_world()
    world.send(ADDRESS, search())
    world.advance(21)
    assert found(world).silent == {"shop": "no answer in time"}
    assert world.state(ADDRESS).search is None


def test_a_seller_that_fails_is_named_with_its_reason() -> None:
    world = allowed_world()
    world.send(ADDRESS, search())
    world.answer(FindOffers, Transient(reason="closed"))
    assert (found(world).offers, found(world).silent) == ((), {"shop": "closed"})


def test_a_seller_that_no_mandate_names_does_not_hear_what_a_thing_asks_for() -> None:
    world = World()
    world.send(owner_address(OWNER), granted(allowed_payees=("maker",)))
    world.send(ADDRESS, search())
    assert world.jobs == []
    assert "it names maker, connected are shop" in found(world).detail
