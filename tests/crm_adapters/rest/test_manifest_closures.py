"""Expressions give what jmespath's own interpreter gives, on all that the shipped manifests say and on any input."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jmespath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jmespath import exceptions

import crm_adapters.rest
from crm_adapters.rest import samples
from crm_adapters.rest.closures import evaluator
from crm_adapters.rest.functions import ManifestFunctions

FOLDER = Path(crm_adapters.rest.__file__).parent / "manifests"
FUNCTIONS = ManifestFunctions({"priority": {"1": "high"}, "urgency": {"1": "urgent"}})
ODD = [
    "a[?b > `1`]",
    "a[*].b",
    "a.*.c",
    "a[]",
    "a[0:2]",
    "a[-1]",
    "!a",
    "a || b && c",
    "length(a)",
    "sort_by(a, &b)",
    "a | b",
    "a == `1`",
    "a == `2`",
    "a != 'x'",
    "b64(a)",
    "add(a, b)",
    "not_null(a, b)",
    "lookup('priority', a)",
]
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "x", "high"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner)
)


def expressions(tree: Any) -> Iterator[str]:
    match tree:
        case str():
            inside = [part.rpartition("}")[0] for part in tree.split("${")[1:]]
            yield from inside or [tree]
        case dict():
            for inner in tree.values():
                yield from expressions(inner)
        case list():
            for inner in tree:
                yield from expressions(inner)


def parsed(texts: Iterator[str]) -> Iterator[Any]:
    for text in texts:
        try:
            yield jmespath.compile(text)
        except exceptions.JMESPathError:
            continue  # a text and no expression


def outcome(evaluate: Any, value: Any) -> Any:
    try:
        return evaluate(value)
    except Exception as error:  # noqa: BLE001 -- which error it is counts, too
        return type(error)


def theirs(compiled: Any, value: Any) -> Any:
    return outcome(lambda given: compiled.search(given, jmespath.Options(custom_functions=FUNCTIONS)), value)


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.toml")), ids=lambda file: file.stem)
def test_every_expression_of_a_shipped_manifest_gives_the_same(file: Path) -> None:
    record = {"id": 7, "properties": {"hub_key": "K"}, "status": "open", "data": [{"name": "n"}], "result": []}
    contexts = [{"in": given, "config": {"currency": "EUR"}, "found": {}} for given in samples.INPUTS.values()]
    contexts += [{"record": record, "body": body, "item": record, "status": 409} for body in (record, [record], None)]
    compared = 0
    for compiled in parsed(expressions(tomllib.loads(file.read_text("utf-8")))):
        ours = evaluator(compiled.parsed, FUNCTIONS)
        for context in contexts:
            assert outcome(ours, context) == theirs(compiled, context), compiled.expression
            compared += 1
    assert compared > 100


@pytest.mark.parametrize("text", ODD)
@given(value=VALUES)
@settings(max_examples=40, deadline=None)
def test_every_kind_of_expression_gives_the_same_on_any_input(text: str, value: Any) -> None:
    compiled = jmespath.compile(text)
    assert outcome(evaluator(compiled.parsed, FUNCTIONS), value) == theirs(compiled, value)
