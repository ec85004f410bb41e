"""The published contract: files, code and what is served are the same bytes."""

import re

import pytest
from lxml import etree

from gateway.surfaces.dispatcher import published, wsdl
from tests.contract.dispatcher.conftest import Build
from tests.contract.dispatcher.house import Client, House

ADDRESS = "http://localhost/Dispatcher/SchedulingService/soap"
QUERIES = {
    "wsdl": "scheduling.wsdl",
    "WSDL": "scheduling.wsdl",
    "singleWsdl": "scheduling.wsdl",
    "wsdl=1.1": "scheduling.wsdl",
    "wsdl=1.2": "scheduling.soap12.wsdl",
    "wsdl=all": "scheduling.all.wsdl",
    "xsd": "scheduling.xsd",
    "xsd=scheduling.xsd": "scheduling.xsd",
}


@pytest.mark.parametrize("name", sorted({*published.DOCUMENTS.values(), published.SCHEMA}))
def test_the_files_are_what_the_code_gives(name: str) -> None:
    """If this fails: ``python -m gateway.surfaces.dispatcher.published``."""
    assert (published.FOLDER / name).read_bytes() == published.documents()[name]


@pytest.mark.parametrize(("query", "name"), QUERIES.items())
def test_the_files_are_served_as_they_are_but_for_the_address(
    client: Client, query: str, name: str
) -> None:
    answer = client.send("GET", f"soap?{query}", Host="gateway.example:8443")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/xml; charset=utf-8")
    here = b"http://gateway.example:8443/Dispatcher/SchedulingService/soap"
    file = (published.FOLDER / name).read_bytes()
    assert answer.body == file.replace(wsdl.ADDRESS.encode(), here)
    assert (here in answer.body) is name.endswith(".wsdl")


def test_the_public_address_of_the_settings_wins(build: Build) -> None:
    house = build(public_url="https://proxy.example/base/")
    for form, ports in (("wsdl", 1), ("wsdl=all", 2)):
        found = re.findall(r'location="([^"]*)"', house.client().get(f"soap?{form}").text)
        public = "https://proxy.example/base/Dispatcher/SchedulingService/soap"
        assert found == [public] * ports


@pytest.mark.parametrize("query", ["wsdl=2.0", "xsl", "disco"])
def test_what_is_not_published_is_refused(client: Client, query: str) -> None:
    client.get(f"soap?{query}").refused(405)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("one.example", "http://one.example"),
        ("one.example:80", "http://one.example"),
        ("10.0.0.1:8080", "http://10.0.0.1:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("RES_DISPATCHER", "http://RES_DISPATCHER"),
        ("RES_DISPATCHER:8080", "http://RES_DISPATCHER:8080"),
    ],
)
def test_each_client_gets_the_address_that_it_has_asked(
    client: Client, host: str, address: str
) -> None:
    """Spyne gives everybody the one that the first client asked, for ever."""
    other = "http://other.example/Dispatcher"
    assert other in client.send("GET", "soap?wsdl", Host="other.example").text
    answer = client.send("GET", "soap?wsdl", Host=host)
    assert f'location="{address}/Dispatcher/SchedulingService/soap"' in answer.text
    assert other not in answer.text


@pytest.mark.parametrize(
    "host", ['a"b', "a<b>", "ä.example", "a&b", "", "a b", "a/b", "u@a", "a:b", "a:123456", "[x]"]
)
def test_a_hostile_host_is_refused(client: Client, host: str) -> None:
    client.send("GET", "soap?wsdl", Host=host).refused(400, "Host")
    client.send("GET", "help", Host=host).refused(400, "Host")


def test_the_schema_is_usable_alone(house: House) -> None:
    etree.XMLSchema(etree.fromstring(house.client().get("soap?xsd").body))
