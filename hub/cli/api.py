"""The owners' API seen from the command line: where the hub is, one call, and errors with a next step."""

import asyncio
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import msgspec
from msgspec import Struct

from actors.model.errors import ConfigError, HubError, LinkDown
from actors.model.secrets import Secret
from hub.cli.tables import as_list, as_map
from hub.config import load_hub_table
from hub.config.listen import parse_listen

TOKEN_FILE: Final = "owner.token"  # noqa: S105 -- a file's name
URL_FILE: Final = "hub.url"
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30.0, connect=5.0)


class HubAddress(Struct, frozen=True, kw_only=True):
    """Where a running hub is, and the owner's token for it."""

    url: str
    token: Secret | None


class CallRefused(HubError):
    """The hub answered, and the answer is no. ``status`` is that of HTTP."""

    def __init__(self, status: int, text: str, answer: object = None) -> None:
        super().__init__(text)
        self.status = status
        self.answer = answer


class Body(Struct, frozen=True, kw_only=True):
    """What a call sends."""

    content: bytes = b""
    content_type: str = "application/json"

    @classmethod
    def of(cls, value: object) -> "Body":
        """Return a value as JSON."""
        return cls(content=msgspec.json.encode(value))


def find_hub(url: str | None, token_file: Path | None, config_file: Path | None) -> HubAddress:
    """Return the hub that the options name; what they leave out comes from the configuration file.

    Raises:
        ConfigError: neither says where the hub is, or the token cannot be read.
    """
    if url is not None and token_file is not None:
        return HubAddress(url=url.rstrip("/"), token=_read_token(token_file))
    path = config_file or Path("hub.toml")
    if url is not None and config_file is None and not path.exists():
        return HubAddress(url=url.rstrip("/"), token=None)
    if config_file is None and not path.exists():
        raise ConfigError("which hub? Name its configuration with -c FILE, or its address with --url and --token-file")
    hub = load_hub_table(path)
    token = _read_token(token_file or hub.data_dir / TOKEN_FILE)
    return HubAddress(url=(url or _url_of(hub.listen, hub.data_dir)).rstrip("/"), token=token)


def call(
    hub: HubAddress, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Body | None = None
) -> Any:
    """Return the decoded answer to one request.

    Raises:
        CallRefused: the hub answered with an error; the text is its own.
        LinkDown: no answer; the text says what to do.
    """
    return _decoded(asyncio.run(_call(hub, method, path, dict(query or {}), body))[0])


def fetch(hub: HubAddress, path: str) -> bytes:
    """Return the answer to a GET as it is.

    Raises:
        CallRefused, LinkDown: as ``call``.
    """
    return asyncio.run(_call(hub, "GET", path, {}, None))[0]


def call_pages(hub: HubAddress, path: str) -> Iterator[Any]:
    """Yield the answer to a GET and the pages behind it, as the header ``Link`` names them (RFC 8288).

    Raises:
        CallRefused, LinkDown: as ``call``.
    """
    following: str | None = path
    while following is not None:
        content, following = asyncio.run(_call(hub, "GET", following, {}, None))
        yield _decoded(content)


async def _call(
    hub: HubAddress, method: str, path: str, query: dict[str, str], body: Body | None
) -> tuple[bytes, str | None]:
    """Return the answer, and the path of the page behind it."""
    headers = _headers(hub, method, body)
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as session,
            session.request(
                method, hub.url + path, params=query, headers=headers, data=body.content if body else None
            ) as answer,
        ):
            content = await answer.read()
            if answer.status >= 400 and path != "/healthz":
                raise CallRefused(answer.status, _refusal(answer.status, content), _decoded(content))
            return content, _following(answer)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise LinkDown(_no_answer(hub, error)) from error


def _following(answer: aiohttp.ClientResponse) -> str | None:
    link = answer.links.get("next")
    address = urlsplit(str(link["url"])) if link is not None else None
    return None if address is None else f"{address.path}?{address.query}"


def _headers(hub: HubAddress, method: str, body: Body | None) -> dict[str, str]:
    headers = {"Accept": "application/json"}
    if hub.token is not None:
        headers["Authorization"] = f"Bearer {hub.token.reveal()}"
    if method == "POST":
        headers["Idempotency-Key"] = secrets.token_hex(16)
    if body is not None:
        headers["Content-Type"] = body.content_type
    return headers


def _decoded(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content) if content else {}
    except msgspec.DecodeError:
        return {"text": content.decode(errors="replace")}


def _refusal(status: int, content: bytes) -> str:
    """Return the sentence of an RFC 9457 problem, with a next step where the status alone tells it."""
    problem = as_map(_decoded(content))
    parts = [str(problem[key]) for key in ("title", "detail") if problem.get(key)]
    steps = {
        401: "name the owner's token with --token-file (the hub writes owner.token in its data directory)",
        403: "this token may not do that; use the owner's or the operator's",
        404: "look up the exact name with `iot2crm things list` or `iot2crm orders list`",
        503: "the hub is busy or stopping; try again in a moment",
    }
    said = ": ".join(parts) or f"the hub refused with HTTP status {status}"
    rejected = [as_map(each) for each in as_list(problem.get("rejected"))]
    rows = [f"row {each.get('row')}: {each.get('detail')}" for each in rejected]
    said = "; ".join((said, *rows))
    step = str(problem.get("next_step") or steps.get(status, ""))
    return f"{said}. Next: {step}" if step else said


def _no_answer(hub: HubAddress, error: Exception) -> str:
    if isinstance(error, aiohttp.InvalidURL):
        return f"{hub.url} is no address; write, for example: --url http://127.0.0.1:8080"
    reason = "no answer in time" if isinstance(error, TimeoutError) else _reason(error)
    return f"no hub answers at {hub.url} ({reason}). Next: start it with `iot2crm run`, or name another with --url"


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        return os.strerror(number).lower() if number else str(error.os_error)
    return str(error) or type(error).__name__


def _url_of(listen: str, data_dir: Path) -> str:
    """Return the address in the configuration, or with port 0 the one that the running hub wrote down."""
    address = parse_listen(listen)
    if address is not None and address.port != 0:
        return f"http://{address}"
    try:
        return (data_dir / URL_FILE).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"listen = {listen!r} names no port, and no hub runs in {data_dir}; use --url") from error


def _read_token(path: Path) -> Secret:
    try:
        token = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(
            f"the owner's token {path} cannot be read: {error.strerror}. "
            "Next: start the hub once (it writes owner.token in its data directory), or name the file with --token-file"
        ) from error
    return Secret(token)
