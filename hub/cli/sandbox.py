"""``iot2crm sandbox``."""

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path

import click

from actors.model.errors import ConfigError
from crm_adapters.sandboxing import (
    DEFAULT_CATALOG,
    RequestLimit,
    SandboxOptions,
    SandboxSpec,
    announce_in,
    load_catalog,
    load_faults,
    serve,
)
from hub.clock import SystemClock
from hub.plugins import SANDBOXES, Plugins

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("name")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default="a free one", help="Port to listen at.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--data", "data_file", type=_FILE, help="SQLite file for its records; else they end with the process.")
@click.option("--catalog", "catalog_file", type=_FILE, help="JSON list of articles to sell; else a small built-in one.")
@click.option("--faults", "faults_file", type=_FILE, help="JSON list of faults, such as dropping a connection.")
@click.option("--account", "accounts", multiple=True, help="Owner id it knows as a customer (repeatable); else all.")
@click.option(
    "--credential",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help="Override a development credential; @FILE reads it.",
)
@click.option(
    "--limit",
    metavar="N/SECONDS",
    help="At most N requests in any so many seconds; what exceeds it gets 429 and is counted (/_sandbox/limit).",
)
@click.option(
    "--lacks",
    multiple=True,
    metavar="WHAT",
    help="A field, key or right that is missing, such as Order.HubKey__c (repeatable); see docs/sandboxes.md.",
)
@click.option("--tls", "tls_file", type=_FILE, help="PEM file with key and certificate: serve https, as SDKs demand.")
@click.option("--url-file", type=_FILE, help="Write the address to this file once it listens.")
def sandbox(  # noqa: PLR0913, PLR0917 -- click hands over one argument an option
    name: str,
    port: int,
    host: str,
    data_file: Path | None,
    catalog_file: Path | None,
    faults_file: Path | None,
    accounts: Sequence[str],
    pairs: Sequence[str],
    limit: str | None,
    lacks: Sequence[str],
    tls_file: Path | None,
    url_file: Path | None,
) -> None:
    """Run a local stand-in for the CRM NAME (such as rest, salesforce, dynamics or odoo) until Ctrl-C.

    It speaks the vendor's wire: sign-in, limits, error bodies. Develop against it, then change the address and the
    credentials in hub.toml. Its records are at /_sandbox/records.
    """
    options = SandboxOptions(
        clock=SystemClock(),
        catalog=load_catalog(catalog_file) if catalog_file else DEFAULT_CATALOG,
        accounts=tuple(accounts),
        data_file=data_file,
        credentials=_credentials(pairs),
        lacks=tuple(lacks),
        limit=None if limit is None else _limit(limit),
    )
    spec = _spec(name)
    shown = {**spec.credentials, **options.credentials}

    def announce(base_url: str) -> None:
        if url_file is not None:
            announce_in(url_file)(base_url)
        click.echo(f"{spec.title} listens at {base_url}")
        for key, value in shown.items():
            click.echo(f"  {key} = {value.splitlines()[0] if value else value}")

    faults = load_faults(faults_file) if faults_file else ()
    asyncio.run(serve(spec, options, announce, faults=faults, host=host, port=port, tls=_tls(tls_file)))


def _spec(name: str) -> SandboxSpec:
    spec = Plugins.installed().load(SANDBOXES, name)
    if not isinstance(spec, SandboxSpec):
        raise ConfigError(f"the sandbox {name!r} is no crm_adapters.sandboxing.SandboxSpec; tell its maintainer")
    return spec


def _credentials(pairs: Sequence[str]) -> dict[str, str]:
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise click.BadParameter(f"expected NAME=VALUE, got {wrong[0]!r}", param_hint="--credential")
    return {name: _value(text) for name, _, text in (pair.partition("=") for pair in pairs)}


def _value(text: str) -> str:
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{text[1:]}: cannot be read ({error})", param_hint="--credential") from error


def _limit(text: str) -> RequestLimit:
    number, _, window = text.partition("/")
    try:
        return RequestLimit(requests=int(number), window_s=float(window))
    except ValueError:
        raise click.BadParameter(f"expected N/SECONDS such as 100/10, got {text!r}", param_hint="--limit") from None


def _tls(file: Path | None) -> ssl.SSLContext | None:
    if file is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(file)
    except (OSError, ssl.SSLError) as error:
        raise click.BadParameter(
            f"{file}: no PEM file with key and certificate ({error})", param_hint="--tls"
        ) from error
    return context
