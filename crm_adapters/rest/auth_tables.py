"""How a manifest says that one gets in. All secrets come from the connection's table, none from the manifest."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from crm_adapters.oauth import ClientAuth

UNAUTHORIZED = "status == `401`"


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all tables of a manifest."""


class NoAuth(Table, frozen=True, kw_only=True, tag_field="kind", tag="none"):
    """The API asks for no credentials."""


class BasicAuth(Table, frozen=True, kw_only=True, tag_field="kind", tag="basic"):
    """HTTP Basic with the connection's ``username`` and ``password``."""


class Shown(StrEnum):
    """What stands in the header."""

    API_KEY = "api_key"
    PAIR = "pair"
    """``username:password``."""
    PAIR_BASE64 = "pair_base64"


class HeaderAuth(Table, frozen=True, kw_only=True, tag_field="kind", tag="header"):
    """A secret of the connection in a header, after ``prefix``."""

    header: str = "Authorization"
    prefix: str = ""
    shows: Shown = Shown.API_KEY


class TokenReply(Table, frozen=True, kw_only=True):
    """How the answer to a request for a token is read, and how the token is shown. Texts are expressions."""

    token: str = "body.access_token"  # noqa: S105 -- an expression
    expires_in: str = "body.expires_in"
    """Seconds; null: until the API says that it is over."""
    base_url: str | None = None
    """Where later requests go, when the answer names it."""
    header: str = "Authorization"
    prefix: str = "Bearer "
    expired: str = UNAUTHORIZED
    """Holds for an answer that says: this token is over. Such a request was not processed."""


class OAuth2(TokenReply, frozen=True, kw_only=True, tag_field="kind", tag="oauth2"):
    """Client credentials with the connection's ``client_id`` and ``client_secret``; ``token_url`` may be a path."""

    token_url: str
    scope: str = ""
    client_auth: ClientAuth = ClientAuth.BASIC
    extra: dict[str, str] = {}


class JwtBearer(TokenReply, frozen=True, kw_only=True, tag_field="kind", tag="jwt_bearer"):
    """An assertion signed with the connection's ``private_key`` (RFC 7523), as a grant or as the client's proof."""

    token_url: str
    audience: str
    subject: str = "${config.subject}"
    algorithm: Literal["RS256", "PS256", "ES256"] = "RS256"
    key_id: str | None = None
    life_s: Annotated[int, Meta(ge=1, le=300)] = 180
    as_client_assertion: bool = False
    scope: str = ""
    extra: dict[str, str] = {}


class Login(TokenReply, frozen=True, kw_only=True, tag_field="kind", tag="login"):
    """A call that opens a session. ``body`` and ``form`` may use ``secret.NAME``; ``token`` sees ``cookies`` too."""

    path: str
    method: Literal["POST", "GET", "PUT"] = "POST"
    headers: dict[str, str] = {}
    body: dict[str, Any] | None = None
    form: dict[str, str] | None = None
    keep_cookies: bool = False


Auth = NoAuth | BasicAuth | HeaderAuth | OAuth2 | JwtBearer | Login


class Preflight(Table, frozen=True, kw_only=True):
    """A request whose answer's header (and cookies) every writing request must carry, such as a CSRF token."""

    path: str
    method: Literal["GET", "HEAD", "POST"] = "GET"
    headers: dict[str, str] = {}
    header: str
    keep_cookies: bool = True
    expired: str = "status == `403`"
