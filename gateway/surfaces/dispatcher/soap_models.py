"""Spyne's classes for the messages and operations, made from the same declarations.

They are for the WSDL and for Spyne's dispatch; no instance of them is ever made.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from gateway.surfaces.dispatcher import messages
from gateway.surfaces.dispatcher import spyne_compat as spyne
from gateway.surfaces.dispatcher.soap_contract import SoapOperation
from gateway.wire.messages import Content, ListOf, Member, Message, once_per_class
from gateway.wire.scalars import Scalar

_BUILT_IN = {
    "string": spyne.Unicode,
    "int": spyne.Integer32,
    "long": spyne.Integer64,
    "boolean": spyne.Boolean,
    "dateTime": spyne.DateTime,
    "base64Binary": spyne.ByteArray,
}


def service(operations: Sequence[SoapOperation], name: str, namespace: str) -> Any:
    """Return a Spyne service class with one method per operation.

    Each method calls the operation's handler with the context of the call and the arguments.
    """
    model = _Models(namespace)
    fault = type(spyne.Fault)(
        messages.DispatcherFault.wire_name,
        (spyne.Fault,),
        {
            "__namespace__": namespace,
            "__type_name__": messages.DispatcherFault.wire_name,
            "_type_info": model.members(messages.DispatcherFault.members),
        },
    )
    methods = {each.name: _method(each, model, fault) for each in operations}
    return type(spyne.ServiceBase)(name, (spyne.ServiceBase,), methods)


def functions(application: Any) -> dict[str, Callable[..., Any]]:
    """The functions of an application's operations, by name: what is published is what is called.

    Each takes an object with the ``context`` of the call, and the arguments in their order.
    """
    found = {}
    for methods in application.interface.service_method_map.values():
        for descriptor in methods:
            found[descriptor.name] = descriptor.function
    return found


def _method(operation: SoapOperation, model: "_Models", fault: Any) -> Any:
    arguments = [model.optional(each.content, each.meaning) for each in operation.arguments]
    result = None if operation.result is None else model.required(operation.result)
    return spyne.rpc(
        *arguments,
        _args=[each.name for each in operation.arguments],
        _returns=result,
        _throws=[fault],
        _wsdl_part_name="parameters",
    )(_function(operation))


def _function(operation: SoapOperation) -> Callable[..., Any]:
    handler = operation.handler

    def call(ctx: Any, *arguments: Any) -> Any:
        return handler(ctx.context, *arguments)

    call.__name__ = operation.name
    call.__doc__ = operation.documentation
    return call


class _Models:
    """Makes Spyne types in one namespace, each once."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._message = once_per_class(self._make_message)
        self._scalar = functools.cache(self._make_scalar)

    def optional(self, content: Content, meaning: str = "") -> Any:
        """Return a type for a member that may be left out. It is never nillable."""
        options: dict[str, Any] = {"min_occurs": 0, "nillable": False}
        if isinstance(content, Scalar):
            # On messages and lists Spyne would write it beside the type, for every use of it.
            options["doc"] = meaning
        return self._customized(content, **options)

    def required(self, content: Content) -> Any:
        """Return a type for a member that is always there."""
        return self._customized(content, min_occurs=1, nillable=False)

    def members(self, members: Sequence[Member]) -> list[tuple[str, Any]]:
        """Return the members of a type, in their order."""
        return [(each.name, self.optional(each.content, each.meaning)) for each in members]

    def _customized(self, content: Content, **options: Any) -> Any:
        if isinstance(content, Scalar) and content.pattern:
            # Spyne forgets the name and makes one up for each use, with an underscore in it.
            options["type_name"] = content.type_name
        return self._type(content).customize(**options)

    def _type(self, content: Content) -> Any:
        if isinstance(content, ListOf):
            return self._array(content)
        if isinstance(content, Scalar):
            return self._scalar(content)
        return self._message(content)

    def _array(self, content: ListOf) -> Any:
        item = self._customized(
            content.content, min_occurs=0, max_occurs="unbounded", nillable=False
        )
        made = spyne.Array(item, member_name=content.item)
        # As WCF names a list of X; "XArray" is Spyne's way.
        made.__type_name__ = f"ArrayOf{content.item}"
        made.__namespace__ = self._namespace
        return made

    def _make_scalar(self, scalar: Scalar[Any]) -> Any:
        if scalar.values:
            made = spyne.Enum(*scalar.values, type_name=scalar.type_name)
        elif scalar.pattern:
            made = spyne.Unicode(pattern=scalar.pattern, type_name=scalar.type_name)
        else:
            return _BUILT_IN[scalar.xsd]
        made.__namespace__ = self._namespace
        return made

    def _make_message(self, message: type[Message]) -> Any:
        return type(spyne.ComplexModel)(
            message.wire_name,
            (spyne.ComplexModel,),
            {
                "__namespace__": self._namespace,
                "__type_name__": message.wire_name,
                "_type_info": self.members(message.members),
            },
        )
