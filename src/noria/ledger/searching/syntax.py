"""What a filter or an order says, before anybody knows what may be searched."""

from __future__ import annotations

from dataclasses import dataclass

from noria.core.errors import RequestInvalid
from noria.ledger.searching.words import Word, unquoted, words_of

CLAUSES_LIMIT = 100
LIST_LIMIT = 5_000
"""Values of all lists: a database takes some ten thousand arguments."""

_KEYWORDS = ("AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "ILIKE", "RLIKE", "TRUE", "FALSE")


@dataclass(frozen=True, slots=True)
class Name:
    """What stands left of an operator: `metrics.loss` has an entity; `name` has none."""

    entity: str | None
    key: str
    said: str


@dataclass(frozen=True, slots=True)
class Said:
    """One clause as it was written; `value` is one word, a list's texts, or nothing (IS NULL).

    `operator` is in capitals.
    """

    name: Name
    operator: str
    value: Word | tuple[str, ...] | None


def clauses_of(text: str, *, wrong: str = "Invalid clause(s) in filter string: ") -> list[Said]:
    """The clauses of `clause AND clause …`.

    Args:
        wrong: How the message begins when it is something else.

    Raises:
        RequestInvalid: it cannot be read so.
    """
    words = words_of(text)
    if not words:
        return []
    _check_one(words, text)
    reading = _Reading(words, text, wrong)
    found = [reading.clause()]
    while not reading.is_done():
        reading.conjunction()
        found.append(reading.clause())
        if len(found) > CLAUSES_LIMIT:
            raise RequestInvalid(f"{wrong}more than {CLAUSES_LIMIT} clauses")
    return found


def order_of(text: str) -> tuple[Name, bool]:
    """The key of an order, and whether it ascends.

    Raises:
        RequestInvalid: it is not `key`, `key ASC` or `key DESC`.
    """
    words = words_of(text)
    if not 1 <= len(words) <= 2 or not _names(words[0]) or words[-1].kind not in ("name", "text"):
        raise RequestInvalid(f"Invalid order_by clause '{text}'. Could not be parsed.")
    if len(words) == 2 and not words[1].means("ASC", "DESC"):
        raise RequestInvalid(f"Invalid ordering key in order_by clause '{text}'.")
    return _name(words[0]), len(words) == 1 or words[1].means("ASC")


class _Reading:
    """Where the reader is in a filter's words."""

    def __init__(self, words: list[Word], text: str, wrong: str) -> None:
        self.words, self.text, self.wrong, self.at, self.values = words, text, wrong, 0, 0

    def is_done(self) -> bool:
        return self.at >= len(self.words)

    def clause(self) -> Said:
        start = self.at
        left = self.next(start)
        if not _names(left):
            if left.kind in ("number", "text") and self.peek_kind() == "sign":
                raise RequestInvalid(f"Invalid comparison clause. Expected 'Identifier' found '{left.said}'")
            raise self.refusal(start)
        operator = self.operator(start)
        if operator.startswith("IS"):
            return Said(_name(left), operator, None)
        value = self.next(start)
        if value.said == "(":
            return Said(_name(left), operator, self.listed(start))
        is_word = value.kind in ("number", "text") or (value.kind == "name" and not value.means(*_KEYWORDS))
        if not is_word or operator in ("IN", "NOT IN"):
            raise self.refusal(start)
        return Said(_name(left), operator, value)

    def operator(self, start: int) -> str:
        word = self.next(start)
        if word.kind == "sign" or word.means("LIKE", "ILIKE", "RLIKE", "IN"):
            return word.said.upper()
        following = self.next(start)
        if word.means("NOT") and following.means("IN"):
            return "NOT IN"
        if word.means("IS") and following.means("NULL"):
            return "IS NULL"
        if word.means("IS") and following.means("NOT") and self.next(start).means("NULL"):
            return "IS NOT NULL"
        raise self.refusal(start)

    def listed(self, start: int) -> tuple[str, ...]:
        """The texts up to `)`; a comma may follow the last one."""
        found: list[Word] = []
        word = self.next(start)
        while word.said != ")":
            if word.kind not in ("text", "number"):
                raise RequestInvalid(
                    "While parsing a list in the query, expected a non-empty list of string values, but got ill-formed list."
                )
            found.append(word)
            word = self.next(start)
            if word.said == ",":
                word = self.next(start)
            elif word.said != ")":
                raise self.refusal(start)
        if not found:
            raise RequestInvalid("While parsing a list in the query, expected a non-empty list of string values, but got empty list")
        if any(each.kind != "text" for each in found):
            raise RequestInvalid(
                "While parsing a list in the query, expected string value, punctuation, or whitespace, but got different type in list: "
                f"({', '.join(each.said for each in found)})"
            )
        self.values += len(found)
        if self.values > LIST_LIMIT:
            raise RequestInvalid(f"The lists in the query have {self.values} values; {LIST_LIMIT} are taken")
        return tuple(unquoted(each.said) for each in found)

    def conjunction(self) -> None:
        if not self.words[self.at].means("AND"):
            raise self.refusal(self.at)
        self.at += 1

    def next(self, start: int) -> Word:
        if self.is_done():
            raise self.refusal(start)
        self.at += 1
        return self.words[self.at - 1]

    def peek_kind(self) -> str:
        return "" if self.is_done() else self.words[self.at].kind

    def refusal(self, start: int) -> RequestInvalid:
        at = self.words[start].at if start < len(self.words) else len(self.text)
        return RequestInvalid(f"{self.wrong}'{self.text[at:].strip()[:500] or self.text[-500:]}'")


def _check_one(words: list[Word], text: str) -> None:
    ends = [n for n, word in enumerate(words) if word.said == ";" and word.kind == "mark"]
    if ends and ends[0] < len(words) - 1:
        raise RequestInvalid(f"Search filter contained multiple expression {text[:500]!r}. Provide AND-ed expression list.")


def _names(word: Word) -> bool:
    return (word.kind == "name" and not word.means(*_KEYWORDS)) or (word.kind == "text" and word.said[0] == '"')


def _name(word: Word) -> Name:
    said = word.said
    if said[0] == '"':
        return Name(None, unquoted(said), said)
    if said[0] == "`":
        entity, _, key = _after_ticks(said)
    else:
        entity, _, key = said.partition(".")
    return Name(unquoted(entity), unquoted(key), said) if key else Name(None, unquoted(entity), said)


def _after_ticks(said: str) -> tuple[str, str, str]:
    """A name whose first part is quoted, split behind that part."""
    end = 1
    while said[end] != "`" or said[end : end + 2] == "``":
        end += 2 if said[end : end + 2] == "``" else 1
    return said[: end + 1], ".", said[end + 2 :]
