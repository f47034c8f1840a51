"""A client that we did not write, simple-salesforce, works against the sandbox: over TLS, in a thread of its own."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from crm_adapters.salesforce.sandbox import SANDBOX
from crm_adapters.sandboxing import SandboxOptions, listening
from crm_adapters.testing import TickingClock

simple_salesforce = pytest.importorskip("simple_salesforce", reason="pip install simple-salesforce to run these")
requests = pytest.importorskip("requests")

LOGIN = {
    "domain": "acme.my",
    "consumer_key": SANDBOX.credentials["client_id"],
    "consumer_secret": SANDBOX.credentials["client_secret"],
}
PEM = serialization.Encoding.PEM


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key and a certificate for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    begin = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, begin, begin.replace(year=2049))
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(PEM, form, serialization.NoEncryption())
    file = tmp_path_factory.mktemp("tls") / "localhost.pem"
    file.write_bytes(secret + signed.public_bytes(PEM))
    return file


class Bench:
    """The sandbox over TLS, and what runs the other client beside the event loop."""

    def __init__(self, base_url: str, certificate: Path) -> None:
        self.address = base_url.replace("127.0.0.1", "localhost")
        self.certificate = certificate

    async def run(self, use: Callable[[Any], Any], **login: Any) -> Any:
        return await asyncio.to_thread(self._with_client, use, login)

    def _with_client(self, use: Callable[[Any], Any], login: dict[str, Any]) -> Any:
        with requests.Session() as session:
            session.trust_env = False
            session.verify = str(self.certificate)
            session.headers["Connection"] = "close"  # so that no connection outlives its exchange
            session.mount("https://", _towards(self.address))
            return use(simple_salesforce.Salesforce(session=session, version="66.0", **(login or LOGIN)))


def _towards(address: str) -> Any:
    class Adapter(requests.adapters.HTTPAdapter):  # type: ignore[misc, name-defined] -- a class of an optional package
        """Sends what is meant for the vendor's hosts to the sandbox."""

        def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            host, _, path = request.url.removeprefix("https://").partition("/")
            if host.endswith(".salesforce.com"):
                request.url = f"{address}/{path}"
            return super().send(request, *args, **kwargs)

    return Adapter()


@pytest.fixture
async def bench(certificate: Path) -> AsyncIterator[Bench]:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    options = SandboxOptions(clock=TickingClock(), accounts=tuple(f"owner-{number}" for number in range(205)))
    async with listening(SANDBOX, options, tls=tls) as base_url:
        before = asyncio.all_tasks()
        yield Bench(base_url, certificate)
        serving = asyncio.all_tasks() - before - {asyncio.current_task()}
        if serving:  # the client hung up in its thread; let the server notice on its loop
            await asyncio.wait(serving, timeout=5)


async def test_it_logs_in_creates_reads_and_deletes(bench: Bench) -> None:
    def use(client: Any) -> Any:
        made = client.Contact.create({"LastName": "Smith"})
        shown = client.Contact.get(made["id"])
        return made, shown, client.Contact.delete(made["id"])

    made, shown, deleted = await bench.run(use)
    assert (made["success"], shown["LastName"], deleted) == (True, "Smith", 204)


async def test_it_upserts_and_learns_whether_it_created(bench: Bench) -> None:
    def use(client: Any) -> list[int]:
        body = {"Name": "B"}
        return [client.Account.upsert("HubKey__c/B-1", body) for _ in range(2)]

    assert await bench.run(use) == [201, 200]


async def test_it_pages_through_a_long_result(bench: Bench) -> None:
    def use(client: Any) -> Any:
        return client.query_all("SELECT Id FROM Account", headers={"Sforce-Query-Options": "batchSize=200"})

    found = await bench.run(use)
    assert (found["totalSize"], len(found["records"]), found["done"]) == (205, 205, True)


async def test_it_sends_a_composite_and_sees_it_rolled_back(bench: Bench) -> None:
    def part(name: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"method": "POST", "url": "/services/data/v66.0/sobjects/Account", "referenceId": name, "body": body}

    def use(client: Any) -> Any:
        parts = [part("good", {"Name": "C"}), part("bad", {"Nome": "C"})]
        return client.restful("composite", method="POST", json={"allOrNone": True, "compositeRequest": parts})

    answers = (await bench.run(use))["compositeResponse"]
    assert [answer["body"][0]["errorCode"] for answer in answers] == ["PROCESSING_HALTED", "INVALID_FIELD"]


async def test_it_understands_refusals_and_the_limits_header(bench: Bench) -> None:
    def use(client: Any) -> Any:
        client.query("SELECT Id FROM Account")
        with pytest.raises(simple_salesforce.SalesforceMalformedRequest) as refused:
            client.Account.create({})
        with pytest.raises(simple_salesforce.SalesforceResourceNotFound):
            client.Account.get("001Hu0000zzzzzzIAA")
        return refused.value.content[0]["errorCode"], client.api_usage["api-usage"]

    code, usage = await bench.run(use)
    assert code == "REQUIRED_FIELD_MISSING"
    assert usage.total > usage.used > 0


async def test_it_is_told_that_credentials_are_wrong(bench: Bench) -> None:
    with pytest.raises(simple_salesforce.SalesforceAuthenticationFailed, match="invalid_client"):
        await bench.run(lambda client: client, **{**LOGIN, "consumer_secret": "wrong"})


async def test_it_is_told_that_its_session_expired(bench: Bench) -> None:
    with pytest.raises(simple_salesforce.SalesforceExpiredSession):
        await bench.run(
            lambda client: client.query("SELECT Id FROM Account"), session_id="x", instance_url=bench.address
        )
