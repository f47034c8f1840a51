"""What the operator writes under ``[crm.NAME]``."""

from typing import Annotated

from msgspec import Meta, Struct

from actors.model.secrets import Secret


class AcmeConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A connection: where the desk is, and the name and secret that requests are signed with."""

    url: Annotated[str, Meta(pattern=r"^https?://[^/?#@\s]+$")]
    client: str
    secret: Secret
    read_timeout_s: Annotated[float, Meta(gt=0)] = 20.0
    total_timeout_s: Annotated[float, Meta(gt=0)] = 30.0
