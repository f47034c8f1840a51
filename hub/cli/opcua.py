"""``iot2crm opcua``: getting along with OPC UA servers before and while the hub runs."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
import msgspec

from actors.model.errors import ConfigError, HubError, Remedy
from hub.cli.options import config_option, json_option
from hub.cli.tables import show_json, show_rows
from hub.clock import SystemClock
from hub.config import load
from protocols.opcua.config import EndpointConfig, OpcUaConfig
from protocols.opcua.discovery import Machine
from protocols.opcua.identity import make_identity
from protocols.opcua.looking import look_at
from protocols.opcua.profiling import profile_of
from protocols.opcua.trust import CertificateFile, TrustFolder

_COLUMNS: Final = (
    ("STATE", "state"),
    ("THUMBPRINT", "thumbprint"),
    ("SUBJECT", "subject"),
    ("APPLICATION", "application_uri"),
    ("VALID UNTIL", "valid_until"),
)
_MACHINES: Final = (
    ("MACHINE", "name"),
    ("MANUFACTURER", "Manufacturer"),
    ("MODEL", "Model"),
    ("SERIAL", "SerialNumber"),
    ("NODE", "node"),
)
_SHORTEST_PREFIX: Final = 6


class NotChosen(HubError):
    """What a person named is not there, or not the only one."""

    remedy = Remedy.FIX_CONFIG


@click.group()
def opcua() -> None:
    """Get along with OPC UA servers: a certificate for the hub, which servers it trusts, what they have.

    make-certificate writes what the hub shows to servers, trust says which servers the hub believes.
    """


@opcua.command("make-certificate")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--application-uri", default="urn:iot2crm:hub", show_default=True, help="As in the endpoint's table.")
@click.option("--days", default=3650, show_default=True, type=click.IntRange(1), help="How long it is valid.")
def make_certificate(folder: Path, application_uri: str, days: int) -> None:
    """Write hub.pem, hub_key.pem and hub.der to FOLDER: a self-signed certificate and its key.

    Name the first two in the endpoint's table. Servers let the hub in once hub.der lies among the certificates that
    they trust: many put it into their folder of rejected ones at the first attempt, from where a person moves it.
    """
    try:
        certificate, key = make_identity(folder, application_uri, SystemClock().now(), days)
    except FileExistsError as error:
        raise ConfigError(f"{error}: is there already, and servers may trust it; remove it first") from None
    click.echo(f'certificate = "{certificate}"\nprivate_key = "{key}"')


@opcua.command()
@click.argument("endpoint")
@click.argument("thumbprint", required=False)
@config_option
@json_option
def trust(endpoint: str, thumbprint: str | None, config_file: Path, *, as_json: bool) -> None:
    """Show which servers ENDPOINT trusts and which it refused; with a THUMBPRINT, trust that one from now on.

    ENDPOINT is the name in [protocols.opcua.endpoints.NAME], whose `pki` is the folder. The beginning of a thumbprint
    is enough. A running hub tries again by itself. Compare the thumbprint with what the server's own tools show, since
    whoever holds that certificate's key is the server from then on.
    """
    config = endpoint_of(config_file, endpoint)
    if config.pki is None:
        raise ConfigError(f"{config_file}: [protocols.opcua.endpoints.{endpoint}] has no pki; write its folder there")
    folder = TrustFolder(config.pki)
    if thumbprint is not None:
        chosen = _chosen(folder.rejected(), thumbprint.replace(":", "").lower())
        click.echo(f"trusted: {folder.trust(chosen)}")
        return
    rows = [*_rows("trusted", folder.trusted()), *_rows("rejected", folder.rejected())]
    show_rows(rows, _COLUMNS, as_json=as_json, when_empty=f"{config.pki}: no server was met yet.")


@opcua.command()
@click.argument("server")
@click.option("--machine", default="", metavar="NAME", help="Which of several machines.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the profile to this file, which must be new.",
)
@config_option
@json_option
def browse(server: str, machine: str, output: Path | None, config_file: Path, *, as_json: bool) -> None:
    """Show what a SERVER has, and write a thing profile for a machine there.

    SERVER is a URL such as opc.tcp://10.0.4.17:4840, or the name in [protocols.opcua.endpoints.NAME], which has a
    policy, certificates and a user. Machines are found by the companion specifications Machinery (OPC 40001) and
    Devices (OPC 10000-100), else whatever stands below Objects. Of several a list is shown; --machine chooses one.

    The profile knows a machine's variables and methods, its DeviceHealth as faults, and parts with a lifetime as slots
    that only lack the article to order.
    """
    config = EndpointConfig(url=server) if server.startswith("opc.tcp://") else endpoint_of(config_file, server)
    found = asyncio.run(look_at(config, machine, SystemClock().now()))
    if len(found) != 1 or (machine and found[0].name != machine):
        show_rows([_row(each) for each in found], _MACHINES, as_json=as_json, when_empty=f"{server}: no machine found.")
        if machine:
            raise NotChosen(f"{server}: there is no machine {machine!r}, or more than one; see the list")
        return
    if as_json:
        show_json(msgspec.to_builtins(found[0]))
        return
    profile = profile_of(found[0], server)
    if output is None:
        click.echo(profile, nl=False)
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(profile)
    except FileExistsError:
        raise ConfigError(f"{output}: is there already, perhaps with changes of yours; name another file") from None
    click.echo(f"{output}: {len(found[0].variables)} properties, {len(found[0].methods)} actions")


def endpoint_of(config_file: Path, name: str) -> EndpointConfig:
    """Return an endpoint of a configuration.

    Raises:
        ConfigError: there is no such endpoint.
    """
    for choice in load(config_file).protocols:
        if isinstance(choice.config, OpcUaConfig):
            found = choice.config.endpoints.get(name)
            if found is None:
                known = ", ".join(sorted(choice.config.endpoints))
                raise ConfigError(f"{config_file}: [protocols.opcua.endpoints] has {known}; got {name!r}")
            return found
    raise ConfigError(f"{config_file}: there is no [protocols.opcua]")


def _row(machine: Machine) -> dict[str, object]:
    return {"name": machine.name, "node": str(machine.node), **machine.facts}


def _chosen(rejected: Sequence[CertificateFile], prefix: str) -> CertificateFile:
    fitting = [found for found in rejected if found.thumbprint.startswith(prefix)]
    if len(prefix) < _SHORTEST_PREFIX or len(fitting) != 1:
        known = ", ".join(found.thumbprint for found in rejected) or "nothing"
        raise NotChosen(
            f"thumbprint {prefix}: expected {_SHORTEST_PREFIX} or more of its digits, and one certificate that begins "
            f"with them; rejected is {known}"
        )
    return fitting[0]


def _rows(state: str, found: Sequence[CertificateFile]) -> list[dict[str, object]]:
    described: list[dict[str, object]] = [msgspec.to_builtins(entry, enc_hook=str) for entry in found]
    return [{"state": state, **entry} for entry in described]
