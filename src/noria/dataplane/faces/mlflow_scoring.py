"""MLflow's scoring protocol, which is also the contract of SageMaker, Vertex AI and Azure ML containers."""

from __future__ import annotations

from collections.abc import Iterator

from noria import __version__
from noria.app.hosting import Hosting
from noria.core.errors import NoriaError, NotFound, RequestInvalid, bounded
from noria.dataplane.asked import asking
from noria.dataplane.exchange import Call, Endpoint, Face, Refused, Reply, document, said
from noria.dataplane.faces.mlflow_bodies import Asked, read_body, written
from noria.stages.serving.asks import Answered
from noria.stages.serving.desk import Desk

DEPLOYMENT_HEADERS = ("x-noria-deployment", "x-amzn-sagemaker-target-model")
INFERENCE_ID = "x-amzn-sagemaker-inference-id"

_PLAIN = "text/plain; charset=utf-8"

_WORDS = {
    400: "BAD_REQUEST",
    401: "CUSTOMER_UNAUTHORIZED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    405: "BAD_REQUEST",
    409: "RESOURCE_ALREADY_EXISTS",
    413: "BAD_REQUEST",
    415: "BAD_REQUEST",
    429: "REQUEST_LIMIT_EXCEEDED",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "TEMPORARILY_UNAVAILABLE",
}


def face(desk: Desk, *, deployment: str = "", hosting: Hosting | None = None) -> Face:
    """The protocol over a desk.

    Args:
        deployment: Answers where a call names none; "" leaves that to the only one.
        hosting: The platform that calls, and where it does.
    """
    scoring, hosted = _Scoring(desk, deployment), hosting or Hosting()
    return Face(
        name="MLflow scoring",
        prefixes=("/invocations", "/ping", "/version", "/models", "/score"),
        endpoints=(*_scoring_endpoints(scoring, hosted), *_model_endpoints(scoring, hosted)),
        refusal=refusal,
    )


def _scoring_endpoints(scoring: _Scoring, hosted: Hosting) -> Iterator[Endpoint]:
    for path in dict.fromkeys(("/invocations", "/score", *hosted.predict)):
        yield Endpoint(
            method="POST",
            pattern=path,
            handler=scoring.invocations,
            open=hosted.open,
            deployment=scoring.meant,
            summary="Answers to a table of rows, as MLflow, SageMaker, Vertex AI and Azure ML send it",
        )
    for path in dict.fromkeys(("/ping", "/health", *hosted.health)):
        yield Endpoint(method="GET", pattern=path, handler=scoring.ping, open=True, summary="Whether requests can be answered")
    yield Endpoint(method="GET", pattern="/version", handler=scoring.version, open=True, summary="Noria's version")


def _model_endpoints(scoring: _Scoring, hosted: Hosting) -> Iterator[Endpoint]:
    for method, path, handler, summary in (
        ("GET", "/models", scoring.models, "The deployments, as SageMaker's multi-model contract lists them"),
        ("POST", "/models", scoring.load, "Says whether a deployment is loaded; the routing plan alone loads any"),
        ("GET", "/models/{name}", scoring.model, "One deployment"),
        ("DELETE", "/models/{name}", scoring.unload, "Refused: the routing plan alone takes deployments out"),
        ("POST", "/models/{name}/invoke", scoring.invoke, "As /invocations, of one deployment"),
    ):
        yield Endpoint(method=method, pattern=path, handler=handler, open=hosted.open, summary=summary)


class _Scoring:
    def __init__(self, desk: Desk, deployment: str) -> None:
        self._desk = desk
        self._deployment = deployment

    async def invocations(self, call: Call) -> Reply:
        return await self._answer(call, self.chosen(call))

    async def invoke(self, call: Call) -> Reply:
        return await self._answer(call, call.names["name"])

    async def ping(self, call: Call) -> Reply:
        if self._desk.ready and (not self._deployment or self._deployment in self._desk.versions()):
            return Reply(body=b"\n")
        return Reply(status=503, body=b"\n")

    async def version(self, call: Call) -> Reply:
        return Reply(body=__version__.encode(), content_type=_PLAIN)

    async def models(self, call: Call) -> Reply:
        return said({"models": [_listed(name) for name in sorted(self._desk.versions())]})

    async def model(self, call: Call) -> Reply:
        return said(_listed(self._desk.deployed(call.names["name"]).name))

    async def load(self, call: Call) -> Reply:
        name = document(call.body).get("model_name")
        if not isinstance(name, str):
            raise RequestInvalid("no model is named", fields={"model_name": "must be the name of a deployment"})
        if name in self._desk.versions():
            return _refused(409, f"{name!r} is loaded")
        raise NotFound(
            f"there is no deployment {name[:100]!r}, and none is loaded over HTTP", fix="deploy it: the routing plan says what is served"
        )

    async def unload(self, call: Call) -> Reply:
        self._desk.deployed(call.names["name"])
        raise Refused("method-not-allowed", "the routing plan says what is served", fix="take it out of service in the control plane")

    def chosen(self, call: Call) -> str:
        """The deployment that a call means: by header, by the setting, or the only one.

        Raises:
            RequestInvalid: none is named, and there are several.
        """
        for header in DEPLOYMENT_HEADERS:
            if named := call.headers.get(header):
                return named.removesuffix(".tar.gz")
        if self._deployment:
            return self._deployment
        known = sorted(self._desk.versions() or self._desk.unopened)
        if len(known) <= 1:
            return known[0] if known else ""
        listed = ", ".join(known[:20]) + (" …" if len(known) > 20 else "")
        raise RequestInvalid(
            f"which deployment? there are {listed}",
            fields={"X-Noria-Deployment": "must name one, or the setting `deployment`"},
            fix="send the header X-Noria-Deployment, or set NORIA_DEPLOYMENT",
        )

    def meant(self, call: Call) -> str:
        """As `chosen`, and "" where that cannot be told: the handler says why, to those who may call."""
        try:
            return self.chosen(call)
        except RequestInvalid:
            return ""

    async def _answer(self, call: Call, name: str) -> Reply:
        deployed = self._desk.deployed(name)
        asked = await read_body(call, deployed.signature, row_limit=self._desk.row_limit)
        answers = await self._desk.predict(name, list(zip(_ids(call, asked), asked.rows, strict=True)), asking(call, version=asked.version))
        return written(call, deployed.signature, answers, asked.form, _headers(call, answers))


def _ids(call: Call, asked: Asked) -> list[str | None]:
    """The ids that the caller gave: in the body, or as SageMaker does for the request."""
    if asked.ids is not None:
        return asked.ids
    given = call.headers.get(INFERENCE_ID)
    if given is None:
        return [None] * len(asked.rows)
    return [given] if len(asked.rows) == 1 else [f"{given}/{place}" for place in range(len(asked.rows))]


def _headers(call: Call, answers: list[Answered]) -> tuple[tuple[str, str], ...]:
    """Who answered, and for a single row under which id feedback finds it."""
    versions = dict.fromkeys(str(one.version) for one in answers)
    headers = [("x-noria-version", ",".join(versions))] if answers else []
    if len(answers) == 1 and answers[0].id.isascii() and answers[0].id.isprintable():
        headers.append(("x-noria-id", answers[0].id))
    return tuple(headers)


def refusal(error: NoriaError, status: int) -> Reply:
    """An error as this protocol says it; what does not fit the model is a 400 here."""
    fields = error.fields if isinstance(error, RequestInvalid) else {}
    told = [error.message, *(f"{name} {why}" for name, why in fields.items() if why not in error.message)]
    text = bounded("; ".join(told) + (f" ({error.fix})" if error.fix else ""))
    if isinstance(error, RequestInvalid):
        return _refused(400, text, "INVALID_PARAMETER_VALUE")
    return _refused(status, text)


def _refused(status: int, message: str, word: str = "") -> Reply:
    return said({"error_code": word or _WORDS.get(status, "INTERNAL_ERROR"), "message": message}, status)


def _listed(name: str) -> dict[str, str]:
    return {"modelName": name, "modelUrl": f"/predict/{name}"}
