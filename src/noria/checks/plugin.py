"""What pytest loads of Noria: a fixture and a folder for the reports of what failed. Imports nothing heavy before it is used."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--noria-reports DIR`."""
    parser.getgroup("noria").addoption(
        "--noria-reports", metavar="DIR", default=None, help="keep the HTML report of each Noria check that fails a test in this folder"
    )


@pytest.fixture
def noria_check() -> Callable[..., Any]:
    """`noria_check(reference, current, **asked)`: fails the test when anything is found, else gives the report."""
    from noria.checks.pytest import assert_nothing_found

    return assert_nothing_found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Keeps the report of a failed check beside the others, and names the file in the test's output."""
    outcome = yield
    folder = item.config.getoption("--noria-reports")
    report = getattr(call.excinfo.value, "report", None) if call.excinfo is not None else None
    if folder and report is not None and hasattr(report, "to_html"):
        path = Path(folder) / (re.sub(r"[^A-Za-z0-9_.-]+", "-", item.nodeid)[-120:].strip("-") + ".html")
        path.parent.mkdir(parents=True, exist_ok=True)
        report.to_html(path)
        outcome.sections.append(("noria", f"the whole report: {path}"))
    return outcome
