"""The SOAP address over HTTP: what a browser sees, what methods there are, how they come."""

import gzip
from collections.abc import Iterator

import pytest
from lxml import etree

from gateway.surfaces.dispatcher.service import SERVICES, Service
from tests.contract.dispatcher import served
from tests.contract.dispatcher.conftest import Build
from tests.contract.dispatcher.house import ADMIN, ENVELOPES, NAMESPACE, Client, House, basic
from tests.contract.dispatcher.served import Place, head

S11, S12 = ENVELOPES
LOGIN = basic(*ADMIN)
EACH_SERVICE = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


def envelope(namespace: str = S11) -> bytes:
    return (
        f'<s:Envelope xmlns:s="{namespace}" xmlns="{NAMESPACE}"><s:Body><GetModules/></s:Body>'
        "</s:Envelope>"
    ).encode()


@pytest.fixture
def place(house: House) -> Iterator[Place]:
    with served.serving(house) as place:
        yield place


@EACH_SERVICE
def test_a_browser_sees_a_page_for_people(house: House, service: Service) -> None:
    answer = house.client(None).get(f"{service.path}/soap", None)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    for text in (f"{service.path}/soap?wsdl", f"{service.path}/help", "SOAP"):
        assert text in answer.text
    assert all(operation.name in answer.text for operation in service.operations)


def test_the_page_and_the_contract_need_a_login_where_that_is_set(build: Build) -> None:
    house = build(wsdl_public=False)
    for query in ("", "?wsdl"):
        house.client(None).get(f"soap{query}", None).refused(401)
        assert house.client().get(f"soap{query}", None).status == 200


@EACH_SERVICE
@pytest.mark.parametrize("query", ["", "?wsdl", "?xsd"])
def test_head_is_get_without_its_body(client: Client, service: Service, query: str) -> None:
    got = client.get(f"{service.path}/soap{query}", None)
    headed = client.send("HEAD", f"{service.path}/soap{query}")
    assert (headed.status, headed.body) == (200, b"")
    for name in ("Content-Type", "Content-Length"):
        assert headed.headers[name] == got.headers[name]


def test_options_tells_the_methods_and_others_are_405(client: Client) -> None:
    answer = client.send("OPTIONS", "soap")
    assert answer.status == 200
    methods = {"GET", "HEAD", "OPTIONS", "POST"}
    assert set(answer.headers["Allow"].split(", ")) == methods
    for method in ("PUT", "DELETE", "PATCH"):
        refused = client.send(method, "soap", envelope())
        refused.refused(405)
        assert set(refused.headers["Allow"].split(", ")) == methods


def test_the_contract_may_come_packed(client: Client) -> None:
    plain = client.get("soap?wsdl", None)
    packed = client.send("GET", "soap?wsdl", Accept_Encoding="gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.body) < len(plain.body) / 5
    assert gzip.decompress(packed.body) == plain.body


@pytest.mark.parametrize("namespace", [S11, S12], ids=["1.1", "1.2"])
def test_messages_may_come_in_chunks_and_one_after_the_other(place: Place, namespace: str) -> None:
    data = envelope(namespace)
    middle = len(data) // 2
    chunked = b"".join(
        b"%x;x=y\r\n%s\r\n" % (len(one), one) for one in (data[:middle], data[middle:])
    )
    with place.connected() as wire:
        for _ in range(3):
            wire.send(
                head("POST", "soap", Authorization=LOGIN, Transfer_Encoding="chunked")
                + chunked
                + b"0\r\n\r\n"
            )
            answer = wire.answer()
            assert answer.status == 200
            assert answer.headers["Content-Length"] == str(len(answer.body))
            assert etree.fromstring(answer.body).tag == f"{{{namespace}}}Envelope"


def test_expect_100_continue_is_answered_before_and_a_refusal_at_once(place: Place) -> None:
    data = envelope()
    length = {"Content_Length": str(len(data)), "Expect": "100-continue"}
    with place.connected() as wire:
        wire.send(head("POST", "soap", Authorization=LOGIN, **length))
        assert wire.answer().status == 100
        wire.send(data)
        assert wire.answer().status == 200
    with place.connected() as wire:
        wire.send(head("POST", "soap", Authorization=basic("admin", "wrong"), **length))
        assert wire.answer().status == 401


def test_a_client_of_http_1_0_is_answered_with_a_length(place: Place) -> None:
    data = envelope()
    request = head("POST", "soap", Authorization=LOGIN, Content_Length=str(len(data)))
    answer = place.exchange(request.replace(b"HTTP/1.1", b"HTTP/1.0", 1) + data)
    assert answer.status == 200
    assert answer.headers["Content-Length"] == str(len(answer.body))
