"""What an operator may not write."""

from pathlib import Path
from typing import Any

import pytest

from actors.model.secrets import Secret
from protocols.opcua.config import EndpointConfig, Policy

URL = "opc.tcp://10.0.0.1:4840"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            {"policy": Policy.BASIC256SHA256, "certificate": Path("c.pem")},
            "needs private_key, server_certificate or pki",
        ),
        ({"user": "hub", "password": Secret("x")}, "plain_password = true"),
        ({"user_certificate": Path("u.pem")}, "belong together"),
        ({"user_certificate": Path("u.pem"), "user_private_key": Path("k.pem")}, "needs a policy"),
        ({"user_certificate": Path("u.pem"), "user_private_key": Path("k.pem"), "user": "hub"}, "not both"),
    ],
)
def test_unsafe_combinations_are_refused_with_what_to_write(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        EndpointConfig(url=URL, **keys)


def test_a_clear_text_password_can_be_allowed() -> None:
    assert EndpointConfig(url=URL, user="hub", password=Secret("x"), plain_password=True).user == "hub"
