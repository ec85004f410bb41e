"""Which dialect an answer has, and how a body is read (Dispatcher contract 1.4, 7 item 2)."""

import pytest

from tests.contract.dispatcher import bodies
from tests.contract.dispatcher.house import JSON, XML, Answer, Client, House, checked

OF_JSON = "application/json; charset=utf-8"
OF_XML = "application/xml; charset=utf-8"


@pytest.mark.parametrize(
    ("accept", "content_type", "answered"),
    [
        (None, None, OF_XML),
        (None, JSON, OF_JSON),
        (None, "Application/JSON; charset=utf-8", OF_JSON),
        (None, "text/json", OF_JSON),
        (None, XML, OF_XML),
        (None, "text/xml", OF_XML),
        (None, "application/x-www-form-urlencoded", OF_XML),
        (None, "nonsense", OF_XML),
        (JSON, None, OF_JSON),
        (JSON, XML, OF_JSON),
        (XML, JSON, OF_XML),
        ("text/xml", JSON, OF_XML),
        ("*/*", None, OF_XML),
        ("*/*", XML, OF_XML),
        ("text/html", JSON, OF_JSON),
        ("application/xml;q=0.5, application/json", None, OF_JSON),
        ("application/json;q=0.5, text/xml;q=0.9", None, OF_XML),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", None, OF_XML),
    ],
)
def test_1_4_accept_then_the_requests_content_type_then_xml(
    client: Client, accept: str | None, content_type: str | None, answered: str
) -> None:
    headers = {} if accept is None else {"Accept": accept}
    answer = client.send("GET", "what/modules", b"", content_type, **headers)
    assert (answer.status, answer.headers["Content-Type"]) == (200, answered)


def test_1_4_a_star_is_the_default_of_the_service(client: Client) -> None:
    answer = client.get("what/modules", content_type=JSON, Accept="*/*")
    assert answer.headers["Content-Type"] in (OF_JSON, OF_XML)


def test_1_4_lists_are_bare(house: House) -> None:
    house.agent()
    client = house.client()
    assert isinstance(client.get("who").json, list)
    assert checked(client.get_xml("who").body).tag.endswith("}ArrayOfJobWho")


def scheduled(house: House, body: bytes, content_type: str | None) -> Answer:
    return house.client().send("POST", "jobs", body, content_type)


@pytest.mark.parametrize(
    ("charset", "content_type"),
    [
        ("latin-1", JSON),
        ("utf-8", JSON),
        ("utf-8-sig", JSON),
        ("utf-16", JSON),
        ("utf-16-le", JSON),
        ("latin-1", "application/json; charset=iso-8859-1"),
        ("utf-8", "application/json; charset=utf-8"),
    ],
)
def test_1_4_bodies_without_charset_are_utf_8_or_else_latin_1(
    house: House, charset: str, content_type: str
) -> None:
    text = bodies.itm(house.module().guid, house.agent().agent).replace("New Test Job", "Größe")
    answer = scheduled(house, text.encode(charset), content_type)
    assert answer.json["Description"] == "Größe"


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "iso-8859-1"])
def test_1_4_xml_bodies_in_the_encoding_that_they_declare(house: House, charset: str) -> None:
    text = (
        f'<?xml version="1.0" encoding="{charset}"?><Job><Description>Größe</Description>'
        f"<What><JobWhat><ID>{house.module().guid}</ID><Type>Module</Type></JobWhat></What>"
        f"<Who><JobWho><ID>{house.agent().agent}</ID></JobWho></Who></Job>"
    )
    root = scheduled(house, text.encode(charset), XML).xml
    assert root.findtext("{*}Description") == "Größe"


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/octet-stream"])
def test_a_body_without_a_known_type_is_read_by_its_beginning(
    house: House, content_type: str | None
) -> None:
    body = bodies.itm(house.module().guid, house.agent().agent)
    assert scheduled(house, body.encode(), content_type).status == 200
