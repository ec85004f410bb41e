"""Envelopes that no stack would send, byte for byte, to the SOAP address (Dispatcher contract 5).

Each gets the typed fault of its own version of SOAP that names what is wrong, and stores nothing.
"""

import base64
import concurrent.futures
import gzip
import itertools
from collections.abc import Iterator

import pytest
from lxml import etree

from storage.errors import StoreUnavailable
from tests.contract.conftest import Provoked
from tests.contract.dispatcher import served
from tests.contract.dispatcher.conftest import Build
from tests.contract.dispatcher.house import (
    ADMIN,
    ENVELOPES,
    NAMESPACE,
    Answer,
    House,
    basic,
    braced,
    challenged_by_soap,
    checked,
)
from tests.contract.dispatcher.served import Place, head

S11, S12 = ENVELOPES
TYPES = {S11: "text/xml; charset=utf-8", S12: "application/soap+xml; charset=utf-8"}
VERSIONS = pytest.mark.parametrize("namespace", [S11, S12], ids=["1.1", "1.2"])
XSI = "http://www.w3.org/2001/XMLSchema-instance"
ID = "{5CF59E5A-343C-4D85-A83C-8B18E4731040}"


def envelope(body: str, namespace: str = S11, header: str = "", before: str = "") -> str:
    """An envelope with s for its namespace, i for that of xsi:type."""
    return (
        f'{before}<s:Envelope xmlns:s="{namespace}" xmlns:i="{XSI}" xmlns="{NAMESPACE}">'
        f"<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )


def order(house: House) -> str:
    """A job that can be scheduled, as an argument."""
    module, agent = braced(house.module().guid), braced(house.agent().agent)
    return (
        f"<job><What><JobWhat><ID>{module}</ID><Type>Module</Type></JobWhat></What>"
        f"<Who><JobWho><ID>{agent}</ID></JobWho></Who></job>"
    )


def told(answer: Answer, namespace: str) -> tuple[str, str]:
    """The word and the sentence of a fault in a version of SOAP, its form checked."""
    assert answer.headers["Content-Type"] == TYPES[namespace]
    root = etree.fromstring(answer.body)
    assert root.tag == f"{{{namespace}}}Envelope"
    fault = checked(answer.body)
    assert fault.tag == f"{{{namespace}}}Fault"
    if namespace == S11:
        code, sentence = fault.findtext("faultcode"), fault.findtext("faultstring")
    else:
        code = fault.findtext("{*}Code/{*}Value")
        sentence = fault.findtext("{*}Reason/{*}Text")
    detail = fault.find(f".//{{{NAMESPACE}}}DispatcherFault")
    assert code is not None
    assert sentence is not None
    if detail is None:
        return code.removeprefix("soap:"), sentence
    assert detail.findtext("{*}Message") == sentence
    assert detail.findtext("{*}RequestId") == answer.headers["X-Request-Id"]
    assert code in ("soap:Client", "soap:Sender", "soap:Server", "soap:Receiver")
    return detail.findtext("{*}Code") or "", sentence


# --- what is refused ----------------------------------------------------------------------

LAUGHS = '<!DOCTYPE b [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE b [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
PARAMETER = '<!DOCTYPE b [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x"> %x;]>'

# By what is wrong: an envelope round {job}, the word of the fault, a part of its sentence.
BROKEN = {
    "entities in entities": (LAUGHS, "{job}", "InvalidMessage", "DOCTYPE"),
    "external entity": (OUTSIDE, "{job}", "InvalidMessage", "DOCTYPE"),
    "parameter entity": (PARAMETER, "{job}", "InvalidMessage", "DOCTYPE"),
    "external DOCTYPE": ("<!DOCTYPE b SYSTEM 'b'>", "{job}", "InvalidMessage", "DOCTYPE"),
    "DOCTYPE after a comment": ("<!-- - --><!DOCTYPE b>", "{job}", "InvalidMessage", "DOCTYPE"),
    "DOCTYPE after marks": ("\ufeff\ufeff<!DOCTYPE b>", "{job}", "InvalidMessage", "DOCTYPE"),
    "entity": ("", "{job}<x>&nbsp;</x>", "InvalidMessage", "nbsp"),
    "not well-formed": ("", "{job}<x>", "InvalidMessage", "line 1"),
    "a zero byte": ("", "{job}\0", "InvalidMessage", "line 1"),
    "text before": ("x", "{job}", "InvalidMessage", "line 1"),
    "late declaration": ("<!-- --><?xml version='1.0'?>", "{job}", "InvalidMessage", "line 1"),
    "unknown encoding": ("<?xml version='1.0' encoding='x-y'?>", "{job}", "InvalidMessage", "x-y"),
    "too deep": ("", "{job}" + "<a>" * 100 + "</a>" * 100, "InvalidMessage", "deeper than 64"),
    "far too deep": ("", "{job}" + "<a>" * 300 + "</a>" * 300, "InvalidMessage", "depth"),
    "siblings": ("", "{job}" + "<a/>" * 200_000, "InvalidMessage", "25000 elements"),
    "attributes": (
        "",
        "{job}<a " + " ".join(f'a{i}=""' for i in range(1_000)) + "/>",
        "InvalidMessage",
        "256 attributes",
    ),
    "two jobs": ("", "{job}{job}", "InvalidMessage", "ScheduleJob.job: is given twice"),
    "text for a job": ("", "text", "InvalidMessage", "ScheduleJob: holds text"),
    "no job": ("", "", "InvalidArgument", "job: is missing"),
    "nil": ("", '<job i:nil="true"/>', "InvalidArgument", "job: is missing"),
    "a reference": ("", '<job href="#j"/>', "InvalidEnvelope", "references"),
    "an unknown module": (
        "",
        f"<job><What><JobWhat><ID>{ID}</ID></JobWhat></What></job>",
        "InvalidJob",
        "What[0].ID: there is no module",
    ),
    "an enumeration in lower case": (
        "",
        "<job><What><JobWhat><Type>module</Type></JobWhat></What></job>",
        "InvalidMessage",
        "ScheduleJob.job.What[0].Type: is 'module'; it must be one of 0 Module",
    ),
    "no boolean": (
        "",
        "<job><When><Immediate>maybe</Immediate></When></job>",
        "InvalidMessage",
        "ScheduleJob.job.When.Immediate: is 'maybe'; true or false is expected",
    ),
    "no moment": (
        "",
        "<job><When><ScheduledDateTime>2015-02-30T00:00:00</ScheduledDateTime></When></job>",
        "InvalidMessage",
        "ScheduleJob.job.When.ScheduledDateTime: is '2015-02-30T00:00:00', which is no date",
    ),
    "elements for a text": (
        "",
        "<job><Description><a/></Description></job>",
        "InvalidMessage",
        "ScheduleJob.job.Description: holds elements",
    ),
}


@VERSIONS
def test_a_broken_order_is_a_typed_fault_and_stores_nothing(house: House, namespace: str) -> None:
    job = order(house)
    for name, (before, body, word, part) in BROKEN.items():
        filled = f"<ScheduleJob>{body.replace('{job}', job)}</ScheduleJob>"
        data = envelope(filled, namespace, before=before)
        answer = house.client().post("soap", data.encode(), TYPES[namespace])
        assert (name, answer.status) == (name, 500 if namespace == S11 else 400)
        reason, sentence = told(answer, namespace)
        assert (name, reason) == (name, word)
        assert part in sentence, name
    assert house.stored() == 0


ENVELOPES_OF_WRONG_PARTS = (
    ("<s:Header/><s:Header>{must}</s:Header>{body}", "InvalidEnvelope", "only one Header"),
    ("{body}<s:Header>{must}</s:Header>", "InvalidEnvelope", "may not follow"),
    ("{body}{body}", "InvalidEnvelope", "may not follow"),
    ("text{body}", "InvalidEnvelope", "text"),
    ("<s:Header/>", "InvalidEnvelope", "no Body"),
    ("<s:Body/>", "InvalidEnvelope", "not none"),
    ("<s:Body><s:Fault/></s:Body>", "InvalidEnvelope", "Fault"),
    ("<s:Header>{must}</s:Header>{body}", "MustUnderstand", "'{urn:a}a' must be understood"),
)


@VERSIONS
def test_an_order_in_a_wrong_envelope_stores_nothing(house: House, namespace: str) -> None:
    body = f"<s:Body><ScheduleJob>{order(house)}</ScheduleJob></s:Body>"
    must = '<a xmlns="urn:a" s:mustUnderstand="1"/>'
    for parts, word, part in ENVELOPES_OF_WRONG_PARTS:
        filled = parts.replace("{body}", body).replace("{must}", must)
        data = f'<s:Envelope xmlns:s="{namespace}" xmlns="{NAMESPACE}">{filled}</s:Envelope>'
        reason, sentence = told(house.client().post("soap", data, TYPES[namespace]), namespace)
        assert (parts, reason) == (parts, word)
        assert part in sentence
    assert house.stored() == 0


@pytest.mark.parametrize(
    ("data", "content_type", "namespace", "word"),
    [
        (b"", "text/xml", S11, "InvalidMessage"),
        (b"", "application/soap+xml", S12, "InvalidMessage"),
        (b"", None, S11, "InvalidMessage"),
        (b" \r\n ", "text/xml", S11, "InvalidMessage"),
        (b'{"job":1}', "application/json", S11, "InvalidMessage"),
        (b"job=1", "application/x-www-form-urlencoded", S11, "InvalidMessage"),
        (b"<Job/>", "application/xml", S11, "InvalidEnvelope"),
        (envelope("<GetModules/>", "urn:soap:3").encode(), "text/xml", S11, "VersionMismatch"),
        (envelope("<GetModules/>", "urn:soap:3").encode(), TYPES[S12], S12, "VersionMismatch"),
        (gzip.compress(envelope("<GetModules/>").encode()), "text/xml", S11, "InvalidMessage"),
        (envelope("<GetModules/>").encode(), "text/xml; charset=bogus", S11, "InvalidMessage"),
        (envelope("<GetModules/>").encode("utf-32"), "text/xml", S11, "InvalidMessage"),
        (envelope("<GetModules/>").encode() + b"x", "text/xml", S11, "InvalidMessage"),
        (envelope("<GetModules/>").encode() * 2, "text/xml", S11, "InvalidMessage"),
        (b"\xef\xbb\xbf<\xff/>", "text/xml", S11, "InvalidMessage"),
        (b"--b--", "multipart/related; boundary=b", S11, "UnsupportedMediaType"),
        (
            b"--b--",
            'multipart/related; boundary=b; start-info="application/soap+xml"',
            S12,
            "UnsupportedMediaType",
        ),
    ],
)
def test_what_is_no_envelope_is_a_typed_fault(
    house: House, data: bytes, content_type: str | None, namespace: str, word: str
) -> None:
    assert told(house.client().post("soap", data, content_type), namespace)[0] == word


# --- what is understood -------------------------------------------------------------------

# Of real stacks: what each does differently from the published contract.
UNDERSTOOD = {
    "types and encoding on everything": (
        '<ScheduleJob s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/" '
        'xmlns:x="http://www.w3.org/2001/XMLSchema" i:type="x:anyType">{job}</ScheduleJob>'
    ),
    "no namespace": '<ScheduleJob xmlns="">{job}</ScheduleJob>',
    "unqualified arguments": (
        f'<t:ScheduleJob xmlns:t="{NAMESPACE}" xmlns="">{{job}}</t:ScheduleJob>'
    ),
    "arguments of another namespace": '<x:ScheduleJob xmlns:x="urn:x">{job}</x:ScheduleJob>',
    "comments and instructions": (
        "<!-- c --><?p i?><ScheduleJob><!-- c -->{job}<?p i?></ScheduleJob>"
    ),
    "unknown arguments": '<ScheduleJob><new i:nil="true"/>{job}<more><a/></more></ScheduleJob>',
}
HEADERS = (
    '<w:Action xmlns:w="http://www.w3.org/2005/08/addressing">urn:x</w:Action>'
    '<w:Security xmlns:w="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext'
    '-1.0.xsd" s:mustUnderstand="0"><w:UsernameToken/></w:Security>'
    '<a xmlns="urn:a" s:mustUnderstand="1" s:actor="urn:b" s:role="urn:b"/>'
)


@VERSIONS
def test_what_real_stacks_send_is_understood(house: House, namespace: str) -> None:
    job = order(house)
    for name, body in UNDERSTOOD.items():
        data = envelope(body.replace("{job}", job), namespace, HEADERS)
        answer = house.client().post("soap", data, TYPES[namespace])
        assert answer.status == 200, (name, answer.text)
        assert checked(answer.body).findtext(".//{*}Status/{*}Type") == "Scheduled"
    assert house.stored() == len(UNDERSTOOD)


def test_texts_arrive_in_whatever_encoding(house: House) -> None:
    job = order(house).replace("</job>", "<Description>Ä-€</Description></job>")
    for encoding, name in (
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16"),
        ("cp1252", "windows-1252"),
    ):
        for before in ("", f'<?xml version="1.0" encoding="{name}"?>'):
            data = envelope(f"<ScheduleJob>{job}</ScheduleJob>", before=before).encode(encoding)
            answer = house.client().post("soap", data, "text/xml")
            assert checked(answer.body).findtext(".//{*}Description") == "Ä-€", encoding


CONTENT_TYPES = (
    None,
    *TYPES.values(),
    'application/soap+xml; action="urn:x"',
    "x;;=",
    "text/plain",
)
ACTIONS = ({}, *({"SOAPAction": value} for value in ("", '""', '"urn:any"', "urn:any", '"')))


@VERSIONS
def test_the_envelope_tells_the_version_and_no_action_counts(house: House, namespace: str) -> None:
    data = envelope("<GetModules/>", namespace)
    for content_type, named in itertools.product(CONTENT_TYPES, ACTIONS):
        answer = house.client().send("POST", "soap", data, content_type, **named)
        assert (answer.status, answer.headers["Content-Type"]) == (200, TYPES[namespace])
        assert etree.fromstring(answer.body).tag == f"{{{namespace}}}Envelope"


# --- before the envelope is read ----------------------------------------------------------


@VERSIONS
def test_a_request_that_is_too_long_is_a_typed_fault(build: Build, namespace: str) -> None:
    house = build(limits={"body_bytes": 1000})
    answer = house.client().post("soap", " " * 1001, TYPES[namespace])
    assert answer.status == 413
    expected = ("RequestTooLong", "the request is longer than 1000 bytes")
    assert told(answer, namespace) == expected


@VERSIONS
def test_a_text_that_is_too_long_is_a_typed_fault(build: Build, namespace: str) -> None:
    house = build(limits={"body_bytes": 16 * 1024 * 1024})
    text = "x" * (11 * 1024 * 1024)
    data = envelope(f"<GetWho><search>{text}</search></GetWho>", namespace)
    reason, sentence = told(house.client().post("soap", data, TYPES[namespace]), namespace)
    assert reason == "InvalidMessage"
    assert "line 1" in sentence


@VERSIONS
def test_a_compressed_request_is_unpacked_and_others_are_typed_faults(
    build: Build, namespace: str
) -> None:
    house = build(limits={"body_bytes": 100_000})
    plain = envelope("<GetModules/>", namespace).encode()

    def send(data: bytes, encoding: str) -> Answer:
        kind = {"Content_Encoding": encoding}
        return house.client().send("POST", "soap", data, TYPES[namespace], **kind)

    half = len(plain) // 2
    for data, encoding in (
        (plain, "identity"),
        (gzip.compress(plain), "gzip"),
        (gzip.compress(plain), " X-GZip"),
        (gzip.compress(plain[:half]) + gzip.compress(plain[half:]), "gzip"),
    ):
        assert send(data, encoding).status == 200, encoding
    for data, encoding, status, word in (
        (plain, "br", 415, "UnsupportedMediaType"),
        (plain, "gzip, gzip", 415, "UnsupportedMediaType"),
        (plain, "gzip", 400, "InvalidRequest"),
        (gzip.compress(plain)[:-5], "gzip", 400, "InvalidRequest"),
        (gzip.compress(plain)[:12] + b"xxxxxxxxxxxx", "gzip", 400, "InvalidRequest"),
        (gzip.compress(b" " * 100_001), "gzip", 413, "RequestTooLong"),
        (gzip.compress(b" " * 80_000_000), "gzip", 413, "RequestTooLong"),
    ):
        answer = send(data, encoding)
        assert answer.status == status
        assert told(answer, namespace)[0] == word


@VERSIONS
def test_an_answer_is_packed_for_who_takes_that_where_it_is_worth_it(
    house: House, namespace: str
) -> None:
    for number in range(20):
        house.module(f"Module {number}")
    long, short = (envelope(f"<{name}/>", namespace) for name in ("GetModules", "GetRunBooks"))

    def send(body: str, accepted: str) -> Answer:
        return house.client().send("POST", "soap", body, TYPES[namespace], Accept_Encoding=accepted)

    plain = send(long, "").body
    for accepted in ("gzip", "deflate, gzip;q=0.5", "*, gzip"):
        answer = send(long, accepted)
        assert (answer.headers["Content-Encoding"], answer.headers["Vary"]) == (
            "gzip",
            "Accept-Encoding",
        )
        assert answer.headers["Content-Length"] == str(len(answer.body))
        assert gzip.decompress(answer.body) == plain
    for body, accepted in ((long, "identity"), (long, "gzip;q=0"), (short, "gzip")):
        answer = send(body, accepted)
        assert "Content-Encoding" not in answer.headers
        assert answer.headers["Vary"] == "Accept-Encoding"


@VERSIONS
def test_a_call_from_a_page_of_another_site_is_a_typed_fault(house: House, namespace: str) -> None:
    answer = house.client().send(
        "POST", "soap", envelope("<GetModules/>"), TYPES[namespace], Origin="http://evil.example"
    )
    assert answer.status == 403
    reason, sentence = told(answer, namespace)
    assert reason == "AccessDenied"
    assert "another site" in sentence


@VERSIONS
def test_a_store_that_cannot_be_read_is_a_typed_fault_before_it_is_known_who_asks(
    house: House, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(*_arguments: object) -> None:
        raise StoreUnavailable("/secret/path is not to be had")

    monkeypatch.setattr(house.gateway.epoch, "current", unavailable)
    answer = house.client().post("soap", envelope("<GetModules/>", namespace), TYPES[namespace])
    reason, sentence = told(answer, namespace)
    assert (answer.status, reason) == (500, "StoreUnavailable")
    assert "secret" not in sentence


@VERSIONS
def test_a_mistake_of_ours_before_it_is_known_who_asks_tells_nothing(
    house: House, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise Provoked("a secret of the server")

    monkeypatch.setattr(house.gateway.epoch, "current", fail)
    answer = house.client().post("soap", envelope("<GetModules/>", namespace), TYPES[namespace])
    assert (answer.status, told(answer, namespace)[0]) == (500, "InternalError")
    assert "secret" not in answer.text
    assert "Provoked" not in answer.text


def test_without_a_login_the_body_is_not_looked_at(house: House) -> None:
    challenged_by_soap(house.client(None).post("soap", "<broken", TYPES[S11]))


# --- threads ------------------------------------------------------------------------------


@pytest.fixture
def place(house: House) -> Iterator[Place]:
    with served.serving(house) as place:
        yield place


def test_every_client_is_told_its_own_value(place: Place) -> None:
    """Spyne's validator shares its errors between threads: clients were told values of others."""
    place.house.client().get("what/modules")  # the password is verified once

    def ask(number: int) -> bool:
        namespace = ENVELOPES[number % 2]
        body = f"<GetJobs><page>no-{number}.</page></GetJobs>"
        data = envelope(body, namespace).encode()
        length = str(len(data))
        request = head("POST", "soap", Authorization=basic(*ADMIN), Content_Length=length)
        answer = place.exchange(request + data)
        expected = f"GetJobs.page: is 'no-{number}.'; a whole number is expected"
        return told(answer, namespace) == ("InvalidMessage", expected)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(300)))


# --- answers ------------------------------------------------------------------------------


def test_moments_are_written_with_their_offset_and_whole_milliseconds(house: House) -> None:
    moment = "2036-01-02T03:04:05.6789999+02:00"
    when = f"<When><ScheduledDateTime>{moment}</ScheduledDateTime></When></job>"
    body = f"<ScheduleJob>{order(house).replace('</job>', when)}</ScheduleJob>"
    answer = house.client().post("soap", envelope(body), TYPES[S11])
    written = checked(answer.body).findtext(".//{*}ScheduledDateTime")
    assert written == "2036-01-02T01:04:05.678Z"


def test_results_are_base64_that_a_strict_reader_takes(house: House) -> None:
    job = house.engine.accept(house.engine.order(house.module().guid, house.agent()))
    body = f"<ExportJobResults><jobId>{job.guid}</jobId></ExportJobResults>"
    answer = house.client().post("soap", envelope(body), TYPES[S11])
    encoded = checked(answer.body).findtext(".//{*}Xml")
    assert encoded is not None
    assert base64.b64decode(encoded, validate=True).decode("utf-16-le").startswith("<?xml")


@VERSIONS
def test_an_answer_declares_no_namespace_of_the_other_version(house: House, namespace: str) -> None:
    """One that declares SOAP 1.1's in a SOAP 1.2 answer costs gSOAP the texts of faults."""
    other = S11 if namespace == S12 else S12
    for body in ("<GetModules/>", "<GetJob/>", "<Nothing/>"):
        answer = house.client().post("soap", envelope(body, namespace), TYPES[namespace])
        assert other.encode() not in answer.body
        assert len(etree.fromstring(answer.body)) == 1  # no Header: SOAP::WSDL dies of one


# --- texts in Base64 ----------------------------------------------------------------------


@VERSIONS
@pytest.mark.parametrize("kind", ["x:base64Binary", "base64Binary", "e:base64"])
def test_a_text_that_says_it_is_in_base64_is_decoded(
    house: House, namespace: str, kind: str
) -> None:
    """A Perl stack that guesses types sends whatever is not ASCII so."""
    spaces = 'xmlns:x="http://www.w3.org/2001/XMLSchema" xmlns:e="urn:e"'
    job = order(house)
    encoded = base64.b64encode("Größe & <漢字>".encode()).decode()
    for text, wanted in (
        (encoded, "Größe & <漢字>"),
        (f" {encoded[:8]}\n{encoded[8:]} ", "Größe & <漢字>"),
        ("", ""),
    ):
        more = f'<Description {spaces} i:type="{kind}">{text}</Description></job>'
        body = f"<ScheduleJob>{job.replace('</job>', more)}</ScheduleJob>"
        answer = house.client().post("soap", envelope(body, namespace), TYPES[namespace])
        assert checked(answer.body).findtext(".//{*}Description") == wanted
    stored = house.stored()
    for text, sentence in (("***", "base64"), ("/w==", "no text in UTF-8")):
        more = f'<Description {spaces} i:type="{kind}">{text}</Description></job>'
        body = f"<ScheduleJob>{job.replace('</job>', more)}</ScheduleJob>"
        answer = house.client().post("soap", envelope(body, namespace), TYPES[namespace])
        reason, said = told(answer, namespace)
        assert (reason, sentence in said) == ("InvalidMessage", True)
        assert said.startswith("ScheduleJob.job.Description: ")
    assert house.stored() == stored
