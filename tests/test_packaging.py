"""The four packages are ours alone, lie together, and the wheel ships all of them and nothing else."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGES = {"hub", "protocols", "actors", "crm_adapters"}
ROOT = Path(__file__).resolve().parents[1]


def test_no_other_distribution_owns_our_names() -> None:
    owners = {name: set(packages_distributions().get(name, [])) for name in PACKAGES}
    assert all(names <= {"iot2crm"} for names in owners.values()), owners


def test_the_four_packages_share_one_folder() -> None:
    specs = [find_spec(name) for name in PACKAGES]
    assert len({Path(spec.origin).parent.parent for spec in specs if spec is not None and spec.origin}) == 1


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    source, dist = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    (source / "tests").mkdir()
    (source / "tests/test_planted.py").touch()
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(dist), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=200)
    return zipfile.ZipFile(next(dist.glob("iot2crm-*.whl")))


def test_the_wheel_holds_the_four_packages_and_no_tests(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES


def test_the_wheel_is_typed(wheel: zipfile.ZipFile) -> None:
    assert {f"{name}/py.typed" for name in PACKAGES} <= set(wheel.namelist())


def test_the_wheel_ships_every_file_of_the_packages(wheel: zipfile.ZipFile) -> None:
    files = {path.relative_to(ROOT).as_posix() for name in PACKAGES for path in (ROOT / name).rglob("*")}
    sources = {name for name in files if (ROOT / name).is_file() and "__pycache__" not in name}
    assert sources <= set(wheel.namelist())


def test_the_wheel_brings_the_command_and_the_entry_points(wheel: zipfile.ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    text = wheel.read(name).decode()
    for line in ("iot2crm = hub.__main__:main", "[iot2crm.protocols]", "[iot2crm.crm_adapters]", "[iot2crm.sandboxes]"):
        assert line in text


def test_the_installed_wheel_tells_a_story_outside_the_repository(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path / "site")
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    where = [sys.executable, "-P", "-c", "import hub; print(hub.__file__)"]
    assert (
        str(tmp_path) in subprocess.run(where, cwd=tmp_path, env=env, capture_output=True, text=True, check=True).stdout
    )
    command = [sys.executable, "-P", "-m", "hub", "demo", "--plain", "--story", "supply", "--report", "report.json"]
    run = subprocess.run(
        command,
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert json.loads((tmp_path / "report.json").read_text())["stories"]["supply"]["ok"] is True
