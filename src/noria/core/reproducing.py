"""Values of making a version again: what came out, held against what was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from noria.core.environment import Difference

TOLERANCE = 1e-6


class Sameness(StrEnum):
    """How far the version that was made again is the one that was."""

    BYTES = "byte-equal"
    """Its model file has the same bytes."""
    TOLERANCE = "within-tolerance"
    """Its answers and marks differ by no more than was said."""
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """A number as it was written down and as it came out again."""

    before: float
    after: float

    @property
    def difference(self) -> float:
        """How far apart they are; 0 where both are not a number."""
        both_unknown = self.before != self.before and self.after != self.after
        return 0.0 if both_unknown else abs(self.after - self.before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A model and the one that was made again, asked about the same rows.

    Attributes:
        files: File of the package to whether its bytes are equal; members of a family as one, "family".
        rows: The rows that judge; both models answered them.
        max_difference, mean_difference: Of their answers.
        marks: Metric to its value on the version's scorecard and on the new answers.
    """

    files: Mapping[str, bool]
    rows: int
    max_difference: float
    mean_difference: float
    marks: Mapping[str, Again] = field(default_factory=dict)

    def sameness(self, tolerance: float, native: str) -> Sameness:
        """The verdict.

        Args:
            tolerance: Answers and marks may differ by so much.
            native: The file that the model is kept in; files that were compiled from it may name things as they like.
        """
        if self.files.get(native) and self.files.get("family", True):
            return Sameness.BYTES
        far = max([self.max_difference, *(mark.difference for mark in self.marks.values())])
        return Sameness.TOLERANCE if far <= tolerance else Sameness.DIFFERENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """A version made again from its id.

    Attributes:
        version: Such as "late-arrival@3".
        model_file: The file that the verdict is about, such as "model.txt".
        features_equal: Whether the training table has the same bytes.
        feature_rows: Its rows, before and after.
        params_equal: Whether the search found the same parameters; None = the recorded ones were taken.
        here: Whether the running environment was used, not a rebuilt one.
        environment: In what the environment that it ran in differs from the version's.
        notes: What a person should know besides.
    """

    version: str
    sameness: Sameness
    tolerance: float
    model_file: str
    comparison: Comparison
    features_equal: bool
    feature_rows: Again
    params_equal: bool | None
    here: bool
    environment: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def reproduced(self) -> bool:
        """Whether it is the same, to what was asked."""
        return self.sameness is not Sameness.DIFFERENT

    @property
    def said(self) -> str:
        """The verdict in one line."""
        of = self.comparison
        if self.sameness is Sameness.BYTES:
            return f"{self.version} was made again, byte for byte: {self.model_file} is the same"
        told = f"answers on {of.rows:,} rows differ by {of.max_difference:.3g} at most, {of.mean_difference:.3g} on average"
        if self.sameness is Sameness.TOLERANCE:
            return f"{self.version} was made again within {self.tolerance:g}: {told}"
        return f"{self.version} came out different: {told}; {self.tolerance:g} is accepted"
