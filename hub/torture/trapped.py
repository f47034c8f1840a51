"""``python -m hub.torture.trapped``: the real hub on a disk with a trap."""

import asyncio
from pathlib import Path
from random import Random

import click

from hub.bootstrap import run
from hub.config import load
from hub.logs import set_up_logs
from hub.storage.connection import JournalSettings
from hub.torture.traps import VFS_NAME, Trap, TrapDisk

_SETTINGS = {
    Trap.OPENING: JournalSettings(vfs=VFS_NAME),
    Trap.COMMIT: JournalSettings(vfs=VFS_NAME),
    Trap.SEAL: JournalSettings(vfs=VFS_NAME, segment_rows=40),
    Trap.CHECKPOINT: JournalSettings(vfs=VFS_NAME, checkpoint_pages=40),
}
"""Small enough that the step comes soon."""


@click.command()
@click.argument("trap", type=click.Choice([kind.value for kind in Trap]))
@click.option("--seed", type=int, required=True, help="When it snaps.")
@click.option("--mark", type=click.Path(path_type=Path), required=True, help="File that tells that it did.")
@click.option("-c", "--config", "config_file", type=click.Path(path_type=Path), required=True)
def main(trap: str, seed: int, mark: Path, config_file: Path) -> None:
    """Run a hub that is killed in the middle of its own work on the disk."""
    config = load(config_file)
    set_up_logs(config.log, level="warning")
    kind = Trap(trap)
    with TrapDisk(kind, Random(seed), mark):
        asyncio.run(run(config, _SETTINGS[kind]))


if __name__ == "__main__":
    main()
