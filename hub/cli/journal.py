"""``iot2crm journal``."""

import importlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec

from hub.cli.options import config_option, json_option
from hub.cli.progress import Bar
from hub.cli.tables import show_entry, show_json
from hub.clock import SystemClock
from hub.config import load, load_hub_table

_FILE = "journal.db"
_path = click.Path(path_type=Path, dir_okay=False)


@click.group()
def journal() -> None:
    """Back up, check, restore and prune what the hub has stored.

    `backup`, `verify` and `stats` work while the hub runs; for `restore`, `release` and `prune` it must be stopped.
    """


@journal.command()
@click.argument("destination", type=_path)
@config_option
def backup(destination: Path, config_file: Path) -> None:
    """Copy the journal as it is at this moment into the new file DESTINATION.

    The hub may run meanwhile. The file is complete by itself, and synced when the command ends. It holds everything the
    hub knows, secrets of things (as hashes) included: keep it as you keep the hub.
    """
    with Bar("copied") as bar:
        _copies().back_up(_journal_of(config_file), destination, bar.pages)
    click.echo(f"{destination}: {destination.stat().st_size} bytes")


@journal.command()
@click.argument("source", type=_path)
@config_option
@click.option("--force", is_flag=True, help="Replace the journal that is there; it is kept beside the new one.")
def restore(source: Path, config_file: Path, *, force: bool) -> None:
    """Put the copy SOURCE in place of the hub's journal.

    The hub must be stopped. Afterwards it takes readings as ever, but ORDERING STAYS OFF: what happened since the copy
    was made is not in it, so orders may exist in the CRM that the hub does not know. Start it, say
    `iot2crm crm reconcile NAME --all` for every connection, clear up what differs, stop it, then say
    `iot2crm journal release`.
    """
    data_dir = load_hub_table(config_file).data_dir
    with Bar("copied") as bar:
        kept = _copies().restore(source, data_dir, SystemClock().now(), bar.pages, force=force)
    click.echo(f"{data_dir / _FILE}: restored from {source}")
    if kept is not None:
        click.echo(f"the former journal is kept: {kept}")
    click.echo("ordering is off until you compared the CRM's records and say: iot2crm journal release")
    click.echo("to compare them, start the hub and say: iot2crm crm reconcile NAME --all")


@journal.command()
@config_option
@click.option("--yes", is_flag=True, help="Do not look what is left, and do not ask.")
def release(config_file: Path, *, yes: bool) -> None:
    """Switch ordering on again after a restore.

    Before, start the hub and compare every connection: `iot2crm crm reconcile NAME --all`. Where all were compared
    since the restore and nothing differs, this asks nothing; otherwise it says what is left. The hub must be stopped;
    orders that waited go on at its next start, under the same keys as ever.
    """
    data_dir = load_hub_table(config_file).data_dir
    left = [] if yes or not (data_dir / _FILE).exists() else _left_to_do(data_dir / _FILE)
    for told in left:
        click.echo(told)
    if left:
        click.confirm(f"{len(left)} things are left. Switch ordering on all the same?", abort=True)
    since = _copies().release(data_dir)
    click.echo("ordering was not off" if since is None else f"ordering, off since the restore of {since}, is on again")


@journal.command()
@config_option
@json_option
def verify(config_file: Path, *, as_json: bool) -> None:
    """Check that the journal is whole and holds together.

    Reads the file's pages and indexes, folds every actor from all of its turns and compares that with its snapshot, and
    compares the budgets' counters with their owners' books. Exit code 1: something is wrong.
    """
    checking: Any = importlib.import_module("hub.storage.verify")
    with Bar("actors") as bar:
        verdict = checking.verify(_journal_of(config_file), _kinds(config_file), bar.count)
    if as_json:
        show_json(msgspec.to_builtins(verdict))
    else:
        for problem in verdict.problems:
            click.echo(problem)
        click.echo(f"{verdict.actors} actors, {verdict.turns} turns, {len(verdict.problems)} problems")
    if verdict.problems:
        raise click.exceptions.Exit(1)


@journal.command()
@config_option
@json_option
def stats(config_file: Path, *, as_json: bool) -> None:
    """Tell what the journal holds: rows, size, oldest and newest message, dead letters by reason."""
    telling: Any = importlib.import_module("hub.storage.stats")
    found = telling.stats(_journal_of(config_file))
    told: dict[str, Any] = msgspec.to_builtins(found)
    for name in ("oldest_turn_at", "newest_turn_at", "pruned_upto"):
        told[name] = None if told[name] is None else _instant(told[name])
    show_entry(told, as_json=as_json)


@journal.command()
@config_option
@click.option("--older-than", type=click.IntRange(min=0), metavar="DAYS", required=True, help="Age in days.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be deleted.")
@click.option("--compact", is_flag=True, help="Give freed space back to the disk; needs room for a copy meanwhile.")
@json_option
def prune(config_file: Path, older_than: int, *, dry_run: bool, compact: bool, as_json: bool) -> None:
    """Delete raw messages of things that are older than so many DAYS.

    The hub must be stopped; a running one does this by itself, see `keep_readings_days`. Messages go in whole
    segments. States, orders, approvals, notes, and all turns of owners, orders and communities stay. Freed space inside
    the file is used again by later messages; --compact makes the file smaller now.
    """
    keeping: Any = importlib.import_module("hub.storage.housekeeping")  # heavy: not for --help
    data_dir, now = load_hub_table(config_file).data_dir, SystemClock().now()
    before = now - timedelta(days=older_than)
    if dry_run:
        found = keeping.prunable_in(data_dir / _FILE, before)
    else:
        with Bar("changes") as bar:
            found = keeping.prune_offline(data_dir, _kinds(config_file), before, now, bar.count)
    if compact and not dry_run:
        _copies().compact(data_dir)
    show_entry(msgspec.to_builtins(found), as_json=as_json)


def _left_to_do(path: Path) -> list[str]:
    releasing: Any = importlib.import_module("hub.releasing")  # heavy: not for --help
    return list(releasing.left_to_do(path))


def _copies() -> Any:
    return importlib.import_module("hub.storage.copies")  # heavy: not for --help


def _kinds(config_file: Path) -> Any:
    """Return the kinds of actors, with every thing profile that the configuration or the journal knows."""
    folding: Any = importlib.import_module("hub.folding")  # heavy: not for --help
    configured = load(config_file).profiles.values()
    return folding.folding_kinds([*configured, *folding.published_profiles(_journal_of(config_file))])


def _journal_of(config_file: Path) -> Path:
    return load_hub_table(config_file).data_dir / _FILE


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
