from typing import Any

import pytest

from crm_adapters.rest import templates
from crm_adapters.rest.expressions import Expression, ExpressionError

TABLES = {"urgency": {"1": "urgent", "2": "normal"}}
GIVEN = {"in": {"key": "A/B c", "n": 2, "price": {"minor": 1250, "currency": "EUR"}, "none": None, "flag": True}}


def compiled(text: str) -> Expression:
    return Expression(text, {"in"}, TABLES)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("decimal_str(in.price)", "12.50"),
        ("decimal_str({minor: `5`, currency: 'JPY'})", "5"),
        ("to_minor('12.5', 'EUR')", 1250),
        ("to_minor(`12.505`, 'EUR')", 1250),
        ("to_minor('12', 'JPY')", 12),
        ("mul(`3`, '0.1')", 0.3),
        ("mul('2.50', in.n)", 5),
        ("date('2026-11-22T23:30:00-02:00', '%d.%m.%Y')", "23.11.2026"),
        ("lookup('urgency', in.n)", "normal"),
        ("lookup_or('urgency', '9', 'low')", "low"),
        ("join('-', ['a', in.key])", "a-A/B c"),
        ("in.missing || 'else'", "else"),
        ("add('0.1', '0.2')", 0.3),
        ("percent(`7180`, '19')", 1364),
        ("percent(`50`, '5')", 2),
        ("int('7.0')", 7),
        ("later('2026-11-23T08:00:00Z', '90')", "2026-11-23T08:01:30+00:00"),
        ("odata_date('2026-11-23T08:00:00Z')", "/Date(1795420800000)/"),
        ("from_odata_date('/Date(1795420800000+0000)/')", "2026-11-23T08:00:00+00:00"),
        ("regex_group('Existing ID: 123', 'ID: ([0-9]+)', `1`)", "123"),
        ("regex_group(in.none, 'x', `0`)", None),
        ("b64('a:b')", "YTpi"),
        ("b64url(json([['code', '=', in.n]]))", "W1siY29kZSIsIj0iLDJdXQ=="),
        ("from_json('{\"a\": [1]}').a[0]", 1),
        ("zip_in([{a: `1`}], 'b', [`2`])", [{"a": 1, "b": 2}]),
        ("put_in([{a: `1`}], 'b', in.n)", [{"a": 1, "b": 2}]),
        ("tryton_decimal(in.price)", {"__class__": "Decimal", "decimal": "12.50"}),
        ("from_tryton({__class__: 'Decimal', decimal: '35.90'})", "35.90"),
        ("from_tryton({__class__: 'date', year: `2026`, month: `1`, day: `5`})", "2026-01-05"),
    ],
)
def test_a_function_gives_what_the_readme_says(text: str, value: Any) -> None:
    assert compiled(text).value(GIVEN) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("in.[", "is no JMESPath"),
        ("inn.key", "names 'inn'; expected one of in"),
        ("in.key && boddy.id", "names 'boddy'"),
        ("[in.key, key]", "names 'key'"),
        ("to_mino(in.key, 'EUR')", "calls to_mino"),
        ("in.lines[].{n: deci(price)}", "calls deci"),
        ("lookup('urgencies', in.n)", "table 'urgencies'; tables are: urgency"),
    ],
)
def test_an_expression_that_cannot_work_is_refused_when_compiled(text: str, says: str) -> None:
    with pytest.raises(ExpressionError, match=says):
        compiled(text)


@pytest.mark.parametrize(
    "text", ["in.lines[].{n: name, p: price}", "in.*.id", "in.a[?x > `1`].y | [0]", "max_by(in.a, &b)"]
)
def test_names_inside_a_value_are_nobodys_business(text: str) -> None:
    compiled(text)


@pytest.mark.parametrize(
    "text",
    [
        "int('7.5')",
        "zip_in([{a: `1`}], 'b', [])",
        "from_json('{')",
        "from_odata_date('x')",
        "lookup('urgency', '9')",
        "to_minor('ten', 'EUR')",
        "date('today', '%Y')",
        "decimal_str(in)",
        "mul(in.none, `1`)",
    ],
)
def test_a_value_that_does_not_fit_names_the_expression(text: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        compiled(text).value(GIVEN)
    assert repr(text) in str(refused.value)


def test_a_tree_keeps_types_and_leaves_out_what_is_optional_and_null() -> None:
    tree = {
        "n": "${in.n}",
        "text": "no ${in.n} of ${in.key}",
        "list": ["${in.flag}", 1],
        "a?": "${in.none}",
        "b?": "${in.n}",
    }
    assert templates.tree(tree, compiled)(GIVEN) == {"n": 2, "text": "no 2 of A/B c", "list": [True, 1], "b": 2}


def test_a_path_encodes_what_it_is_given() -> None:
    assert templates.path("/orders/{in.key}/x", compiled)(GIVEN) == "/orders/A%2FB%20c/x"


@pytest.mark.parametrize("key", ["", ".", "..", None, {"a": 1}])
def test_a_path_takes_no_value_that_would_lead_elsewhere(key: Any) -> None:
    render = templates.path("/orders/{in.key}", compiled)
    with pytest.raises(ExpressionError):
        render({"in": {"key": key}})


def test_a_query_repeats_lists_and_leaves_out_optional_nulls() -> None:
    render = templates.query({"sku": "${in.skus}", "c?": "${in.none}", "n": "${in.n}"}, compiled)
    assert render({"in": {"skus": ["A", "B"], "none": None, "n": 2}}) == [("sku", "A"), ("sku", "B"), ("n", "2")]
