"""Writes a golden journal of CRM connections and of things' own conversations: ``python make_links.py links_vN``.

As ``make_golden.py``, for the actors of kinds ``connection`` and ``device``: no relay answers in this story, so what
they asked for is under way when it ends. Never make an old one anew: that it is old is its worth.
"""

import asyncio
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
from fake_crm import offer
from firm import COMMUNITY, NOW, OWNER, PRINTER, granted
from make_golden import HERE, as_text, states

from actors.community.core import CommunityCore
from actors.connection.core import ConnectionCore, ConnectionSettings
from actors.device.core import DeviceCore
from actors.device.inquiring import InquirySettings
from actors.dialogue import (
    COMPUTE_RELAY,
    RECONCILING_RELAY,
    THINGS_RELAY,
    AskPeers,
    ChangesReported,
    CommandReported,
    CommandThing,
    ConnectionWoke,
    DropVisit,
    FollowVisit,
    OffersReported,
    OpenConnection,
    Reconcile,
    RecordsCompared,
    SearchOffers,
    ThingIntroduced,
    Use,
    UseCounted,
    connection_address,
    desk_relay,
    device_address,
    owner_address,
)
from actors.model.advice import Question, Topic
from actors.model.commands import Carried, CommandBody, InvokeAction, ThingCommand, WriteProperty
from actors.model.findings import Finding, FindingCode
from actors.model.ids import CommandId, CorrelationId, OrderKey
from actors.model.needs import NeedKind
from actors.model.orders import RecordKind
from actors.model.outcomes import Capabilities, Changes, Offers, Permanent
from actors.owner.core import OwnerCore
from actors.runtime.contract import EngineSettings
from actors.runtime.engine import TurnEngine
from actors.runtime.journal import OutboxRow
from actors.testing import VirtualClock
from hub.storage.sqlite import open_journal

SHOP: Final = connection_address("shop")
DEPOT: Final = connection_address("depot")
DEVICE: Final = device_address(PRINTER)


class Deaf:
    """A relay that takes work and never says what came of it."""

    def work(self, row: OutboxRow, *, recovered: bool) -> None:
        """Leave it in the outbox."""


def story() -> Iterator[tuple[str, Any]]:
    """Yield what the connections and the thing are told."""
    yield owner_address(OWNER), granted()
    yield from connections()
    yield from conversations()


def connections() -> Iterator[tuple[str, Any]]:
    """Yield: one connection follows changes, visits and a finding; the other one's CRM does not tell what changed."""
    yield SHOP, OpenConnection(connection="shop")
    yield SHOP, ChangesReported(connection="shop", outcome=Changes(cursor="c-17", records=()))
    for number in (1, 2):
        yield SHOP, FollowVisit(key=OrderKey(f"I2CVISIT{number}"), order=OrderKey(f"I2CORDER{number}"))
    yield SHOP, DropVisit(key=OrderKey("I2CVISIT1"))
    yield SHOP, introduced()
    yield SHOP, UseCounted(connection="shop", used=(Use(until=NOW, count=12),))
    yield SHOP, Reconcile(connection="shop", by="nightly")
    yield SHOP, RecordsCompared(connection="shop", number=1, cursor="r-4", findings=(finding(),), orders=3, seen=4)
    yield SHOP, Reconcile(connection="shop", by="a person", is_full=True)
    yield SHOP, ConnectionWoke(connection="shop", name="changes")
    yield DEPOT, OpenConnection(connection="depot")
    yield DEPOT, ChangesReported(connection="depot", outcome=Permanent(code="no_feed", message="changes are not kept"))


def introduced() -> ThingIntroduced:
    return ThingIntroduced(connection="shop", owner_id=OWNER, thing_id=PRINTER, version="v1", record_id="A-1")


def finding() -> Finding:
    return Finding(
        finding_id="record_unknown/I2CSTRANGER",
        connection="shop",
        code=FindingCode.RECORD_UNKNOWN,
        kind=RecordKind.ORDER,
        key=OrderKey("I2CSTRANGER"),
        record_id="O-9",
        sentence="record O-9 carries a key that no order has",
        next_step="look at it in the CRM",
    )


def conversations() -> Iterator[tuple[str, Any]]:
    """Yield: one command is done and one under way, one question is asked, of two sellers one has answered."""
    yield DEVICE, CommandThing(command=command("c-1", InvokeAction(name="clean")))
    yield DEVICE, CommandReported(command_id=CommandId("c-1"), outcome=Carried(detail="done"))
    yield DEVICE, CommandThing(command=command("c-2", WriteProperty(name="sleep", value=5.0)))
    yield DEVICE, AskPeers(question=question())
    yield DEVICE, search()
    yield DEVICE, OffersReported(connection="shop", outcome=Offers(offers=(offer(),)))


def command(command_id: str, body: CommandBody) -> ThingCommand:
    return ThingCommand(
        command_id=CommandId(command_id),
        thing_id=PRINTER,
        owner_id=OWNER,
        correlation_id=CorrelationId(f"printer-1.{command_id}"),
        body=body,
        reason="its owner wants it",
        issued_at=NOW,
        deadline=NOW + timedelta(days=3650),
    )


def question() -> Question:
    return Question(
        correlation_id=CorrelationId("printer-1.black.asked.1"),
        community_id=COMMUNITY,
        topic=Topic.MATERIAL,
        thing_id=PRINTER,
        owner_id=OWNER,
        subject="black",
        asked_at=NOW,
    )


def search() -> SearchOffers:
    return SearchOffers(
        search_id="s-1", thing_id=PRINTER, owner_id=OWNER, subject="black", kind=NeedKind.SUPPLY, skus=("INK-1",)
    )


async def live(folder: Path) -> None:
    """Live the story."""
    with open_journal(folder) as journal:
        engine = TurnEngine(journal, VirtualClock(NOW), EngineSettings(snapshot_every=3))
        shop = ConnectionSettings(can=Capabilities(changes=True))
        engine.add_kind(ConnectionCore({"shop": shop, "depot": shop}))
        engine.add_kind(DeviceCore(InquirySettings(sellers=("shop", "depot"))))
        engine.add_kind(OwnerCore())
        engine.add_kind(CommunityCore())
        for relay in (desk_relay("shop"), desk_relay("depot"), COMPUTE_RELAY, RECONCILING_RELAY, THINGS_RELAY):
            engine.add_relay(relay, Deaf())
        engine.start()
        for address, message in story():
            await engine.ask(address, message)
        await engine.stop()


def main(name: str) -> None:
    """Live the story, and write down what it left."""
    with TemporaryDirectory() as folder:
        asyncio.run(live(Path(folder)))
        (HERE / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(states(Path(folder)))))
        (HERE / f"{name}.sql").write_text(as_text(Path(folder)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
