"""Playing a device by JSON lines: commands on standard input, answers on standard output."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec

from hub.demo.device import Command, Device

_LONGEST_LINE: Final = 1024 * 1024
_COMMANDS: Final = msgspec.json.Decoder[Command](Command)


async def play(device: Device) -> None:
    """Obey the lines of standard input until it ends or SIGTERM comes.

    Each command runs as soon as it is read, so that a device can be asked while it is still trying to send; its
    messages go out one at a time all the same.
    """
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with asyncio.TaskGroup() as group:
        player = group.create_task(_play_lines(device, ended))
        await ended.wait()
        player.cancel()


async def _play_lines(device: Device, ended: asyncio.Event) -> None:
    lines = asyncio.StreamReader(limit=_LONGEST_LINE)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    try:
        async with asyncio.TaskGroup() as group:
            while line := await lines.readline():
                group.create_task(_answer(device, line, sys.stdout))
            ended.set()
    finally:
        transport.close()


async def _answer(device: Device, line: bytes, answers: TextIO) -> None:
    answer: Mapping[str, Any]
    try:
        command = _COMMANDS.decode(line)
        answer = await device.obey(command)
        if command.ref is not None:
            answer = {**answer, "ref": command.ref}
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        answer = {"ok": False, "error": str(error)}
    answers.write(msgspec.json.encode(answer).decode() + "\n")
    answers.flush()


def parser_for(program: str, description: str, *, level_name: str, level_unit: str) -> argparse.ArgumentParser:
    """Return a parser with the options that all devices have."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=description)
    parser.add_argument("--url", required=True, help="address of the hub, without the path")
    parser.add_argument("--thing", required=True, help="thing id of this device")
    parser.add_argument("--level", type=float, default=100.0, help="level at first (100)")
    parser.add_argument("--level-name", default=level_name, help=f"property of the level ({level_name})")
    parser.add_argument("--level-unit", default=level_unit, help=f"its SenML unit ({level_unit})")
    parser.add_argument("--seed", type=int, default=1, help="seed of the back-off's jitter")
    parser.add_argument("--timeout-s", type=float, default=10.0, help="seconds to wait for an answer (10)")
    return parser


def secret_in(path: Path) -> str:
    """Return the secret in a file, without the line's end."""
    return path.read_text(encoding="utf-8").strip()
