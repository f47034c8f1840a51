"""Opening a session: socket, secure channel, certificates, user."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from asyncua.crypto import security_policies, uacrypto
from asyncua.crypto.uacrypto import CertProperties
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from actors.model.errors import LinkDown, LinkRefused
from protocols.opcua.config import EndpointConfig, Mode, Policy
from protocols.opcua.stack import (
    SessionTicket,
    abort,
    fresh_client,
    kept_cancellation,
    plain_cancellation,
    show_ticket,
    ua,
)
from protocols.opcua.trust import Foreign, TrustFolder, Untrusted, application_uri_of, thumbprint_of

_POLICIES: Final[Mapping[Policy, Any]] = {
    Policy.BASIC256SHA256: security_policies.SecurityPolicyBasic256Sha256,
    Policy.AES128_SHA256_RSAOAEP: security_policies.SecurityPolicyAes128Sha256RsaOaep,
    Policy.AES256_SHA256_RSAPSS: security_policies.SecurityPolicyAes256Sha256RsaPss,
}
_MODES: Final = {
    Mode.SIGN: ua.MessageSecurityMode.Sign,
    Mode.SIGN_AND_ENCRYPT: ua.MessageSecurityMode.SignAndEncrypt,
}


async def open_session(config: EndpointConfig, ticket: SessionTicket | None, now: datetime) -> Any:
    """Return a client with the session of ``ticket``, or with a new one; raises what asyncua or the socket raises."""
    client = fresh_client(config.url, config.request_timeout_s)
    client.application_uri = config.application_uri
    client.session_timeout = int(config.hold_s * 1000)
    try:
        with plain_cancellation():
            await _secure(client, config, now)
            with kept_cancellation():
                await client.connect_socket()
            await client.send_hello()
            await _open_channel(client, config)
            await _activate(client, config, ticket)
    except BaseException:
        abort(client)
        raise
    return client


async def _secure(client: Any, config: EndpointConfig, now: datetime) -> None:
    if config.policy is Policy.NONE or config.certificate is None or config.private_key is None:
        return
    if config.server_certificate is None:
        server_certificate = await _trusted_certificate(config, now)
    else:
        server_certificate = await _pem_or_der(config.server_certificate)
    key = await _pem_or_der(config.private_key)
    key.password = config.private_key_password.reveal() if config.private_key_password else None
    await client.set_security(
        _POLICIES[config.policy],
        await _pem_or_der(config.certificate),
        key,
        server_certificate=server_certificate,
        mode=_MODES[config.mode],
    )
    if config.user_certificate is not None and config.user_private_key is not None:
        user_key = await _pem_or_der(config.user_private_key)
        client.user_private_key = await uacrypto.load_private_key(user_key.path_or_content, None, user_key.extension)


async def _trusted_certificate(config: EndpointConfig, now: datetime) -> CertProperties:
    """Ask the server for its certificate, and return it when it is trusted."""
    offered = await _endpoints(config)
    fitting = [
        offer
        for offer in offered
        if offer.SecurityPolicyUri == _POLICIES[config.policy].URI and offer.SecurityMode == _MODES[config.mode]
    ]
    if not fitting:
        known = ", ".join(sorted({_named(offer) for offer in offered}))
        raise LinkRefused(f"{config.url}: the server does not offer {config.policy} {config.mode}, but {known}")
    certificate = x509.load_der_x509_certificate(_first_certificate(fitting[0].ServerCertificate))
    try:
        await asyncio.to_thread(TrustFolder(config.pki or Path()).check, certificate, now)
        _check_uri(certificate, str(fitting[0].Server.ApplicationUri))
    except Untrusted as reason:
        raise LinkRefused(
            f"{config.url}: the server's certificate {thumbprint_of(certificate)} "
            f"({certificate.subject.rfc4514_string()}) is not trusted: {reason}; {reason.advice}"
        ) from None
    return CertProperties(certificate.public_bytes(Encoding.DER), extension="der")


async def _endpoints(config: EndpointConfig) -> list[Any]:
    client = fresh_client(config.url, config.request_timeout_s)
    try:
        with kept_cancellation():
            await client.connect_socket()
        await client.send_hello()
        await client.open_secure_channel()
        found: list[Any] = await client.get_endpoints()
    finally:
        abort(client)
    return found


def _check_uri(certificate: x509.Certificate, application_uri: str) -> None:
    named = application_uri_of(certificate)
    if named != application_uri:
        raise Foreign(f"it is for {named or 'no application'}, and the server calls itself {application_uri}")


def _first_certificate(chain: bytes) -> bytes:
    """Return the server's own certificate of a chain in DER."""
    if len(chain) < 4 or chain[:2] != b"\x30\x82":
        return chain
    return chain[: 4 + int.from_bytes(chain[2:4], "big")]


def _named(offer: Any) -> str:
    policy = str(offer.SecurityPolicyUri).rpartition("#")[2]
    return f"{policy} {offer.SecurityMode.name.rstrip('_')}"


async def _pem_or_der(path: Path) -> CertProperties:
    """Tell PEM from DER by content: asyncua goes by the file's extension."""
    content = await asyncio.to_thread(path.read_bytes)
    return CertProperties(content, extension="pem" if b"-----BEGIN" in content else "der")


async def _activate(client: Any, config: EndpointConfig, ticket: SessionTicket | None) -> None:
    if ticket is None:
        await client.create_session()
    else:
        show_ticket(client, ticket)
    certificate = None
    if config.user_certificate is not None:
        user = await _pem_or_der(config.user_certificate)
        certificate = await uacrypto.load_certificate(user.path_or_content, user.extension)
    await client.activate_session(
        username=config.user or None,
        password=config.password.reveal() if config.password else None,
        certificate=certificate,
    )


async def _open_channel(client: Any, config: EndpointConfig) -> None:
    """Open the secure channel. A server that cannot read or does not like our request may just not answer it."""
    try:
        await client.open_secure_channel()
    except OSError as error:
        if config.policy is Policy.NONE:
            raise
        raise LinkDown(
            f"{config.url}: the server greets us and then does not open a secure channel; "
            "if it stays so, check policy, mode and server_certificate of this endpoint"
        ) from error
