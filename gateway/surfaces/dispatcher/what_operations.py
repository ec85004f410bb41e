"""The operations on what can be run: modules, projects, run books."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from gateway.catalog import tree_parameters, trees, usage
from gateway.catalog.catalog import DefinitionKind, DefinitionNotFound
from gateway.catalog.trees import Tree
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


def _listing(kind: DefinitionKind) -> Callable[[Call], tuple[messages.JobWhat, ...]]:
    def definitions(call: Call) -> tuple[messages.JobWhat, ...]:
        with call.services.store.reading() as session:
            found = call.services.catalog.definitions(session, kind)
        readable = call.readable(DEFINITION_NODES[kind], found, Places.definition)
        return tuple(mapping.definition(summary) for summary in readable)

    return definitions


def _get_input_parameters(call: Call, what_type: str, what_id: uuid.UUID) -> messages.ParameterSet:
    found = _tree(call, what_type, what_id)
    with call.services.store.reading() as session:
        parsed = usage.parsed_resources(session)
    return mapping.parameter_set(found.summary, tree_parameters.input_parameters(found, parsed))


def _get_output_parameters(call: Call, what_type: str, what_id: uuid.UUID) -> messages.ParameterSet:
    found = _tree(call, what_type, what_id)
    return mapping.parameter_set(found.summary, tree_parameters.output_parameters(found))


def _tree(call: Call, what_type: str, what_id: uuid.UUID) -> Tree:
    catalog, kind = call.services.catalog, _kind(what_type)
    with call.services.store.reading() as session:
        found = catalog.find(session, what_id, kind)
    missing = DefinitionNotFound.of(what_id, kind)
    summary = call.find(DEFINITION_NODES[kind], found, Places.definition, missing)
    with call.services.store.reading() as session:
        return trees.tree(catalog, session, summary)


def _kind(what_type: str) -> DefinitionKind:
    """The kind that a word in an address or in SOAP means, whatever its case and spaces."""
    kinds = {kind.name.replace("_", "").lower(): kind for kind in DefinitionKind}
    kind = kinds.get("".join(what_type.split()).lower())
    if kind is None:
        raise BadArgument(f"whatType: is one of Module, Project, RunBook, not {what_type!r}")
    return kind


def _node_of_kind(arguments: Mapping[str, Any]) -> Node:
    what_type = arguments.get("what_type")
    # One that was not sent, in SOAP, is refused by the call itself.
    return Node.MODULES if what_type is None else DEFINITION_NODES[_kind(what_type)]


def _list(name: str, kind: DefinitionKind) -> Operation:
    several = f"{kind.word}s"
    return Operation(
        name,
        "GET",
        f"what/{several.replace(' ', '')}",
        f"Lists the {several} that can be scheduled.",
        DEFINITION_NODES[kind],
        Access.READ,
        (),
        list_of(messages.JobWhat),
        _listing(kind),
        lambda _arguments: (),
    )


def _of_one(name: str, member: str, meaning: str, handler: Callable[..., Any]) -> Operation:
    return Operation(
        name,
        "GET",
        f"what/{{WHATTYPE}}s/{{WHATID}}/{member}",
        meaning,
        Node.MODULES,
        Access.READ,
        (
            Argument(
                "what_type",
                "WHATTYPE",
                "whatType",
                Place.PATH,
                TEXT,
                "Module, Project or RunBook.",
                sample="Module",
            ),
            Argument("what_id", "WHATID", "whatId", Place.PATH, GUID, "Which one."),
        ),
        messages.ParameterSet,
        handler,
        node_of=_node_of_kind,
    )


WHAT_OPERATIONS = (
    _list("GetModules", DefinitionKind.MODULE),
    _list("GetProjects", DefinitionKind.PROJECT),
    _list("GetRunBooks", DefinitionKind.RUN_BOOK),
    _of_one(
        "GetInputParameters",
        "inputparameters",
        "Shows the parameters that a module, project or run book really uses and that are asked "
        "for at scheduling.",
        _get_input_parameters,
    ),
    _of_one(
        "GetOutputParameters",
        "outputparameters",
        "Shows the parameters that a module, project or run book gives a value.",
        _get_output_parameters,
    ),
)
