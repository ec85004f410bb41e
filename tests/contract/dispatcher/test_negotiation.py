"""Which dialect an answer has, and how a body is read (Dispatcher contract 1.4, 7 item 2)."""

import uuid

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


TITLE = "Größe, 5 €"
DECLARED = '<?xml version="1.0" encoding="{}"?>'


def xml_order(module: uuid.UUID, agent: uuid.UUID) -> str:
    return (
        f"<Job><Description>{TITLE}</Description>"
        f"<What><JobWhat><ID>{module}</ID><Type>Module</Type></JobWhat></What>"
        f"<Who><JobWho><ID>{agent}</ID></JobWho></Who></Job>"
    )


@pytest.mark.parametrize(
    ("declared", "encoded", "content_type"),
    [
        ("utf-8", "utf-8", XML),
        ("utf-8", "utf-8-sig", XML),
        ("utf-16", "utf-16", XML),
        ("utf-16", "utf-16-le", XML),
        ("UTF-16", "utf-16-be", "text/xml"),
        (None, "utf-16", None),
        ("windows-1252", "cp1252", XML),
        ("Windows-1252", "cp1252", "application/xml; charset=utf-8"),
        ("iso-8859-1", "cp1252", XML),
        (None, "cp1252", XML),
        (None, "cp1252", None),
        (None, "cp1252", 'text/xml; charset="windows-1252"'),
        # What is declared is not always so: .NET's StringWriter says utf-16 of everything.
        ("utf-16", "utf-8", XML),
        ("utf-8", "cp1252", XML),
        ("utf-8", "utf-8", "text/xml; charset=iso-8859-1"),
    ],
)
def test_1_4_xml_bodies_in_the_encoding_that_they_declare_or_else_are(
    house: House, declared: str | None, encoded: str, content_type: str | None
) -> None:
    order = xml_order(house.module().guid, house.agent().agent)
    text = order if declared is None else DECLARED.format(declared) + order
    root = scheduled(house, text.encode(encoded), content_type).xml
    assert root.findtext("{*}Description") == TITLE


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "nonsense",
    ],
)
def test_a_body_without_a_known_type_is_read_by_its_beginning(
    house: House, content_type: str | None
) -> None:
    module, agent = house.module().guid, house.agent().agent
    for order in (bodies.itm(module, agent), xml_order(module, agent)):
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
            data = f" \r\n{order}".encode(encoding)
            answer = scheduled(house, data, content_type)
            assert (answer.status, answer.headers["Content-Type"]) == (200, OF_XML)


@pytest.mark.parametrize(("content_type", "word"), [(JSON, "JSON"), (XML, "XML")])
def test_1_4_a_stated_type_is_believed_even_where_it_is_wrong(
    house: House, content_type: str, word: str
) -> None:
    write = xml_order if content_type == JSON else bodies.itm
    body = write(house.module().guid, house.agent().agent)
    scheduled(house, body.encode(), content_type).refused(400, word)
    assert house.stored() == 0
