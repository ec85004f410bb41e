"""The report of usage (Dispatcher contract 3, row 15): its form is ours, its address certain."""

import base64
import contextlib
import datetime
import http.client
import itertools
import logging
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from lxml import etree

from gateway import moments
from gateway.identity import roles
from gateway.identity.permissions import Access, Node
from gateway.jobs import usage
from gateway.jobs.states import JobStatus
from gateway.jobs.usage import JobUsage
from storage import models
from storage.database import Store
from storage.errors import StoreUnavailable
from storage.session import Session
from tests import stored
from tests.contract.conftest import Provoked
from tests.contract.dispatcher import served
from tests.contract.dispatcher.house import (
    ADMIN,
    BASE,
    JSON,
    NAMESPACE,
    XML,
    Client,
    House,
    basic,
    braced,
    checked,
)
from tests.contract.dispatcher.served import Place

REPORT = "report/jobusage"
PATIENCE = 20
SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"


def at(*parts: int, microsecond: int = 0) -> int:
    """A moment in UTC."""
    year, month, day, *time = parts
    hour, minute, second = [*time, 0, 0, 0][:3]
    value = datetime.datetime(
        year, month, day, hour, minute, second, microsecond, tzinfo=datetime.UTC
    )
    return moments.from_datetime(value)


def call(arguments: str = "") -> str:
    """A SOAP call of the report."""
    return (
        f'<Envelope xmlns="{SOAP_11}"><Body><GetJobUsageReport xmlns="{NAMESPACE}">{arguments}'
        "</GetJobUsageReport></Body></Envelope>"
    )


def ids(house: House, query: str = "") -> list[str]:
    """The jobs of a report, alike in all dialects."""
    client = house.client()
    in_json = [job["JobID"] for job in client.get(f"{REPORT}{query}").json]
    root = client.get_xml(f"{REPORT}{query}").xml
    assert [job.findtext("{*}JobID") for job in root] == in_json
    names = [part.split("=") for part in query[1:].split("&") if part]
    arguments = "".join(f"<{name.lower()}>{text}</{name.lower()}>" for name, text in names)
    answer = client.post("soap", call(arguments), "text/xml")
    assert answer.status == 200
    (result,) = checked(answer.body)
    assert [job.findtext("{*}JobID") for job in result] == in_json
    return in_json


def test_row_15_a_job_of_the_report(stored_house: House) -> None:
    house = stored_house
    module, agent = house.module("Printers"), house.agent()
    job = house.engine.accept(house.engine.order(module.guid, agent))
    house.engine.run_all(agent)

    def change(session: Session) -> None:
        started = at(2014, 6, 21, 12, 0, 0, microsecond=250_000)
        changed = {"started_at": started, "finished_at": started + 75 * moments.SECOND}
        session.execute(models.Job.update(changed))

    house.gateway.store.unit_of_work(change)
    answer = house.client().get(REPORT)
    assert answer.json == [
        {
            "JobID": braced(job.guid),
            "Description": "",
            "What": [{"ID": braced(module.guid), "Type": 0, "Name": "Printers"}],
            "Status": int(JobStatus.COMPLETED),
            "JobInvoker": "InvokeUser",
            "JobInvokerInfo": "",
            "StartDateTime": "/Date(1403352000250+0000)/",
            "StopDateTime": "/Date(1403352075250+0000)/",
            "DurationSeconds": 75,
            "Agents": 1,
        }
    ]
    assert rb'"\/Date(1403352000250+0000)\/"' in answer.body
    root = house.client().get_xml(REPORT).xml
    assert etree.QName(root).localname == "ArrayOfJobUsage"
    (told,) = root
    assert {etree.QName(member).localname: member.text for member in told} == {
        "JobID": braced(job.guid),
        "Description": None,
        "What": None,
        "Status": "Completed",
        "JobInvoker": "InvokeUser",
        "JobInvokerInfo": None,
        "StartDateTime": "2014-06-21T12:00:00.250Z",
        "StopDateTime": "2014-06-21T12:01:15.250Z",
        "DurationSeconds": "75",
        "Agents": "1",
    }
    assert told.findtext("{*}What/{*}JobWhat/{*}Name") == "Printers"


def test_row_15_a_job_that_has_not_ended_has_no_stop(house: House) -> None:
    stored.add_jobs(house.gateway.store, [1], seconds=None, status=JobStatus.ACTIVE)
    (told,) = house.client().get(REPORT).json
    assert told["Status"] == int(JobStatus.ACTIVE)
    assert told.keys().isdisjoint({"StopDateTime", "DurationSeconds"})


LAST = at(2014, 6, 22, microsecond=999_999)


def test_row_15_the_query_as_lucd_sends_it_is_inclusive_at_both_ends(stored_house: House) -> None:
    first = at(2014, 6, 21)
    _, *inside, _ = stored.add_jobs(stored_house.gateway.store, [first - 1, first, LAST, LAST + 1])
    query = "?Start=20140621000000&Stop=20140622000000"
    assert ids(stored_house, query) == [braced(guid) for guid in inside]


PERIODS = {
    "": [0, 1, 2],
    "?start=20140101000000": [1, 2],
    "?stop=20140101000000": [0, 1],
    "?STOP=20131231235959": [0],
    "?start=20140101000000&stop=20140101000000": [1],
    "?start=20140101000001&stop=20141231235959": [],
    "?start=00010101000000&stop=99991231235959": [0, 1, 2],
}


def test_row_15_either_bound_may_be_left_out(house: House) -> None:
    starts = [at(2013, 12, 31), at(2014, 1, 1), at(2015, 1, 1)]
    guids = stored.add_jobs(house.gateway.store, reversed(starts))[::-1]
    stored.add_jobs(house.gateway.store, [None])
    for query, told in PERIODS.items():
        assert ids(house, query) == [braced(guids[place]) for place in told], query


BAD = {
    "": "is ''",
    "2014": "is '2014'",
    "2014062100000": "14 digits",
    "201406210000000": "14 digits",
    "2014-06-21T00:00": "yyyyMMddHHmmss",
    "2014062100000Z": "14 digits",
    "%2020140621000000": "14 digits",
    "+2014062100000": "14 digits",
    "%D9%A2" * 14: "14 digits",
    "20140230000000": "which is no date",
    "20141301000000": "which is no date",
    "20140621240000": "which is no date",
    "20140621006000": "which is no date",
    "20140621000060": "which is no date",
    "00000101000000": "which is no date",
    "9" * 4000: "14 digits",
}


def test_row_15_a_bad_date_is_refused_and_named(client: Client) -> None:
    for text, problem in BAD.items():
        for name, other in (("start", "stop"), ("stop", "start")):
            query = f"?{other}=20140621000000&{name.upper()}={text}"
            answer = client.get(f"{REPORT}{query}")
            answer.refused(400, f"{name}: is", "yyyyMMddHHmmss in UTC", problem)


def test_row_15_start_after_stop_is_refused(house: House) -> None:
    query = "?start=20140622000001&stop=20140622000000"
    house.client().get(f"{REPORT}{query}").refused(400, "start: 20140622000001 lies after stop")


FAULTS = [
    ("<start>2014</start>", "InvalidMessage", "GetJobUsageReport.start: is '2014'"),
    ("<stop>20140230000000</stop>", "InvalidMessage", "GetJobUsageReport.stop: is"),
    (
        "<start>20140622000001</start><stop>20140622000000</stop>",
        "InvalidArgument",
        "lies after stop",
    ),
]


def test_row_15_soap_refuses_them_with_a_typed_fault(client: Client) -> None:
    for arguments, code, words in FAULTS:
        answer = client.post("soap", call(arguments), "text/xml")
        assert answer.status == 500
        fault = checked(answer.body)
        assert fault.findtext(".//{*}Code") == code
        assert words in (fault.findtext(".//{*}Message") or "")


def test_row_15_an_empty_report(house: House) -> None:
    client = house.client()
    answer = client.get(REPORT)
    assert (answer.json, answer.headers["Content-Length"]) == ([], "2")
    assert len(client.get_xml(REPORT).xml) == 0
    (result,) = checked(client.post("soap", call(), "text/xml").body)
    assert (etree.QName(result).localname, len(result)) == ("GetJobUsageReportResult", 0)


NEGOTIATED = [
    (None, None, XML),
    (JSON, None, JSON),
    (JSON, XML, XML),
    (None, JSON, JSON),
    (XML, "*/*", XML),
]


@pytest.mark.parametrize("jobs", [1, 1500])
def test_1_4_a_long_answer_is_negotiated_as_any_other(house: House, jobs: int) -> None:
    stored.add_jobs(house.gateway.store, range(jobs), description="<&>\u2028ä")
    for content_type, accept, dialect in NEGOTIATED:
        headers = {} if accept is None else {"Accept": accept}
        answer = house.client().get(REPORT, content_type, **headers)
        assert answer.headers["Content-Type"] == f"{dialect}; charset=utf-8"
        assert len(answer.json if dialect == JSON else answer.xml) == jobs


def test_1_3_who_may_not_read_jobs_or_reports_gets_an_empty_report(house: House) -> None:
    stored.add_jobs(house.gateway.store, [1])

    def create(session: Session) -> None:
        for node in (Node.REPORTS, Node.JOBS):
            roles.create(session, f"Only {node}", {str(node): Access.READ}, tenant=1)

    house.gateway.store.unit_of_work(create)
    for given, told in (
        (["Readers"], 1),
        (["Only Reports", "Only Jobs"], 1),
        (["Only Reports"], 0),
        (["Only Jobs"], 0),
        ([], 0),
    ):
        client = house.login(f"with {given}", *given)
        assert len(client.get(REPORT).json) == told
        (result,) = checked(client.post("soap", call(), "text/xml").body)
        assert len(result) == told


# -- long reports, over the real front ----------------------------------------------------------

MANY = 3000
# Longer together than what sockets keep between server and client.
LONG = "x" * 4000


@pytest.fixture
def place(house: House) -> Iterator[Place]:
    with served.serving(house) as opened:
        yield opened


@pytest.fixture
def stored_place(stored_house: House) -> Iterator[Place]:
    with served.serving(stored_house) as opened:
        yield opened


HEADERS = {"Authorization": basic(*ADMIN), "Content-Type": JSON}


@contextlib.contextmanager
def asked(
    place: Place, method: str = "GET", version: int = 11, body: str = ""
) -> Iterator[tuple[socket.socket, http.client.HTTPResponse]]:
    """A report that is being read, by a client whose socket keeps little."""
    connection = socket.socket()
    connection.settimeout(PATIENCE)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", place.port))
    place.house.log.requests += 1
    path = f"{BASE}/soap" if body else f"{BASE}/{REPORT}"
    headers = HEADERS | (
        {"Content-Type": "text/xml", "Content-Length": str(len(body))} if body else {}
    )
    lines = [f"{method} {path} HTTP/{version // 10}.{version % 10}", "Host: gateway.test"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with connection:
        connection.sendall("\r\n".join([*lines, "", body]).encode("latin-1"))
        response = http.client.HTTPResponse(connection, method=method)
        response.begin()
        with contextlib.closing(response):
            yield connection, response


def test_a_report_leaves_before_it_is_read_to_its_end(stored_place: Place) -> None:
    """The last job is changed after the first bytes have come: the client sees it changed."""
    store = stored_place.house.gateway.store
    guids = stored.add_jobs(store, range(MANY), description=LONG)

    def rename(session: Session) -> None:
        last = models.Job.select(models.Job.id).where(models.Job.guid == guids[-1])
        query = models.JobRequest.update(description="changed meanwhile")
        session.execute(query.where(models.JobRequest.job_id == last))

    with asked(stored_place) as (_, response):
        assert response.getheader("Transfer-Encoding") == "chunked"
        assert response.getheader("Content-Length") is None
        beginning = response.read(1000)
        store.unit_of_work(rename)
        whole = beginning + response.read()
    told = served.Answer(response.status, dict(response.headers), whole).json
    assert [job["JobID"] for job in told] == [braced(guid) for guid in guids]
    assert [told[0]["Description"], told[-1]["Description"]] == [LONG, "changed meanwhile"]


def test_a_slow_reader_has_nobody_wait(place: Place) -> None:
    """Neither a turn to compute nor a connection to the store is kept for him."""
    house = place.house
    stored.add_jobs(house.gateway.store, range(MANY), description=LONG)
    with contextlib.ExitStack() as slow:
        for _ in range(5):
            slow.enter_context(asked(place))
        answer = place.exchange(served.head("GET", "who", Authorization=basic(*ADMIN)))
        assert answer.status == 200
        house.engine.accept(house.engine.order(house.module().guid, house.agent()))


def test_after_a_long_report_the_connection_goes_on(place: Place) -> None:
    stored.add_jobs(place.house.gateway.store, range(MANY))
    connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        for path in (REPORT, "who", REPORT):
            place.house.log.requests += 1
            connection.request("GET", f"{BASE}/{path}", headers=HEADERS)
            answer = connection.getresponse()
            assert (answer.status, answer.read()[:1]) == (200, b"[")


def test_http_1_0_gets_a_long_report_without_chunks(place: Place) -> None:
    guids = stored.add_jobs(place.house.gateway.store, range(MANY))
    with asked(place, version=10) as (_, response):
        assert response.getheader("Transfer-Encoding") is None
        assert response.getheader("Content-Length") is None
        assert response.getheader("Connection") == "close"
        body = response.read()
    told = served.Answer(response.status, dict(response.headers), body).json
    assert len(told) == len(guids)


def test_head_of_a_long_report_has_no_body(place: Place) -> None:
    stored.add_jobs(place.house.gateway.store, range(MANY))
    with asked(place, "HEAD") as (_, response):
        assert (response.status, response.read()) == (200, b"")
        assert response.getheader("Content-Type") == "application/json; charset=utf-8"
        assert response.getheader("Content-Length") is None


def test_a_long_report_in_soap(place: Place) -> None:
    guids = stored.add_jobs(place.house.gateway.store, range(MANY))
    with asked(place, "POST", body=call()) as (_, response):
        assert (response.status, response.getheader("Transfer-Encoding")) == (200, "chunked")
        assert response.getheader("Content-Type") == "text/xml; charset=utf-8"
        (result,) = checked(response.read())
    assert [job.findtext("{*}JobID") for job in result] == [braced(guid) for guid in guids]


class Watched:
    """Stands for the domain's report: sees how far it is read, and may fail."""

    def __init__(self, failing_at: int | None = None, error: Exception | None = None) -> None:
        self._failing_at = failing_at
        self._error = error or Provoked("the disk is on fire")
        self.read = 0
        self.closed = threading.Event()

    def __call__(self, store: Store, period: usage.Period, *_rest: Any) -> Iterator[JobUsage]:
        job = next(REAL(store, period))
        try:
            for self.read in itertools.count():
                if self.read == self._failing_at:
                    raise self._error
                yield job
        finally:
            self.closed.set()


REAL = usage.report


@pytest.fixture
def one_job(house: House) -> House:
    stored.add_jobs(house.gateway.store, [1], description="x" * 200)
    return house


def test_a_client_that_leaves_ends_the_report(
    one_job: House, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This report has no end of its own."""
    watched = Watched()
    monkeypatch.setattr(usage, "report", watched)
    with asked(place) as (_, response):
        assert response.read(100_000)
        assert not watched.closed.is_set()
    assert watched.closed.wait(PATIENCE)


@pytest.mark.parametrize("version", [10, 11])
@pytest.mark.parametrize("body", ["", call()], ids=["REST", "SOAP"])
def test_an_error_in_the_middle_cuts_the_connection_and_is_logged(
    one_job: House,
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    version: int,
    body: str,
) -> None:
    monkeypatch.setattr(usage, "report", Watched(failing_at=20_000))
    with asked(place, "POST" if body else "GET", version, body) as (_, response):
        assert response.status == 200
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            response.read()
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "failed in its answer" in record.getMessage()
    assert isinstance((record.exc_info or (None, None))[1], Provoked)


@pytest.mark.parametrize("failing_at", [0, 1, 150])
def test_an_error_at_the_beginning_is_an_answer(
    one_job: House, monkeypatch: pytest.MonkeyPatch, failing_at: int
) -> None:
    """No status has been sent before the first rows were read."""
    trouble = StoreUnavailable("the disk is gone")
    monkeypatch.setattr(usage, "report", Watched(failing_at, trouble))
    client = one_job.client()
    answer = client.get(REPORT)
    answer.refused(503, "store")
    assert answer.headers["Retry-After"]
    fault = checked(client.post("soap", call(), "text/xml").body)
    assert fault.findtext(".//{*}Code") == "StoreUnavailable"


def test_lucd_reads_the_report_with_its_login(place: Place) -> None:
    """As Invoke-RestMethod does: first without credentials, the Content-Type of JSON on a GET."""
    stored.add_jobs(place.house.gateway.store, [at(2014, 6, 21, 9)])
    query = f"{REPORT}?Start=20140621000000&Stop=20140622000000"
    unknown = place.exchange(served.head("GET", query, Content_Type=JSON))
    assert (unknown.status, unknown.headers["WWW-Authenticate"].split()[0]) == (401, "Basic")
    credentials = base64.b64encode(":".join(ADMIN).encode()).decode()
    known = place.exchange(
        served.head("GET", query, Content_Type=JSON, Authorization=f"Basic {credentials}")
    )
    assert [job["Status"] for job in known.json] == [int(JobStatus.COMPLETED)]
