"""The help pages (Dispatcher contract 1.7, row 1, 7 item 10)."""

import html.parser

import pytest
from lxml import etree

from gateway.surfaces.dispatcher.operations import OPERATIONS
from tests.contract.dispatcher.house import Client, House

SENTENCE = "This page describes the service operations at this endpoint."
NAMES = [operation.name for operation in OPERATIONS]


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


def test_1_7_the_page_holds_the_sentence_that_clients_look_for(client: Client) -> None:
    assert SENTENCE in page(client, "help")
    assert SENTENCE in page(client, "Help")


@pytest.mark.parametrize("path", ["help", *(f"help/operations/{name}" for name in NAMES)])
def test_1_7_no_page_is_well_formed_xml(client: Client, path: str) -> None:
    """PowerShell would make a document of it, whose text does not hold the sentence."""
    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(page(client, path).encode())


def test_1_7_refusals_are_no_well_formed_xml_either(client: Client) -> None:
    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(client.get("nothing").body)


def test_1_7_the_overview_is_a_table_of_all_operations(client: Client) -> None:
    shown = str(Text(page(client, "help")))
    assert "Operations at http://localhost/Dispatcher/SchedulingService" in shown
    for operation in OPERATIONS:
        assert operation.template in shown
        assert operation.meaning in shown


@pytest.mark.parametrize("name", NAMES)
def test_1_7_each_operation_has_a_page_with_samples(client: Client, name: str) -> None:
    operation = next(each for each in OPERATIONS if each.name == name)
    for spelling in (name, name.lower()):
        shown = str(Text(page(client, f"help/operations/{spelling}")))
        assert operation.template in shown
        assert "application/json" in shown
        assert "urn:dispatcher-gateway:scheduling:1" in shown
        for argument in operation.arguments:
            assert argument.meaning in shown


def test_an_unknown_operation_has_no_page(client: Client) -> None:
    client.get("help/operations/<b>Nothing").refused(404, "&lt;b&gt;nothing")


def test_anybody_with_a_login_may_read_help(house: House) -> None:
    assert SENTENCE in page(house.login("somebody"), "help")
