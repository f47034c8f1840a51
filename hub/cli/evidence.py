"""Files of evidence between hubs: the first line is a signed list, each line below it a piece that the list names."""

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from actors.model.errors import HubError
from hub.cli.api import Body, HubAddress, call, fetch
from hub.cli.progress import Bar
from hub.exports import LARGEST_LIST, Content, Export
from hub.files import write_whole


class NoEvidence(HubError):
    """A file is no export, or only a part of one; the text says what, where, and what to do."""


def export(hub: HubAddress, name: str, file: Path) -> dict[str, Any]:
    """Write what a hub tells of a community, and return what that is."""
    path = _path(name, "export")
    signed = fetch(hub, path)
    content = _content(_listed(signed, str(file)))
    with Bar("pieces") as bar:
        lines = [signed]
        for done, piece in enumerate(content.pieces, 1):
            lines.append(fetch(hub, f"{path}/{piece.sha256}"))
            bar.share(done, len(content.pieces))
    write_whole(file, b"\n".join((*lines, b"")).decode())
    cards = sum(piece.cards for piece in content.pieces)
    return {"file": str(file), "hub": content.hub, "cards": cards, "pieces": len(content.pieces)}


def bring(hub: HubAddress, name: str, file: Path) -> Any:
    """Bring a file to a hub and return what came of it.

    Raises:
        NoEvidence: a piece is missing or broken; nothing of the file was taken in.
        CallRefused, LinkDown: the hub says no, or is gone; it is safe to do it again.
    """
    path = _path(name, "import")
    signed, *pieces = file.read_bytes().split(b"\n")
    content = _content(_listed(signed, f"{file}: line 1"))
    here = {hashlib.sha256(piece).hexdigest(): piece for piece in pieces}
    _check(content, pieces, here, file)
    taken = call(hub, "POST", path, body=Body(content=signed))
    with Bar("pieces") as bar:
        for done, sha256 in enumerate(taken["wanted"], 1):
            call(hub, "POST", f"{path}/{sha256}", body=Body(content=here[sha256]))
            bar.share(done, len(taken["wanted"]))
    return call(hub, "POST", path, body=Body(content=signed)) if taken["wanted"] else taken


def _check(content: Content, lines: list[bytes], here: dict[str, bytes], file: Path) -> None:
    for number, piece in enumerate(content.pieces, 1):
        if piece.sha256 not in here:
            line = lines[number - 1] if number <= len(lines) else b""
            got = f"{len(line)} bytes of {hashlib.sha256(line).hexdigest()}" if line else "the file's end"
            expected = f"expected piece {number} of {len(content.pieces)}, {piece.size} bytes of SHA-256 {piece.sha256}"
            told = f"{file}: line {number + 1}: {expected}, got {got}"
            raise NoEvidence(f"{told}; nothing was taken in. Next: get the file again from the hub {content.hub}")


def _listed(line: bytes, where: str) -> Export:
    if len(line) > 2 * LARGEST_LIST:
        told = f"{where}: expected a signed list of at most {2 * LARGEST_LIST} bytes, got {len(line)}"
        raise NoEvidence(f"{told}. Next: update the hub that wrote it (older ones told all in one), and export again")
    try:
        return msgspec.json.decode(line, type=Export)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        told = f"{where}: expected a signed list as `iot2crm community export` writes it, got something else: {error}"
        raise NoEvidence(f"{told}. Next: get the file again") from error


def _content(listed: Export) -> Content:
    try:
        return msgspec.json.decode(listed.content, type=Content)
    except msgspec.MsgspecError as error:
        raise NoEvidence(f"expected the content of a list, got {error}. Next: get the file again") from error


def _path(name: str, what: str) -> str:
    return f"/api/v1/communities/{quote(name, safe='')}/{what}"
