"""The principal reasons for an answer: which groups of features pushed it the wrong way, most first.

The background is a policy: "below the average of all" and "below the average of those just above the
line" are different questions with different answers, so the explanation names the rows it was held against.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from noria.core.explaining import Contribution, Explanation, Reason

MOST = 4
"""More reasons than four are not likely to be helpful to whom they are told."""


def reasons(
    explanation: Explanation,
    *,
    against: Mapping[str, float] | None = None,
    wrong_way: int = 1,
    groups: Mapping[str, Sequence[str]] | None = None,
    texts: Mapping[str, str] | None = None,
    never: Sequence[str] = (),
    most: int = MOST,
) -> tuple[Reason, ...]:
    """Name the groups of features that moved the answer the wrong way.

    Args:
        against: Feature to its mean part over the background that the policy names; parts are taken relative to it.
        wrong_way: 1 when a higher answer is the adverse one (risk of default), −1 when a lower one is.
        groups: Reason code to the features that are one reason together (one-hot columns, columns that
            move together); a feature without a group is a reason of its own.
        texts: Reason code to its text; the code itself where there is none.
        never: Features that may not be named (protected ones); they are left out, not renamed.
    """
    base = against or {}
    code_of = {feature: code for code, members in (groups or {}).items() for feature in members}
    together: dict[str, list[Contribution]] = {}
    for one in explanation.parts:
        if one.feature not in never:
            part = one.part - base.get(one.feature, 0.0)
            moved = Contribution(feature=one.feature, value=one.value, part=part)
            together.setdefault(code_of.get(one.feature, one.feature), []).append(moved)
    summed = [(code, members, sum(one.part for one in members)) for code, members in together.items()]
    adverse = sorted((one for one in summed if one[2] * wrong_way > 0), key=lambda one: (-abs(one[2]), one[0]))
    return tuple(
        Reason(
            code=code,
            features=tuple(one.feature for one in sorted(members, key=lambda one: -one.part * wrong_way)),
            part=part,
            text=(texts or {}).get(code, code),
        )
        for code, members, part in adverse[:most]
    )
