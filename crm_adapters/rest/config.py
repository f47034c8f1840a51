"""What the operator writes about a connection to a REST system."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from actors.model.secrets import Secret
from crm_adapters.addresses import AddressPolicy

_NONE = Secret("")


class RestConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A connection: where the API is, which manifest describes it, and the credentials that the manifest asks for.

    ``manifest`` names one that is shipped; ``manifest_file`` is one of the operator's own and goes first. ``variables``
    are the values that the manifest reads as ``config.NAME``. ``internal_hosts`` lists the hosts, addresses and
    networks, with or without ``:port``, that may be reached although they are not public or speak plain http.
    """

    base_url: Annotated[str, Meta(pattern=r"^https?://[^/?#@\s]+[^?#@\s]*$")]
    manifest: str = "shop"
    manifest_file: Path | None = None
    client_id: str = ""
    client_secret: Secret = _NONE
    username: str = ""
    password: Secret = _NONE
    api_key: Secret = _NONE
    private_key: Secret = _NONE
    webhook_secret: Secret = _NONE
    variables: dict[str, str] = {}
    internal_hosts: tuple[str, ...] = ()
    settle_s: Annotated[float, Meta(ge=0, le=3600)] | None = None
    """How long after a lost answer an absent record proves nothing; None: as long as the manifest says."""
    connect_timeout_s: Annotated[float, Meta(gt=0)] = 5.0
    read_timeout_s: Annotated[float, Meta(gt=0)] = 20.0
    total_timeout_s: Annotated[float, Meta(gt=0)] = 30.0

    def __post_init__(self) -> None:
        """Refuse an address that the connection may not reach.

        Raises:
            ValueError: the text says what to change.
        """
        refused = AddressPolicy(self.internal_hosts).why_not_url(self.base_url)
        if refused is not None:
            raise ValueError(f"base_url {self.base_url!r}: {refused}")
