"""The published description of the protocol: OpenAPI 3.1, made from the messages."""

import re
from typing import Any

from pydantic.json_schema import models_json_schema

from gateway.agents import messages
from gateway.surfaces.agents.operations import OPERATIONS, Operation, Proof

_REFERENCES = "#/components/schemas/{model}"
_PLACE = re.compile(r"\{(\w+)\}")
_STATUSES = {
    "400": "What was sent is no message of the protocol",
    "401": "The token or secret is not good (any more)",
    "403": "A client certificate is required",
    "404": "There is no such thing",
    "409": "The session is over, or another one of this agent is heard of",
    "413": "The message is too long",
    "429": "Too many have asked",
    "503": "The store cannot be used at present",
}


def document() -> dict[str, Any]:
    """The whole description."""
    told = [model for one in OPERATIONS for model in (one.request, one.answer)]
    models = {model for model in told if model is not None} | {messages.Problem}
    wanted = sorted(models, key=lambda model: model.__name__)
    _, definitions = models_json_schema(
        [(model, "validation") for model in wanted], ref_template=_REFERENCES
    )
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        place = paths.setdefault(messages.ROOT + operation.path, {})
        place[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Agents of the dispatcher gateway",
            "version": "1",
            "description": (messages.__doc__ or "").strip(),
        },
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The agent's own token, or the secret of its enrolment.",
                }
            },
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "responses": {
            "200": {"description": "Done", "content": _answered(operation)},
            **{
                status: {"description": words, "content": _json(messages.Problem)}
                for status, words in _STATUSES.items()
            },
        },
        "security": [] if operation.proof is Proof.NOTHING else [{"token": []}],
    }
    if operation.request is not None:
        described["description"] = (operation.request.__doc__ or "").strip()
        described["requestBody"] = {"required": True, "content": _json(operation.request)}
    named = [("path", name) for name in _PLACE.findall(operation.path)]
    named += [("query", name) for name in operation.query]
    if named:
        described["parameters"] = [
            {"in": place, "name": name, "required": True, "schema": {"type": "string"}}
            for place, name in named
        ]
    return described


def _answered(operation: Operation) -> dict[str, Any]:
    if operation.answer is None:
        binary = {"type": "string", "contentMediaType": "application/octet-stream"}
        return {"application/octet-stream": {"schema": binary}}
    return _json(operation.answer)


def _json(model: type[messages.Document]) -> dict[str, Any]:
    reference = {"$ref": _REFERENCES.format(model=model.__name__)}
    return {"application/json": {"schema": reference}}
