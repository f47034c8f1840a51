"""A protocol of one's own, built and found as a distribution that is not ours."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/own_protocol"
HUB = """
[hub]
name = "plant"
data_dir = "data"
profiles = ["{root}/examples/plant/profiles/tank_sensor.toml"]

[protocols.coap]

[protocols.lines]
port = 7010

[crm.desk]
adapter = "rest"
base_url = "http://127.0.0.1:8500"
internal_hosts = ["127.0.0.1"]
manifest = "shop"
client_id = "hub"
client_secret = {{ env = "DESK_SECRET" }}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the distribution's wheel and unpack it into a folder, as an installer does."""
    folder = tmp_path_factory.mktemp("lines")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "dist"), str(EXAMPLE)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("iot2crm_lines-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(site: Path, *arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(site), str(ROOT)])
    known = {**os.environ, "PYTHONPATH": paths, **environment}
    command = [sys.executable, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd, env=known)


def test_it_passes_the_shipped_contract_suite(site: Path) -> None:
    done = run(site, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLE / "tests"), cwd=EXAMPLE)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-500:]
    assert int(done.stdout.split(" passed")[0].split()[-1]) >= 8


def test_the_hub_finds_it_by_its_entry_point(site: Path) -> None:
    rows = json.loads(run(site, "-m", "hub", "adapters", "--json").stdout)
    (lines,) = [row for row in rows if row["name"] == "lines"]
    assert (lines["kind"], lines["title"]) == ("protocol", "Lines over TCP")


def test_a_hub_is_configured_with_it_and_a_wrong_key_is_told(site: Path, tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text(HUB.format(root=ROOT))
    right = run(site, "-m", "hub", "check", "-c", "hub.toml", cwd=tmp_path, DESK_SECRET="s")
    assert right.returncode == 0, right.stdout + right.stderr
    (tmp_path / "hub.toml").write_text(HUB.format(root=ROOT).replace("port =", "prot ="))
    wrong = run(site, "-m", "hub", "check", "-c", "hub.toml", cwd=tmp_path, DESK_SECRET="s")
    assert (wrong.returncode, "[protocols.lines], prot" in wrong.stdout + wrong.stderr) == (2, True)
