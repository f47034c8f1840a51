"""Addresses to listen at."""

import pytest

from hub.config.listen import Listen, parse_listen


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080, True),
        ("localhost:0", "localhost", 0, True),
        ("[::1]:65535", "::1", 65535, True),
        ("0.0.0.0:80", "0.0.0.0", 80, False),  # noqa: S104 -- to be told apart from loopback
        ("plant.example:443", "plant.example", 443, False),
    ],
)
def test_an_address_is_read(text: str, host: str, port: int, loopback: bool) -> None:
    listen = parse_listen(text)
    assert listen == Listen(host=host, port=port)
    assert listen.is_loopback is loopback
    assert parse_listen(str(listen)) == listen


@pytest.mark.parametrize(
    "text", ["", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "a:65536", "[zz]:1", "::1:8080", "a b:1"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert parse_listen(text) is None
