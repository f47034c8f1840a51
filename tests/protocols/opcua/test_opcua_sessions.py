"""Sessions with policies, certificates and users, and sessions that end before their subscription does."""

import socket
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asyncua import Server, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.crypto.permission_rules import User, UserRole
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from free_ports import free_port

from actors.model.secrets import Secret
from protocols.opcua.config import Policy

pytestmark = pytest.mark.asyncio(loop_scope="module")
HUB, SERVER = "urn:iot2crm:hub", "urn:test:server"


@dataclass
class Identity:
    certificate: Path
    private_key: Path

    @classmethod
    async def make(cls, folder: Path, uri: str) -> "Identity":
        key, certificate = folder / "key.key", folder / "certificate.der"  # .key: a PEM file, whatever its name
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        await setup_self_signed_certificate(key, certificate, uri, socket.gethostname(), uses, {})
        return cls(certificate, key)


@dataclass
class Fortress:
    """A running server that trusts one certificate and knows one user."""

    server: Server
    identity: Identity
    hub: Identity
    stranger: Identity
    level: Any

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.server.bserver.port}/"

    @property
    def subscriptions(self) -> set[int]:
        """What is kept for somebody; also of who ended and had no time to say goodbye."""
        return set(self.server.iserver.subscription_service.subscriptions)

    def settings(self, **other: Any) -> dict[str, Any]:
        return {
            "policy": Policy.BASIC256SHA256,
            "certificate": self.hub.certificate,
            "private_key": self.hub.private_key,
            "server_certificate": self.identity.certificate,
            "user": "hub",
            "password": Secret("right"),
        } | other


class OneUser:
    def get_user(
        self, iserver: Any, username: Any = None, password: Any = None, certificate: Any = None
    ) -> User | None:
        return User(role=UserRole.User) if (username, password) == ("hub", "right") else None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fortress(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Fortress]:
    own, hub, stranger = [
        await Identity.make(tmp_path_factory.mktemp(name), uri)
        for name, uri in (("server", SERVER), ("hub", HUB), ("stranger", HUB))
    ]
    server = Server(user_manager=OneUser())
    await server.init()
    server.disable_clock()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{free_port()}/")  # it stops and begins to listen again
    await server.set_application_uri(SERVER)
    await server.load_certificate(own.certificate)
    await server.load_private_key(own.private_key, format="pem")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity, ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
    server.set_certificate_validator(trusting(hub.certificate.read_bytes()))
    namespace = await server.register_namespace("urn:iot2crm:demo:plant")
    level = await server.nodes.objects.add_variable(ua.NodeId("M.Level", namespace), "Level", 40.0)
    async with server:
        yield Fortress(server, own, hub, stranger, level)


def trusting(certificate: bytes) -> Any:
    async def validate(shown: Any, _application: Any) -> None:
        if shown.public_bytes(Encoding.DER) != certificate:
            raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)

    return validate


async def test_an_encrypted_session_carries_values_and_is_taken_up_after_a_cut(fortress: Fortress, hub: Any) -> None:
    hub.register("M")
    before = fortress.subscriptions
    async with hub.running(fortress.url, items=1, **fortress.settings()) as link:
        await link.until(lambda: link.values("level") == [40.0])
        await fortress.server.bserver.stop()
        await fortress.level.write_value(39.0)
        await fortress.server.bserver.start()
        await link.until(lambda: link.values("level") == [40.0, 39.0])
        assert len(fortress.subscriptions - before) == 1


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"password": Secret("wrong-4711")}, "BadUserAccessDenied; check user and password"),
        ({"policy": Policy.NONE, "plain_password": True, "password": Secret("wrong-4711")}, "BadUserAccessDenied"),
        ({"policy": Policy.AES256_SHA256_RSAPSS, "request_timeout_s": 0.3}, "check policy, mode and server_cert"),
        ({"private_key": Path("nowhere.pem")}, "check the paths certificate, private_key"),
    ],
)
async def test_a_refusal_says_what_to_do(fortress: Fortress, hub: Any, other: dict[str, Any], said: str) -> None:
    async with hub.running(fortress.url, **fortress.settings(**other)) as link:
        await link.until(lambda: link.state == "down")
        reason = link.adapter.links()[0].reason
    assert said in reason
    assert "wrong-4711" not in reason


async def test_a_server_that_does_not_trust_us_says_so(fortress: Fortress, hub: Any) -> None:
    unknown = {"certificate": fortress.stranger.certificate, "private_key": fortress.stranger.private_key}
    async with hub.running(fortress.url, **fortress.settings(**unknown)) as link:
        await link.until(lambda: link.state == "down")
        assert "BadCertificateUntrusted; let the server trust our certificate" in link.adapter.links()[0].reason


async def test_another_server_than_the_pinned_one_is_not_talked_to(fortress: Fortress, hub: Any) -> None:
    pinned = fortress.settings(server_certificate=fortress.stranger.certificate)
    async with hub.running(fortress.url, request_timeout_s=0.3, **pinned) as link:
        await link.until(lambda: link.state == "down")
        assert "server_certificate" in link.adapter.links()[0].reason
    assert not hub.kit.sink.messages


async def test_a_subscription_that_outlived_its_session_is_taken_over(fortress: Fortress, hub: Any) -> None:
    hub.register("M")
    before = fortress.subscriptions
    quick = fortress.settings(silence_s=0.5)  # this server hands the subscription over and then does not publish
    await fortress.level.write_value(40.0)
    async with hub.running(fortress.url, items=1, **quick) as link:
        await link.until(lambda: link.values("level") == [40.0])
        (client,) = fortress.server.bserver.clients
        await client.processor.session.close_session(delete_subs=False)
        await fortress.server.bserver.stop()
        for level in (30.0, 20.0, 10.0):
            await fortress.level.write_value(level)
        await fortress.server.bserver.start()
        await link.until(lambda: link.values("level") == [40.0, 30.0, 20.0, 10.0])
        assert len(fortress.subscriptions - before) == 1
