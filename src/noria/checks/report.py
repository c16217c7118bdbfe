"""What `noria.check` gives back: a value that is true when anything was found, and draws itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from noria.core.checking import CheckReport, Finding, Group
from noria.drawing.documents.check import verdict_line
from noria.ports import wire

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Report:
    """A finished check; `if nr.check(reference, current): …` reads as it should."""

    value: CheckReport

    def __bool__(self) -> bool:
        """Whether anything was found."""
        return bool(self.value.findings)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What differs, most important first."""
        return self.value.findings

    @property
    def verdict(self) -> str:
        """The whole check in one line."""
        return verdict_line(self.value)

    @property
    def table(self) -> pl.DataFrame:
        """One row per column, worst first: name, kind, role, verdict, drift, limit, missing before and now, mean before and now."""
        import polars as pl

        rows = []
        for one in self.value.columns:
            drift = one.reading("drift")
            rows.append(
                {
                    "column": one.name,
                    "kind": one.kind.value,
                    "role": one.role,
                    "verdict": one.verdict.value,
                    "drift": drift.value if drift else None,
                    "limit": drift.threshold if drift else None,
                    "missing_before": one.before.nulls / max(one.before.rows, 1) if one.before else None,
                    "missing_now": one.now.nulls / max(one.now.rows, 1) if one.now else None,
                    "mean_before": one.before.mean if one.before else None,
                    "mean_now": one.now.mean if one.now else None,
                }
            )
        return pl.DataFrame(rows, infer_schema_length=None)

    def of(self, *groups: str) -> tuple[Finding, ...]:
        """The findings of some groups: "data", "drift", "quality"."""
        return self.value.of(*(Group(name) for name in groups))

    def to_json(self) -> str:
        """Everything that the check saw, as JSON."""
        return json.dumps({"verdict": self.verdict, "found": bool(self), **wire.plain(self.value)}, ensure_ascii=False, indent=2)

    def to_markdown(self) -> str:
        """The report for a pull request or a message."""
        from noria.drawing.documents.check import to_markdown

        return to_markdown(self.value)

    def to_html(self, path: str | Path | None = None) -> str:
        """One HTML file that asks nobody for anything; also written to `path` when one is given."""
        from noria.drawing.documents.check import to_html

        page = to_html(self.value)
        if path is not None:
            Path(path).write_text(page, encoding="utf-8")
        return page

    def __str__(self) -> str:
        from noria.drawing.documents.check import to_text

        return to_text(self.value)

    def __repr__(self) -> str:
        return f"<noria check: {self.verdict}>"

    def _repr_html_(self) -> str:
        from noria.drawing.documents.check import to_fragment

        return to_fragment(self.value)

    def _repr_markdown_(self) -> str:
        return self.to_markdown()
