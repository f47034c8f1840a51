"""Packages of node that are not ours, installed by npm into the repository's cache at their first use."""

import fcntl
import shutil
import subprocess
from pathlib import Path

_CACHE = Path(__file__).parents[2] / ".cache"


def installed(package: str, refusal: type[Exception]) -> Path:
    """Return the folder of node's modules that holds ``package`` (``name@version``), filled at the first time.

    Raises:
        Exception: ``refusal``, with the reason: node, npm or the package cannot be had.
    """
    name = package.rpartition("@")[0]
    npm = shutil.which("npm")
    if shutil.which("node") is None or npm is None:
        raise refusal(f"{name}: node and npm are not installed")
    home = _CACHE / name
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = home / "ready"
        if not stamp.exists() or stamp.read_text() != package:
            _install(npm, package, home, refusal)
            stamp.write_text(package)
    return home / "node_modules"


def _install(npm: str, package: str, home: Path, refusal: type[Exception]) -> None:
    command = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(home), package]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=300, text=True)  # noqa: S603 - fixed words
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise refusal(f"{package} cannot be installed: {said[-1] if said else error}") from error
