"""Reads filters and orders against what may be searched: text in, frozen clauses out, or a refusal that says why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from noria.core.errors import RequestInvalid
from noria.ledger.searching.syntax import Name, Said, clauses_of, order_of
from noria.ledger.searching.words import Word, quoted, unquoted

NUMERIC = ("=", "!=", ">", ">=", "<", "<=")
EQUAL = ("=", "!=")
TEXTUAL = ("=", "!=", "LIKE", "ILIKE")
LISTED = ("=", "!=", "LIKE", "ILIKE", "IN", "NOT IN")
NULLS = ("IS NULL", "IS NOT NULL")
PATTERN_LIMIT = 5_000
"""Characters of a pattern; databases refuse longer ones in their own words."""
ORDER_LIMIT = 20
_SIXTY_FOUR_BITS = 2**63

Value = str | int | float | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Clause:
    """One test of a filter.

    Attributes:
        kind: attribute, metric, parameter, tag, dataset, request_metadata, span, feedback, expectation or issue.
        key: The attribute's name as this target stores it, or a user's key.
        op: =, !=, >, >=, <, <=, LIKE, ILIKE, RLIKE, IN, NOT IN, IS NULL or IS NOT NULL.
        value: A text; an int (within 64 bits) or float where numbers are compared; texts for lists; None for nulls.
    """

    kind: str
    key: str
    op: str
    value: Value = None


@dataclass(frozen=True, slots=True)
class Order:
    """One key of an order."""

    kind: str
    key: str
    ascending: bool = True


@dataclass(frozen=True, slots=True)
class Takes:
    """What one key can be compared with.

    Attributes:
        ops: Its operators.
        form: "text", "number" (floats too), "integer", "either" (numbers with > >= < <=, else texts) or
            "loose" (a number without quotes is a text).
        lists: Whether lists of texts are taken.
    """

    ops: tuple[str, ...]
    form: str = "text"
    lists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One entity of a target.

    Attributes:
        keys: Its keys, where they are known beforehand.
        any: What every other key takes; None = there is no other.
        prefixed: Beginning of a key to what such keys take.
        wrong_key: The message of an unknown key: `{key}` and `{keys}` are filled in.
    """

    keys: Mapping[str, Takes] = field(default_factory=dict)
    any: Takes | None = None
    prefixed: Mapping[str, Takes] = field(default_factory=dict)
    wrong_key: str = "Invalid attribute key '{key}' specified. Valid keys are '{keys}'"

    def takes(self, key: str) -> Takes:
        """What a key takes.

        Raises:
            RequestInvalid: there is no such key.
        """
        found = self.keys.get(key, self.any)
        for prefix, such in self.prefixed.items():
            if key.startswith(prefix) and len(key) > len(prefix):
                found = such
        if found is None:
            raise RequestInvalid(self.wrong_key.format(key=key[:500], keys=sorted(self.keys)))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What may be searched, and by what.

    Attributes:
        entities: Entity as written to its kind; a key without one is an attribute.
        shown: The entities that a refusal names.
        kinds: Kind's name to its keys.
        orders: Attributes that an order may name, and kinds whose keys it may.
        same: (kind, key) as written to what is meant.
        wrong: How the message of a filter that cannot be read begins.
        wrong_op: The message for an operator that a key does not take.
        nulls: What the message for IS NULL elsewhere says it is supported for; "" = it is no operator here.
    """

    entities: Mapping[str, str]
    shown: tuple[str, ...]
    kinds: Mapping[str, Kind]
    orders: frozenset[str]
    order_kinds: frozenset[str] = frozenset()
    same: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    wrong: str = "Invalid clause(s) in filter string: "
    wrong_op: str = "Invalid comparator '{op}' not one of '{ops}'"
    nulls: str = ""
    text_expected: str = "Expected a quoted string value for attributes. Got value "


def parse_filter(text: str, target: Target) -> tuple[Clause, ...]:
    """The clauses of a filter; all of them must hold.

    Raises:
        RequestInvalid: it cannot be read, or the target does not take it.
    """
    return tuple(_clause(said, target) for said in clauses_of(text, wrong=target.wrong))


def parse_order(texts: Iterable[str], target: Target) -> tuple[Order, ...]:
    """The keys of an order, the weightiest first.

    Raises:
        RequestInvalid: one cannot be read, the target has no such key, or a key stands twice.
    """
    given = list(texts)
    found: list[Order] = []
    if len(given) > ORDER_LIMIT:
        raise RequestInvalid(f"Invalid order_by clause: it has {len(given)} keys; {ORDER_LIMIT} are taken")
    for text in given:
        name, ascending = order_of(text)
        kind, key = _meant(name, target)
        if kind == "attribute" and key not in target.orders:
            raise RequestInvalid(f"Invalid attribute key '{name.key[:500]}' specified. Valid keys are '{sorted(target.orders)}'")
        if kind != "attribute" and kind not in target.order_kinds:
            raise RequestInvalid(f"Invalid order_by entity: {kind}")
        if any((each.kind, each.key) == (kind, key) for each in found):
            raise RequestInvalid(f"`order_by` contains duplicate fields: {given[:20]}")
        found.append(Order(kind, key, ascending))
    return tuple(found)


def written(clauses: Sequence[Clause]) -> str:
    """A filter that `parse_filter` reads as these clauses."""
    return " AND ".join(_written(each) for each in clauses)


def _clause(said: Said, target: Target) -> Clause:
    entity_kind, key = _identified(said.name, target)
    takes = target.kinds[entity_kind].takes(key)
    kind, stored = target.same.get((entity_kind, key), (entity_kind, key))
    if said.value is None:
        if said.operator not in takes.ops and target.nulls:
            raise RequestInvalid(f"IS NULL / IS NOT NULL is only supported for {target.nulls}, not for '{kind}' '{key[:500]}'")
        value: Value = None
    elif isinstance(said.value, tuple):
        value = _listed(said.value, entity_kind, takes, target)
    else:
        value = _value(said.value, said.operator, entity_kind, key, takes, target)
    in_list = isinstance(said.value, tuple)
    if said.operator not in takes.ops or in_list != (said.operator in ("IN", "NOT IN")):
        name = f"{said.name.entity or 'attributes'}.{key}"[:500]
        raise RequestInvalid(target.wrong_op.format(op=said.operator[:50], ops=takes.ops, name=name))
    if said.operator.endswith("LIKE") and len(str(value)) > PATTERN_LIMIT:
        raise RequestInvalid(f"Invalid pattern: it has {len(str(value))} characters; {PATTERN_LIMIT} are taken")
    if said.operator == "RLIKE":
        _check_pattern(str(value))
    return Clause(kind, stored, said.operator, value)


def _identified(name: Name, target: Target) -> tuple[str, str]:
    """The kind and the key, as written."""
    if name.entity is None:
        if "." in name.key and name.key not in target.kinds["attribute"].keys:
            raise _no_entity(name.said, target)
        return "attribute", name.key
    if name.entity not in target.entities:
        raise _no_entity(name.entity, target)
    return target.entities[name.entity], name.key


def _no_entity(entity: str, target: Target) -> RequestInvalid:
    return RequestInvalid(f"Invalid entity type '{entity[:500]}'. Valid values are {list(target.shown)}")


def _meant(name: Name, target: Target) -> tuple[str, str]:
    kind, key = _identified(name, target)
    return target.same.get((kind, key), (kind, key))


def _listed(values: tuple[str, ...], kind: str, takes: Takes, target: Target) -> tuple[str, ...]:
    if not takes.lists:
        fitting = sorted(key for key, each in target.kinds["attribute"].keys.items() if each.lists)
        raise RequestInvalid(f"Only {fitting} attributes support comparison with a list of quoted string values.")
    return values


def _value(word: Word, op: str, kind: str, key: str, takes: Takes, target: Target) -> Value:
    numeric = takes.form in ("number", "integer") or (takes.form == "either" and op in (">", ">=", "<", "<="))
    if numeric and word.kind == "number":
        return _number(word.said, kind, key, whole=takes.form == "integer")
    if not numeric and word.kind == "text":
        return unquoted(word.said)
    if takes.form == "loose" and word.kind == "number":
        return word.said
    if not numeric and word.kind == "name":
        raise RequestInvalid(
            f"Parameter value is either not quoted or unidentified quote types used for string value {word.said[:500]}. "
            "Use either single or double quotes."
        )
    raise RequestInvalid(_expected(op, kind, key, numeric, target) + word.said[:500])


def _expected(op: str, kind: str, key: str, numeric: bool, target: Target) -> str:
    if kind == "metric":
        return "Expected numeric value type for metric. Found "
    if kind == "attribute":
        return f"Expected numeric value type for numeric attribute: {key[:500]}. Found " if numeric else target.text_expected
    if kind == "dataset":
        return "Expected a quoted string value for dataset attributes. Got value "
    if numeric:
        return f"Expected a numeric value for {kind} when using comparator '{op}'. Got value "
    return f"Expected a quoted string value for {kind} (e.g. 'my-value'). Got value "


def _number(said: str, kind: str, key: str, *, whole: bool) -> int | float:
    digits = said.lstrip("+-")
    if not digits.isdecimal() or not digits.isascii():
        if whole:
            raise RequestInvalid(f"Invalid value for numeric attribute '{key[:500]}': '{said[:500]}'")
        return float(said)
    if kind != "metric" and len(digits) < 19 and abs(int(said)) < _SIXTY_FOUR_BITS:
        return int(said)
    return float(said)


def _check_pattern(pattern: str) -> None:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise RequestInvalid(f"Invalid regular expression '{pattern[:500]}': {error}") from error


def _written(clause: Clause) -> str:
    name = f"{clause.kind}.{quoted(clause.key, '`')}"
    value = clause.value
    if value is None:
        return f"{name} {clause.op}"
    if isinstance(value, tuple):
        return f"{name} {clause.op} ({', '.join(quoted(each) for each in value)})"
    return f"{name} {clause.op} {quoted(value) if isinstance(value, str) else _plain(value)}"


def _plain(number: int | float) -> str:
    said = repr(number)
    return {"inf": "1e999", "-inf": "-1e999"}.get(said, said)
