"""The operations on what can be run: modules, projects, run books."""

import uuid
from collections.abc import Mapping
from typing import Any

from gateway.catalog.catalog import DefinitionKind, DefinitionNotFound, DefinitionSummary
from gateway.identity.permissions import Access, Node
from gateway.jobs.places import Places
from gateway.surfaces.dispatcher import mapping, messages
from gateway.surfaces.dispatcher.operation import (
    DEFINITION_NODES,
    Argument,
    BadArgument,
    Call,
    Operation,
    Place,
)
from gateway.wire.messages import list_of
from gateway.wire.scalars import GUID, TEXT


def _get_modules(call: Call) -> tuple[messages.JobWhat, ...]:
    with call.services.store.reading() as session:
        found = call.services.catalog.definitions(session, DefinitionKind.MODULE)
    readable = call.readable(Node.MODULES, found, Places.definition)
    return tuple(mapping.definition(summary) for summary in readable)


def _get_input_parameters(call: Call, what_type: str, what_id: uuid.UUID) -> messages.ParameterSet:
    summary = _definition(call, what_type, what_id)
    with call.services.store.reading() as session:
        module = call.services.catalog.module(session, summary.version_id)
    return mapping.parameter_set(summary, call.services.catalog.input_parameters(module))


def _definition(call: Call, what_type: str, what_id: uuid.UUID) -> DefinitionSummary:
    kind = _kind(what_type)
    with call.services.store.reading() as session:
        found = call.services.catalog.find(session, what_id, kind)
    missing = DefinitionNotFound.of(what_id, kind)
    return call.find(DEFINITION_NODES[kind], found, Places.definition, missing)


def _kind(what_type: str) -> DefinitionKind:
    kinds = {kind.name.replace("_", "").lower(): kind for kind in DefinitionKind}
    kind = kinds.get(what_type.strip().lower())
    if kind is None:
        raise BadArgument(f"whatType: is one of Module, Project, RunBook, not {what_type!r}")
    return kind


def _node_of_kind(arguments: Mapping[str, Any]) -> Node:
    what_type = arguments.get("what_type")
    # One that was not sent, in SOAP, is refused by the call itself.
    return Node.MODULES if what_type is None else DEFINITION_NODES[_kind(what_type)]


WHAT_OPERATIONS = (
    Operation(
        "GetModules",
        "GET",
        "what/modules",
        "Lists the modules that can be scheduled.",
        Node.MODULES,
        Access.READ,
        (),
        list_of(messages.JobWhat),
        _get_modules,
        lambda _arguments: (),
    ),
    Operation(
        "GetInputParameters",
        "GET",
        "what/{WHATTYPE}s/{WHATID}/inputparameters",
        "Shows the parameters that a module uses and that are asked for at scheduling.",
        Node.MODULES,
        Access.READ,
        (
            Argument("what_type", "WHATTYPE", "whatType", Place.PATH, TEXT, "Module."),
            Argument("what_id", "WHATID", "whatId", Place.PATH, GUID, "Which one."),
        ),
        messages.ParameterSet,
        _get_input_parameters,
        node_of=_node_of_kind,
    ),
)
