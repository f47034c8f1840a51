"""Opening one connection of a configuration, for commands that talk to its CRM."""

from collections.abc import Awaitable, Callable
from random import SystemRandom
from typing import Any, TypeVar

from actors.model.errors import ConfigError
from actors.ports import CrmDeps
from hub.clock import SystemClock
from hub.config import HubConfig

T = TypeVar("T")


async def with_connection(config: HubConfig, name: str, run: Callable[[Any], Awaitable[T]]) -> T:
    """Open the adapter of a connection, give it to ``run`` and return what comes of it.

    Raises:
        ConfigError: there is no such connection, or ``run`` looked for what the CRM does not have.
    """
    choice = next((each for each in config.crm if each.name == name), None)
    if choice is None:
        names = ", ".join(each.name for each in config.crm) or "none"
        raise ConfigError(f"{config.file}: there is no [crm.{name}]; expected one of {names}")
    deps = CrmDeps(connection=name, clock=SystemClock(), chance=SystemRandom())
    async with choice.spec.open(choice.config, deps) as adapter:
        try:
            return await run(adapter)
        except LookupError as error:
            raise ConfigError(f"[crm.{name}]: {error}") from error
