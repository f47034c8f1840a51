"""Every module can be imported alone, without side effects, and what it exports exists."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("actors", "crm_adapters", "hub", "protocols")
_IMPORT_ALL = """
import importlib, logging, pkgutil, sys, threading
import {package}
names = ["{package}"] + [found.name for found in pkgutil.walk_packages({package}.__path__, "{package}.")]
handlers = list(logging.getLogger().handlers)
for name in names:
    if name.endswith(".__main__"):
        continue
    module = importlib.import_module(name)
    for exported in getattr(module, "__all__", ()):
        assert hasattr(module, exported), f"{{name}}.__all__ names {{exported}}"
assert threading.active_count() == 1, threading.enumerate()
assert logging.getLogger().handlers == handlers, "an import set up logging"
print(len(names))
"""


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_starts_nothing_and_prints_nothing(package: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", _IMPORT_ALL.format(package=package)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 3
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []
