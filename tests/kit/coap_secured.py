"""A device with an OSCORE context, on raw datagrams."""

import json
import socket
from pathlib import Path
from typing import Any

from aiocoap import POST, Message
from aiocoap.message import Direction
from aiocoap.numbers.types import CON
from aiocoap.oscore import FilesystemSecurityContext
from coap_wire import Address, asked, options_of

from protocols.testing import TANK

SECRET = "0102030405060708090a0b0c0d0e0f10"  # for tests, known to all
SENML = b'[{"n":"level","v":41.5}]'


def keep_client_context(folder: Path, secret: str = SECRET) -> Path:
    """Write what aiocoap's client needs; as with a real device, its folder outlives the process."""
    folder.mkdir(exist_ok=True)
    settings = {"sender-id_hex": "01", "recipient-id_hex": "", "secret_hex": secret}
    (folder / "settings.json").write_text(json.dumps(settings))
    return folder


class RawDevice:
    """A device that keeps the bytes of what it sends, to send them again."""

    def __init__(self, folder: Path, thing: str = TANK, body: bytes = SENML) -> None:
        self._context: Any = FilesystemSecurityContext(str(folder))
        self._thing, self._body = thing, body
        self.sent = b""
        self.heard: list[bytes] = []
        """The answers as they came."""
        self._echo: bytes | None = None

    async def post(self, peer: socket.socket, address: Address, message_id: int) -> Any:
        message: Any = Message(code=POST, payload=self._body, uri_path=("t", self._thing), content_format=110)
        message.opt.echo = self._echo
        protected, request_id = self._context.protect(message)
        protected.mid, protected.token, protected.mtype = message_id, b"\x01", CON
        self.sent = protected.encode()
        self.heard.append(await asked(peer, address, self.sent))
        answer: Any = Message.decode(self.heard[-1])
        answer.direction = Direction.INCOMING
        unprotected, _ = self._context.unprotect(answer, request_id)
        self._echo = unprotected.opt.echo
        return unprotected

    def numbers(self) -> list[int]:
        """Return the sequence numbers that the hub used of its own in its answers."""
        options = [dict(options_of(answer)).get(9, b"") for answer in self.heard]
        return [
            int.from_bytes(option[1 : 1 + (option[0] & 7)], "big") for option in options if option and option[0] & 7
        ]
