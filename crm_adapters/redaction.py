"""Secrets that a CRM's answer repeats are taken out before anybody reads it."""

import base64
from collections.abc import Iterable
from typing import Any, Final, TypeVar
from urllib.parse import quote, quote_plus

from msgspec import Struct
from msgspec.structs import asdict, replace

from actors.model.secrets import Secret
from crm_adapters.transport import Reply, with_content

OutcomeT = TypeVar("OutcomeT", bound=Struct)
SHOWN: Final = "[secret]"
_SHORTEST: Final = 4
"""Shorter ones would take words out of every text."""
_KEPT: Final = 64
"""How many are remembered; tokens are renewed for as long as the hub runs."""


class Redactor:
    """Knows the secrets of one connection, those of its configuration and the tokens that it was given."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._fixed = tuple(form for secret in secrets for form in _forms(secret))
        self._learnt: list[str] = []
        self._sought: list[bytes] = []
        self._seek()

    def learn(self, secrets: Iterable[Secret]) -> None:
        """Remember tokens."""
        self._learnt += [form for secret in secrets for form in _forms(secret)]
        del self._learnt[:-_KEPT]
        self._seek()

    def _seek(self) -> None:
        self._sought = [secret.encode() for secret in (*self._fixed, *self._learnt)]

    def clean(self, text: str) -> str:
        """Return a text without any secret in it."""
        for secret in sorted((*self._fixed, *self._learnt), key=len, reverse=True):
            text = text.replace(secret, SHOWN)
        return text

    def cleaned(self, outcome: OutcomeT) -> OutcomeT:
        """Return an outcome whose texts hold no secret."""
        changes: dict[str, Any] = {
            name: self.clean(value) for name, value in asdict(outcome).items() if isinstance(value, str)
        }
        return replace(outcome, **changes)

    def cleaned_reply(self, reply: Reply) -> Reply:
        """Return an answer without any secret in its body, before a part of one is cut off or taken for a value."""
        content = reply.content
        told = [secret for secret in self._sought if secret in content]
        if not told:
            return reply
        for secret in sorted(told, key=len, reverse=True):
            content = content.replace(secret, SHOWN.encode())
        return with_content(reply, content)

    def cleaned_tree(self, value: Any) -> Any:
        """Return a JSON value whose texts hold no secret."""
        match value:
            case str():
                return self.clean(value)
            case dict():
                return {key: self.cleaned_tree(inner) for key, inner in _entries(value)}
            case list() | tuple():
                return [self.cleaned_tree(inner) for inner in _elements(value)]
            case _:
                return value


def _entries(value: Any) -> list[tuple[Any, Any]]:
    return list(value.items())


def _elements(value: Any) -> list[Any]:
    return list(value)


def _forms(secret: Secret) -> Iterable[str]:
    """Return a secret as it may stand in a text."""
    text = secret.reveal()
    if len(text) < _SHORTEST:
        return ()
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return dict.fromkeys(
        (text, quote(text, safe=""), quote_plus(text), escaped, base64.b64encode(text.encode()).decode())
    )
