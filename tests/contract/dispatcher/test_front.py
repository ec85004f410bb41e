"""The Dispatcher behind the real front: what only bytes on a connection can show."""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest
import structlog

from gateway.front.body import RECEIVED, BodyPending, PendingInput
from gateway.identity.principals import MACHINE
from storage.errors import StoreUnavailable
from tests.contract.dispatcher import bodies, served
from tests.contract.dispatcher.conftest import Build
from tests.contract.dispatcher.house import (
    ADMIN,
    BASE,
    JSON,
    PARAMETERS,
    House,
    basic,
    braced,
    checked,
)
from tests.contract.dispatcher.served import Place, head

LOGIN = basic(*ADMIN)


@pytest.fixture
def place(house: House) -> Iterator[Place]:
    with served.serving(house) as place:
        yield place


def order(house: House) -> bytes:
    return bodies.itm(house.module().guid, house.agent().agent).encode()


def test_1_3_the_handshake_with_expect_100_continue(place: Place) -> None:
    """As .NET does it: the body goes out only after 100, the first try is refused without it."""
    body = order(place.house)
    common = {"Content_Type": JSON, "Expect": "100-continue", "Content_Length": str(len(body))}
    with place.connected() as wire:
        wire.send(head("POST", "jobs", **common))
        first = wire.answer()
        first.refused(401)
        assert first.headers["WWW-Authenticate"].startswith("Basic realm=")
    with place.connected() as wire:
        wire.send(head("POST", "jobs", Authorization=LOGIN, **common))
        assert wire.answer().status == 100
        wire.send(body)
        assert wire.answer().json["JobID"]
    assert place.house.stored() == 1


def test_1_3_a_first_try_with_its_body_is_challenged_on_a_usable_connection(place: Place) -> None:
    body = order(place.house)
    length = {"Content_Type": JSON, "Content_Length": str(len(body))}
    with place.connected() as wire:
        wire.send(head("POST", "jobs", **length) + body)
        assert wire.answer().status == 401
        wire.send(head("POST", "jobs", Authorization=LOGIN, **length) + body)
        assert wire.answer().status == 200
    assert place.house.stored() == 1


def counted(house: House, operation: str) -> dict[str, float]:
    """How often an operation was answered, by status."""
    figures = house.client(None).get("/metrics").text
    pattern = (
        rf'^gateway_request_seconds_count{{operation="{operation}",status="(\d+)",.*?}} (\S+)$'
    )
    return {status: float(count) for status, count in re.findall(pattern, figures, re.MULTILINE)}


def test_a_body_that_comes_late_is_counted_once(place: Place) -> None:
    body = order(place.house)
    with place.connected() as wire:
        wire.send(head("POST", "jobs", Authorization=LOGIN, Content_Length=str(len(body))))
        # The front waits a moment for short bodies before it runs the application without.
        threading.Event().wait(0.1)
        wire.send(body)
        assert wire.answer().status == 200
    assert place.house.stored() == 1
    assert counted(place.house, "ScheduleJob") == {"200": 1.0}


def test_a_run_without_the_body_leaves_nothing_behind(house: House) -> None:
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": f"{BASE}/jobs",
        "SERVER_NAME": "gateway.test",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_AUTHORIZATION": LOGIN,
        "CONTENT_LENGTH": "100",
        "wsgi.url_scheme": "http",
        "wsgi.input": PendingInput(),
        "wsgi.input_terminated": True,
        RECEIVED: None,
    }
    with pytest.raises(BodyPending) as pending:
        house.app(environ, lambda *_: lambda _data: None)
    assert pending.value.limit == house.gateway.settings.limits.body_bytes
    assert structlog.contextvars.get_contextvars() == {}
    assert 'operation="ScheduleJob"' not in house.client(None).get("/metrics").text
    assert house.stored() == 0


def test_chunked_bodies_are_read(place: Place) -> None:
    body = order(place.house)
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[:7], body[7:]))
    request = head("POST", "jobs", Authorization=LOGIN, Transfer_Encoding="chunked")
    assert place.exchange(request + chunks + b"0\r\n\r\n").status == 200


def test_a_stated_length_that_is_too_long_is_413_before_a_byte_of_it(build: Build) -> None:
    with served.serving(build(limits={"body_bytes": 1000})) as place:
        request = head("POST", "jobs", Authorization=LOGIN, Content_Length="1001")
        place.exchange(request).refused(413, "longer than 1000 bytes")
        request = head("POST", "soap", Authorization=LOGIN, Content_Length="1001")
        answer = place.exchange(request)
        assert answer.status == 413
        assert checked(answer.body).findtext(".//{*}Code") == "RequestTooLong"


def test_a_chunked_body_that_grows_too_long_is_413(build: Build) -> None:
    with served.serving(build(limits={"body_bytes": 1000})) as place:
        request = head("POST", "jobs", Authorization=LOGIN, Transfer_Encoding="chunked")
        place.exchange(request + b"3e9\r\n" + b" " * 1001 + b"\r\n").refused(413, "1000 bytes")
        request = head("POST", "soap", Authorization=LOGIN, Transfer_Encoding="chunked")
        answer = place.exchange(request + b"3e9\r\n" + b" " * 1001 + b"\r\n")
        assert answer.status == 413
        assert checked(answer.body).findtext(".//{*}Code") == "RequestTooLong"


@pytest.mark.parametrize(
    "spelling",
    ["{guid}", "%7Bguid%7D", "%7bguid%7d", "guid"],
    ids=["raw", "upper", "lower", "bare"],
)
def test_3_note_11_braces_raw_and_encoded(place: Place, spelling: str) -> None:
    module = place.house.module(parameters=PARAMETERS)
    identity = spelling.replace("guid", str(module.guid).upper())
    path = f"what/Modules/{identity}/inputparameters"
    answer = place.exchange(head("GET", path, Authorization=LOGIN, Content_Type=JSON))
    assert answer.json["TaskContainerGuid"] == braced(module.guid)


def test_http_1_0_gets_an_answer_with_its_length(place: Place) -> None:
    request = head("GET", "what/modules", Authorization=LOGIN).replace(b"HTTP/1.1", b"HTTP/1.0")
    answer = place.exchange(request)
    assert answer.status == 200
    assert int(answer.headers["Content-Length"]) == len(answer.body)


def test_the_address_in_the_wsdl_is_the_one_that_was_asked(place: Place) -> None:
    answer = place.exchange(head("GET", "soap?wsdl"))
    assert 'location="http://gateway.test/Dispatcher/SchedulingService/soap"' in answer.text


def test_the_path_that_a_trusted_proxy_takes_off_is_put_back_in_addresses(build: Build) -> None:
    with served.serving(build(trusted_proxies=["127.0.0.1/32"])) as place:
        forwarded = {"X_Forwarded_Prefix": "/base", "X_Forwarded_Host": "proxy.example"}
        answer = place.exchange(head("GET", "soap?wsdl", **forwarded))
        assert f'location="http://proxy.example/base{BASE}/soap"' in answer.text
        answer = place.exchange(head("GET", "jobs/", Authorization=LOGIN, **forwarded))
        assert (answer.status, answer.headers["Location"]) == (307, f"/base{BASE}/jobs")


def test_a_page_of_another_site_is_refused_before_its_body_is_read(place: Place) -> None:
    request = head(
        *("POST", "jobs"),
        Authorization=LOGIN,
        Origin="http://evil.example",
        Content_Type="text/plain",
        Content_Length="1000",
    )
    place.exchange(request).refused(403, "another site")


@pytest.mark.parametrize(
    "header",
    ["X_Forwarded_For", "X_Forwarded_Host", "X_Forwarded_Proto", "X_Real_IP", "Forwarded", "Via"],
)
def test_1_3_without_logins_a_client_behind_a_local_proxy_must_have_one(
    build: Build, header: str
) -> None:
    """The front drops what an untrusted proxy says, but not that there is one."""
    house = build(administrator=False)
    house.gateway.logins.do_without(MACHINE)
    with served.serving(house) as place, place.connected() as wire:
        local = f"GET {BASE}/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        wire.send(f"{local}{header.replace('_', '-')}: 10.0.0.1\r\n\r\n".encode())
        wire.answer().refused(401)
    with served.serving(house) as place, place.connected() as wire:
        wire.send(f"{local}\r\n".encode())
        assert wire.answer().status == 200


class _LateStore:
    """A store that takes what it is given and tells a moment later that it cannot be kept."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.asked = 0

    def soon(self, _work: object) -> "Future[None]":
        self.asked += 1
        future: Future[None] = Future()
        threading.Timer(0.05, future.set_exception, (self.error,)).start()
        return future


@pytest.mark.parametrize("path", ["jobs", "soap"])
def test_an_order_that_turns_out_not_to_be_stored_is_503_and_not_tried_again(
    place: Place, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Its answer was prepared when the disk failed; the client sees nothing of that."""
    house = place.house
    module, agent = house.module().guid, house.agent().agent
    body = bodies.itm(module, agent).encode()
    if path == "soap":
        what = f"<What><JobWhat><ID>{module}</ID></JobWhat></What>"
        who = f"<Who><JobWho><ID>{agent}</ID></JobWho></Who>"
        body = (
            '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
            f"<ScheduleJob><job>{what}{who}</job></ScheduleJob></e:Body></e:Envelope>"
        ).encode()
    late = _LateStore(StoreUnavailable("/secret/path is not to be had"))
    monkeypatch.setattr(house.gateway.store, "soon", late.soon)
    media = "text/xml" if path == "soap" else JSON
    length = {"Content_Type": media, "Content_Length": str(len(body))}
    answer = place.exchange(head("POST", path, Authorization=LOGIN, **length) + body)
    assert answer.status == (500 if path == "soap" else 503)
    assert b"nothing was stored" in answer.body
    assert b"secret" not in answer.body
    assert late.asked == 1
    assert house.stored() == 0
    operation = "soap" if path == "soap" else "ScheduleJob"
    assert counted(house, operation) == {str(answer.status): 1.0}
