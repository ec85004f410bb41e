"""Where the time of an accepted SOAP call goes: its steps by themselves, in one thread.

The whole call goes through Flask and has a commit of its own.

A step that is done again and again by itself is faster than within a call, where it finds the
processor's caches full of others' work; so the steps explain a part of the whole only.
"""

import functools
import io
import timeit
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from wsgiref.types import WSGIApplication

from gateway import application
from gateway.application import Gateway
from gateway.identity.principals import MACHINE
from gateway.surfaces.dispatcher import mapping, messages, soap_envelope, soap_service
from gateway.surfaces.dispatcher.service import SCHEDULING
from gateway.surfaces.dispatcher.soap_contract import SoapVersion
from gateway.wire import json_messages, wcf_json, xml, xml_messages
from tests.benchmarks import bodies, houses, yardsticks
from tests.benchmarks.figures import Effort, Row, alone, compared, in_turns
from tests.benchmarks.shop import Shop

_WHOLE = "a SOAP call in process"
_CALLS = 300


def measure(shop: Shop, effort: Effort) -> Iterator[Row]:
    """The steps of the nested schedule call by SOAP, beside the whole call."""
    house = houses.furnish(shop.place("parts"))
    with houses.opened(house.folder) as gateway:
        gateway.start()
        steps = _steps(gateway, bodies.soap_order(house.module, house.agent))
        calls = effort.count(_CALLS)
        found = in_turns(
            {name: functools.partial(_time, step, calls) for name, step in steps.items()},
            effort.rounds,
        )
    whole = found.pop(_WHOLE)
    yield alone(_WHOLE, whole, "us")
    for name, values in found.items():
        yield compared(name, values, "us", _WHOLE, whole)


def _time(step: Callable[[], object], calls: int) -> float:
    """Microseconds of a step."""
    return min(timeit.repeat(step, number=calls, repeat=3)) * 1e6 / calls


def _steps(gateway: Gateway, request: bytes) -> Mapping[str, Callable[[], object]]:
    body = request.partition(b"\r\n\r\n")[2]
    root = xml.parse(body)
    job = soap_envelope.unwrap(root, SoapVersion.V11).entry[0]
    order = mapping.order(xml_messages.read(messages.Job, job))
    answered = mapping.job(gateway.jobs.accept(order, MACHINE))
    in_json = json_messages.write(xml_messages.read(messages.Job, job))
    service = soap_service.build(SCHEDULING, lambda *_given: answered)
    return {
        _WHOLE: _call(application.create_app(gateway), request),
        "a bare Flask route": _call(yardsticks.bare_flask(), b"POST / HTTP/1.1\r\n\r\n"),
        "envelope to envelope with Spyne, nothing done": lambda: service.call(
            body, "text/xml", None
        ),
        "of that: XML parsed": lambda: xml.parse(body),
        "of that: envelope checked": lambda: soap_envelope.unwrap(root, SoapVersion.V11),
        "of that: job read": lambda: xml_messages.read(messages.Job, job),
        "of that: job written": lambda: xml_messages.write(answered, messages.NAMESPACE),
        "the job read from JSON instead": lambda: json_messages.read(
            messages.Job, wcf_json.read(in_json)
        ),
        "accepted: checked, stored, committed": lambda: gateway.jobs.accept(order, MACHINE),
    }


def _call(served: WSGIApplication, request: bytes) -> Callable[[], object]:
    """Have a request of ours answered by an application; raises RuntimeError unless it is 200."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http",
    }
    for name, value in (line.split(": ", 1) for line in lines):
        variable = name.upper().replace("-", "_")
        environ[variable if variable.startswith("CONTENT_") else f"HTTP_{variable}"] = value

    def start(status: str, _headers: Any, _error: Any = None, /) -> Callable[[bytes], object]:
        if not status.startswith("200"):
            raise RuntimeError(status)
        return io.BytesIO().write

    return lambda: list(served({**environ, "wsgi.input": io.BytesIO(body)}, start))
