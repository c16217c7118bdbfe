"""What is registered: models, prompts and their versions, as they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from noria.core.rights import DEFAULT_PROJECT

IS_PROMPT = "mlflow.prompt.is_prompt"
PROMPT_TEXT = "mlflow.prompt.text"
PROMPT_SOURCES = frozenset({"dummy-source", "prompt-template"})
"""What clients write as the source of a prompt's version, which has none."""
OF_PROMPTS = frozenset({IS_PROMPT, PROMPT_TEXT, "_mlflow_prompt_type"})
"""Tags by which MLflow keeps a prompt; nobody set them by hand."""


class Stage(StrEnum):
    """Where a version stands, in MLflow's older way."""

    NONE = "None"
    STAGING = "Staging"
    PRODUCTION = "Production"
    ARCHIVED = "Archived"


ACTIVE_STAGES = (Stage.STAGING, Stage.PRODUCTION)


class Keeper(StrEnum):
    """Who makes the versions of a model."""

    CLIENTS = ""
    LOOP = "loop"
    DEPLOYMENT = "deployment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Who asks, in which project, when, and what was given as the reason."""

    by: str
    at_ms: int
    project: str = DEFAULT_PROJECT
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredVersion:
    """One version of a registered model, or of a prompt.

    Attributes:
        number: 1, 2, 3 …; a deleted number is never used again.
        source: Where its maker said that its files are.
        location: Where they are: `source` with names of runs and models resolved.
        run, model_id: The run and the logged model that it came from; "" = none was named.
        aliases: Names that point to it now.
    """

    name: str
    number: int
    description: str
    by: str
    stage: Stage
    source: str
    location: str
    run: str
    run_link: str
    model_id: str
    created_ms: int
    updated_ms: int
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModel:
    """A name that versions are kept under.

    Attributes:
        keeper: Who makes its versions.
        aliases: Alias to the number that it points to.
        latest: The newest version of each stage.
    """

    name: str
    description: str
    by: str
    keeper: Keeper
    created_ms: int
    updated_ms: int
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    latest: tuple[RegisteredVersion, ...] = ()

    @property
    def is_prompt(self) -> bool:
        """Whether it is a prompt, which models are not listed with."""
        return is_prompt(self.tags)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One line of the history of an alias or of a version's stage.

    Attributes:
        kind: "alias" or "stage".
        subject: The alias, or the version's number.
        before, after: The number that the alias pointed to, or the stage; "" = nothing.
    """

    model: str
    kind: str
    subject: str
    before: str
    after: str
    by: str
    reason: str
    at_ms: int


def is_prompt(tags: Mapping[str, str]) -> bool:
    """Whether tags say that what carries them is a prompt."""
    return tags.get(IS_PROMPT, "").lower() == "true"
