"""``iot2crm check``."""

import json
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

from hub.cli.options import config_option, json_option
from hub.config import ConfigRefused, HubConfig, load
from hub.config.words import count


@click.command()
@config_option
@json_option
def check(config_file: Path, *, as_json: bool) -> None:
    """Validate a configuration without connecting to anything.

    Reads the file, the thing profiles, the options of every adapter and the secrets they refer to. Prints what would
    run, or every mistake at once with file, table, key and remedy. Exit code 0: right. Exit code 2: something must be
    mended.
    """
    try:
        config = load(config_file)
    except ConfigRefused as refused:
        if not as_json:
            raise
        click.echo(json.dumps({"ok": False, "problems": msgspec.to_builtins(refused.problems)}, indent=2))
        raise click.exceptions.Exit(2) from refused
    if as_json:
        click.echo(json.dumps({"ok": True, **summary(config)}, indent=2))
    else:
        _print(config)


def summary(config: HubConfig) -> dict[str, Any]:
    """Return what would run, without secrets and without the adapters' options."""
    return {
        "name": config.name,
        "data_dir": str(config.data_dir),
        "listen": str(config.listen),
        "protocols": [{"name": choice.name, "title": choice.spec.title} for choice in config.protocols],
        "crm": [{"name": choice.name, "adapter": choice.spec.name} for choice in config.crm],
        "profiles": {
            profile.name: {
                "title": profile.title,
                "slots": sorted(profile.slots),
                "components": sorted(profile.components),
                "parts": sorted(profile.parts),
                "faults": sorted(profile.faults),
            }
            for profile in config.profiles.values()
        },
        "communities": {name: list(community.members) for name, community in config.communities.items()},
        "warnings": list(config.warnings),
    }


def _print(config: HubConfig) -> None:
    table = Table.grid(padding=(0, 2))
    for name, text in _lines(config):
        table.add_row(f"  {name}", text)
    console = Console(highlight=False)
    console.print(f"{config.file} is right. It would run:", markup=False)
    console.print(table)
    for warning in config.warnings:
        console.print(f"warning: {warning}", markup=False, soft_wrap=True)


def _lines(config: HubConfig) -> list[tuple[str, str]]:
    crm = [f"{choice.name} ({choice.spec.title}, {choice.spec.stability})" for choice in config.crm]
    return [
        ("hub", config.name),
        ("data", str(config.data_dir)),
        ("listens at", str(config.listen)),
        ("protocols", ", ".join(f"{choice.name} ({choice.spec.stability})" for choice in config.protocols)),
        ("CRMs", ", ".join(crm) or "none"),
        ("profiles", "\n".join(_profile_line(config, name) for name in sorted(config.profiles))),
        ("communities", "\n".join(_community_line(config, name) for name in sorted(config.communities)) or "none"),
    ]


def _profile_line(config: HubConfig, name: str) -> str:
    profile = config.profiles[name]
    parts = (
        (profile.slots, "slot"),
        (profile.components, "component"),
        (profile.parts, "part"),
        (profile.faults, "fault"),
    )
    return f"{name}: " + (", ".join(count(len(entries), noun) for entries, noun in parts if entries) or "only watched")


def _community_line(config: HubConfig, name: str) -> str:
    community = config.communities[name]
    return f"{name}: {', '.join(community.members)} (evidence of others from {community.k_owners} owners up)"
