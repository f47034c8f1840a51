"""Microsoft's clients for Dataverse and Entra ID at work: a program that prints what each use came to, as JSON.

It runs in a process of its own: the clients block, and keep their connections until they are collected.
Usage: dataverse_judge.py BASE_URL TENANT CLIENT_ID SECRET APP_KEY_FILE; REQUESTS_CA_BUNDLE names whom to trust.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CertificateCredential, ClientSecretCredential
from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.core.errors import HttpError
from PowerPlatform.Dataverse.models.upsert import UpsertItem

BASE_URL, TENANT, CLIENT_ID, SECRET, APP_KEY = sys.argv[1:]
OF_TENANT: dict[str, Any] = {"authority": BASE_URL, "disable_instance_discovery": True}
ASSETS = "msdyn_customerasset"


def rows(client: Any) -> Any:
    made = client.records.create("account", {"name": "Smith"})
    client.records.update("account", made, {"name": "Smithy"})
    shown = client.records.retrieve("account", made, select=["name"])
    client.records.delete("account", made)
    return [shown["name"], client.records.retrieve("account", made)]


def pages(client: Any) -> Any:
    made = client.records.create("account", [{"name": f"A{number}"} for number in range(7)])
    found = client.records.list_pages("account", filter="startswith(name,'A')", select=["name"], page_size=3)
    return [len(set(made)), [len(page) for page in found]]


def query(client: Any) -> Any:
    client.records.create("account", [{"name": "Jones"}, {"name": "O'Hara"}])
    return [row["name"] for row in client.records.list("account", filter="name eq 'O''Hara'", select=["name"])]


def keyed_upsert(client: Any) -> Any:
    for name in ("old", "new"):
        client.records.upsert(ASSETS, [asset("T1", name)])
    client.records.upsert(ASSETS, [asset("T1", "newest"), asset("T2", "other")])
    return sorted(row["msdyn_name"] for row in client.records.list(ASSETS))


def changeset(client: Any) -> Any:
    batch = client.batch.new()
    with batch.changeset() as changes:
        firm = changes.records.create("account", {"name": "Parent"})
        changes.records.create("contact", {"lastname": "L", "parentcustomerid_account@odata.bind": firm})
    done = batch.execute()
    (person,) = client.records.list("contact", select=["_parentcustomerid_value"])
    return [done.has_errors, person["_parentcustomerid_value"] in [item.entity_id for item in done.responses]]


def failed_changeset(client: Any) -> Any:
    batch = client.batch.new()
    with batch.changeset() as changes:
        changes.records.create("account", {"name": "Halfway"})
        changes.records.create("account", {"nome": "Halfway"})
    (failed,) = batch.execute().failed
    left = client.records.list("account", filter="name eq 'Halfway'")
    return [failed.error_code, len(list(left))]


def definitions(client: Any) -> Any:
    (key,) = client.tables.get_alternate_keys("salesorder")
    columns = {column["LogicalName"] for column in client.tables.list_columns("salesorder")}
    return [key.key_attributes, key.status, {"new_hubkey", "new_hubfingerprint"} <= columns]


def refusal(client: Any) -> Any:
    return told(lambda: client.records.create("account", {"nome": "x"}), "service_error_code")


def limit(client: Any) -> Any:
    return told(lambda: client.records.create("msdyn_iotalert", {"msdyn_description": "x"}), "retry_after")


def asset(key: str, name: str) -> UpsertItem:
    return UpsertItem(alternate_key={"new_hubkey": key}, record={"msdyn_name": name})


def told(call: Callable[[], Any], detail: str) -> Any:
    try:
        return call()
    except HttpError as error:
        return [error.status_code, error.is_transient, error.details[detail]]


def by_secret(secret: str = SECRET) -> Any:
    return ClientSecretCredential(TENANT, CLIENT_ID, secret, **OF_TENANT)


def certificate(_client: Any) -> Any:
    by_certificate = CertificateCredential(TENANT, CLIENT_ID, APP_KEY, **OF_TENANT)
    with by_certificate, DataverseClient(BASE_URL, by_certificate) as client:
        return len(client.records.create("account", {"name": "C"}))


def wrong_secret(_client: Any) -> Any:
    try:
        with by_secret("wrong") as credential:
            return credential.get_token(f"{BASE_URL}/.default").token
    except ClientAuthenticationError as error:
        return str(error)


USES = [
    rows, pages, query, keyed_upsert, changeset, failed_changeset, definitions, refusal, limit, certificate,
    wrong_secret,
]  # fmt: skip


def outcome(use: Callable[[Any], Any], client: Any) -> Any:
    try:
        return use(client)
    except Exception as error:  # noqa: BLE001 -- whatever a client raises is what the use came to
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    with by_secret() as entra, DataverseClient(BASE_URL, entra) as its_client:
        print(json.dumps({use.__name__: outcome(use, its_client) for use in USES}))  # noqa: T201 -- this is its answer
