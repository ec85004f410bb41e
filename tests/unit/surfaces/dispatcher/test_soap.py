"""SOAP 1.1 and 1.2 in process: calls, faults, hostile input, threads, and zeep as a client.

Where a test holds a defect of Spyne's mended, its docstring says what Spyne does.
"""

import concurrent.futures
import datetime
import gc
import logging
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import zeep
import zeep.exceptions
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.surfaces.dispatcher import messages, soap, soap_envelope, wsdl
from gateway.surfaces.dispatcher.soap_contract import SoapAnswer, SoapOperation, SoapVersion
from gateway.wire import samples, xml_messages
from gateway.wire.messages import list_of
from tests.unit.surfaces.dispatcher import toy
from tests.unit.surfaces.dispatcher.toy import S11, S12, envelope

VERSIONS = pytest.mark.parametrize("namespace", [S11, S12], ids=["1.1", "1.2"])
FAULT = f"{{{toy.NAMESPACE}}}DispatcherFault"
ID = uuid.UUID("5cf59e5a-343c-4d85-a83c-8b18e4731040")


@pytest.fixture
def handlers() -> toy.Recorder:
    return toy.Recorder()


@pytest.fixture
def service(handlers: toy.Recorder) -> soap.SoapService:
    return toy.service(handlers)


def result_of(answer: SoapAnswer) -> etree._Element:
    """The element inside the Body."""
    assert answer.status == 200, answer.body
    return etree.fromstring(answer.body)[-1][0]


def detail_of(answer: SoapAnswer) -> dict[str, str | None]:
    """The members of the typed fault detail, by local name."""
    (detail,) = etree.fromstring(answer.body).iter(FAULT)
    return {etree.QName(child).localname: child.text for child in detail}


# --- calls --------------------------------------------------------------------------------


@VERSIONS
def test_a_nested_message_goes_in_and_comes_out_whole(
    service: soap.SoapService, handlers: toy.Recorder, namespace: str
) -> None:
    job = samples.sample(messages.Job)
    members = xml_messages.members_writer(messages.Job.members)(vars(job))
    body = f"<ScheduleJob><job>{members}</job><note>n</note></ScheduleJob>"
    answer = service.call(envelope(body, namespace), "text/xml; charset=utf-8", "context")
    assert handlers.calls == [("schedule", "context", job, "n")]
    (written,) = result_of(answer)
    assert etree.QName(written).localname == "ScheduleJobResult"
    assert xml_messages.read(messages.Job, written) == job


@pytest.mark.parametrize(
    ("namespace", "asked", "answered"),
    [
        (S11, "text/xml", "text/xml; charset=utf-8"),
        (S12, "application/soap+xml", "application/soap+xml; charset=utf-8"),
        (S11, "application/soap+xml", "text/xml; charset=utf-8"),
        (S12, "text/xml", "application/soap+xml; charset=utf-8"),
        (S12, None, "application/soap+xml; charset=utf-8"),
    ],
)
def test_the_version_is_the_envelopes_not_the_content_types(
    service: soap.SoapService, namespace: str, asked: str | None, answered: str
) -> None:
    answer = service.call(envelope("<ListByStatus/>", namespace), asked, None)
    assert (answer.status, answer.content_type, answer.fault) == (200, answered, None)
    assert etree.fromstring(answer.body).tag == f"{{{namespace}}}Envelope"


@pytest.mark.parametrize(
    "body",
    [
        '<ListByStatus xmlns=""><status>Active</status></ListByStatus>',
        '<x:ListByStatus xmlns:x="urn:x"><x:status>Active</x:status></x:ListByStatus>',
        (
            '<ListByStatus xmlns:i="http://www.w3.org/2001/XMLSchema-instance" '
            'xmlns:d="http://www.w3.org/2001/XMLSchema" '
            's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">'
            '<status i:type="d:string">Active</status></ListByStatus>'
        ),
        "<ListByStatus><new>1</new><status> 1 </status></ListByStatus>",
    ],
    ids=["unqualified", "other namespace", "rpc style", "unknown argument"],
)
def test_old_stacks_are_understood(
    service: soap.SoapService, handlers: toy.Recorder, body: str
) -> None:
    result_of(service.call(envelope(body), "text/xml", None))
    assert handlers.calls == [("by_status", messages.JobStatusType.Active)]


def test_absent_arguments_are_none(service: soap.SoapService, handlers: toy.Recorder) -> None:
    result_of(service.call(envelope("<Upload/>"), "text/xml", None))
    assert handlers.calls == [("upload", None, None)]


def test_the_charset_parameter_counts(service: soap.SoapService, handlers: toy.Recorder) -> None:
    body = envelope("<ScheduleJob><note>Łódź</note></ScheduleJob>").decode().encode("iso8859-2")
    result_of(service.call(body, "text/xml; charset=iso-8859-2", None))
    assert handlers.calls[0][3] == "Łódź"


def test_enumerations_arrive_as_what_they_are(service: soap.SoapService) -> None:
    """Spyne hands over enumerations that compare unequal to every text: a silent empty filter."""
    body = "<ListByStatus><status>Active</status></ListByStatus>"
    (items,) = result_of(service.call(envelope(body), "text/xml", None))
    assert xml_messages.read(messages.JobWhat, items[0]).Name == "active"
    assert len(items) == 2


@VERSIONS
def test_a_list_that_comes_one_by_one_leaves_in_pieces(namespace: str) -> None:
    """It is the same document as a list that is there, and is not begun before it is asked for."""
    given = [messages.JobWhat(Name=f"<{number}>") for number in range(3000)]
    begun: list[int] = []

    def one_by_one() -> Iterator[messages.JobWhat]:
        for number, item in enumerate(given):
            begun.append(number)
            yield item

    answers = []
    for result in (tuple(given), one_by_one()):
        operation = SoapOperation(
            "List", lambda _context, result=result: result, (), list_of(messages.JobWhat)
        )
        service = soap.build_soap([operation], name="Lists", namespace=toy.NAMESPACE)
        body = f'<e:Envelope xmlns:e="{namespace}"><e:Body><List/></e:Body></e:Envelope>'
        answers.append(service.call(body.encode(), None, None))
    whole, streamed = answers
    assert (whole.pieces, streamed.body, begun) == (None, b"", [])
    assert (whole.status, whole.content_type) == (streamed.status, streamed.content_type)
    assert streamed.pieces is not None
    found = [next(streamed.pieces)]
    assert len(begun) < len(given)
    found += streamed.pieces
    assert len(found) > 1
    assert b"".join(found) == whole.body


def test_base64_is_read_strictly(service: soap.SoapService, handlers: toy.Recorder) -> None:
    """Spyne reads invalid base64 as an empty upload, and answers 200."""
    answer = service.call(envelope("<Upload><data>@@@</data></Upload>"), "text/xml", None)
    assert detail_of(answer)["Message"] == "Upload.data: is not valid base64"
    assert handlers.calls == []


# --- faults -------------------------------------------------------------------------------


def test_a_fault_of_soap_11_is_typed_and_500(service: soap.SoapService) -> None:
    """Spyne's detail has no namespace, and it repeats the members as children of the Fault."""
    answer = service.call(
        envelope(f"<AbortJob><jobId>{ID}</jobId></AbortJob>"), "text/xml", None, "R-1"
    )
    assert (answer.status, answer.fault) == (500, "JobNotFound")
    fault = etree.fromstring(answer.body)[0][0]
    assert fault.tag == f"{{{S11}}}Fault"
    assert [child.tag for child in fault] == ["faultcode", "faultstring", "detail"]
    assert fault[0].text == "soap:Client"
    assert fault[0].nsmap["soap"] == S11
    assert fault[1].text == f"there is no job {ID}"
    assert detail_of(answer) == {
        "Code": "JobNotFound",
        "Message": f"there is no job {ID}",
        "RequestId": "R-1",
    }


def test_a_fault_of_soap_12_is_typed_and_names_its_cause(service: soap.SoapService) -> None:
    answer = service.call(envelope("<AbortJob/>", S12), "application/soap+xml", None)
    assert answer.status == 400
    fault = etree.fromstring(answer.body)[0][0]
    spaces = {"s": S12}
    assert fault.findtext("s:Code/s:Value", namespaces=spaces) == "soap:Sender"
    subcode = fault.find("s:Code/s:Subcode/s:Value", spaces)
    assert subcode is not None
    assert (subcode.text, subcode.nsmap["tns"]) == ("tns:JobNotFound", toy.NAMESPACE)
    assert fault.findtext("s:Reason/s:Text", namespaces=spaces) == "there is no job None"
    assert fault.find(f"s:Detail/{FAULT}", spaces) is not None
    assert [etree.QName(child).localname for child in fault] == ["Code", "Reason", "Detail"]
    assert detail_of(answer) == {"Code": "JobNotFound", "Message": "there is no job None"}


@VERSIONS
def test_a_fault_of_the_servers_is_500_and_escaped(
    service: soap.SoapService, namespace: str
) -> None:
    answer = service.call(envelope("<Refuse/>", namespace), None, None)
    assert answer.status == 500
    assert detail_of(answer)["Message"] == "later & not <now>"
    assert b"soap:Server" in answer.body or b"soap:Receiver" in answer.body


@VERSIONS
@pytest.mark.parametrize("operation", ["Fail", "Wrong"])
def test_a_mistake_of_ours_is_logged_once_and_not_told(
    service: soap.SoapService, caplog: pytest.LogCaptureFixture, namespace: str, operation: str
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = service.call(envelope(f"<{operation}/>", namespace), None, None, "R-2")
    assert (answer.status, answer.fault) == (500, "InternalError")
    assert b"hunter2" not in answer.body
    assert detail_of(answer)["RequestId"] == "R-2"
    (record,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert record.exc_info is not None
    assert "R-2" in record.getMessage()


def test_clients_mistakes_are_not_logged_as_errors(
    service: soap.SoapService, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        service.call(envelope("<AbortJob/>"), None, None)
        service.call(envelope("<Nothing/>"), None, None)
        service.call(b"<", None, None)
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


@VERSIONS
def test_an_invalid_value_names_the_member(service: soap.SoapService, namespace: str) -> None:
    """Spyne fails to write what its validator found in SOAP 1.2: an uncaught TypeError."""
    body = "<ScheduleJob><job><When><Immediate>maybe</Immediate></When></job></ScheduleJob>"
    answer = service.call(envelope(body, namespace), None, None)
    assert answer.status == (500 if namespace == S11 else 400)
    assert detail_of(answer) == {
        "Code": "InvalidMessage",
        "Message": "ScheduleJob.job.When.Immediate: is 'maybe'; true or false is expected",
    }


# --- envelopes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "InvalidMessage"),
        (b"   ", "InvalidMessage"),
        (b"\xff\xfe", "InvalidMessage"),
        (b"<a", "InvalidMessage"),
        (b"{}", "InvalidMessage"),
        (b"<html/>", "InvalidEnvelope"),
        (b"<Envelope/>", "VersionMismatch"),
        (f'<s:Envelope xmlns:s="{S11}"/>'.encode(), "InvalidEnvelope"),
        (f'<s:Envelope xmlns:s="{S11}"><s:Header/></s:Envelope>'.encode(), "InvalidEnvelope"),
        (envelope(""), "InvalidEnvelope"),
        (envelope("text"), "InvalidEnvelope"),
        (envelope("<!-- c --><?p i?>"), "InvalidEnvelope"),
        (envelope("<ListByStatus/><ListByStatus/>"), "InvalidEnvelope"),
        (envelope("<s:Fault/>"), "InvalidEnvelope"),
        (envelope('<Upload href="#a"/>'), "InvalidEnvelope"),
        (envelope('<Upload id="a"><data href="#a"/></Upload>'), "InvalidEnvelope"),
        (envelope("<Nothing/>"), "UnknownOperation"),
        (envelope("<ScheduleJob>text</ScheduleJob>"), "InvalidMessage"),
        (b"<!DOCTYPE a [<!ENTITY x 'y'>]>" + envelope("<Upload/>"), "InvalidMessage"),
        (b"<!DOCTYPE a>" + envelope("<Upload/>"), "InvalidMessage"),
        (
            b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
            + envelope("<ScheduleJob><note>&x;</note></ScheduleJob>"),
            "InvalidMessage",
        ),
        (envelope("<ScheduleJob><note>&nbsp;</note></ScheduleJob>"), "InvalidMessage"),
        (envelope("<ListByStatus><status>\0</status></ListByStatus>"), "InvalidMessage"),
        (envelope("<Upload/>") + b"<a/>", "InvalidMessage"),
        (envelope("<Upload/>").replace(b"<s:", b"<\xff:"), "InvalidMessage"),
        (
            b"\xef\xbb\xbf" + envelope("<Upload>\xff</Upload>").decode().encode("latin-1"),
            "InvalidMessage",
        ),
        (b'<?xml version="1.0" encoding="bogus"?>' + envelope("<Upload/>"), "InvalidMessage"),
        (b'<?xml version="1.0" encoding="utf-7"?>' + envelope("<Upload/>"), "InvalidMessage"),
        (envelope("<a>" * 300 + "</a>" * 300), "InvalidMessage"),
        (envelope("<Upload>" + "<a/>" * 200_000 + "</Upload>"), "InvalidMessage"),
        (
            envelope("<Upload " + " ".join(f'a{i}="1"' for i in range(100_000)) + "/>"),
            "InvalidMessage",
        ),
    ],
    ids=lambda value: repr(value)[:60] if isinstance(value, bytes) else None,
)
def test_hostile_and_broken_input_gets_a_fault(
    service: soap.SoapService, data: bytes, reason: str | None
) -> None:
    """Spyne lets 14 kinds of malformed input through as uncaught exceptions.

    No Body, an empty one, a Fault, unknown charsets, invalid UTF-8, impossible moments,
    references that lead to themselves; with an external entity its validator raises, too. It
    takes 14 seconds for 100,000 attributes.
    """
    answer = service.call(data, "text/xml", None)
    assert answer.fault == reason
    assert etree.fromstring(answer.body).tag == f"{{{S11}}}Envelope"


@pytest.mark.parametrize("charset", ["bogus", "hex", "utf-16", "utf-8"])
def test_a_wrong_charset_gets_an_answer(service: soap.SoapService, charset: str) -> None:
    answer = service.call(envelope("<ListByStatus/>"), f"text/xml; charset={charset}", None)
    assert answer.fault == (None if charset.startswith("utf") else "InvalidMessage")


@pytest.mark.parametrize("moment", ["2015-01-01T24:00:00", "2015-01-01T00:00:00Z"])
def test_moments_that_spyne_could_not_read(
    service: soap.SoapService, handlers: toy.Recorder, moment: str
) -> None:
    when = f"<When><ScheduledDateTime>{moment}</ScheduledDateTime></When>"
    result_of(service.call(envelope(f"<ScheduleJob><job>{when}</job></ScheduleJob>"), None, None))
    assert handlers.calls[0][2].When.ScheduledDateTime.year == 2015


@pytest.mark.parametrize(
    "moment",
    ["99999-01-01T00:00:00", "2015-01-01T00:00:60", "2015-99-01T00:00:00", "P99999999Y", ""],
)
def test_moments_that_are_none(service: soap.SoapService, moment: str) -> None:
    when = f"<When><ScheduledDateTime>{moment}</ScheduledDateTime></When>"
    answer = service.call(envelope(f"<ScheduleJob><job>{when}</job></ScheduleJob>"), None, None)
    message = detail_of(answer)["Message"] or ""
    assert message.startswith("ScheduleJob.job.When.ScheduledDateTime: ")


@pytest.mark.parametrize(
    ("parameters", "answered"),
    [
        ('type="text/xml"', S11),
        ('type="application/xop+xml"; start-info="application/soap+xml"', S12),
        ("", S11),
    ],
)
def test_attachments_are_refused(service: soap.SoapService, parameters: str, answered: str) -> None:
    """Spyne reads them with a parser that is not guarded."""
    answer = service.call(b"--x\r\n", f'multipart/related; boundary="x"; {parameters}', None)
    assert (answer.status, answer.fault) == (415, "UnsupportedMediaType")
    assert etree.fromstring(answer.body).tag == f"{{{answered}}}Envelope"


def test_spyne_never_touches_the_xml(
    service: soap.SoapService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its readers, validators and writers hold most of its defects; none of them is reached."""

    def touched(*_arguments: object, **_options: object) -> None:
        raise AssertionError("Spyne read or wrote XML")

    for where in ("xml.XmlDocument", "soap.soap11.Soap11", "soap.soap12.Soap12"):
        for method in (
            *("create_in_document", "create_out_string", "decompose_incoming_envelope"),
            *("deserialize", "serialize", "from_element", "to_parent", "validate_document"),
            *("fault_to_parent", "schema_validation_error_to_parent"),
        ):
            monkeypatch.setattr(f"spyne.protocol.{where}.{method}", touched, raising=False)
    for namespace in (S11, S12):
        for body, reason in (
            ("<ListByStatus><status>Active</status></ListByStatus>", None),
            ("<ListByStatus><status>x</status></ListByStatus>", "InvalidMessage"),
            ("<Nothing/>", "UnknownOperation"),
            ("<AbortJob/>", "JobNotFound"),
            ("<Fail/>", "InternalError"),
        ):
            answer = service.call(envelope(body, namespace), None, None)
            assert (body, answer.fault) == (body, reason)


def test_an_error_around_a_call_is_a_mistake_of_ours(
    service: soap.SoapService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_arguments: object) -> None:
        raise ValueError("the password is hunter2")

    monkeypatch.setattr(soap_envelope, "unwrap", fail)
    with caplog.at_level(logging.DEBUG):
        answer = service.call(envelope("<ListByStatus/>"), None, None, "R-4")
    assert (answer.status, answer.fault) == (500, "InternalError")
    assert b"hunter2" not in answer.body
    (record,) = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert "R-4" in record.getMessage()


@VERSIONS
@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("<Upload><flag>1</flag><flag>0</flag></Upload>", "Upload.flag: is given twice"),
        (
            "<ScheduleJob><job><What/><Who/><What/></job></ScheduleJob>",
            "ScheduleJob.job.What: is given twice",
        ),
        ("<Upload>text</Upload>", "Upload: holds text; elements are expected"),
        ("<Upload><flag><a/></flag></Upload>", "Upload.flag: holds elements"),
        (
            "<ListByStatus><status>active</status></ListByStatus>",
            "ListByStatus.status: is 'active'",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_and_named(
    service: soap.SoapService, handlers: toy.Recorder, namespace: str, body: str, told: str
) -> None:
    answer = service.call(envelope(body, namespace), None, None)
    assert (detail_of(answer)["Message"] or "").startswith(told)
    assert handlers.calls == []


SERVICE = toy.service(toy.Recorder())


@given(st.binary(max_size=300), st.none() | st.text(max_size=40))
def test_any_bytes_get_an_answer(data: bytes, content_type: str | None) -> None:
    assert SERVICE.call(data, content_type, None).fault != "InternalError"


SEEDS = [
    envelope(body, namespace, '<a xmlns="urn:a" s:mustUnderstand="0"/>')
    for namespace in (S11, S12)
    for body in (
        (
            f"<ScheduleJob><job><JobID>{{{ID}}}</JobID><What><JobWhat><Type>Module</Type></JobWhat></What>"
            "<When><Immediate>1</Immediate></When></job><note>&#65;<![CDATA[x]]></note></ScheduleJob>"
        ),
        "<Upload><data>QUJD</data><flag>true</flag></Upload>",
    )
]
SNIPPETS = st.binary(max_size=3) | st.sampled_from(
    [
        *(b"<a/>", b"</a>", b"<", b">", b"&", b"'", b'"', b"&#0;", b"&#x10FFFF;", b"]]>", b"<!--"),
        *(
            b"-->",
            b"<?x ",
            b"?>",
            b"<![CDATA[",
            b"<!DOCTYPE a>",
            b"s:",
            b"xmlns=''",
            b"\xef\xbb\xbf",
        ),
        *(b" href='#a'", b" s:mustUnderstand='1'", b"s:Header", b"s:Body", b"s:Fault", b"9" * 20),
    ]
)


@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 12), SNIPPETS), max_size=3),
)
def test_any_envelope_gets_an_answer(data: bytes, edits: list[tuple[int, int, bytes]]) -> None:
    for place, length, put in edits:
        data = data[:place] + put + data[place + length :]
    answer = SERVICE.call(data, None, None)
    assert answer.fault != "InternalError"
    assert etree.fromstring(answer.body)[0][0] is not None


# --- threads ------------------------------------------------------------------------------


def test_threads_get_their_own_answers_and_faults(service: soap.SoapService) -> None:
    """Spyne's validator shares its errors between threads: clients were told values of others."""

    def ask(number: int) -> bool:
        namespace = (S11, S12)[number % 2]
        wrong = envelope(f"<Upload><flag>no{number}.</flag></Upload>", namespace)
        told = detail_of(service.call(wrong, None, None, f"R-{number}"))
        job = f"<job><Description>{number}</Description></job>"
        right = service.call(envelope(f"<ScheduleJob>{job}</ScheduleJob>", namespace), None, None)
        return (
            told["Message"] == f"Upload.flag: is 'no{number}.'; true or false is expected"
            and told["RequestId"] == f"R-{number}"
            and result_of(right)[0].findtext("{*}Description") == str(number)
        )

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(1000)))


def test_no_garbage_collection_is_forced(
    service: soap.SoapService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spyne forces a garbage collection once a second, on the time of a request."""

    def collect(*_arguments: object) -> int:
        raise AssertionError("collected by force")

    monkeypatch.setattr(gc, "collect", collect)
    monkeypatch.setattr("spyne.context._LAST_GC_RUN", 0.0)
    assert service.call(envelope("<ListByStatus/>"), None, None).status == 200


# --- zeep ---------------------------------------------------------------------------------


class InProcess(zeep.Transport):
    """Gives zeep the WSDL and hands its requests to the service, without a network."""

    def __init__(self, service: soap.SoapService, document: bytes) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # zeep has few types
        self._service = service
        self._document = document

    def load(self, url: str) -> bytes:
        assert url == "http://gateway.test/toy.wsdl"
        return self._document

    def post(self, address: str, message: bytes, headers: dict[str, str]) -> requests.Response:
        assert address == "https://gateway.test/soap?a=1&b=2"
        answer = self._service.call(message, headers["Content-Type"], None, "R-3")
        response = requests.Response()
        response.status_code = answer.status
        response.headers["Content-Type"] = answer.content_type
        response._content = answer.body
        return response


@pytest.fixture(params=["1.1", "1.2"])
def client(request: pytest.FixtureRequest, service: soap.SoapService) -> Any:
    document = wsdl.published_wsdl(service, wsdl.FORMS[request.param])
    document = wsdl.with_address(document, "ToyService", "https://gateway.test/soap?a=1&b=2")
    transport = InProcess(service, document)
    location = "http://gateway.test/toy.wsdl"
    return zeep.Client(location, transport=transport)  # type: ignore[no-untyped-call]  # as above


def test_zeep_schedules_a_job_with_all_its_members(client: Any, handlers: toy.Recorder) -> None:
    start = datetime.datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=datetime.UTC)
    job = {
        "Description": "Ä & <ö>",
        "When": {"ScheduledDateTime": start, "Immediate": False},
        "What": {"JobWhat": [{"ID": str(ID), "Type": "RunBook"}]},
        "Who": {"JobWho": [{"ID": "PC1"}, {"ID": f"{{{ID}}}", "Type": "Team"}]},
        "Parameters": {
            "ParameterSet": [{"JobParameters": {"Parameter": [{"Name": "P", "Value1": "1"}]}}]
        },
        "Status": {"Type": "CompletedWithErrors"},
    }
    answer = client.service.ScheduleJob(job=job, note="n")
    expected = messages.Job(
        Description="Ä & <ö>",
        When=messages.JobWhen(ScheduledDateTime=start, Immediate=False),
        What=(messages.JobWhat(ID=ID, Type=messages.JobWhatType.RunBook),),
        Who=(messages.JobWho(ID="PC1"), messages.JobWho(ID=ID, Type=messages.JobWhoType.Team)),
        Parameters=(
            messages.ParameterSet(JobParameters=(messages.Parameter(Name="P", Value1="1"),)),
        ),
        Status=messages.JobStatus(Type=messages.JobStatusType.CompletedWithErrors),
    )
    assert handlers.calls == [("schedule", None, expected, "n")]
    assert answer.When.ScheduledDateTime == start
    assert answer.What.JobWhat[0].Type == "RunBook"
    assert answer.Who.JobWho[0].ID == "PC1"
    assert answer.Status.Type == "CompletedWithErrors"


def test_zeep_gets_lists_and_sends_bytes(client: Any, handlers: toy.Recorder) -> None:
    assert client.service.ListByStatus("Active")[0].Name == "active"
    assert client.service.Upload(data=b"\0\xff", flag=True) == 2
    assert handlers.calls[-1] == ("upload", b"\0\xff", True)


def test_zeep_gets_a_typed_fault(client: Any) -> None:
    with pytest.raises(zeep.exceptions.Fault) as caught:
        client.service.AbortJob(jobId=str(ID))
    assert caught.value.message == f"there is no job {ID}"
    detail = client.wsdl.types.deserialize(caught.value.detail[0])
    assert (detail.Code, detail.RequestId) == ("JobNotFound", "R-3")


def test_both_versions_are_answered_by_one_service(service: soap.SoapService) -> None:
    assert {version.label for version in SoapVersion} == {"1.1", "1.2"}
    answers = [service.call(envelope("<ListByStatus/>", each), None, None) for each in (S11, S12)]
    assert [answer.status for answer in answers] == [200, 200]
