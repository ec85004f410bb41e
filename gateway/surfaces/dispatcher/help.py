"""The help pages, in the form of WCF's (Dispatcher contract 1.7)."""

import copy
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import flask
from flask_httpauth import HTTPBasicAuth
from lxml import etree

from gateway.surfaces.dispatcher import published, soap_samples
from gateway.surfaces.dispatcher.operation import Argument, Operation, Place
from gateway.surfaces.dispatcher.service import Service
from gateway.wire import samples
from gateway.wire.messages import ListOf, Message

_XS = "{http://www.w3.org/2001/XMLSchema}"


@dataclass(frozen=True)
class Row:
    """A line of the table of bodies: ``shown`` are the parts of the page that show the body."""

    direction: str
    form: str
    body: str
    shown: tuple["Part", ...] = ()


@dataclass(frozen=True)
class Part:
    """A sample or a schema on the page of an operation."""

    anchor: str
    word: str
    sentence: str
    text: str


def add(
    routes: flask.Blueprint, service: Service, auth: HTTPBasicAuth, base_url: Callable[[], str]
) -> None:
    """Add the pages of a service to the routes."""
    by_name = {operation.name.lower(): operation for operation in service.operations}

    def overview() -> flask.Response:
        return _html(
            flask.render_template("dispatcher/help.html", base=base_url(), service=service)
        )

    def one(name: str) -> flask.Response:
        operation = by_name.get(name)
        if operation is None:
            flask.abort(404, f"There is no operation {name!r}.")
        return _html(
            flask.render_template(
                "dispatcher/operation.html",
                base=base_url(),
                operation=operation,
                arguments=[each for each in operation.arguments if each.place is not Place.HEADER],
                headers=[each for each in operation.arguments if each.place is Place.HEADER],
                rows=rows(service, operation),
                messages=messages(operation),
            )
        )

    path = f"{service.rules}/help"
    routes.add_url_rule(path, f"{service.prefix}help", auth.login_required(overview))
    routes.add_url_rule(
        f"{path}/operations/<name>", f"{service.prefix}help_operation", auth.login_required(one)
    )


@functools.cache
def rows(service: Service, operation: Operation) -> tuple[Row, ...]:
    """The bodies of an operation's request and answer, with their samples and schemas."""
    requests = [row for each in operation.arguments for row in _request(service, each)]
    return (
        *(requests or [Row("Request", "N/A", "The Request body is empty.")]),
        *_rows(service, "Response", operation.answer),
    )


@functools.cache
def messages(operation: Operation) -> tuple[Part, ...]:
    """The messages of an operation in SOAP, as they are published."""
    return tuple(
        Part(
            f"soap-{word}",
            "SOAP",
            f"The following is an example {word} message of SOAP 1.1:",
            published.read(name).decode("utf-8"),
        )
        for word, name in zip(("request", "response"), soap_samples.names(operation), strict=True)
    )


def _request(service: Service, argument: Argument) -> Iterator[Row]:
    if argument.place is Place.CONTENT:
        yield Row("Request", "Raw", argument.meaning)
    if argument.place is Place.BODY:
        yield from _rows(service, "Request", argument.content)


def _rows(service: Service, direction: str, content: object) -> Iterator[Row]:
    """A line for each dialect. Lists are answered as they are in JSON, wrapped in XML."""
    message = content.content if isinstance(content, ListOf) else content
    if not (isinstance(message, type) and issubclass(message, Message)):
        raise TypeError(f"no sample can be made of {message!r}")
    if isinstance(content, ListOf):
        root = f"ArrayOf{content.item}"
        as_xml = samples.sample_xml_list(message, service.namespace)
        as_json = samples.sample_json_list(message)
    else:
        root = message.wire_name
        as_xml = samples.sample_xml(message, service.namespace)
        as_json = samples.sample_json(message)
    lower = direction.lower()
    xml_sample = Part(
        f"{lower}-xml",
        "Example",
        f"The following is an example {lower} Xml body (application/xml):",
        as_xml,
    )
    xml_schema = Part(
        f"{lower}-schema",
        "Schema",
        f"The following is the {lower} Xml Schema:",
        schema(published.read(service.schema), root),
    )
    json_sample = Part(
        f"{lower}-json",
        "Example",
        f"The following is an example {lower} Json body (application/json):",
        as_json,
    )
    yield Row(direction, "Xml", "", (xml_sample, xml_schema))
    yield Row(direction, "Json", "", (json_sample,))


def schema(whole: bytes, element: str) -> str:
    """The part of a published schema that an element needs."""
    root = etree.fromstring(whole)
    named = {(each.tag, each.get("name", "")): each for each in root}
    wanted = [named[f"{_XS}element", element]]
    seen = set(wanted)
    for each in wanted:
        for name in _types(each):
            for tag in ("complexType", "simpleType"):
                found = named.get((f"{_XS}{tag}", name))
                if found is not None and found not in seen:
                    seen.add(found)
                    wanted.append(found)
    alone = copy.copy(root)
    alone[:] = [copy.deepcopy(each) for each in wanted]
    etree.indent(alone)
    return etree.tostring(alone, encoding="unicode").strip()


def _types(element: etree._Element) -> Iterator[str]:
    """The names of the types of this namespace that an element or a type refers to."""
    for each in element.iter():
        for attribute in ("type", "base"):
            prefix, _, name = each.get(attribute, "").rpartition(":")
            if prefix == "tns":
                yield name


def _html(text: str) -> flask.Response:
    return flask.Response(text, content_type="text/html; charset=utf-8")
