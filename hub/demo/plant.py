"""The demo's plant: an OPC UA server in a process of its own, played by JSON lines.

``python -m hub.demo.plant --announce FILE [--port 0]`` listens on 127.0.0.1, writes its URL to FILE once it does, obeys
one JSON object a line on standard input, and answers each with one line on standard output, in order. It ends when the
input ends, and on SIGTERM.

    {"do": "define", "machines": {"E1": {"Snapshot": "numbers", "Cycle": "count"}}}
        Make variables of the kinds number, count, text, flag and numbers. They are nodes
        ``nsu=urn:iot2crm:demo:plant;s=E1.Cycle`` and have no value until one is set. -> {"ok": true, "variables": 2}
    {"do": "set", "values": {"E1.Snapshot": [1.5, 2.0], "E1.Cycle": 5}, "status": "UncertainSensorNotAccurate"}
        Write values in this order, each with a later source time than the one before; ``status`` is the name of an
        OPC UA status code, good when it is left out. -> {"ok": true, "written": 2}
    {"do": "play", "rows": [{"E1.Cycle": 6}, {"E1.Cycle": 7}], "every_ms": 0}
        Set one row after another and answer after the last one. -> {"ok": true, "written": 2}
    {"do": "settle", "within_s": 10}
        Wait until the subscribers there are have acknowledged everything.
        -> {"ok": true, "settled": true, "subscriptions": 1, "waiting": 0}
    {"do": "stop_listening"}
        Play an outage: close all connections and take none; sessions and subscriptions are kept, as in a server whose
        network is down. -> {"ok": true}
    {"do": "listen"}
        End the outage, on the same port. -> {"ok": true}

What cannot be done is answered {"ok": false, "error": "..."} and changes nothing, except for rows played before it. The
server reports on write and does no sampling: subscribe with an item queue as long as the rows played at a time.
"""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

import msgspec
from asyncua import ua as _ua  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType] - generated
from asyncua.server.server import Server
from msgspec import Struct

from actors.ports import Clock
from crm_adapters.sandboxing import announce_in
from hub.clock import SystemClock

ua: Any = _ua
NAMESPACE: Final = "urn:iot2crm:demo:plant"
_LONGEST_LINE: Final = 256 * 1024 * 1024
_TICK: Final = timedelta(microseconds=1)
_POLL_S: Final = 0.01

Value = bool | int | float | str | list[float]


class Kind(StrEnum):
    """What a variable holds."""

    NUMBER = "number"
    COUNT = "count"
    TEXT = "text"
    FLAG = "flag"
    NUMBERS = "numbers"


class Define(Struct, frozen=True, tag_field="do", tag="define"):
    """Make machines with their variables."""

    machines: dict[str, dict[str, Kind]]


class Set(Struct, frozen=True, tag_field="do", tag="set"):
    """Write values."""

    values: dict[str, Value]
    status: str = "Good"


class Play(Struct, frozen=True, tag_field="do", tag="play"):
    """Write rows of values."""

    rows: list[dict[str, Value]]
    every_ms: float = 0.0


class Settle(Struct, frozen=True, tag_field="do", tag="settle"):
    """Wait for acknowledgements."""

    within_s: float = 10.0


class StopListening(Struct, frozen=True, tag_field="do", tag="stop_listening"):
    """Begin an outage."""


class Listen(Struct, frozen=True, tag_field="do", tag="listen"):
    """End an outage."""


Command = Define | Set | Play | Settle | StopListening | Listen


class CannotDo(Exception):
    """A command that does not fit the plant as it is."""


class _Form(NamedTuple):
    """How a kind is told in OPC UA: type, a first value to make the node with, and the Python types it takes."""

    variant: Any
    blank: Any
    takes: tuple[type, ...]


_FORMS: Final[Mapping[Kind, _Form]] = {
    Kind.NUMBER: _Form(ua.VariantType.Double, 0.0, (int, float)),
    Kind.COUNT: _Form(ua.VariantType.Int64, 0, (int,)),
    Kind.TEXT: _Form(ua.VariantType.String, "", (str,)),
    Kind.FLAG: _Form(ua.VariantType.Boolean, blank=False, takes=(bool,)),
    Kind.NUMBERS: _Form(ua.VariantType.Double, [0.0], (list,)),
}


class Plant:
    """The machines and the server that shows them."""

    def __init__(self, server: Any, namespace: int, clock: Clock) -> None:
        self._server = server
        self._namespace = namespace
        self._clock = clock
        self._kinds: dict[str, Kind] = {}
        self._last_time = clock.now()

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"opc.tcp://127.0.0.1:{self._server.bserver.port}/"

    async def obey(self, command: Command) -> Mapping[str, object]:
        """Carry out one command and return what is to be told of it; raises ``CannotDo``."""
        match command:
            case Define():
                return {"variables": await self._define(command.machines)}
            case Set():
                return {"written": await self._set(command.values, _status(command.status))}
            case Play():
                return {"written": await self._play(command.rows, command.every_ms / 1000)}
            case Settle():
                return await self._settle(command.within_s)
            case StopListening():
                await self._server.bserver.stop()
            case Listen():
                await self._server.bserver.start()
        return {}

    async def _define(self, machines: Mapping[str, Mapping[str, Kind]]) -> int:
        for machine, variables in machines.items():
            known = [name for name in variables if f"{machine}.{name}" in self._kinds]
            if known:
                raise CannotDo(f"{machine}.{known[0]} is defined already")
        for machine, variables in machines.items():
            folder = await self._server.nodes.objects.add_object(self._node(machine), f"{self._namespace}:{machine}")
            for name, kind in variables.items():
                await self._add(folder, f"{machine}.{name}", kind)
        return sum(map(len, machines.values()))

    async def _add(self, folder: Any, name: str, kind: Kind) -> None:
        form = _FORMS[kind]
        node = self._node(name)
        await folder.add_variable(node, f"{self._namespace}:{name}", form.blank, form.variant)
        await self._server.write_attribute_value(
            node, ua.DataValue(None, ua.StatusCode(ua.StatusCodes.BadWaitingForInitialData))
        )
        self._kinds[name] = kind

    async def _play(self, rows: Sequence[Mapping[str, Value]], every_s: float) -> int:
        written = 0
        for row in rows:
            written += await self._set(row, ua.StatusCode())
            await asyncio.sleep(every_s)
        return written

    async def _set(self, values: Mapping[str, Value], status: Any) -> int:
        for name, value in values.items():
            self._check(name, value)
        for name, value in values.items():
            form = _FORMS[self._kinds[name]]
            told = ua.DataValue(ua.Variant(value, form.variant), status, self._next_time())
            await self._server.write_attribute_value(self._node(name), told)
        return len(values)

    def _check(self, name: str, value: Value) -> None:
        kind = self._kinds.get(name)
        if kind is None:
            raise CannotDo(f"{name} is not defined")
        if not isinstance(value, _FORMS[kind].takes) or (isinstance(value, bool) and kind is not Kind.FLAG):
            raise CannotDo(f"{name} is a {kind}; got {value!r:.40}")

    async def _settle(self, within_s: float) -> Mapping[str, object]:
        deadline = self._clock.monotonic() + within_s
        while (waiting := self._waiting()) and self._clock.monotonic() < deadline:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(_POLL_S)
        subscriptions = len(self._server.iserver.subscription_service.subscriptions)
        return {"settled": not waiting, "subscriptions": subscriptions, "waiting": waiting}

    def _waiting(self) -> int:
        """Count values that were not sent and notifications that were not acknowledged (asyncua 2.1.0)."""
        return sum(
            len(queues._triggered_datachanges) + len(queues._not_acknowledged_results)  # noqa: SLF001 - nothing public
            for queues in self._server.iserver.subscription_service.subscriptions.values()
        )

    def _node(self, name: str) -> Any:
        return ua.NodeId(name, self._namespace)

    def _next_time(self) -> datetime:
        """Return the present, and always later than before, so that the order of values can be told by their times."""
        self._last_time = max(self._clock.now(), self._last_time + _TICK)
        return self._last_time


@asynccontextmanager
async def running_plant(clock: Clock, port: int = 0) -> AsyncGenerator[Plant]:
    """Run a plant without machines."""
    server: Any = Server()
    await server.init()
    server.disable_clock()
    server.set_server_name("IoT2CRM demo plant")
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    server.set_identity_tokens([ua.AnonymousIdentityToken])
    namespace = await server.register_namespace(NAMESPACE)
    async with server:
        yield Plant(server, namespace, clock)


async def serve(port: int, announce: Callable[[str], None]) -> None:
    """Run a plant by the commands on standard input until they end or SIGTERM comes."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with running_plant(SystemClock(), port) as plant, asyncio.TaskGroup() as group:
        announce(plant.url)
        obeying = group.create_task(_obey_lines(plant, sys.stdin, sys.stdout, ended))
        await ended.wait()
        obeying.cancel()


async def _obey_lines(plant: Plant, commands: TextIO, answers: TextIO, ended: asyncio.Event) -> None:
    lines = asyncio.StreamReader(limit=_LONGEST_LINE)
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), commands)
    try:
        while line := await lines.readline():
            answers.write(msgspec.json.encode(await _answer(plant, line)).decode() + "\n")
            answers.flush()
    finally:
        pipe.close()
    ended.set()


async def _answer(plant: Plant, line: bytes) -> Mapping[str, object]:
    try:
        return {"ok": True, **await plant.obey(msgspec.json.decode(line, type=Command))}
    except (msgspec.DecodeError, CannotDo) as error:
        return {"ok": False, "error": str(error)}


def _status(name: str) -> Any:
    if not hasattr(ua.StatusCodes, name):
        raise CannotDo(f"{name} is no OPC UA status code")
    return ua.StatusCode(getattr(ua.StatusCodes, name))


def main() -> None:
    """Run the plant as a process."""
    parser = argparse.ArgumentParser(
        prog="python -m hub.demo.plant", description="An OPC UA server played by JSON lines."
    )
    parser.add_argument("--announce", type=Path, required=True, help="file that gets the URL once the server listens")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)  # asyncua warns of certificates that a server on loopback does without
    asyncio.run(serve(options.port, announce_in(options.announce)))


if __name__ == "__main__":
    main()
