"""What an operator writes in ``hub.toml``, table by table, and what the hub is handed once all of it is right."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta, Struct

from actors.model.base import Value
from actors.model.customers import Customer
from actors.model.ids import OwnerId
from actors.model.profiles import Name, ThingProfile
from actors.model.things import Place, ShortText
from actors.ports import CrmSpec, ProtocolSpec
from actors.purchasing.sourcing import OVERDUE_AFTER_DAYS
from actors.thing.sighting import SEEN_WITHIN_DAYS
from crm_adapters.addresses import AddressPolicy
from hub.config.listen import Listen
from hub.logs import LogFormat

DEFAULT_LISTEN: Final = "127.0.0.1:8080"
DEFAULT_PROFILES: Final = ("profiles/*.toml",)


class HubTable(Value, frozen=True, kw_only=True):
    """``[hub]``: this installation. Relative paths are meant from the folder of ``hub.toml``."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    data_dir: Path
    listen: str = DEFAULT_LISTEN
    profiles: Annotated[tuple[str, ...], Meta(min_length=1)] = DEFAULT_PROFILES
    log: LogFormat = LogFormat.AUTO


class CommunityConfig(Value, frozen=True, kw_only=True):
    """``[communities.NAME]``: which kinds of things are peers of each other.

    Profiles that name it in their ``[peers]`` are members, too. Evidence that crosses owners needs ``k_owners``
    distinct owners, five at least; an owner's own fleet always counts. A thing that got no answer within
    ``answer_within_s`` goes on without advice.
    """

    members: tuple[Name, ...] = ()
    k_owners: Annotated[int, Meta(ge=5)] = 5
    answer_within_s: Annotated[float, Meta(gt=0)] = 5.0
    title: str = ""
    trusted_hubs: tuple[Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")], ...] = ()
    """Fingerprints of the hubs whose exports are taken in; `iot2crm community list` shows one's own."""
    count_epsilon: Annotated[float, Meta(gt=0, le=100)] | None = None
    """Counts of other owners in answers have noise of this epsilon; without it they are exact."""


class PartnerConfig(Value, frozen=True, kw_only=True):
    """``[hubs.NAME]``: another hub that evidence is exchanged with over HTTP, in both directions.

    Its operator has this hub in a table of theirs. What is taken in has a third of the weight at most.
    """

    fingerprint: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
    """As `iot2crm community list` of that hub shows it."""
    communities: Annotated[tuple[Name, ...], Meta(min_length=1)]
    url: str = ""
    """Where that hub is asked; without it this hub only answers, and takes what that one brings."""
    every_h: Annotated[float, Meta(ge=0.1, le=1000)] = 24.0
    brings: bool = False
    """This hub's evidence is brought there, too: for where that hub cannot reach this one."""
    internal_hosts: tuple[str, ...] = ()
    """Hosts, addresses or networks, with or without a port, that the URL may lead to although they are not public."""

    def __post_init__(self) -> None:
        """Refuse what could never be asked.

        Raises:
            ValueError: the URL leads where it may not, or an entry of ``internal_hosts`` cannot be read.
        """
        refused = AddressPolicy(self.internal_hosts).why_not_url(self.url) if self.url else None
        if refused is not None:
            raise ValueError(f"url: {refused}")
        if self.brings and not self.url:
            raise ValueError("brings: needs url, the address where this hub's evidence is brought")


class OwnerConfig(Value, frozen=True, kw_only=True):
    """``[owners.NAME]``: what CRMs that keep customers are told of an owner. Others are told their id alone."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    contact_name: ShortText = ""
    contact_email: ShortText = ""
    contact_phone: ShortText = ""
    address: Place = Place()

    def customer(self, owner_id: OwnerId) -> Customer:
        """Return this owner as a customer."""
        return Customer(
            owner_id=owner_id,
            name=self.name,
            address=self.address,
            contact_name=self.contact_name,
            contact_email=self.contact_email,
            contact_phone=self.contact_phone,
        )


class LimitsConfig(Value, frozen=True, kw_only=True):
    """``[limits]``: what holds whatever the deciding code thinks."""

    mailbox: Annotated[int, Meta(ge=1)] = 1000
    """Device messages that may wait for one thing; beyond that the device is told to come back later."""
    silent_minutes: Annotated[float, Meta(gt=0)] = 15.0
    """Silence after which a thing leaves memory, within twice this time; its next message loads it again."""
    max_orders_per_7_days: Annotated[int, Meta(ge=1)] = 3
    """Orders of one thing in any seven days; a thing that wants more stops buying until a person looks."""
    min_hours_between_orders: Annotated[float, Meta(ge=0)] = 1.0
    """Least time between two orders of one thing for the same subject."""
    seen_within_days: Annotated[float, Meta(gt=0)] = SEEN_WITHIN_DAYS
    """So long after its order was fulfilled a need waits for its thing to show it; a profile may say otherwise."""
    overdue_after_days: Annotated[float, Meta(gt=0)] = OVERDUE_AFTER_DAYS
    """So long after it should be there a confirmed order goes to a person, where neither CRM nor thing says it is."""
    max_body_bytes: Annotated[int, Meta(ge=1024)] = 1_048_576
    """Largest request body that the hub's HTTP application reads."""
    body_within_s: Annotated[float, Meta(gt=0)] = 30.0
    """A body of a request to the owners' API, or of a CRM's message, that takes longer gets 408."""


class StorageConfig(Value, frozen=True, kw_only=True):
    """``[storage]``: how the journal is written."""

    snapshot_every: Annotated[int, Meta(ge=1)] = 48
    """Turns of one thing between two snapshots of its state."""
    batch_ms: Annotated[float, Meta(gt=0, le=1000)] = 8.0
    """Longest time that turns are gathered before they are committed together."""
    keep_readings_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    """Days after which raw messages of things may be deleted; without it nothing is ever deleted.

    States, orders, approvals, notes and all turns of owners, orders and communities stay for good. Messages go in whole
    segments, when the youngest in it is old enough. One that a thing sends again later is known by its ``boot:number``.
    """


class WebhooksConfig(Value, frozen=True, kw_only=True):
    """``[webhooks]``: telling owners' endpoints what happens to their things."""

    internal_hosts: tuple[str, ...] = ()
    """Hosts, addresses or networks, with or without a port, that endpoints may be at although they are not public."""
    give_up_days: Annotated[float, Meta(gt=0, le=365)] = 3.0
    """An endpoint that took nothing for so long is disabled."""
    most_endpoints: Annotated[int, Meta(ge=1, le=1000)] = 10
    """Endpoints that one owner may have."""

    def __post_init__(self) -> None:
        """Refuse a list that cannot be read.

        Raises:
            ValueError: an entry is no host, address or network.
        """
        AddressPolicy(self.internal_hosts)


class ProtocolChoice(Struct, frozen=True, kw_only=True):
    """``[protocols.NAME]``: an adapter's spec and its decoded options."""

    name: str
    spec: ProtocolSpec
    config: Struct


class DeskConfig(Value, frozen=True, kw_only=True):
    """``[crm.NAME.desk]``: how a connection is worked with, whatever its adapter."""

    changes_every_s: Annotated[float, Meta(ge=1)] = 60.0
    """How often the CRM is asked what changed, where it can tell."""
    reconcile_at: Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z")] = "03:00"
    """Time of day (UTC) at which orders and the CRM's records are compared."""
    introduce_things: bool = True
    """A CRM that keeps customers' things is told of a thing before its first order, and of every change of it."""
    parallel: Annotated[int, Meta(ge=1, le=100)] = 16
    """Calls that are under way at once, at most; what the adapter declares may be less."""
    requests_per_s: Annotated[float, Meta(gt=0)] | None = None
    """Calls a second, at most; one call may be several requests of HTTP."""
    requests_per_day: Annotated[int, Meta(ge=1)] | None = None
    """Calls in any 24 hours, at most, also when the hub is started again meanwhile."""

    @property
    def reconcile_minute(self) -> int:
        """Return the minute of the day at which is compared."""
        hour, _, minute = self.reconcile_at.partition(":")
        return 60 * int(hour) + int(minute)


class CrmChoice(Struct, frozen=True, kw_only=True):
    """``[crm.NAME]``: a connection, its adapter's spec and decoded options."""

    name: str
    spec: CrmSpec
    config: Struct
    desk: DeskConfig = DeskConfig()


class HubConfig(Struct, frozen=True, kw_only=True):
    """A configuration in which everything is right. ``warnings`` are for people to look at."""

    file: Path
    name: str
    data_dir: Path
    listen: Listen
    log: LogFormat
    profiles: Mapping[str, ThingProfile]
    protocols: tuple[ProtocolChoice, ...]
    crm: tuple[CrmChoice, ...]
    communities: Mapping[str, CommunityConfig]
    limits: LimitsConfig
    storage: StorageConfig
    webhooks: WebhooksConfig = WebhooksConfig()
    owners: Mapping[OwnerId, OwnerConfig] = {}
    hubs: Mapping[str, PartnerConfig] = {}
    warnings: tuple[str, ...] = ()
    shards: int = 1
    """Journals that the actors are spread over. No operator's choice yet: one process gains nothing from several."""
