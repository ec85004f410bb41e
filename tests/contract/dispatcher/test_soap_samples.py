"""The published samples: valid, understood by the service, and shown on the help pages."""

import re

import pytest
from lxml import etree

from gateway.surfaces.dispatcher import published, soap_samples, soap_service
from gateway.surfaces.dispatcher.operation import Operation
from gateway.surfaces.dispatcher.service import SERVICES, Service
from gateway.wire import samples
from tests.contract.dispatcher.house import Client, checked

EACH = pytest.mark.parametrize(
    ("service", "operation"),
    [(service, one) for service in SERVICES for one in service.operations],
    ids=lambda value: value.name if isinstance(value, Operation) else "",
)


@EACH
def test_a_sample_is_valid_by_the_published_schema(service: Service, operation: Operation) -> None:
    request, response = map(published.read, soap_samples.names(operation))
    assert checked(request).tag == f"{{{service.namespace}}}{operation.name}"
    assert checked(response).tag == f"{{{service.namespace}}}{operation.name}Response"


@EACH
def test_a_request_sample_arrives_as_what_it_was_made_of(
    service: Service, operation: Operation
) -> None:
    request, response = map(published.read, soap_samples.names(operation))
    calls: list[tuple[object, ...]] = []

    def handle(called: Operation, _context: object, *values: object) -> object:
        calls.append((called.name, *values))
        return samples.of(operation.answer)

    answer = soap_service.build(service, handle).call(request, "text/xml", None)
    assert answer.status == 200
    wanted = (
        samples.of(one.content) if one.sample is None else one.sample for one in operation.arguments
    )
    assert calls == [(operation.name, *wanted)]
    assert _canonical(answer.body) == _canonical(response)


def _canonical(document: bytes) -> str:
    parser = etree.XMLParser(remove_blank_text=True)
    return etree.canonicalize(etree.fromstring(document, parser))


@EACH
def test_the_help_page_shows_the_samples(
    client: Client, service: Service, operation: Operation
) -> None:
    page = client.get(f"{service.path}/help/operations/{operation.name}", None).text
    for word, name in zip(("request", "response"), soap_samples.names(operation), strict=True):
        (shown,) = re.findall(f'<pre class="soap-{word}">(.*?)</pre>', page, re.DOTALL)
        text = shown.replace("&lt;", "<").replace("&gt;", ">").replace("&#39;", "'")
        text = text.replace("&#34;", '"').replace("&amp;", "&")
        assert text.strip() == published.read(name).decode().strip()
