"""What a user can type is documented, and what is documented can be typed."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from noria.app.settings import Settings
from noria.cli.main import COMMANDS as PANELS
from noria.cli.main import function_of

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "reference.md").read_text()
COMMANDS = {name for commands in PANELS.values() for name in commands}


def test_every_command_is_in_the_reference_and_teaches():
    for name in COMMANDS:
        assert f"noria {name}" in REFERENCE, name
        assert (function_of(name).__doc__ or "").strip(), name


def test_every_command_in_the_documents_exists():
    told = "\n".join(file.read_text() for file in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    named = set(re.findall(r"`noria ([a-z-]+)", told)) | set(re.findall(r"^noria ([a-z-]+)", told, re.MULTILINE))
    assert named <= COMMANDS, named - COMMANDS


def test_every_setting_is_in_the_reference_with_its_default():
    for field in fields(Settings):
        assert f"| `{field.name}` |" in REFERENCE, field.name
        if field.name != "home":
            assert f"| `{field.default}` |" in REFERENCE, field.name


def test_every_link_between_documents_leads_somewhere():
    for file in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)", file.read_text()):
            assert (file.parent / target).exists(), f"{file.name}: {target}"


def test_every_section_that_is_linked_exists():
    for file in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]:
        for target, section in re.findall(r"\]\(([^)#\s:]*)#([^)\s]+)\)", file.read_text()):
            there = file.parent / target if target else file
            text = re.sub(r"^```.*?^```", "", there.read_text(), flags=re.MULTILINE | re.DOTALL)
            headings = (re.sub(r"[^\w -]", "", heading.lower()) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE))
            assert section in {heading.replace(" ", "-") for heading in headings}, f"{file.name}: {target}#{section}"


def test_nothing_stands_twice_in_the_changelog():
    told = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("- ")]
    assert len(told) == len(set(told)), {line[:80] for line in told if told.count(line) > 1}


def test_every_decision_has_a_number_of_its_own():
    names = sorted(file.name for file in (ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [name[:3] for name in names]
    assert len(numbers) == len(set(numbers)) and all(re.match(r"\d{3}-[a-z]", name) for name in names), names


def test_every_make_target_that_is_told_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = set(re.findall(r"make ([a-z]+)", (ROOT / "README.md").read_text()))
    assert told <= targets | {"the"}, told - targets
