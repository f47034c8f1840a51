"""Programs of Debian packages, installed where the tests may do so: once, whoever asks at the same time."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

_LOCK = Path(__file__).parents[2] / ".cache" / "apt-get.lock"
_PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def installed(program: str, package: str, refusal: type[Exception]) -> str:
    """Return where a program is, from its package if need be.

    Raises:
        Exception: ``refusal``, with the reason: it is not there, and cannot be installed.
    """
    found = shutil.which(program, path=_PLACES)
    if found is not None:
        return found
    _LOCK.parent.mkdir(exist_ok=True)
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if shutil.which(program, path=_PLACES) is None:
            _install(package, refusal)
    found = shutil.which(program, path=_PLACES)
    if found is None:
        raise refusal(f"{package} has no {program} here")
    return found


def _install(package: str, refusal: type[Exception]) -> None:
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise refusal(f"{package} is not installed (Debian: apt-get install {package})")
    command = ["apt-get", "install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", package]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=200, text=True)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise refusal(f"{package} cannot be installed: {said[-1] if said else error}") from error
