"""Where a manifest, a name server or an answer would lead the hub, and what keeps it away."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from ipaddress import ip_address

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from actors.model.outcomes import Transient
from crm_adapters.addresses import AddressPolicy, is_public
from crm_adapters.guard import GuardedResolver, GuardedTransport
from crm_adapters.rest import RestConfig
from crm_adapters.transport import Call, Reply, TransportSettings, open_transport

FORBIDDEN_HOSTS = """
127.0.0.1 127.1 127.0.1 127.255.255.254 0 0.0.0.0 0.0.0.1 2130706433 017700000001 0177.0.0.1 0177.0.0.01 00000177.0.0.1
0x7f000001 0x7f.0.0.1 0x7F.1 127.0.0.1. 127.1. 0xA9FEA9FE 2852039166 0251.0376.0251.0376 0xa9.0xfe.0xa9.0xfe
10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 192.168.1.254 3232235777 0xC0A80101 100.64.0.1
169.254.1.1 169.254.169.254 169.254.169.254. 169.254.170.2 169.254.170.23 168.63.129.16 100.100.100.200 192.0.0.192
192.0.0.8 192.0.2.1 192.88.99.1 198.18.0.1 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
[::] [::1] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::ffff:169.254.169.254] [::ffff:10.0.0.1] [::127.0.0.1]
[::ffff:0:127.0.0.1] [64:ff9b::127.0.0.1] [64:ff9b::7f00:1] [64:ff9b::a9fe:a9fe] [64:ff9b::10.1.2.3]
[64:ff9b:1::808:808] 100.127.255.254 my.localhost
[2002:7f00:1::] [2002:a9fe:a9fe::1] [2002:c0a8:101::1] [2001:0:7f00:1::1] [2001:db8::1] [100::1] [3fff::1] [5f00::1]
[fe80::1] [fe80::1%25eth0] [fe80::1%25lo] [febf::1] [fec0::1] [fc00::1] [fd00:ec2::254] [fd00:ec2::23] [fd20:ce::254]
[fd12:3456:789a::1] [ff02::1] [ff05::2] [2606:4700::5efe:7f00:1] [2606:4700::200:5efe:a00:1]
localhost LOCALHOST localhost. localhost.. LocalHost
""".split()
FORBIDDEN_TEXTS = [
    "https://crm.example@127.0.0.1/",
    "https://crm.example:443@127.0.0.1/",
    "https://user:word@crm.example/",
    "https://@crm.example/",
    "https://127.0.0.1#@crm.example/",
    "https://127.0.0.1?@crm.example/",
    "https:///etc/passwd",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "ftp://crm.example/",
    "//127.0.0.1/",
    "http://crm.example/",  # readable on the way
    "https://１２７.０.０.１/",  # noqa: RUF001 -- digits that name servers' clients fold to ASCII
    "https://127。0。0。1/",
    "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "https://[::ffff:127.0.0.1]@[::1]/",
]


class Names(AbstractResolver):
    """A name server that gives other addresses each time."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        addresses = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        found = socket.AF_INET
        return [
            ResolveResult(hostname=host, host=address, port=port, family=found, proto=0, flags=0)
            for address in addresses
        ]

    async def close(self) -> None:
        self.answers = []


class Bystander:
    """A server beside the hub that nobody should reach."""

    visits = 0
    port = 0


@pytest.fixture
async def bystander() -> AsyncGenerator[Bystander, None]:
    seen = Bystander()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.visits += 1
        await reader.read(10)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    seen.port = server.sockets[0].getsockname()[1]
    async with server:
        yield seen


@asynccontextmanager
async def guarded(*listed: str, names: Names | None = None) -> AsyncGenerator[GuardedTransport, None]:
    policy = AddressPolicy(listed)
    settings = TransportSettings(connect_s=20.0, read_s=20.0, total_s=20.0)
    async with open_transport(settings, resolver=GuardedResolver(policy, names)) as transport:
        yield GuardedTransport(transport, policy)


def get(url: str) -> Call:
    return Call(method="GET", url=url, writes=False, is_encoded=True)


async def test_no_forbidden_address_is_ever_connected_to(bystander: Bystander) -> None:
    assert len(FORBIDDEN_HOSTS) + len(FORBIDDEN_TEXTS) >= 100
    async with guarded() as transport:
        for host in FORBIDDEN_HOSTS:
            answer = await transport.exchange(get(f"https://{host}:{bystander.port}/"))
            assert isinstance(answer, Transient), (host, answer)
            assert any(word in answer.reason for word in ("no public", "credentials", "disguise", "refused")), answer
    assert bystander.visits == 0


@pytest.mark.parametrize("url", FORBIDDEN_TEXTS)
async def test_no_disguised_address_is_ever_connected_to(url: str, bystander: Bystander) -> None:
    async with guarded(names=Names(["127.0.0.1"])) as transport:
        assert isinstance(await transport.exchange(get(url)), Transient)
    assert bystander.visits == 0


@pytest.mark.parametrize("url", FORBIDDEN_TEXTS)
async def test_what_was_allowed_before_opens_nothing_that_only_begins_like_it(url: str, bystander: Bystander) -> None:
    async with guarded(f"127.0.0.1:{bystander.port}", names=Names(["10.0.0.1"])) as transport:
        home = f"http://127.0.0.1:{bystander.port}"
        assert isinstance(await transport.exchange(get(f"{home}/a")), Reply)
        assert isinstance(await transport.exchange(get(f"{home}\\@10.0.0.1/")), Transient)
        assert isinstance(await transport.exchange(get(f"{home}@10.0.0.1/")), Transient)
        assert isinstance(await transport.exchange(get(url)), Transient)
    assert bystander.visits == 1


@pytest.mark.parametrize("host", FORBIDDEN_HOSTS)
def test_a_configuration_with_a_forbidden_host_is_refused_at_once(host: str) -> None:
    with pytest.raises(ValueError, match=r"base_url .*(internal_hosts|disguise)"):
        RestConfig(base_url=f"https://{host}/api")


async def test_a_name_that_moves_to_a_private_address_is_refused_there(bystander: Bystander) -> None:
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    async with guarded(names=names) as transport:
        refused = await transport.exchange(get(f"https://crm.example:{bystander.port}/"))
    assert isinstance(refused, Transient)
    assert "crm.example is 127.0.0.1, which is no public address" in refused.reason
    assert bystander.visits == 0


async def test_one_private_address_among_public_ones_refuses_the_name() -> None:
    resolver = GuardedResolver(AddressPolicy(), Names(["93.184.215.14", "10.0.0.1"]))
    with pytest.raises(OSError, match="no public address"):
        await resolver.resolve("crm.example", 443)


async def test_the_connection_goes_to_the_checked_address_whatever_the_name_says_later(bystander: Bystander) -> None:
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    async with guarded("crm.example", names=names) as transport:
        answer = await transport.exchange(get(f"http://crm.example:{bystander.port}/"))
    assert isinstance(answer, Reply)
    assert (bystander.visits, names.asked) == (1, 1)


async def test_a_listed_name_opens_no_metadata_address() -> None:
    resolver = GuardedResolver(AddressPolicy(["crm.example"]), Names(["169.254.169.254"]))
    with pytest.raises(OSError, match="credentials of this machine"):
        await resolver.resolve("crm.example", 443)


@pytest.mark.parametrize(
    ("listed", "url", "allowed"),
    [
        ("erp.internal", "http://erp.internal/", True),
        ("ERP.internal", "https://erp.internal./", True),
        ("erp.internal", "http://other.internal/", False),
        ("erp.internal:8069", "http://erp.internal:8069/", True),
        ("erp.internal:8069", "http://erp.internal:22/", False),
        ("10.1.0.0/16", "http://10.1.2.3/", True),
        ("10.1.0.0/16", "https://10.2.2.3/", False),
        ("10.1.2.3:8000", "http://10.1.2.3:8001/", False),
        ("[::1]:8000", "http://[::1]:8000/", True),
        ("fd00::/8", "https://[fd00::7]/", True),
        ("169.254.169.254", "http://169.254.169.254/", True),
    ],
)
def test_what_is_listed_and_nothing_beside_it_is_allowed(listed: str, url: str, allowed: bool) -> None:
    assert (AddressPolicy([listed]).why_not_url(url) is None) is allowed


@pytest.mark.parametrize("text", ["", "http://erp", "erp:port", "2130706433", "0x7f.1", "-erp", "10.0.0.1/8", "a b"])
def test_an_entry_that_lists_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="internal_hosts"):
        RestConfig(base_url="https://crm.example", internal_hosts=(text,))


@pytest.mark.parametrize("text", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "2a00:1450::1", "64:ff9b::808:808"])
def test_public_addresses_are_public(text: str) -> None:
    assert is_public(ip_address(text))
    assert AddressPolicy().why_not_address(ip_address(text), 443) is None
