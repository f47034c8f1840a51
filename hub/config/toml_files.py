"""Reading TOML: what keeps a file from being read at all."""

import tomllib
from pathlib import Path

from hub.config.problems import Spot


def read_toml(path: Path, spot: Spot) -> dict[str, object] | None:
    """Return the file's top table, or None after noting why it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        spot.note("a file", "no such file", "create it, or mend the path")
    except OSError as error:
        spot.note("a readable file", str(error.strerror), "mend its permissions")
    except UnicodeDecodeError as error:
        spot.note("UTF-8 text", f"another byte at position {error.start}", "save it as UTF-8")
    except tomllib.TOMLDecodeError as error:
        spot.note("TOML (https://toml.io)", str(error), "mend that line; the rest of the file was not looked at")
    return None
