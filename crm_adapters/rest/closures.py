"""JMESPath as functions: an expression is walked once, when the manifest is loaded, and not for every order.

What an expression means is what ``jmespath`` says: its parser made the tree, and nodes that are not known here are left
to its interpreter. A test compares both on every expression of the shipped manifests.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from jmespath import Options
from jmespath.functions import Functions
from jmespath.visitor import TreeInterpreter

Node = Mapping[str, Any]
Evaluate = Callable[[Any], Any]
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
"""JMESPath's types as those of decoded JSON. Arrays of one type and expressions are not among them."""


def evaluator(tree: Node, functions: Functions) -> Evaluate:
    """Return what gives the value of a parsed expression for some input."""
    return _Walker(functions).of(tree)


def is_path(tree: Node) -> bool:
    """Say whether a parsed expression only goes from name to name: nothing of it can fail."""
    return tree["type"] == "field" or (
        tree["type"] == "subexpression" and all(child["type"] == "field" for child in tree["children"])
    )


class _Walker:
    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._interpreter: Any = TreeInterpreter(Options(custom_functions=functions))

    def of(self, node: Node) -> Evaluate:
        """Return what a node and all below it give."""
        make = getattr(self, f"_{node['type']}", None)
        if make is not None:
            made: Evaluate = make(node)
            return made
        return lambda value: self._interpreter.visit(node, value)

    def _children(self, node: Node) -> list[Evaluate]:
        return [self.of(child) for child in node["children"]]

    def _field(self, node: Node) -> Evaluate:
        name = node["value"]

        def field(value: Any) -> Any:
            try:
                return value[name]
            except (LookupError, TypeError):  # it has no such entry, or has no entries with names
                return None

        return field

    def _current(self, _node: Node) -> Evaluate:
        return lambda value: value

    _identity = _current

    def _literal(self, node: Node) -> Evaluate:
        literal = node["value"]
        return lambda _value: literal

    def _subexpression(self, node: Node) -> Evaluate:
        if is_path(node):
            return _path([child["value"] for child in node["children"]])
        first, second, *more = self._children(node)
        if not more:
            return lambda value: second(first(value))

        def chain(value: Any) -> Any:
            value = second(first(value))
            for step in more:
                value = step(value)
            return value

        return chain

    _index_expression = _pipe = _subexpression

    def _index(self, node: Node) -> Evaluate:
        place = node["value"]

        def index(value: Any) -> Any:
            try:
                return _elements(value)[place] if isinstance(value, list) else None
            except IndexError:
                return None

        return index

    def _or_expression(self, node: Node) -> Evaluate:
        left, right = self._children(node)

        def either(value: Any) -> Any:
            matched = left(value)
            return right(value) if _is_false(matched) else matched

        return either

    def _and_expression(self, node: Node) -> Evaluate:
        left, right = self._children(node)

        def both(value: Any) -> Any:
            matched = left(value)
            return matched if _is_false(matched) else right(value)

        return both

    def _comparator(self, node: Node) -> Evaluate:
        if node["value"] not in {"eq", "ne"}:
            return lambda value: self._interpreter.visit(node, value)
        left, right = self._children(node)
        if any(_is_plain(child) for child in node["children"]):
            return _equal(left, right) if node["value"] == "eq" else _unequal(left, right)
        compare: Callable[[Any, Any], Any] = self._interpreter.COMPARATOR_FUNC[node["value"]]
        return lambda value: compare(left(value), right(value))

    def _function_expression(self, node: Node) -> Evaluate:
        name, arguments = node["value"], self._children(node)
        functions, call = self._functions, self._functions.call_function
        taken = _taken(functions, name, len(arguments))
        if taken is None:
            return lambda value: call(name, [argument(value) for argument in arguments])
        function: Callable[..., Any] = functions.FUNCTION_TABLE[name]["function"]

        def checked(value: Any) -> Any:
            given = [argument(value) for argument in arguments]
            for each, types in zip(given, taken, strict=True):
                if type(each) not in types:
                    return call(name, given)  # it says what is wrong with it, if anything is
            return function(functions, *given)

        return checked

    def _key_val_pair(self, node: Node) -> Evaluate:
        return self.of(node["children"][0])

    def _multi_select_dict(self, node: Node) -> Evaluate:
        entries = [(child["value"], self.of(child)) for child in node["children"]]

        def select(value: Any) -> Any:
            return None if value is None else {name: entry(value) for name, entry in entries}

        return select

    def _multi_select_list(self, node: Node) -> Evaluate:
        entries = self._children(node)

        def select(value: Any) -> Any:
            return None if value is None else [entry(value) for entry in entries]

        return select

    def _flatten(self, node: Node) -> Evaluate:
        base = self.of(node["children"][0])

        def flatten(value: Any) -> Any:
            elements = base(value)
            if not isinstance(elements, list):
                return None
            flat: list[Any] = []
            for element in _elements(elements):
                if isinstance(element, list):
                    flat += _elements(element)
                else:
                    flat.append(element)
            return flat

        return flatten

    def _projection(self, node: Node) -> Evaluate:
        base, inner = self._children(node)

        def project(value: Any) -> Any:
            elements = base(value)
            if not isinstance(elements, list):
                return None
            found = (inner(element) for element in _elements(elements))
            return [each for each in found if each is not None]

        return project


def _path(names: Sequence[str]) -> Evaluate:
    """Return what goes from name to name: two are what most expressions of a manifest are."""
    first, second, *more = names

    def path(value: Any) -> Any:
        try:
            value = value[first][second]
            for name in more:
                value = value[name]
        except (LookupError, TypeError):
            return None
        return value

    return path


def _taken(functions: Functions, name: str, count: int) -> list[frozenset[type]] | None:
    """Return the types that a function takes for each of so many arguments; None where only a call can tell."""
    signature = functions.FUNCTION_TABLE.get(name, {}).get("signature", ())
    if len(signature) != count or any(each.get("variadic") or not each["types"] for each in signature):
        return None
    return [frozenset(kind for word in each["types"] for kind in _TYPES.get(word, ())) for each in signature]


def _is_plain(node: Node) -> bool:
    """Say whether this is a literal that equals what Python says: JMESPath keeps 0 and 1 apart from booleans."""
    literal = node.get("value")
    return node["type"] == "literal" and (type(literal) is str or (type(literal) is int and literal not in {0, 1}))


def _equal(left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda value: left(value) == right(value)


def _unequal(left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda value: left(value) != right(value)


def _elements(value: Any) -> list[Any]:
    return list(value)


def _is_false(value: Any) -> bool:
    """Say whether JMESPath takes a value for false: nothing in it, null, or false itself."""
    return value is None or value is False or bool(value in ("", [], {}))
