"""Creating, changing and reading rows as Dataverse does."""

from typing import Any

ROOT = "http://crm.test/api/data/v9.2"
REPRESENTATION = "return=representation"


def test_create_answers_204_with_the_new_rows_address(crm: Any) -> None:
    said = crm("POST", "contacts", {"lastname": "Berg"})
    contact = crm.one("contact", lastname="Berg")
    assert said.status == 204
    assert said.headers["OData-EntityId"] == f"{ROOT}/contacts({contact['contactid']})"


def test_a_representation_replaces_the_address(crm: Any) -> None:
    said = crm("POST", "contacts?$select=lastname", {"lastname": "Berg"}, prefer=REPRESENTATION)
    assert said.status == 201
    assert said.headers["Preference-Applied"] == REPRESENTATION
    assert "OData-EntityId" not in said.headers
    assert set(said.body) == {"@odata.context", "@odata.etag", "contactid", "lastname"}


def test_a_keyed_patch_creates_then_updates_and_echoes_the_key(crm: Any) -> None:
    for name, created in (("First", True), ("Second", False)):
        said = crm("PATCH", "accounts(accountnumber='A-1')", {"name": name})
        assert said.status == 204
        assert said.headers["OData-EntityId"] == f"{ROOT}/accounts(accountnumber='A-1')"
        again = crm("PATCH", "accounts(accountnumber='A-1')", {}, prefer=REPRESENTATION)
        assert (again.status, again.body["name"]) == (200, name), created


def test_create_only_refuses_an_existing_row_and_changes_nothing(crm: Any) -> None:
    said = crm("PATCH", "accounts(accountnumber='OWNER-1')", {"name": "other"}, if_none_match="*")
    assert (said.status, said.message) == (412, "A record with matching key values already exists.")
    assert crm("GET", "accounts(accountnumber='owner-1')").body["name"] == "owner-1"


def test_update_only_refuses_a_missing_row(crm: Any) -> None:
    said = crm("PATCH", "accounts(accountnumber='nobody')", {"name": "x"}, if_match="*")
    assert (said.status, said.code) == (404, "0x80060891")


def test_a_stale_etag_is_refused(crm: Any) -> None:
    etag = crm("GET", "accounts(accountnumber='owner-1')").body["@odata.etag"]
    assert crm("PATCH", "accounts(accountnumber='owner-1')", {"name": "x"}, if_match=etag).status == 204
    stale = crm("PATCH", "accounts(accountnumber='owner-1')", {"name": "y"}, if_match=etag)
    assert (stale.status, stale.code) == (412, "0x80060882")


def test_an_unchanged_row_is_not_sent_again(crm: Any) -> None:
    etag = crm("GET", "accounts(accountnumber='owner-1')").headers["ETag"]
    assert etag.startswith('W/"')
    assert crm("GET", "accounts(accountnumber='owner-1')", if_none_match=etag).status == 304


def test_an_alternate_key_is_unique_whatever_its_case(crm: Any) -> None:
    said = crm("POST", "accounts", {"name": "x", "accountnumber": "OWNER-1"})
    assert (said.status, said.code) == (412, "0x80060892")


def test_a_missing_row_and_a_missing_table_differ(crm: Any) -> None:
    assert crm("GET", "accounts(accountnumber='nobody')").code == "0x80060891"
    assert crm("GET", "accounts(00000000-0000-0000-0000-000000000009)").code == "0x80040217"
    assert crm("GET", "unicorns").code == "0x8006088a"


def test_a_column_that_is_no_key_cannot_address_a_row(crm: Any) -> None:
    assert crm("GET", "accounts(name='owner-1')").status == 400


def test_quotes_in_a_key_are_doubled(crm: Any) -> None:
    assert crm("PATCH", "accounts(accountnumber='O''Neill%2F1')", {"name": "x"}).status == 204
    assert crm.one("account", accountnumber="O'Neill/1")["name"] == "x"


def test_navigation_properties_are_case_sensitive(crm: Any) -> None:
    said = crm("POST", "bookableresourcebookings", {"resource@odata.bind": "/bookableresources(x)"})
    assert (said.status, said.code) == (400, "0x80048d19")


def test_binds_take_ids_and_keys_with_and_without_a_slash(crm: Any) -> None:
    account = crm.one("account", accountnumber="owner-1")["accountid"]
    targets = [f"/accounts({account})", f"accounts({account})", "accounts(accountnumber='owner-1')"]
    for target in [*targets, f"{ROOT}/accounts({account})"]:
        said = crm("POST", "contacts", {"lastname": "B", "parentcustomerid_account@odata.bind": target})
        assert said.status == 204, said
    assert {row["_parentcustomerid_value"] for row in crm.environment.rows("contact")} == {account}


def test_a_bind_to_nothing_is_refused(crm: Any) -> None:
    bind = {"parentcustomerid_account@odata.bind": "/accounts(accountnumber='nobody')"}
    assert crm("POST", "contacts", {"lastname": "B", **bind}).code == "0x80060891"
    assert crm.environment.rows("contact") == ()


def test_what_a_column_cannot_hold_is_refused(crm: Any) -> None:
    assert crm("POST", "accounts", {"name": "x" * 161}).code == "0x80044331"
    assert crm("POST", "accounts", {"unicorn": 1}).code == "0x80048d19"
    assert crm("POST", "products", {"productstructure": 9}).code == "0x80044330"
    assert crm("POST", "salesorders", {"freightamount": "12.50"}).code == "0x80048d19"
    assert crm("POST", "salesorders", {"statecode": 1}).code == "0x80040203"


def test_a_system_required_lookup_is_required(crm: Any) -> None:
    said = crm("POST", "incidents", {"title": "Feed roller slips"})
    assert said.status == 400
    assert "customerid" in said.message


def test_a_single_property_is_put_and_deleted(crm: Any) -> None:
    assert crm("PUT", "accounts(accountnumber='owner-1')/description", {"value": "long"}).status == 204
    assert crm.one("account", accountnumber="owner-1")["description"] == "long"
    assert crm("DELETE", "accounts(accountnumber='owner-1')/description").status == 204
    assert crm.one("account", accountnumber="owner-1")["description"] is None


def test_a_deleted_row_is_gone_and_its_key_free(crm: Any) -> None:
    assert crm("DELETE", "accounts(accountnumber='owner-1')").status == 204
    assert crm("GET", "accounts(accountnumber='owner-1')").status == 404
    assert crm("PATCH", "accounts(accountnumber='owner-1')", {"name": "new"}, if_none_match="*").status == 204


def test_definitions_tell_names_and_choices(crm: Any) -> None:
    found = crm("GET", "EntityDefinitions?$select=EntitySetName&$filter=LogicalName eq 'bookingstatus'").body["value"]
    assert [(entry["EntitySetName"], entry["PrimaryIdAttribute"]) for entry in found] == [
        ("bookingstatuses", "bookingstatusid")
    ]
    path = "EntityDefinitions(LogicalName='incident')/Attributes/Microsoft.Dynamics.CRM.PicklistAttributeMetadata"
    choices = crm("GET", path).body["value"]
    assert "prioritycode" in {entry["LogicalName"] for entry in choices}


def test_upsert_multiple_says_which_rows_it_made(crm: Any) -> None:
    targets = [{"@odata.id": f"accounts(accountnumber='{number}')", "name": "x"} for number in ("owner-1", "new")]
    said = crm("POST", "accounts/Microsoft.Dynamics.CRM.UpsertMultiple", {"Targets": targets})
    assert [result["RecordCreated"] for result in said.body["Results"]] == [False, True]
    both = [{**targets[0], "accountnumber": "owner-1"}]
    assert crm("POST", "accounts/Microsoft.Dynamics.CRM.UpsertMultiple", {"Targets": both}).code == "0x80040216"
