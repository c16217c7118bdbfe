"""What other tools watch a home with, written to a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from noria.app.settings import Settings, find_home, read
from noria.cli.console import AsJson, Home, answer, plainly
from noria.core.errors import NotFound
from noria.drawing.operations.grafana import DASHBOARDS, dashboard
from noria.drawing.operations.rules import rules_yaml, scrape_yaml


@plainly
def dashboards(
    folder: Annotated[Path, typer.Argument(help="Where to write them; made when it is not there.")] = Path("noria-dashboards"),
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Write alert rules for Prometheus and dashboards for Grafana.

    Start Prometheus in FOLDER/prometheus, and import the files of FOLDER/grafana. Both read /metrics of the
    control plane and of the data plane.
    """
    settings = _settings(home)
    files = {
        "prometheus/prometheus.yml": scrape_yaml(
            f"{settings.host}:{settings.port}",
            f"{settings.host}:{settings.serve_port}",
            token_file="" if settings.on_loopback else str(settings.folder / "token"),
        ),
        "prometheus/rules.yml": rules_yaml(),
        **{f"grafana/{name}.json": json.dumps(dashboard(name), indent=2) + "\n" for name in DASHBOARDS},
    }
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    written = [str(folder / name) for name in files]
    answer({"written": written}, as_json=as_json, text="\n".join(f"wrote {name}" for name in written))


def _settings(home: Path | None) -> Settings:
    """The home's settings, or the defaults where there is none yet."""
    try:
        return read(home or find_home())
    except NotFound:
        return Settings()
