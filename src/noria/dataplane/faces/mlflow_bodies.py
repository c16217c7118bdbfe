"""What MLflow's scoring protocol, SageMaker, Vertex AI and Azure ML put into a body, as rows; and answers as they want them back."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from noria.core.errors import RequestInvalid
from noria.core.schema import Signature
from noria.dataplane.exchange import JSON, Call, Refused, Reply, document
from noria.stages.serving.asks import Answered
from noria.stages.serving.forms import Inputs, of_columns, of_either, of_lists, shape
from noria.stages.serving.texts import of_texts

CSV, LINES = "text/csv", "application/jsonlines"
PARQUET = frozenset({"application/vnd.apache.parquet", "application/parquet", "application/x-parquet"})
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs", "input_data")
TAKEN = (JSON, CSV, LINES, "application/vnd.apache.parquet")

PARQUET_BYTES = 64 << 20
"""A table may be this large once it is unpacked: a small file can say that it is anything."""

_PARAMS = ("version", "ids")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A body that was read.

    Attributes:
        ids: One per row, or None where the caller gave none.
        version: The version that shall answer, if the caller wants one.
        form: The key of the JSON document that held the rows; "" for other types.
    """

    rows: list[Inputs]
    ids: list[Any] | None = None
    version: int | None = None
    form: str = ""


async def read_body(call: Call, signature: Signature, *, row_limit: int) -> Asked:
    """The rows of any body that the protocols know.

    Raises:
        Refused: the type, or its charset, is not taken; the text is broken.
        RequestInvalid: it is no table of rows.
    """
    kind = _kind(call)
    if kind in (JSON, ""):
        return _of_json(_document(call.body), signature)
    if kind == CSV:
        return Asked(rows=_of_csv(_text(call.body), signature, header=_parameters(call).get("header", "")))
    if kind == LINES:
        lines = [_value(line) for line in call.body.splitlines() if line.strip()]
        return Asked(rows=of_either(signature, lines))
    return Asked(rows=await asyncio.to_thread(_of_parquet, call.body, row_limit))


def written(call: Call, signature: Signature, answers: Sequence[Answered], form: str, headers: tuple[tuple[str, str], ...]) -> Reply:
    """The answers as the Accept header wants them: JSON unless it names CSV or JSON lines."""
    wanted = [kind.partition(";")[0].strip().lower() for kind in call.headers.get("accept", "").split(",")]
    names = [name for name, _, _ in shape(signature)]
    if JSON not in wanted and CSV in wanted:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(_cells(one, names) for one in answers)
        return Reply(body=out.getvalue().encode(), content_type=f"{CSV}; charset=utf-8", headers=headers)
    said = [_spoken(one, names) for one in answers]
    if JSON not in wanted and LINES in wanted:
        return Reply(body=b"".join(orjson.dumps(one) + b"\n" for one in said), content_type=LINES, headers=headers)
    return Reply(body=orjson.dumps(said if form == "input_data" else {"predictions": said}), headers=headers)


def _spoken(answered: Answered, names: Sequence[str]) -> Any:
    """One value where there is one output, else the outputs by name, as the protocol has it for tables."""
    return answered.prediction if len(names) == 1 else {name: getattr(answered, name) for name in names}


def _cells(answered: Answered, names: Sequence[str]) -> list[Any]:
    cells: list[Any] = []
    for name in names:
        value = getattr(answered, name)
        cells.extend(value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value])
    return cells


def _kind(call: Call) -> str:
    kind, told = call.kind(), _parameters(call)
    if told.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise Refused("unsupported-media-type", f"the charset is {told['charset'][:40]!r}", fix="send UTF-8")
    unknown = sorted(set(told) - {"charset", "header"})
    if unknown:
        raise Refused("unsupported-media-type", f"the content type has a parameter {unknown[0][:40]!r}", fix="leave it out")
    if kind and kind not in TAKEN and kind not in PARQUET:
        raise Refused("unsupported-media-type", f"the content type is {kind[:80]!r}", fix=f"send {', '.join(TAKEN)}")
    return kind


def _parameters(call: Call) -> dict[str, str]:
    parts = call.headers.get("content-type", "").split(";")[1:]
    pairs = (part.partition("=") for part in parts if part.strip())
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}


def _of_json(body: Mapping[str, Any], signature: Signature) -> Asked:
    given = [form for form in FORMS if form in body]
    if len(given) != 1:
        said = "holds none of them" if not given else f"holds {' and '.join(given)}"
        raise RequestInvalid(f"the body must hold exactly one of {', '.join(FORMS)}; it {said}", fields={"body": said})
    unknown = sorted(set(body) - {given[0], "params", "parameters"})
    if unknown:
        raise RequestInvalid(f"unknown: {', '.join(unknown)[:200]}", fields={unknown[0][:100]: "is not part of a request"})
    rows = _READERS[given[0]](body[given[0]], signature)
    return Asked(rows=rows, form=given[0], **_params(body.get("params", body.get("parameters")), len(rows)))


def _params(given: object, rows: int) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise RequestInvalid("params is not an object", fields={"params": "must be an object"})
    for name in given:
        if name not in _PARAMS:
            raise RequestInvalid(
                f"params has {name[:80]!r}", fields={f"params.{name[:80]}": f"is not known; there are {', '.join(_PARAMS)}"}
            )
    version, ids = given.get("version"), given.get("ids")
    if version is not None and type(version) is not int:
        raise RequestInvalid("params.version is not a number", fields={"params.version": "must be the number of a version"})
    if ids is not None and not (isinstance(ids, list) and len(ids) == rows):
        raise RequestInvalid("params.ids does not fit", fields={"params.ids": f"must be a list of {rows} ids, one per row"})
    return {"version": version, "ids": ids}


def _split(value: Any, signature: Signature) -> list[Inputs]:
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise RequestInvalid("no split table", fields={"dataframe_split": 'must be {"columns": […], "data": [[…], …]}'})
    columns = value.get("columns")
    if columns is None or columns == list(range(len(signature.inputs))):
        return of_lists(signature, value["data"])
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise RequestInvalid("columns are no names", fields={"dataframe_split.columns": "must be a list of field names"})
    return of_lists(signature, value["data"], columns=_unlike(columns))


def _records(value: Any, signature: Signature) -> list[Inputs]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise RequestInvalid("no records", fields={"dataframe_records": "must be a list of objects, one per row"})
    return list(value)


def _instances(value: Any, signature: Signature) -> list[Inputs]:
    if not isinstance(value, list):
        raise RequestInvalid("instances is no list", fields={"instances": "must be a list of rows"})
    return of_either(signature, value)


def _inputs(value: Any, signature: Signature) -> list[Inputs]:
    """A list of rows, columns by name, or one row by name."""
    if isinstance(value, list):
        return of_either(signature, value)
    if not isinstance(value, dict):
        raise RequestInvalid("inputs is no table", fields={"inputs": "must be a list of rows, or an object of columns"})
    lists = [isinstance(column, list) for column in value.values()]
    if not any(lists):
        return [value]
    if not all(lists):
        raise RequestInvalid("some columns are no lists", fields={"inputs": "must hold a list for each field, or a value for each"})
    return of_columns(value)


def _input_data(value: Any, signature: Signature) -> list[Inputs]:
    return _split(value, signature) if isinstance(value, dict) and "data" in value else _inputs(value, signature)


_READERS = {
    "dataframe_split": _split,
    "dataframe_records": _records,
    "instances": _instances,
    "inputs": _inputs,
    "input_data": _input_data,
}


def _of_csv(text: str, signature: Signature, *, header: str) -> list[Inputs]:
    """The rows of a CSV table; the first line names its columns, unless it names none and fits as a row."""
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
    except csv.Error as error:
        raise Refused("not-json", f"the body is not CSV: {error}") from None
    if not lines:
        raise RequestInvalid("there are no rows", fields={"body": "must hold a line of names, and a line per row"})
    known = {field.name for field in signature.inputs}
    named = bool(known & set(lines[0])) or len(lines[0]) != len(known)
    if header.lower() == "absent" or (header.lower() != "present" and not named):
        return of_texts(signature, lines)
    return of_texts(signature, lines[1:], columns=_unlike(lines[0]))


def _of_parquet(body: bytes, row_limit: int) -> list[Inputs]:
    """The rows of a Parquet file; NaN counts as missing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(io.BytesIO(body)) as file:
            held = file.metadata
            size_bytes = sum(held.row_group(place).total_byte_size for place in range(held.num_row_groups))
            if held.num_rows > row_limit:
                raise RequestInvalid(f"{held.num_rows:,} rows in one request", fields={"rows": f"must be at most {row_limit:,}"})
            if size_bytes > PARQUET_BYTES:
                raise Refused("too-large", f"the table has {size_bytes:,} bytes when it is unpacked", fix="send fewer rows at a time")
            rows: list[dict[str, Any]] = file.read().to_pylist()
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        if isinstance(error, RequestInvalid):
            raise
        raise Refused("not-json", f"the body is no Parquet file that can be read: {error}"[:300]) from None
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if value == value else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return float(value) if type(value).__name__ == "Decimal" else value


def _unlike(columns: Sequence[str]) -> Sequence[str]:
    twice = next((name for place, name in enumerate(columns) if name in columns[:place]), None)
    if twice is not None:
        raise RequestInvalid(f"there are two columns {twice[:100]!r}", fields={twice[:100]: "is there twice"})
    return columns


def _document(body: bytes) -> dict[str, Any]:
    """The JSON object in a body, where NaN, which Python's clients write for a missing value, counts as null."""
    try:
        return document(body)
    except Refused:
        if b"NaN" not in body:
            raise
    return document(_without_nan(body))


def _value(line: bytes) -> Any:
    try:
        return orjson.loads(_without_nan(line) if b"NaN" in line else line)
    except orjson.JSONDecodeError as error:
        raise Refused("not-json", f"a line of the body is not JSON: {error}") from None


def _without_nan(body: bytes) -> bytes:
    return _STRING_OR_NAN.sub(lambda found: b"null" if found[0] == b"NaN" else found[0], body)


_STRING_OR_NAN = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|NaN', re.DOTALL)
"""A string, also one that never ends, so that each byte is looked at once; or NaN outside of one."""


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused("not-json", f"the body is not UTF-8: {error.reason} at byte {error.start:,}") from None
