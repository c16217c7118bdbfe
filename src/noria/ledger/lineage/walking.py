"""Walks the web from whatever a person names: up to what it came from, down to what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from noria.core.errors import NotFound
from noria.core.lineage import Kind, Lineage, Link
from noria.ledger.lineage.web import Web, pinned, prediction

MOST = 400
"""Things in one answer."""

SHORT_DIGEST = 8

Asked = Callable[[str], "tuple[str, int, str] | None"]
"""Request id to the deployment, version and role that answered it; None = it is not in any log."""


def lineage_of(
    web: Web,
    wanted: str,
    *,
    up: bool = True,
    down: bool = True,
    features: bool = False,
    most: int = MOST,
    asked: Asked = lambda _: None,
) -> Lineage:
    """What a thing came from and what came of it.

    Args:
        wanted: A dataset, a digest (or its first eight digits), a view, a feature, a turn, a run, a version, a deployment, a
            table or job of another system, or a request id; or "kind:name" where several have a name.
        features: Follow features one by one; otherwise they are only there where one is asked about.
        asked: Finds a request in the logs.

    Raises:
        NotFound: nothing is called so.
    """
    starts = _meant(web, wanted, asked)
    features = features or any(start.startswith(f"{Kind.FEATURE}:") for start in starts)
    seen = dict.fromkeys(starts)
    links: dict[tuple[str, str], Link] = {}
    left_out = 0
    for ways, follow in ((web.above, up), (web.below, down)):
        reached = dict.fromkeys(starts) if follow else {}
        front = list(reached)
        while front:
            ahead: list[str] = []
            for here in front:
                for link in ways.get(here, ()):
                    there = link.above if ways is web.above else link.below
                    if not features and there.startswith(f"{Kind.FEATURE}:"):
                        continue
                    if there not in seen and len(seen) >= most:
                        left_out += 1
                        continue
                    links[link.above, link.below] = link
                    seen[there] = None
                    if there not in reached:
                        reached[there] = None
                        ahead.append(there)
            front = ahead
    return Lineage(of=tuple(starts), nodes=tuple(pinned(web, id) for id in seen), links=tuple(links.values()), left_out=left_out)


def _meant(web: Web, wanted: str, asked: Asked) -> list[str]:
    wanted = wanted.strip()
    kind, _, name = wanted.partition(":")
    if kind == "sha256":
        found: Iterable[str] = web.names.get(wanted) or _by_beginning(web, name)
    elif name and kind in set(Kind):
        found = [wanted] if wanted in web.nodes else [id for id in web.names.get(name, ()) if id.startswith(f"{kind}:")]
    else:
        found = web.names.get(wanted) or web.names.get(wanted.replace("@v", "@")) or _by_beginning(web, wanted)
    exact = [id for id in found if id.partition(":")[2] == wanted and not id.startswith(f"{Kind.PREDICTION}:")]
    if exact or found:
        return sorted(exact or found)
    answered = asked(wanted)
    if answered is not None:
        return [prediction(web, wanted, *answered)]
    raise NotFound(
        f"nothing on record is called {wanted[:120]!r}",
        fix="name a dataset, digest, view, feature, turn, run, version (MODEL@3), deployment or request id",
    )


def _by_beginning(web: Web, digits: str) -> list[str]:
    """Things whose digest begins so."""
    if len(digits) < SHORT_DIGEST or not all(one in "0123456789abcdef" for one in digits):
        return []
    begins = f"sha256:{digits}"
    return sorted({id for name, ids in web.names.items() if name.startswith(begins) for id in ids})
