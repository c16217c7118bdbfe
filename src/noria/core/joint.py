"""What features looked like together when a version was made: the small model behind joint drift."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkLimit:
    """What a statistic of one chunk usually is, and the limit that one more usual chunk stays within.

    Attributes:
        usual, spread: Mean and standard deviation over chunks of the reference.
        limit: Upper limit of the statistic; infinite when nothing calibrated it.
        chunks: How many chunks of the reference calibrated it (0 = none).
    """

    usual: float
    spread: float
    limit: float
    chunks: int

    @property
    def known(self) -> float:
        """The limit, or minus infinity when nothing calibrated it: then other limits must hold."""
        return self.limit if self.chunks else float("-inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinate:
    """How one feature becomes one standardised number, (number − centre) / spread.

    A text stands for how surprising it is, −ln(its share of the reference), so that a value that was
    never seen lies far from all others. What is missing lies at the centre.

    Attributes:
        texts: The most frequent texts; () for numbers.
        surprises: How surprising each of `texts` is, then any other text; () for numbers.
    """

    name: str
    centre: float
    spread: float
    texts: tuple[str, ...] = ()
    surprises: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconstruction:
    """What principal components leave of a row, and how that usually goes.

    Attributes:
        components: Principal components of the coordinates, as rows; they hold 65 % of the variance.
        residuals: Mean squared residual of each coordinate over the reference.
        row_spread: Standard deviation of the error of one row.
        errors: Of the mean error of one chunk; its `limit` is for the distance from `usual`, on either side.
    """

    components: tuple[tuple[float, ...], ...]
    residuals: tuple[float, ...]
    row_spread: float
    errors: ChunkLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class JointReference:
    """What the rows that a version was trained on looked like together; a blob of its own, bounded in size.

    Attributes:
        chunk: Length of the chunks that calibrated it.
        coordinates: One per feature that is looked at.
        domain: Of the AUC of a classifier that tells one chunk from the rest.
        sample: Digest of a Parquet blob with rows of the reference, features raw.
        levelled: Numbers whose level differs from chunk to chunk, as weather's does: of these only the
            distance from their chunk's mean is looked at.
        left_out: What differs from chunk to chunk even so: texts, and numbers of which a chunk holds a value or two.
    """

    chunk: str
    rows: int
    coordinates: tuple[Coordinate, ...]
    reconstruction: Reconstruction
    domain: ChunkLimit
    sample: str = ""
    left_out: tuple[str, ...] = ()
    levelled: tuple[str, ...] = ()
