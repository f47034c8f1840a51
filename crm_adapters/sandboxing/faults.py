"""Faults: what a sandbox does wrong on purpose, when, and how often."""

import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from actors.model.errors import ConfigError


class FaultAction(StrEnum):
    """What happens to a matching request."""

    DROP_BEFORE = "drop_before"
    """Close the connection; nothing is processed."""
    DROP_AFTER = "drop_after"
    """Process and commit, then close without an answer."""
    RESET_BEFORE = "reset_before"
    """Reset the connection (TCP RST); nothing is processed."""
    RESET_AFTER = "reset_after"
    """Process and commit, then reset the connection."""
    HANG_BEFORE = "hang_before"
    """Be silent for ``delay_s``, then close; nothing is processed."""
    HANG_AFTER = "hang_after"
    """Process and commit, be silent for ``delay_s``, then close."""
    SHUT_BEFORE = "shut_before"
    """Break this and all other connections and refuse new ones for ``delay_s``; nothing is processed."""
    SHUT_AFTER = "shut_after"
    """Process and commit, then break all connections and refuse new ones for ``delay_s``."""
    LATE_COMMIT = "late_commit"
    """Close at once, process and commit after ``delay_s``."""
    STATUS = "status"
    """Answer ``status``, ``headers`` and ``body``; nothing is processed."""
    STATUS_AFTER = "status_after"
    """Process and commit, then answer ``status``, ``headers`` and ``body``."""
    GARBAGE_AFTER = "garbage_after"
    """Process and commit, then answer 200 with a body that is no JSON (or ``body``)."""
    TORN_AFTER = "torn_after"
    """Process and commit, then answer with half of the body and reset the connection."""
    DRIP_AFTER = "drip_after"
    """Process and commit, then answer with a body that comes in pieces over ``delay_s``."""
    HUGE_AFTER = "huge_after"
    """Process and commit, then answer 200 with a body of ``size_bytes``."""
    SLOW = "slow"
    """Wait ``delay_s``, then process and answer as ever."""
    EXPIRE_TOKENS = "expire_tokens"
    """Forget every access token that was given out, then process and answer as ever."""


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One planned fault. ``match`` is a regular expression searched in "METHOD /path?query".

    The first ``skip`` matching requests pass, the next ``times`` are hit; ``times`` None never ends. One that
    ``follows`` counts from the moment on at which the fault ahead of it in the plan is over.
    """

    match: str = ""
    action: FaultAction
    times: Annotated[int, Meta(ge=1)] | None = 1
    skip: Annotated[int, Meta(ge=0)] = 0
    follows: bool = False
    delay_s: Annotated[float, Meta(ge=0)] = 0.0
    status: Annotated[int, Meta(ge=200, le=599)] = 503
    headers: dict[str, str] = {}
    body: str = ""
    size_bytes: Annotated[int, Meta(ge=0, le=1 << 32)] = 8 * 1024 * 1024

    def __post_init__(self) -> None:
        """Refuse a ``match`` that is no regular expression."""
        try:
            re.compile(self.match)
        except re.error as error:
            raise ValueError(f"match {self.match!r}: expected a regular expression: {error}") from error


class FaultState(Struct, frozen=True, kw_only=True):
    """A planned fault and how many requests it met so far."""

    fault: Fault
    seen: int = 0

    @property
    def hits(self) -> int:
        """How many of the requests it met were hit."""
        past_skip = max(0, self.seen - self.fault.skip)
        return past_skip if self.fault.times is None else min(past_skip, self.fault.times)

    @property
    def spent(self) -> bool:
        """Say whether this fault is over."""
        return self.fault.times is not None and self.seen >= self.fault.skip + self.fault.times


class FaultPlan:
    """The faults of one sandbox, in order: the first that is due is taken."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._states = [FaultState(fault=fault) for fault in faults]
        self.down = False

    @property
    def states(self) -> tuple[FaultState, ...]:
        """Every fault and how far it is."""
        return tuple(self._states)

    def replace(self, faults: Iterable[Fault]) -> None:
        """Forget the plan and follow this one."""
        self._states = [FaultState(fault=fault) for fault in faults]

    def add(self, faults: Iterable[Fault]) -> None:
        """Append to the plan."""
        self._states.extend(FaultState(fault=fault) for fault in faults)

    def take(self, request_line: str) -> Fault | None:
        """Return the fault that hits this request, and count it."""
        for index, state in enumerate(self._states):
            if state.spent or not re.search(state.fault.match, request_line) or not self._has_begun(index):
                continue
            self._states[index] = FaultState(fault=state.fault, seen=state.seen + 1)
            if state.seen >= state.fault.skip:
                return state.fault
        return None

    def _has_begun(self, index: int) -> bool:
        return index == 0 or not self._states[index].fault.follows or self._states[index - 1].spent


def load_faults(path: Path) -> tuple[Fault, ...]:
    """Return the faults of a JSON file.

    Raises:
        ConfigError: the file cannot be read or is no list of faults; the text says where.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Fault, ...])
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"faults {path}: expected a JSON list of faults: {error}") from error
