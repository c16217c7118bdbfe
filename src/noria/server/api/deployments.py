"""Deployments without a loop: what answers, and the orders to bring a model, to go back and to take one away."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from noria.core.errors import RequestInvalid
from noria.core.graphs import Chain, Ensemble, GraphForm, Switch
from noria.core.registry import Brought
from noria.core.rights import Right
from noria.core.schema import Signature
from noria.ports import wire
from noria.server.api.answers import ERRORS, VERB_ERRORS, answer
from noria.server.api.verbs import Order, PromoteOrder
from noria.server.reads import Reads
from noria.server.rights import needs
from noria.server.services import Services

Limit = Annotated[int, Query(ge=1, le=1_000, description="At most so many, by name.")]


class GraphOrder(BaseModel):
    """Deployments that answer together: exactly one of the three."""

    model_config = ConfigDict(extra="forbid")

    ensemble: Ensemble | None = None
    chain: Chain | None = None
    switch: Switch | None = None


class DeployOrder(Order):
    """A model to let answer: its file, a version that is registered, or deployments that are asked together."""

    model: Annotated[str, Field(description="The model file, base64.")] = ""
    version: Annotated[
        str,
        Field(
            max_length=600,
            description="Instead of a file: a registered version, such as late-arrival@3, models:/churn@champion or runs:/ID/model.",
        ),
    ] = ""
    graph: Annotated[GraphOrder | None, Field(description="Instead of a file: deployments that answer together.")] = None
    origin: Annotated[str, Field(max_length=200, description="What the file was called, for the record.")] = ""
    signature: Annotated[dict[str, Any] | None, Field(description="What the model takes and gives; as the file says when left out.")] = None
    example: Annotated[list[dict[str, Any]], Field(default_factory=list, description="Rows as callers will send them.")]
    answers: Annotated[str, Field(max_length=200, description="Field of the rows with what the model answered where it was made.")] = ""
    canary: Annotated[
        list[float],
        Field(default_factory=list, max_length=20, description="Percent of the requests that it answers first: [10], or [10, 50, 100]."),
    ]


def deployments_router(reads: Reads) -> APIRouter:
    """Routes that tell what answers without a loop."""
    router = APIRouter(tags=["deployments"], responses=ERRORS, dependencies=[needs(Right.VIEW)])

    @router.get("/deployments", summary="Deployments without a loop, by name")
    def deployments(after: str = "", limit: Limit = 100) -> JSONResponse:
        return answer({"deployments": reads.deployments(after=after, limit=limit)})

    @router.get("/deployments/{name}", summary="One deployment with its versions and how they followed each other")
    def deployment(name: str) -> JSONResponse:
        found = reads.deployment(name)
        told = {"deployment": found, "versions": reads.versions(name), "moves": reads.alias_moves(name)}
        return answer({**told, "rollouts": reads.rollouts(name)})

    return router


def deploy_router(services: Services) -> APIRouter:
    """Routes that change deployments; all of them ask for the token."""
    router = APIRouter(tags=["deployments"], responses=VERB_ERRORS, dependencies=[needs(Right.OPERATE)])

    @router.post("/deployments/{name}", summary="Let a model answer under a name, as its next version")
    def deploy(name: str, order: DeployOrder) -> JSONResponse:
        return answer({"deployment": services.deploy(name, _brought(order), by=order.by, reason=order.reason)})

    @router.post("/deployments/{name}/undeploy", summary="Take a deployment away")
    def undeploy(name: str, order: Order) -> JSONResponse:
        services.undeploy(name, by=order.by, reason=order.reason)
        return answer({"deployment": name, "answers": False})

    @router.post("/deployments/{name}/promote", summary="Let a registered version answer")
    def promote(name: str, order: PromoteOrder) -> JSONResponse:
        services.promote(name, order.version, by=order.by, reason=order.reason)
        return answer({"deployment": name, "version": order.version})

    @router.post("/deployments/{name}/rollback", summary="Go back to the version that answered before")
    def rollback(name: str, order: Order) -> JSONResponse:
        services.rollback(name, by=order.by, reason=order.reason)
        return answer({"deployment": name, "rolled_back": True})

    return router


def _brought(order: DeployOrder) -> Brought:
    if bool(order.model) + bool(order.version) + (order.graph is not None) != 1:
        why = "is wanted, or version, or graph; only one of them"
        raise RequestInvalid("send the model's file (base64), a registered version, or a graph", fields={"model": why})
    try:
        content = base64.b64decode(order.model, validate=True)
    except binascii.Error as error:
        raise RequestInvalid("the model is not base64", fields={"model": str(error)}) from error
    signature = None if order.signature is None else wire.load(wire.dump(order.signature), Signature)
    return Brought(
        model=content,
        version=order.version,
        graph=None if order.graph is None else GraphForm(ensemble=order.graph.ensemble, chain=order.graph.chain, switch=order.graph.switch),
        origin=order.origin,
        signature=signature,
        example=order.example,
        answers=order.answers,
        canary=tuple(order.canary),
    )
