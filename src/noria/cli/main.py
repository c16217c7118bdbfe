"""The `noria` command: one verb each, the same words as everywhere else.

A command's room is imported only when the command is given, so that `noria --help` answers at once.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from keyword import iskeyword
from typing import Any

import click
import typer
from typer.core import TyperGroup

from noria import __version__

COMMANDS: dict[str, dict[str, tuple[str, str]]] = {
    "Start and stop": {
        "init": ("upping", "Write a small project to start from."),
        "up": ("upping", "Check a loop file and run it: control plane, data plane, jobs."),
        "stop": ("upping", "End every process of the home."),
        "demo": ("demo", "Keep a model of New York's flights good through 2013."),
        "replay": ("replaying", "Replay recorded traffic through a home whose clock is turned."),
        "server": ("upping", "Run the control plane alone: API, page and durable turns."),
        "serve": ("upping", "Run the data plane alone: it answers from its own disk."),
    },
    "Deploy": {
        "deploy": ("deploying", "Let a model file answer, without a loop."),
        "undeploy": ("deploying", "Take a deployment away."),
        "deployments": ("deploying", "List deployments without a loop."),
    },
    "Track": {
        "runs": ("runs", "List, search, show and compare runs, and make one again."),
        "traces": ("traces", "List and search traces; show one as the tree of its spans."),
        "import": ("importing", "Bring a whole MLflow server over: runs, models, files."),
        "sync": ("syncing", "Send what training scripts have spooled and no server has yet."),
    },
    "Predict": {
        "predict": ("asking", "Ask for one prediction."),
        "score": ("scoring", "Score whole files by one version, in bounded memory."),
        "feedback": ("asking", "Tell the outcome of a request, or of many."),
    },
    "Look": {
        "status": ("reports", "Show where every loop stands, and what comes next."),
        "why": ("reports", "Say why: the chain of events behind a decision."),
        "production": ("production", "Show what is in production, or was on any date."),
        "versions": ("production", "List a model's versions, and who moved which alias."),
        "lineage": ("lineage", "Say what a thing came from and what came of it."),
        "quality": ("quality", "Show realised quality as it was known on any date."),
        "anomalies": ("anomalies", "Show single requests that are far from all that was trained on."),
        "migrate": ("migrating", "Lead the records to this Noria's format, after a backup."),
        "backup": ("migrating", "Copy a home's records, blobs and log into a folder."),
        "restore": ("migrating", "Put a backup back."),
        "doctor": ("reports", "Check processes, records and blobs."),
        "gc": ("collecting", "Free the space of what nothing names any more."),
    },
    "Evaluate and explain": {
        "scorecard": ("scorecards", "Show a version's marks and what was looked at behind them."),
        "sbom": ("materials", "Write a version's bill of materials as CycloneDX."),
        "reproduce": ("reproducing", "Make a version again from its id, and compare."),
        "check": ("checking", "Hold a table against another: data, drift, quality. No deployment needed."),
        "explain": ("explaining", "Say why a request was answered so: each feature's part."),
        "counterfactual": ("explaining", "Find what would have changed an answer."),
        "parity": ("replaying", "Prove that features online equal features offline."),
    },
    "Alerts": {
        "incident": ("incidents", "List incidents, or show one; judge it, take it on, close it."),
        "silence": ("silences", "Let monitors page nobody for a while, list silences, end one."),
        "channels": ("channels", "Add, list, test and remove the ways to people."),
        "tune-alerts": ("incidents", "Apply a limit that people's opinions speak for."),
        "fire-drill": ("firedrill", "Send an alert that is none, to see that it reaches people."),
        "dashboards": ("dashboards", "Write alert rules for Prometheus and dashboards for Grafana."),
    },
    "Order": {
        "turn": ("orders", "Turn the loop now, whatever its retrain policy says."),
        "approve": ("orders", "Approve (or refuse) the candidate of a turn that waits for a person."),
        "cancel": ("orders", "End the open turn; the champion stays."),
        "promote": ("orders", "Make a version champion now, past all gates."),
        "rollback": ("orders", "Take a running challenger out, or go back to the champion before."),
        "kill": ("killing", "Take a version out at once, and let no other in until `noria resume`."),
        "pause": ("orders", "Stop automatic turns. Predictions and monitors go on."),
        "resume": ("orders", "Allow automatic turns again."),
        "export": ("exporting", "Take a version out as a folder that answers by itself."),
        "users": ("users", "Say who may do what: users, passwords, roles per project."),
        "projects": ("projects", "Keep teams apart: list, add and remove projects."),
        "tokens": ("tokens", "Make, list and revoke the tokens that programs show."),
        "audit": ("audit", "Say who ordered what, when and from where."),
        "keys": ("keys", "Say who may call a deployment: make, list and revoke keys."),
        "drill": ("orders", "Make the next challenger bad on purpose, to see that the rollout catches it."),
    },
}
"""Panel to command to the file that it lives in and its short help."""


def function_of(name: str) -> Callable[..., None]:
    """The function behind a command."""
    room = next(commands[name][0] for commands in COMMANDS.values() if name in commands)
    found: Callable[..., None] = getattr(import_module(f"noria.cli.{room}"), name.replace("-", "_") + "_" * iskeyword(name))
    return found


class Verbs(TyperGroup):
    """Knows every command by name and short help, and loads the one that is given."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, in the order of `COMMANDS`."""
        return [name for commands in COMMANDS.values() for name in commands]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command as the overview shows it."""
        for panel, commands in COMMANDS.items():
            if cmd_name in commands:
                shown = click.Command(cmd_name, help=commands[cmd_name][1])
                shown.rich_help_panel = panel  # type: ignore[attr-defined]
                return shown
        return None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command itself."""
        name, found, rest = super().resolve_command(ctx, args)
        if name is None or found is None:
            return name, found, rest
        alone = typer.Typer(rich_markup_mode="rich", pretty_exceptions_enable=False, add_completion=False)
        alone.command(name=name)(function_of(name))
        return name, typer.main.get_command(alone), rest


app = typer.Typer(
    name="noria",
    cls=Verbs,
    help="Noria keeps a machine-learning model good in production. Start with [bold]noria init[/] or [bold]noria demo[/].",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback(invoke_without_command=True)
def _options(version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    if version:
        typer.echo(f"noria {__version__}")
        raise typer.Exit


def main() -> None:
    """The entrance."""
    app()


if __name__ == "__main__":
    main()
