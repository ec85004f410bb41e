"""The help pages of both services (Dispatcher contract 1.7, rows 1 and 21, 7 item 10)."""

import html
import html.parser
import json
import re

import pytest
from lxml import etree

from gateway.surfaces.dispatcher.operation import Operation, Place
from gateway.surfaces.dispatcher.service import SERVICES, Service
from tests.contract.dispatcher.house import Client, House

SENTENCE = "This page describes the service operations at this endpoint."
EACH = [(service, operation) for service in SERVICES for operation in service.operations]
OPERATIONS = pytest.mark.parametrize(
    ("service", "operation"), EACH, ids=[operation.name for _, operation in EACH]
)
EACH_SERVICE = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


class Text(html.parser.HTMLParser):
    """What a reader sees of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)

    def __str__(self) -> str:
        return "".join(self.pieces)


def page(client: Client, path: str) -> str:
    answer = client.get(path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    return answer.text


@EACH_SERVICE
def test_1_7_the_page_holds_the_sentence_that_clients_look_for(
    client: Client, service: Service
) -> None:
    assert SENTENCE in page(client, f"{service.path}/help")
    assert SENTENCE in page(client, f"{service.path}/Help")


@pytest.mark.parametrize(
    "path",
    [
        *(f"{service.path}/help" for service in SERVICES),
        *(f"{service.path}/help/operations/{operation.name}" for service, operation in EACH),
    ],
)
def test_1_7_no_page_is_well_formed_xml(client: Client, path: str) -> None:
    """PowerShell would make a document of it, whose text does not hold the sentence."""
    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(page(client, path).encode())


def test_1_7_refusals_are_no_well_formed_xml_either(client: Client) -> None:
    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(client.get("nothing").body)


@EACH_SERVICE
def test_1_7_the_overview_is_a_table_of_all_operations(client: Client, service: Service) -> None:
    shown_page = page(client, f"{service.path}/help")
    shown = str(Text(shown_page))
    assert f"Operations at http://localhost{service.path}" in shown
    assert "UriMethodDescription" in shown
    for operation in service.operations:
        line = f"{operation.template}{operation.verb}{operation.meaning}"
        assert line in shown
        assert (
            f'href="http://localhost{service.path}/help/operations/{operation.name}"' in shown_page
        )


@OPERATIONS
def test_1_7_each_operation_has_a_page_in_the_old_form(
    client: Client, service: Service, operation: Operation
) -> None:
    address = f"http://localhost{service.path}/{operation.template}"
    for spelling in (operation.name, operation.name.lower()):
        shown = str(Text(page(client, f"{service.path}/help/operations/{spelling}")))
        assert f"Reference for {address}" in shown
        assert f"Url: {address}" in shown
        assert f"HTTP Method: {operation.verb}" in shown
        assert "Message directionFormatBody" in shown
        assert "application/json" in shown
        assert service.namespace in shown
        for argument in operation.arguments:
            assert argument.meaning in shown


@OPERATIONS
def test_1_7_each_body_is_shown_in_both_dialects_with_its_schema(
    client: Client, service: Service, operation: Operation
) -> None:
    shown_page = page(client, f"{service.path}/help/operations/{operation.name}")
    has_body = any(argument.place is Place.BODY for argument in operation.arguments)
    for direction in ("request", "response"):
        expected = direction == "response" or has_body
        for kind in ("xml", "schema", "json"):
            part = f"{direction}-{kind}"
            assert (f'<a href="#{part}">' in shown_page) is expected
            assert (part in pieces(shown_page)) is expected
    schema = etree.XMLSchema(etree.fromstring(pieces(shown_page)["response-schema"]))
    schema.assertValid(etree.fromstring(pieces(shown_page)["response-xml"]))
    assert json.loads(pieces(shown_page)["response-json"]) is not None
    if has_body:
        schema = etree.XMLSchema(etree.fromstring(pieces(shown_page)["request-schema"]))
        schema.assertValid(etree.fromstring(pieces(shown_page)["request-xml"]))


def pieces(page: str) -> dict[str, str]:
    """The samples and schemas of a page, by their class."""
    found = re.findall(r'<pre class="([a-z-]+)">(.*?)</pre>', page, re.DOTALL)
    return {name: html.unescape(text) for name, text in found}


def test_the_headers_of_the_resource_service_are_published(client: Client) -> None:
    shown = str(Text(page(client, f"{SERVICES[1].path}/help/operations/UploadResource")))
    for name in ("Guid", "Filename", "Name", "Folder", "Description", "Comments", "Version"):
        assert name in shown
    assert "RequestRawThe content of the file, as it is." in shown


def test_an_unknown_operation_has_no_page(client: Client) -> None:
    client.get("help/operations/<b>Nothing").refused(404, "&lt;b&gt;nothing")


def test_anybody_with_a_login_may_read_help(house: House) -> None:
    assert SENTENCE in page(house.login("somebody"), "help")
