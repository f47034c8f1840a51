"""Security with a server that is not ours (node-opcua): who is trusted, who is let in, and what is said otherwise."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from actors.model.secrets import Secret
from hub.bench.node_opcua import NodeServer, NoNodeOpcua
from hub.clock import SystemClock
from protocols.opcua.config import Policy
from protocols.opcua.identity import make_identity
from protocols.opcua.trust import TrustFolder, Untrusted

HUB = "urn:iot2crm:hub"
NOW = SystemClock().now()


@dataclass
class Strict:
    """A server with a trust list of its own, which holds our first certificate."""

    server: NodeServer
    folder: Path

    def settings(self, pki: Path, who: str = "known", **other: Any) -> dict[str, Any]:
        return {
            "policy": Policy.BASIC256SHA256,
            "certificate": self.folder / who / "hub.pem",
            "private_key": self.folder / who / "hub_key.pem",
            "pki": pki,
            "user": "hub",
            "password": Secret("right"),
            "request_timeout_s": 5.0,
        } | other


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Strict]:
    folder = tmp_path_factory.mktemp("strict")
    for who in ("known", "unknown"):
        make_identity(folder / who, HUB, NOW, 1)
    for kind in ("server", "users"):
        trusted = folder / "pki" / kind / "trusted" / "certs"
        trusted.mkdir(parents=True)
        shutil.copy(folder / "known" / "hub.pem", trusted / "hub.pem")
    try:
        server = NodeServer(folder / "pki", variables=10, accept_unknown=False, anonymous=False)
    except NoNodeOpcua as error:
        pytest.skip(str(error))
    yield Strict(server, folder)
    server.close()


@pytest.fixture
def present_hub(hub: Any) -> Any:
    """A hub whose clock agrees with the certificates."""
    hub.kit.clock.advance((SystemClock().now() - hub.kit.clock.now()).total_seconds() + 60)
    return hub


@pytest.fixture
def trusting(strict: Strict, tmp_path: Path) -> Path:
    """A folder that trusts the server."""
    shutil.copytree(strict.folder / "pki" / "server" / "own" / "certs", tmp_path / "trusted")
    return tmp_path


@pytest.mark.parametrize("policy", [Policy.BASIC256SHA256, Policy.AES256_SHA256_RSAPSS])
async def test_an_encrypted_session_with_a_user_opens(
    policy: Policy, strict: Strict, trusting: Path, present_hub: Any
) -> None:
    async with present_hub.running(strict.server.url, **strict.settings(trusting, policy=policy)) as link:
        await link.until(lambda: link.state == "up")


async def test_a_user_may_be_a_certificate(strict: Strict, trusting: Path, present_hub: Any) -> None:
    own = strict.folder / "known"
    user = {"user": "", "user_certificate": own / "hub.pem", "user_private_key": own / "hub_key.pem"}
    async with present_hub.running(strict.server.url, **strict.settings(trusting, **user)) as link:
        await link.until(lambda: link.state == "up")


async def test_a_server_that_nobody_trusts_is_kept_as_rejected_until_a_person_trusts_it(
    strict: Strict, tmp_path: Path, present_hub: Any
) -> None:
    async with present_hub.running(strict.server.url, **strict.settings(tmp_path)) as link:
        await link.until(lambda: link.state == "down")
        (rejected,) = TrustFolder(tmp_path).rejected()
        reason = link.adapter.links()[0].reason
        assert f"the server's certificate {rejected.thumbprint}" in reason
        assert "iot2crm opcua trust" in reason
        TrustFolder(tmp_path).trust(rejected)
        await link.until(lambda: link.state == "up")
    assert rejected.application_uri == "urn:iot2crm:sim:server"


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"who": "unknown"}, "let it trust ours|let the server trust our certificate"),
        ({"password": Secret("wrong-4711")}, "check user and password"),
        ({"user": ""}, "check user and password|the server refuses|Bad"),
    ],
)
async def test_who_is_not_let_in_is_told_what_to_do(
    strict: Strict, trusting: Path, present_hub: Any, other: dict[str, Any], said: str
) -> None:
    async with present_hub.running(strict.server.url, **strict.settings(trusting, **other)) as link:
        await link.until(lambda: link.state == "down")
        reason = link.adapter.links()[0].reason
    assert any(words in reason for words in said.split("|")), reason
    assert "wrong-4711" not in reason


def signed(name: str, by: tuple[x509.Certificate, rsa.RSAPrivateKey] | None, *, days: int = 5) -> tuple[Any, Any]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(by[0].subject if by else subject)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(NOW - timedelta(days=9)).not_valid_after(NOW + timedelta(days=days))
    builder = builder.add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
    return builder.sign(by[1] if by else key, hashes.SHA256()), key


def put(folder: Path, certificate: x509.Certificate) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{certificate.serial_number}.der").write_bytes(certificate.public_bytes(Encoding.DER))


def test_what_a_trusted_authority_issued_is_trusted_until_it_is_revoked_or_over(tmp_path: Path) -> None:
    authority = signed("Plant CA", None)
    (server, _), (over, _) = signed("Press", authority), signed("Old press", authority, days=-1)
    put(tmp_path / "trusted", authority[0])
    folder = TrustFolder(tmp_path)
    folder.check(server, NOW)
    with pytest.raises(Untrusted, match="valid from"):
        folder.check(over, NOW)
    revoked = x509.RevokedCertificateBuilder().serial_number(server.serial_number).revocation_date(NOW).build()
    listed = x509.CertificateRevocationListBuilder().issuer_name(authority[0].subject).last_update(NOW)
    listed = listed.next_update(NOW + timedelta(days=1)).add_revoked_certificate(revoked)
    (tmp_path / "crl").mkdir()
    (tmp_path / "crl" / "plant.crl").write_bytes(listed.sign(authority[1], hashes.SHA256()).public_bytes(Encoding.DER))
    with pytest.raises(Untrusted, match="revoked"):
        folder.check(server, NOW)


def test_a_forged_authority_of_the_same_name_counts_for_nothing(tmp_path: Path) -> None:
    put(tmp_path / "trusted", signed("Plant CA", None)[0])
    forged, _ = signed("Press", signed("Plant CA", None))
    with pytest.raises(Untrusted, match="neither it nor who issued it"):
        TrustFolder(tmp_path).check(forged, NOW)
    assert [found.subject for found in TrustFolder(tmp_path).rejected()] == ["CN=Press"]
