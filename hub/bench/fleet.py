"""Many things in one hub, in processes of their own: how long it starts, and what active things hold of its memory.

Goals: ``start.tenfold_things_ratio`` <= 1.5 (from the first step of composing the hub to its first answer, imports of
Python left out: they are the same for all) and ``things.resident_100k_mib`` <= 300 (beyond the same hub without things;
each thing has spoken a few times and knows ten properties and two slots).

Alone: ``python -m hub.bench.fleet [THINGS] [ROUNDS]``; the last lines hold the figures.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import msgspec

from hub.bench.turns import BenchFailed

Say = Callable[[str], None]
_MIB = 2**20
_IMPORTED_AT_ONCE = 1_000
_MESSAGES = 4
"""Messages of each thing: its slots hold so many samples."""
_TENTH = 10


def measure(say: Say, *, things: int, rounds: int) -> dict[str, float]:
    """Return the figures of a fleet; ``things`` of them, and for the start a tenth beside."""
    with tempfile.TemporaryDirectory(prefix="iot2crm-fleet-") as name:
        folder = Path(name)
        few, many = folder / "few", folder / "many"
        _registered(few, things // _TENTH, say)
        began = time.perf_counter()
        tokens = _registered(many, things, say)
        import_per_s = things / (time.perf_counter() - began)
        starts = [(_start_s(few), _start_s(many)) for _ in range(rounds)]
        say(f"started {2 * rounds} times")
        resident = _resident_mib(many, tokens, say) - _resident_mib(folder / "empty", [], say)
    return {
        "start.tenfold_things_ratio": statistics.median(many_s / few_s for few_s, many_s in starts),
        "start.ready_10k_s": statistics.median(few_s for few_s, _ in starts),
        "start.ready_100k_s": statistics.median(many_s for _, many_s in starts),
        "things.resident_100k_mib": resident,
        "things.import_per_s": import_per_s,
    }


def _registered(folder: Path, count: int, say: Say) -> list[str]:
    """Import things into a new hub over its API; return their tokens."""
    tokens: list[str] = []
    with _hub(folder) as hub:
        hub.ask("start")
        url = (folder / "hub.url").read_text(encoding="utf-8").strip()
        owner = (folder / "owner.token").read_text(encoding="utf-8").strip()
        while len(tokens) < count:
            rows = [_thing(number) for number in range(len(tokens), min(count, len(tokens) + _IMPORTED_AT_ONCE))]
            tokens += _import(url, owner, rows)
            if len(tokens) % (10 * _IMPORTED_AT_ONCE) == 0:
                say(f"registered {len(tokens)} of {count} things")
    return tokens


def _import(url: str, owner: str, rows: Sequence[Any]) -> list[str]:
    headers = {"Authorization": f"Bearer {owner}", "Content-Type": "application/json"}
    request = Request(f"{url}/api/v1/things/import", msgspec.json.encode(rows), headers)  # noqa: S310 - our own hub
    with urlopen(request, timeout=60) as reply:  # noqa: S310 - our own hub
        done = msgspec.json.decode(reply.read())
    if done["rejected"]:
        raise BenchFailed(str(done["rejected"][0]))
    return [entry["token"] for entry in done["things"]]


def _thing(number: int) -> dict[str, Any]:
    """Return what is told of a thing: a hundred of them an owner, each with a serial and a place."""
    return {
        "thing_id": f"machine-{number:06}",
        "owner_id": f"owner-{number // 100}",
        "profile": "bench",
        "serial": f"SN-{number:06}",
        "place": {"name": f"Hall {number % 40}", "city": "Bonn", "country": "DE"},
        "connection": {"protocol": "http"},
        "shares": ["supplies"],
    }


def _start_s(folder: Path) -> float:
    with _hub(folder) as hub:
        return hub.ask("start")


def _resident_mib(folder: Path, tokens: Sequence[str], say: Say) -> float:
    """Return the memory of a hub after each thing of the tokens spoke a few times."""
    with _hub(folder) as hub:
        hub.ask("start")
        for seq in range(_MESSAGES):
            for start in range(0, len(tokens), _IMPORTED_AT_ONCE):
                hub.feed(_lines(tokens[start : start + _IMPORTED_AT_ONCE], seq, start))
            if tokens:
                say(f"message {seq + 1} of {_MESSAGES} of {len(tokens)} things")
        return hub.ask("rss") / _MIB


def _lines(tokens: Iterable[str], seq: int, offset: int) -> list[bytes]:
    return [f"{token} ".encode() + _body(seq, offset + number) for number, token in enumerate(tokens)]


def _body(seq: int, number: int) -> bytes:
    """Return what a device sends: ten numbers that no other device sends."""
    readings = [
        {"name": f"p{index}", "value": 1000.0 + number / 7 + index - seq / 3, "unit": "count"} for index in range(10)
    ]
    return msgspec.json.encode({"seq": seq, "readings": readings})


class _Hub:
    """The near end of a hub's process."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def ask(self, command: str) -> float:
        """Send a command and return the number that answers it."""
        return self._sent([command.encode()])

    def feed(self, lines: Sequence[bytes]) -> None:
        """Hand in messages; return when they are stored."""
        self._sent([f"feed {len(lines)}".encode(), *lines])

    def _sent(self, lines: Sequence[bytes]) -> float:
        if self._process.stdin is None or self._process.stdout is None:
            raise BenchFailed("a hub without pipes")
        self._process.stdin.write(b"\n".join(lines) + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise BenchFailed("the hub of the benchmark ended; its error stands above")
        return float(answer)


@contextmanager
def _hub(folder: Path) -> Generator[_Hub]:
    command = [sys.executable, "-m", "hub.bench.hub_process", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own
        try:
            yield _Hub(process)
        finally:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    things, rounds = [int(text) for text in [*arguments, *("100000", "5")[len(arguments) :]]]
    for key, value in measure(_say, things=things, rounds=rounds).items():
        sys.stdout.write(f"{key:40} {value:12.3f}\n")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
