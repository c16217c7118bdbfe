"""Names for runs whose people gave them none: two words of a river, and a number."""

from __future__ import annotations

from random import Random

_FIRST = "amber brisk calm clear cold deep eager early fair fleet gentle glad grey keen late light lucid mild quick quiet rapid slow still swift tidal warm wide young".split()  # noqa: SIM905
_SECOND = "bank barge bay beck bend bridge brook canal channel creek current delta dike ferry ford heron lock loch mill otter pool rapid reed river shoal spring stream tide weir wheel".split()  # noqa: SIM905


def run_name(random: Random) -> str:
    """Such as "swift-otter-412"."""
    return f"{random.choice(_FIRST)}-{random.choice(_SECOND)}-{random.randrange(1_000)}"
