"""``$batch``: changesets, references, errors."""

from typing import Any

CHANGESET = """
--b
Content-Type: multipart/mixed; boundary=c

--c
Content-Type: application/http
Content-Transfer-Encoding: binary
Content-ID: 1

PATCH /api/data/v9.2/accounts(accountnumber='A-1') HTTP/1.1
Content-Type: application/json; type=entry
If-None-Match: *

{{"name": "Acme"}}
--c
Content-Type: application/http
Content-Transfer-Encoding: binary
Content-ID: 2

POST http://crm.test/api/data/v9.2/contacts HTTP/1.1
Content-Type: application/json

{{"lastname": "{lastname}", "parentcustomerid_account@odata.bind": "{parent}"}}
--c--

--b
Content-Type: application/http
Content-Transfer-Encoding: binary

GET accounts(accountnumber='A-1')?$select=name HTTP/1.1
Accept: application/json


--b--
"""


def test_a_changeset_refers_to_what_it_made(crm: Any) -> None:
    said = crm.batch(CHANGESET.format(lastname="Berg", parent="$1"))
    account = crm.one("account", accountnumber="A-1")["accountid"]
    assert said.status == 200
    assert crm.one("contact", lastname="Berg")["_parentcustomerid_value"] == account
    assert said.content.count(b"HTTP/1.1 204 No Content") == 2
    assert b"Content-ID: 2\r\n" in said.content
    assert b'"name":"Acme"' in said.content


def test_a_changeset_is_all_or_nothing(crm: Any) -> None:
    said = crm.batch(CHANGESET.format(lastname="x" * 99, parent="$1"))
    assert said.status == 400
    assert said.content.count(b"HTTP/1.1") == 1
    assert b"0x80044331" in said.content
    assert crm("GET", "accounts(accountnumber='A-1')").status == 404


def test_an_error_need_not_end_the_batch(crm: Any) -> None:
    said = crm.batch(CHANGESET.format(lastname="x" * 99, parent="$1"), prefer="odata.continue-on-error")
    assert said.status == 200
    assert b"HTTP/1.1 400 Bad Request" in said.content
    assert b"HTTP/1.1 404 Not Found" in said.content


def test_the_outer_status_is_the_first_error(crm: Any) -> None:
    content = CHANGESET.format(lastname="Berg", parent="$1")
    assert [crm.batch(content).status, crm.batch(content).status] == [200, 412]
    assert len(crm.environment.rows("contact")) == 1


def test_a_reference_to_nothing_is_refused(crm: Any) -> None:
    said = crm.batch(CHANGESET.format(lastname="Berg", parent="$7"))
    assert said.status == 400
    assert b"Content-ID Reference: '$7' does not exist in the batch context." in said.content


def test_reading_inside_a_changeset_is_refused(crm: Any) -> None:
    content = CHANGESET.format(lastname="Berg", parent="$1").replace("POST http", "GET http")
    assert crm.batch(content).body["error"]["code"] == "0x80048d19"


def test_a_malformed_batch_gets_a_plain_error(crm: Any) -> None:
    complete = CHANGESET.format(lastname="Berg", parent="$1").strip().replace("\n", "\r\n").encode()
    mixed = "multipart/mixed; boundary=b"
    for content, media_type in (
        (complete.replace(b"\r\n", b"\n"), mixed),
        (complete[:-2], mixed),
        (complete, "application/json"),
        (complete.replace(b"HTTP/1.1", b"HTTP/2"), mixed),
    ):
        said = crm.raw_batch(content, media_type)
        assert (said.status, said.code) == (400, "0x80048d19")
    assert crm.environment.rows("contact") == ()


def test_a_url_may_be_a_reference(crm: Any) -> None:
    content = CHANGESET.format(lastname="Berg", parent="$1").replace(
        "POST http://crm.test/api/data/v9.2/contacts", "PATCH $1"
    )
    content = content.replace('"lastname": "Berg", "parentcustomerid_account@odata.bind": "$1"', '"description": "big"')
    assert crm.batch(content).status == 200
    assert crm.one("account", accountnumber="A-1")["description"] == "big"
