"""A sandbox's life: listening on a socket, alone in a process or beside a test."""

import asyncio
import signal
import ssl
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from importlib.metadata import entry_points
from pathlib import Path

from aiohttp import web

from actors.model.errors import ConfigError
from crm_adapters.sandboxing.application import build_application
from crm_adapters.sandboxing.contract import SandboxOptions, SandboxSpec
from crm_adapters.sandboxing.door import DOOR, Door
from crm_adapters.sandboxing.faults import Fault

GROUP = "iot2crm.sandboxes"
LOOPBACK = "127.0.0.1"


@asynccontextmanager
async def listening(
    spec: SandboxSpec,
    options: SandboxOptions,
    *,
    faults: Iterable[Fault] = (),
    host: str = LOOPBACK,
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> AsyncGenerator[str, None]:
    """Serve a sandbox while the context lasts; the value is its base URL, without a slash at the end."""
    application = build_application(spec.opened(options), clock=options.clock, faults=faults, limit=options.limit)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    door = application[DOOR] = Door(runner, host, port, tls)
    await runner.setup()
    try:
        await door.open()
        bound_host, bound_port, *_ = runner.addresses[0]
        yield f"{'https' if tls else 'http'}://{bound_host}:{bound_port}"
    finally:
        door.close()
        await runner.cleanup()


async def serve(  # noqa: PLR0913 -- where and how it is served, each by name
    spec: SandboxSpec,
    options: SandboxOptions,
    announce: Callable[[str], None],
    *,
    faults: Iterable[Fault] = (),
    host: str = LOOPBACK,
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; ``announce`` gets the base URL once the socket listens."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with listening(spec, options, faults=faults, host=host, port=port, tls=tls) as base_url:
        announce(base_url)
        await ended.wait()


def run_sandbox(
    name: str,
    options: SandboxOptions,
    announce: Callable[[str], None],
    *,
    faults: Iterable[Fault] = (),
    host: str = LOOPBACK,
    port: int = 0,
) -> None:
    """Run the sandbox of this name in this process until a signal ends it.

    Raises:
        ConfigError: no installed distribution brings such a sandbox.
    """
    asyncio.run(serve(find_sandbox(name), options, announce, faults=faults, host=host, port=port))


def find_sandbox(name: str) -> SandboxSpec:
    """Return the installed sandbox of this name.

    Raises:
        ConfigError: there is none; the text lists those that exist.
    """
    installed = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in installed:
        raise ConfigError(f"sandbox {name!r}: expected one of {', '.join(sorted(installed))}")
    spec = installed[name].load()
    if not isinstance(spec, SandboxSpec):
        raise ConfigError(f"sandbox {name!r}: {installed[name].value} is no SandboxSpec")
    return spec


def announce_in(path: Path) -> Callable[[str], None]:
    """Return an announcer that writes the base URL to a file, which appears only when it is complete."""

    def announce(base_url: str) -> None:
        half_done = path.with_name(path.name + ".part")
        half_done.write_text(base_url + "\n")
        half_done.replace(path)

    return announce
