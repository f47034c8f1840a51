"""Files that others read while they are written, or after the hub was killed: whole, or not there."""

from pathlib import Path

from actors.model.errors import ConfigError


def write_whole(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a small file so that nobody ever sees a part of it.

    Raises:
        ConfigError: its folder cannot be written.
    """
    half_done = path.with_name(f"{path.name}.part")
    try:
        half_done.unlink(missing_ok=True)
        half_done.touch(mode=mode)
        half_done.write_text(text, encoding="utf-8")
        half_done.replace(path)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written: {error.strerror}; free space, or let the hub write there"
        ) from error
