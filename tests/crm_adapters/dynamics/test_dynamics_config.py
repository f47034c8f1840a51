"""What an operator may write."""

from typing import Any

import msgspec
import pytest

from actors.model.secrets import Secret
from crm_adapters.dynamics import DynamicsConfig
from crm_adapters.dynamics.identity import grant_of
from crm_adapters.testing import deps

LEAST = {"org_url": "https://acme.crm4.dynamics.com/", "tenant": "t-1", "client_id": "c", "client_secret": "s"}


def read(**keys: Any) -> DynamicsConfig:
    return msgspec.convert({**LEAST, **keys}, DynamicsConfig, dec_hook=lambda _, value: Secret(value))


def test_four_keys_are_enough() -> None:
    asked = grant_of(read(), deps()).call()
    assert asked.url == "https://login.microsoftonline.com/t-1/oauth2/v2.0/token"
    assert (asked.form or {})["scope"] == "https://acme.crm4.dynamics.com/.default"
    assert read().root == "https://acme.crm4.dynamics.com/api/data/v9.2/"


@pytest.mark.parametrize(
    "keys",
    [
        {"org_url": "http://acme.crm4.dynamics.com"},
        {"login_url": "http://login.example"},
        {"org_url": "https://acme.crm4.dynamics.com/api/data"},
        {"service_table": "case"},
        {"working_hours": {"from_hour": 9, "to_hour": 9}},
        {"working_hours": {"time_zone": "Mars/Base"}},
        {"working_hours": {"days": [0]}},
        {"columns": {"key": "x) or (1 eq 1"}},
        {"unknown": 1},
    ],
)
def test_what_cannot_work_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(**keys)


def test_the_secret_is_not_shown() -> None:
    assert "'s'" not in repr(read(client_secret="s"))
    assert "Secret(***)" in repr(read())
