"""simple-salesforce at work: a program that prints what each use came to, as JSON.

It runs in a process of its own: the client blocks, and keeps its connections until they are collected.
Usage: salesforce_judge.py BASE_URL CLIENT_ID SECRET USERNAME APP_KEY_FILE; REQUESTS_CA_BUNDLE names whom to trust.
"""

import datetime as dt
import json
import sys
from collections.abc import Callable
from typing import Any

import requests
import simple_salesforce

BASE_URL, CLIENT_ID, SECRET, USERNAME, APP_KEY = sys.argv[1:]
BY_SECRET = {"domain": "acme.my", "consumer_key": CLIENT_ID, "consumer_secret": SECRET}
BY_KEY = {"username": USERNAME, "consumer_key": CLIENT_ID, "privatekey_file": APP_KEY}
ROOT = "/services/data/v66.0"


class Towards(requests.adapters.HTTPAdapter):
    """Sends what is meant for the vendor's hosts to the sandbox."""

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        host, _, path = request.url.removeprefix("https://").partition("/")
        if host.endswith(".salesforce.com"):
            request.url = f"{BASE_URL}/{path}"
        return super().send(request, *args, **kwargs)


def session() -> Any:
    made = requests.Session()
    made.mount("https://", Towards())
    return made


def login(**by: Any) -> Any:
    return simple_salesforce.Salesforce(session=session(), version="66.0", **by)


def rows(client: Any) -> Any:
    made = client.Contact.create({"LastName": "Smith"})
    client.Contact.update(made["id"], {"LastName": "Smithy"})
    shown = client.Contact.get(made["id"])
    return [made["success"], shown["LastName"], client.Contact.delete(made["id"])]


def upsert(client: Any) -> Any:
    return [client.Account.upsert("HubKey__c/B-1", {"Name": "B"}) for _ in range(2)]


def by_external_id(client: Any) -> Any:
    client.Account.upsert("HubKey__c/B-2", {"Name": "By key"})
    return client.Account.get_by_custom_id("HubKey__c", "b-2")["Name"]


def pages(client: Any) -> Any:
    found = client.query_all("SELECT Id FROM Account WHERE Name LIKE 'owner-%'", headers=PAGED)
    return [found["totalSize"], len(found["records"]), found["done"]]


def pages_one_by_one(client: Any) -> Any:
    found = client.query_all_iter("SELECT Id FROM Account WHERE Name LIKE 'owner-%'", headers=PAGED)
    return len({row["Id"] for row in found})


def composite(client: Any) -> Any:
    parts = [part("made", {"Name": "C"}), part("named", {"Name": "C2", "AccountNumber": "@{made.id}"})]
    answers = send_composite(client, parts)
    (second,) = client.query("SELECT AccountNumber FROM Account WHERE Name = 'C2'")["records"]
    return [[answer["httpStatusCode"] for answer in answers], second["AccountNumber"] == answers[0]["body"]["id"]]


def failed_composite(client: Any) -> Any:
    answers = send_composite(client, [part("good", {"Name": "Halfway"}), part("bad", {"Nome": "C"})])
    left = client.query("SELECT Id FROM Account WHERE Name = 'Halfway'")["totalSize"]
    return [[answer["body"][0]["errorCode"] for answer in answers], left]


def collections(client: Any) -> Any:
    rows = [{"attributes": {"type": "Account"}, "Name": name} for name in ("Bulk 1", "Bulk 2")]
    bad = {"attributes": {"type": "Account"}, "Nome": "Bulk 3"}
    made = client.restful("composite/sobjects", method="POST", json={"allOrNone": False, "records": [*rows, bad]})
    keyed = [{"attributes": {"type": "Account"}, "HubKey__c": "BULK-1", "Name": "Bulk 4"}]
    path = "composite/sobjects/Account/HubKey__c"
    upserted = [client.restful(path, method="PATCH", json={"records": keyed})[0]["created"] for _ in range(2)]
    return [[one["success"] for one in made], made[2]["errors"][0]["statusCode"], upserted]


def tree(client: Any) -> Any:
    child = {"attributes": {"type": "Contact", "referenceId": "c1"}, "LastName": "Leaf"}
    root = {"attributes": {"type": "Account", "referenceId": "a1"}, "Name": "Root", "Contacts": {"records": [child]}}
    grown = client.restful("composite/tree/Account", method="POST", json={"records": [root]})
    (leaf,) = client.query("SELECT Account.Name FROM Contact WHERE LastName = 'Leaf'")["records"]
    return [grown["hasErrors"], len(grown["results"]), leaf["Account"]["Name"]]


def replication(client: Any) -> Any:
    made = client.Contact.create({"LastName": "Replicated"})["id"]
    created = client.Contact.get(made)["CreatedDate"].replace("+0000", "+00:00")
    begin = dt.datetime.fromisoformat(created) - dt.timedelta(minutes=5)
    gone = client.Contact.create({"LastName": "Gone"})["id"]
    client.Contact.delete(gone)
    end = begin + dt.timedelta(minutes=10)
    updated, deleted = client.Contact.updated(begin, end), client.Contact.deleted(begin, end)
    return [
        made in updated["ids"],
        gone in updated["ids"],
        [row["id"] == gone for row in deleted["deletedRecords"]][-1],
    ]


def description(client: Any) -> Any:
    (key,) = [field for field in client.Order.describe()["fields"] if field["name"] == "HubKey__c"]
    return [key["externalId"], key["unique"]]


def refusals(client: Any) -> Any:
    malformed = told(simple_salesforce.SalesforceMalformedRequest, lambda: client.Account.create({}))
    absent = told(simple_salesforce.SalesforceResourceNotFound, lambda: client.Account.get("001Hu0000zzzzzzIAA"))
    return [malformed, absent]


def limits(client: Any) -> Any:
    client.query("SELECT Id FROM Pricebook2")
    usage = client.api_usage["api-usage"]
    return [usage.total > usage.used > 0, client.limits()["DailyApiRequests"]["Max"] == usage.total]


def private_key(_client: Any) -> Any:
    return login(**BY_KEY).query("SELECT Name FROM Pricebook2 WHERE IsStandard = true")["totalSize"]


def wrong_secret(_client: Any) -> Any:
    try:
        return login(**{**BY_SECRET, "consumer_secret": "wrong"}).session_id
    except simple_salesforce.SalesforceAuthenticationFailed as error:
        return error.code


def expired_session(_client: Any) -> Any:
    stranger = login(session_id="x", instance_url=BASE_URL)
    return told(simple_salesforce.SalesforceExpiredSession, lambda: stranger.query("SELECT Id FROM Account"))


PAGED = {"Sforce-Query-Options": "batchSize=200"}


def part(name: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"method": "POST", "url": f"{ROOT}/sobjects/Account", "referenceId": name, "body": body}


def send_composite(client: Any, parts: list[dict[str, Any]]) -> Any:
    body = {"allOrNone": True, "compositeRequest": parts}
    return client.restful("composite", method="POST", json=body)["compositeResponse"]


def told(refusal: Any, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except refusal as error:
        return [error.status, error.content[0]["errorCode"]]


USES = [
    rows, upsert, by_external_id, pages, pages_one_by_one, composite, failed_composite, collections, tree,
    replication, description, refusals, limits,
    private_key, wrong_secret, expired_session,
]  # fmt: skip


def outcome(use: Callable[[Any], Any], client: Any) -> Any:
    try:
        return use(client)
    except Exception as error:  # noqa: BLE001 -- whatever a client raises is what the use came to
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    its_client = login(**BY_SECRET)
    print(json.dumps({use.__name__: outcome(use, its_client) for use in USES}))  # noqa: T201 -- this is its answer
