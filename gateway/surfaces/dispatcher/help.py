"""The help pages, in the form of WCF's (Dispatcher contract 1.7)."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import flask
from flask_httpauth import HTTPBasicAuth

from gateway.surfaces.dispatcher import messages
from gateway.surfaces.dispatcher.operation import Operation, Place
from gateway.surfaces.dispatcher.operations import OPERATIONS
from gateway.wire import samples
from gateway.wire.messages import ListOf, Message


@dataclass(frozen=True)
class Part:
    """A request or an answer with a sample in each dialect."""

    title: str
    xml: str
    json: str


def add(
    routes: flask.Blueprint, rules: str, auth: HTTPBasicAuth, base_url: Callable[[], str]
) -> None:
    """Add the pages to the routes of the service."""
    by_name = {operation.name.lower(): operation for operation in OPERATIONS}

    def overview() -> flask.Response:
        return _html(
            flask.render_template("dispatcher/help.html", base=base_url(), operations=OPERATIONS)
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
                arguments=operation.arguments,
                parts=parts(operation),
            )
        )

    routes.add_url_rule(f"{rules}/help", "help", auth.login_required(overview))
    routes.add_url_rule(
        f"{rules}/help/operations/<name>", "help_operation", auth.login_required(one)
    )


@functools.cache
def parts(operation: Operation) -> tuple[Part, ...]:
    """The request body, if there is one, and the answer."""
    bodies = [
        ("Request", argument.content)
        for argument in operation.arguments
        if argument.place is Place.BODY
    ]
    found = [*bodies, ("Response", operation.answer)]
    return tuple(_part(title, content) for title, content in found)


def _part(title: str, content: object) -> Part:
    message = content
    if isinstance(content, ListOf):
        message = content.content
        title = f"{title}: a list of {content.item}"
    if not (isinstance(message, type) and issubclass(message, Message)):
        raise TypeError(f"no sample can be made of {message!r}")
    return Part(
        title, samples.sample_xml(message, messages.NAMESPACE), samples.sample_json(message)
    )


def _html(text: str) -> flask.Response:
    return flask.Response(text, content_type="text/html; charset=utf-8")
