"""The routing plan on its way to the data plane, and beside it who may call: files, each replaced as a whole; a plan of many routes is an index over small ones."""

from __future__ import annotations

from pathlib import Path

from noria.core.access import Doors
from noria.core.traffic import Plan
from noria.ports import wire
from noria.stages.serving import plan_shards
from noria.stages.serving.whole_files import write_whole


def publish(plan: Plan, file: Path) -> None:
    """Replace the plan in `file`: readers see the old one or the new one, also after a power cut."""
    plan_shards.write(plan, file)


def read_plan(file: Path) -> Plan | None:
    """The plan in `file`, or None when none was published yet.

    Raises:
        DataInvalid: the file holds something else.
    """
    return plan_shards.PlanReader(file).read()


def doors_file(plan_file: Path) -> Path:
    """Where it is published who may call the plan's deployments."""
    return plan_file.with_name("keys.json")


def publish_doors(doors: Doors, file: Path) -> None:
    """Replace what `file` says about who may call, as `publish` does."""
    write_whole(file, wire.dump(doors))


def read_doors(file: Path) -> Doors | None:
    """Who may call, or None when that was never published.

    Raises:
        DataInvalid: the file holds something else.
    """
    try:
        return wire.load(file.read_bytes(), Doors)
    except FileNotFoundError:
        return None
