"""Options that several commands share."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from hub.cli.api import find_hub

CONFIG_ENV: Final = "IOT2CRM_CONFIG"

config_option = click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("hub.toml"),
    show_default=True,
    envvar=CONFIG_ENV,
    show_envvar=True,
    help="The hub's configuration file.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


_url = click.option(
    "--url", envvar="IOT2CRM_URL", show_envvar=True, metavar="URL", help="The hub's address; else that of the FILE."
)
_token_file = click.option(
    "--token-file",
    envvar="IOT2CRM_TOKEN_FILE",
    show_envvar=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="File with the owner's token; else owner.token in the data directory of the FILE.",
)
_config = click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar=CONFIG_ENV,
    show_envvar=True,
    metavar="FILE",
    help="The configuration of a hub on this machine (default: hub.toml).",
)


def hub_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options by which a client finds a running hub; the command gets it as ``hub``."""

    @functools.wraps(command)
    def found(
        *args: Any, url: str | None, token_file: Path | None, config_file: Path | None, as_json: bool, **kwargs: Any
    ) -> None:
        command(*args, hub=find_hub(url, token_file, config_file), as_json=as_json, **kwargs)

    return _url(_token_file(_config(json_option(found))))
