"""Checks that tell all that is wrong with a value: one per kind of node of `msgspec.inspect`.

A check takes a value, its path, and where to put what it finds. Values are what `msgspec.json`,
`json` or `tomllib` decode to.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import inspect as nodes

from callgate.core.fault import Findings
from callgate.core.fieldpath import join
from callgate.core.kinds import KINDS, expected, show, taken, words

Check = Callable[[Any, str, Findings], None]
Known = dict[type, Check]
"""Structs already compiled, so that a type may contain itself."""

_BOUNDS: tuple[tuple[str, str, Callable[[Any, Any], bool]], ...] = (
    ("ge", "at least", lambda value, bound: value >= bound),
    ("gt", "more than", lambda value, bound: value > bound),
    ("le", "at most", lambda value, bound: value <= bound),
    ("lt", "less than", lambda value, bound: value < bound),
    ("multiple_of", "a multiple of", lambda value, bound: value % bound == 0),
)

_PLACE = re.compile(r" - at `.*`$", re.DOTALL)


def compile_check(node: nodes.Type, known: Known) -> Check:
    """The check of one node and all below it."""
    return _COMPILERS[type(node)](node, known)


def _anything(value: Any, path: str, found: Findings) -> None:
    pass


def _free(node: nodes.Type, known: Known) -> Check:
    return _anything


def _exactly(kind: type) -> Callable[[nodes.Type, Known], Check]:
    def check(value: Any, path: str, found: Findings) -> None:
        if type(value) is not kind:
            found.fault(path, expected(KINDS[kind], value))

    return lambda node, known: check


def _number(node: Any, known: Known) -> Check:
    integer = isinstance(node, nodes.IntType)
    bounds = [
        (f"must be {relation} {_plain(bound)}", holds, bound)
        for name, relation, holds in _BOUNDS
        if (bound := getattr(node, name)) is not None
    ]

    def check(value: Any, path: str, found: Findings) -> None:
        if integer and type(value) is float:
            found.fault(path, f"expected an integer, got {value}")
        elif type(value) is not int and (integer or type(value) is not float):
            found.fault(path, expected("an integer" if integer else "a number", value))
        else:
            for demand, holds, bound in bounds:
                if not holds(value, bound):
                    found.fault(path, f"{demand}, got {show(value)}")
                    return

    return check


def _plain(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else f"{bound:.9f}".rstrip("0")


def _sized(node: Any, unit: str) -> Callable[[Any, str, Findings], bool]:
    """A check of the length that says whether to look inside."""
    least, most = node.min_length or 0, node.max_length

    def fits(value: Any, path: str, found: Findings) -> bool:
        size = len(value)
        if size < least:
            few = f"must have at least {least} {unit}, has {size}"
            found.fault(path, few if size else "must not be empty")
        elif most is not None and size > most:
            found.fault(path, f"must have at most {most} {unit}, has {size}")
        else:
            return True
        return False

    return fits


def _string(node: Any, known: Known) -> Check:
    fits = _sized(node, "characters")
    pattern = re.compile(node.pattern) if node.pattern else None

    def check(value: Any, path: str, found: Findings) -> None:
        if type(value) is not str:
            found.fault(path, expected("a string", value))
        elif fits(value, path, found) and pattern and not pattern.search(value):
            found.fault(path, f"must match {pattern.pattern}, got {show(value)}")

    return check


def _array(node: Any, known: Known) -> Check:
    fits, inner = _sized(node, "items"), compile_check(node.item_type, known)

    def check(value: Any, path: str, found: Findings) -> None:
        if not isinstance(value, list | tuple):
            found.fault(path, expected("an array", value))
        elif fits(value, path, found):
            for index, item in enumerate(value):
                inner(item, f"{path}[{index}]", found)

    return check


def _mapping(node: Any, known: Known) -> Check:
    fits = _sized(node, "fields")
    of_key, of_item = compile_check(node.key_type, known), compile_check(node.value_type, known)
    opaque = of_item is _anything and node.key_type == nodes.StrType()

    def check(value: Any, path: str, found: Findings) -> None:
        if type(value) is not dict:
            found.fault(path, expected("an object", value))
        elif fits(value, path, found) and not opaque:
            for key, item in value.items():
                where = join(path, key)
                of_key(key, where, found)
                of_item(item, where, found)

    return check


def _choice(node: Any, known: Known) -> Check:
    values, said = node.values, words(node)

    def check(value: Any, path: str, found: Findings) -> None:
        if not any(type(value) is type(one) and value == one for one in values):
            found.fault(path, f"expected {said}, got {show(value)}")

    return check


def _struct(node: Any, known: Known) -> Check:
    if node.cls in known:
        return known[node.cls]
    fields: list[tuple[str, bool, Check]] = []
    names = {field.encode_name for field in node.fields}

    def check(value: Any, path: str, found: Findings) -> None:
        if type(value) is not dict:
            found.fault(path, expected("an object", value))
            return
        prefix = f"{path}." if path else ""
        for name, required, inner in fields:
            if name in value:
                inner(value[name], prefix + name, found)
            elif required:
                found.absent(prefix + name)
        if node.forbid_unknown_fields and not value.keys() <= names:
            for key in value:
                if key not in names:
                    found.unknown_key(path, key)

    known[node.cls] = check  # before its fields, which may hold the same struct
    fields += [(one.encode_name, one.required, compile_check(one.type, known))
               for one in node.fields]  # fmt: skip
    return check


def _union(node: Any, known: Known) -> Check:
    """Picks the member that takes this kind of value, as JSON and TOML tell kinds apart."""
    concrete = [one for one in node.types if not isinstance(one, nodes.NoneType)]
    members = [(taken(one), compile_check(one, known)) for one in concrete]
    nullable = len(concrete) < len(node.types)
    anything = any(kinds is None for kinds, _ in members)
    said = list(dict.fromkeys(map(words, concrete)))
    wanted = " or ".join([", ".join(said[:-1]), said[-1]] if said[1:] else said)

    def check(value: Any, path: str, found: Findings) -> None:
        if value is None and nullable:
            return
        for kinds, inner in members:
            if not members[1:] or (kinds is not None and type(value) in kinds):
                inner(value, path, found)
                return
        if not anything:
            found.fault(path, expected(wanted, value))

    return check


def _date(node: nodes.Type, known: Known) -> Check:
    """A date as TOML has parsed it, or a text that msgspec reads as one."""

    def check(value: Any, path: str, found: Findings) -> None:
        try:
            msgspec.convert(value, datetime.date)
        except msgspec.ValidationError as error:
            words = _PLACE.sub("", str(error)).replace("`", "")
            found.fault(path, words[:1].lower() + words[1:])

    return check


_COMPILERS: Mapping[type[nodes.Type], Callable[[Any, Known], Check]] = MappingProxyType(
    {
        nodes.AnyType: _free,
        nodes.NoneType: _exactly(type(None)),
        nodes.BoolType: _exactly(bool),
        nodes.IntType: _number,
        nodes.FloatType: _number,
        nodes.StrType: _string,
        nodes.DateType: _date,
        nodes.ListType: _array,
        nodes.DictType: _mapping,
        nodes.LiteralType: _choice,
        nodes.StructType: _struct,
        nodes.UnionType: _union,
    }
)
