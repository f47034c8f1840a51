"""``iot2crm opcua``: certificates and trust."""

import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography import x509

from hub.cli.root import cli
from protocols.opcua.trust import TrustFolder, application_uri_of

PLANT = Path(__file__).parents[3] / "examples" / "plant"


def run(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["opcua", *arguments])


def certificate_in(folder: Path) -> x509.Certificate:
    return x509.load_der_x509_certificate((folder / "hub.der").read_bytes())


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with an endpoint that has a trust list, which has met one server."""
    file = tmp_path / "hub.toml"
    (tmp_path / "pki").mkdir()
    endpoint = '[protocols.opcua.endpoints.press]\nurl = "opc.tcp://127.0.0.1:4840"\npki = "pki"\n'
    file.write_text(
        f'[hub]\nname = "test"\ndata_dir = "data"\nprofiles = ["{PLANT}/profiles/press.toml"]\n\n{endpoint}'
    )
    run("make-certificate", str(tmp_path / "server"), "--application-uri", "urn:press")
    TrustFolder(tmp_path / "pki").reject(certificate_in(tmp_path / "server"))
    return file


def test_a_certificate_is_made_once_and_its_key_is_private(tmp_path: Path) -> None:
    made = run("make-certificate", str(tmp_path), "--application-uri", "urn:mine")
    assert made.stdout.splitlines()[0] == f'certificate = "{tmp_path / "hub.pem"}"'
    assert stat.S_IMODE((tmp_path / "hub_key.pem").stat().st_mode) == 0o600
    assert application_uri_of(certificate_in(tmp_path)) == "urn:mine"
    again = run("make-certificate", str(tmp_path))
    assert again.exit_code == 2
    assert "servers may trust it" in again.stderr


def test_a_rejected_server_is_shown_and_trusted_by_the_beginning_of_its_thumbprint(config: Path) -> None:
    (rejected,) = TrustFolder(config.parent / "pki").rejected()
    shown = run("trust", "press", "-c", str(config), "--json").stdout
    assert rejected.thumbprint in shown
    assert '"rejected"' in shown
    assert run("trust", "press", rejected.thumbprint[:8].upper(), "-c", str(config)).exit_code == 0
    folder = TrustFolder(config.parent / "pki")
    assert ([found.thumbprint for found in folder.trusted()], folder.rejected()) == ([rejected.thumbprint], [])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["press", "abc"], "expected 6 or more of its digits"),
        (["press", "0000000000"], "rejected is"),
        (["oven"], "[protocols.opcua.endpoints] has press; got 'oven'"),
    ],
)
def test_what_cannot_be_trusted_is_told(arguments: list[str], said: str, config: Path) -> None:
    told = run("trust", *arguments, "-c", str(config))
    assert told.exit_code == 2
    assert said in told.stderr
