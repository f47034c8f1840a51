"""Opening a session: socket, secure channel, certificates, user."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from asyncua.crypto import security_policies
from asyncua.crypto.uacrypto import CertProperties

from actors.model.errors import LinkDown
from protocols.opcua.config import EndpointConfig, Mode, Policy
from protocols.opcua.stack import SessionTicket, abort, fresh_client, plain_cancellation, show_ticket, ua

_POLICIES: Final[Mapping[Policy, Any]] = {
    Policy.BASIC256SHA256: security_policies.SecurityPolicyBasic256Sha256,
    Policy.AES128_SHA256_RSAOAEP: security_policies.SecurityPolicyAes128Sha256RsaOaep,
    Policy.AES256_SHA256_RSAPSS: security_policies.SecurityPolicyAes256Sha256RsaPss,
}
_MODES: Final = {
    Mode.SIGN: ua.MessageSecurityMode.Sign,
    Mode.SIGN_AND_ENCRYPT: ua.MessageSecurityMode.SignAndEncrypt,
}


async def open_session(config: EndpointConfig, ticket: SessionTicket | None) -> Any:
    """Return a client with the session of ``ticket``, or with a new one; raises what asyncua or the socket raises."""
    client = fresh_client(config.url, config.request_timeout_s)
    client.application_uri = config.application_uri
    client.session_timeout = int(config.hold_s * 1000)
    try:
        with plain_cancellation():
            await _secure(client, config)
            await client.connect_socket()
            await client.send_hello()
            await _open_channel(client, config)
            await _activate(client, config, ticket)
    except BaseException:
        abort(client)
        raise
    return client


async def _secure(client: Any, config: EndpointConfig) -> None:
    if config.certificate is None or config.private_key is None or config.server_certificate is None:
        return
    if config.policy is Policy.NONE:
        return
    key = await _pem_or_der(config.private_key)
    key.password = config.private_key_password.reveal() if config.private_key_password else None
    await client.set_security(
        _POLICIES[config.policy],
        await _pem_or_der(config.certificate),
        key,
        server_certificate=await _pem_or_der(config.server_certificate),
        mode=_MODES[config.mode],
    )


async def _pem_or_der(path: Path) -> CertProperties:
    """Tell PEM from DER by content: asyncua goes by the file's extension."""
    content = await asyncio.to_thread(path.read_bytes)
    return CertProperties(content, extension="pem" if b"-----BEGIN" in content else "der")


async def _activate(client: Any, config: EndpointConfig, ticket: SessionTicket | None) -> None:
    if ticket is None:
        await client.create_session()
    else:
        show_ticket(client, ticket)
    await client.activate_session(
        username=config.user or None, password=config.password.reveal() if config.password else None
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
