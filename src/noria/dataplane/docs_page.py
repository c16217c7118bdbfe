"""The data plane's description for people: one page with nothing but itself in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

from noria.dataplane.exchange import Face
from noria.dataplane.schemas import example_row, spoken_kind
from noria.stages.serving.desk import Deployed

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_STYLE = """
:root{color-scheme:light dark;--line:color-mix(in srgb,currentColor 18%,transparent);--soft:color-mix(in srgb,currentColor 6%,transparent)}
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2.5rem auto;padding:0 1.25rem}
h1{font-size:1.6rem;margin:0 0 .25rem}h2{font-size:1.15rem;margin:2.25rem 0 .5rem}p{margin:.4rem 0}
table{border-collapse:collapse;width:100%;margin:.5rem 0}td,th{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;font-size:.85rem}pre{background:var(--soft);padding:.8rem 1rem;border-radius:6px;overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere}
code,pre{font:13px/1.5 ui-monospace,monospace}.dim{opacity:.65}.scroll{overflow-x:auto}
"""


def page(faces: Sequence[Face], deployed: Sequence[Deployed], *, base: str, more: int = 0) -> str:
    """The page.

    Args:
        base: Where the caller reaches the data plane, for the examples.
        more: How many deployments are not shown.
    """
    parts = [_deployment(one, base) for one in deployed]
    if more:
        parts.append(f'<p class="dim">{more:,} more; <code>/docs?deployment=NAME</code> shows any one.</p>')
    if not deployed:
        parts.append("<p>No deployment answers yet.</p>")
    parts += [_protocol(face) for face in faces]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Noria: the data plane</title><style>{_STYLE}</style></head><body>"
        f'<h1>The data plane</h1><p class="dim">What it answers, and how to ask. For programs: <a href="/openapi.json">openapi.json</a></p>'
        f"{''.join(parts)}</body></html>"
    )


def _deployment(one: Deployed, base: str) -> str:
    categories = {feature.name: feature.categories for feature in one.signature.features}
    rows = "".join(
        f"<tr><td><code>{escape(field.name)}</code></td><td>{escape(spoken_kind(field))}</td>"
        f"<td>{'' if field.required else 'may be left out'}</td>"
        f"<td>{_listed(field.categories or categories.get(field.name, ()))}</td></tr>"
        for field in one.signature.inputs
    )
    body = json.dumps({"inputs": example_row(one.signature)}, ensure_ascii=False).replace("'", "'\\''")
    asked = f"curl {base}/predict/{one.name} -H 'Content-Type: application/json' \\\n  -d '{body}'"
    classes = f" · {escape(', '.join(one.signature.classes[:20]))}" if one.signature.classes else ""
    versions = ", ".join(f"v{number}" for number in one.versions)
    return (
        f"<h2>{escape(one.name)}</h2><p>{escape(one.signature.task)}{classes} · {versions}</p>"
        f'<div class="scroll"><table><tr><th>field</th><th>is</th><th></th><th>known from training</th></tr>{rows}</table></div>'
        f"<pre>{escape(asked)}</pre>"
    )


def _listed(categories: Sequence[str]) -> str:
    return escape(", ".join(categories[:12]) + (" …" if len(categories) > 12 else ""))


def _protocol(face: Face) -> str:
    rows = "".join(
        f"<tr><td>{one.method}</td><td><code>{escape(one.pattern)}</code></td><td>{escape(one.summary)}</td></tr>" for one in face.endpoints
    )
    return f'<h2>{escape(face.name)}</h2><div class="scroll"><table>{rows}</table></div>'
