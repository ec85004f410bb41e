"""SOAP envelopes: their parts, their headers, and what is said of a wrong one."""

import pytest
from lxml import etree

from gateway.surfaces.dispatcher.soap_contract import FaultCode, SoapAnswer, SoapFault
from tests.unit.surfaces.dispatcher import toy
from tests.unit.surfaces.dispatcher.toy import S11, S12, envelope

SERVICE = toy.service(toy.Recorder())
VERSIONS = pytest.mark.parametrize("namespace", [S11, S12], ids=["1.1", "1.2"])
MUST = '<a xmlns="urn:a" s:mustUnderstand="1"/>'
BODY = "<s:Body><ListByStatus/></s:Body>"


def sentence(answer: SoapAnswer) -> str:
    """What a fault says to people."""
    (fault,) = etree.fromstring(answer.body)[0]
    (text,) = fault.xpath("faultstring | *[local-name()='Reason']/*")
    return str(text.text)


def raw(parts: str, namespace: str) -> SoapAnswer:
    """The answer to an envelope of these parts."""
    text = f'<s:Envelope xmlns:s="{namespace}" xmlns="{toy.NAMESPACE}">{parts}</s:Envelope>'
    return SERVICE.call(text.encode(), None, None)


# --- parts --------------------------------------------------------------------------------


@VERSIONS
@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (f"<s:Header/><s:Header>{MUST}</s:Header>{BODY}", "only one Header"),
        (f"<s:Header/><s:Header/>{BODY}", "only one Header"),
        (f"<x/>{BODY}", "only one Header may stand before"),
        (f"{BODY}<s:Header>{MUST}</s:Header>", "Header' may not follow the SOAP Body"),
        (f"{BODY}{BODY}", "Body' may not follow the SOAP Body"),
        (f"{BODY}<s:Body/>", "Body' may not follow the SOAP Body"),
        (f"text{BODY}", "the SOAP Envelope holds text"),
        (f"{BODY}text", "the SOAP Envelope holds text"),
        ("<s:Body>text<ListByStatus/></s:Body>", "the SOAP Body holds text"),
        ("<s:Body><ListByStatus/>text</s:Body>", "the SOAP Body holds text"),
        ("<s:Body>text</s:Body>", "must hold one element, the operation, not none"),
        ("<s:Body/>", "must hold one element, the operation, not none"),
        ("<s:Body> <!-- c --> </s:Body>", "must hold one element, the operation, not none"),
        ("<s:Body><ListByStatus/><Upload/></s:Body>", "the operation, not 2"),
        ("", "has no Body of its namespace"),
        ("<s:Header/>", "has no Body of its namespace"),
        ("<Body><ListByStatus/></Body>", "has no Body of its namespace"),
        (f'<t:Body xmlns:t="{S11}x"><ListByStatus/></t:Body>', "has no Body of its namespace"),
        (f'<s:Body><t:Fault xmlns:t="{S11}"/></s:Body>', "a Fault, which is no request"),
        (f'<s:Body><t:Fault xmlns:t="{S12}"/></s:Body>', "a Fault, which is no request"),
    ],
)
def test_an_envelope_of_wrong_parts_is_refused_and_they_are_named(
    namespace: str, parts: str, told: str
) -> None:
    answer = raw(parts, namespace)
    assert answer.fault == "InvalidEnvelope"
    assert told in sentence(answer)
    assert etree.fromstring(answer.body).tag == f"{{{namespace}}}Envelope"


@VERSIONS
def test_a_body_of_the_other_version_is_none(namespace: str) -> None:
    other = S12 if namespace == S11 else S11
    answer = raw(f'<t:Body xmlns:t="{other}"><ListByStatus/></t:Body>', namespace)
    assert "has no Body of its namespace" in sentence(answer)


def test_foreign_elements_may_follow_in_soap_11_only() -> None:
    """SOAP 1.1, section 4; SOAP 1.2 part 1, 5.1."""
    assert raw(f"{BODY}<x/>", S11).status == 200
    assert "x' may not follow the SOAP Body" in sentence(raw(f"{BODY}<x/>", S12))


@VERSIONS
def test_comments_instructions_and_blanks_are_nothing(namespace: str) -> None:
    noise = "<!-- c --><?p i?>\n"
    parts = f"{noise}<s:Header>{noise}</s:Header>{noise}<s:Body>{noise}<ListByStatus>"
    answer = raw(f"{parts}{noise}</ListByStatus>{noise}</s:Body>{noise}", namespace)
    assert answer.status == 200


@VERSIONS
@pytest.mark.parametrize(
    "body",
    [
        '<Upload href="#a"/>',
        '<Upload id="a"><data href="#a"/></Upload>',
        '<ScheduleJob><job href="#a"/></ScheduleJob>',
        '<Upload><data href="cid:a"/></Upload>',
        '<Upload><data><i:Include xmlns:i="urn:xop" href="cid:a"/></data></Upload>',
        '<Upload><data e:ref="a" xmlns:e="http://www.w3.org/2003/05/soap-encoding"/></Upload>',
    ],
)
def test_references_are_refused(namespace: str, body: str) -> None:
    """Spyne recurses for ever on one to itself, and leaves the second to one value empty."""
    answer = SERVICE.call(envelope(body, namespace), None, None)
    assert answer.fault == "InvalidEnvelope"
    assert "references" in sentence(answer)


@VERSIONS
def test_references_in_headers_are_nobodys_business(namespace: str) -> None:
    header = '<a xmlns="urn:a" href="#b"/>'
    assert SERVICE.call(envelope("<ListByStatus/>", namespace, header), None, None).status == 200


def test_names_without_end_do_not_fill_the_answer() -> None:
    name = "n" * 40_000
    for data in (
        f"<{name}/>",
        f'<Envelope xmlns="{name}"/>',
        envelope(f"<{name}/>").decode(),
        envelope("<Upload/>", S11, f'<{name} xmlns="urn:a" s:mustUnderstand="1"/>').decode(),
        envelope(f"<Upload/></s:Body><{name}/><s:Body>").decode(),
    ):
        answer = SERVICE.call(data.encode(), None, None)
        assert answer.fault is not None
        assert len(answer.body) < 3000
    long = SoapFault(FaultCode.CLIENT, "X", "m" * 40_000)
    assert len(long.message) < 1100


# --- versions -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "answered"),
    [(None, S11), ("text/xml", S11), ("application/soap+xml; action=x", S12)],
)
@pytest.mark.parametrize(
    ("data", "told"),
    [
        ('<Envelope xmlns="urn:soap:3"/>', "an Envelope of namespace 'urn:soap:3' is not known"),
        ("<Envelope/>", "an Envelope without a namespace is not known"),
    ],
)
def test_an_unknown_envelope_is_a_version_mismatch(
    content_type: str | None, answered: str, data: str, told: str
) -> None:
    answer = SERVICE.call(data.encode(), content_type, None)
    assert (answer.status, answer.fault) == (500, "VersionMismatch")
    assert told in sentence(answer)
    assert etree.fromstring(answer.body).tag == f"{{{answered}}}Envelope"
    assert b"soap:VersionMismatch<" in answer.body
    assert b"DispatcherFault" not in answer.body


# --- headers ------------------------------------------------------------------------------


def header(attributes: str, namespace: str) -> SoapAnswer:
    """The answer to an envelope with one header block of these attributes."""
    block = f'<a xmlns="urn:a" {attributes}><b s:mustUnderstand="1"/></a>'
    return SERVICE.call(envelope("<ListByStatus/>", namespace, block), None, None)


@VERSIONS
@pytest.mark.parametrize("value", ["1", "true", " 1 ", "TRUE", "yes", "2"])
def test_a_header_that_must_be_understood_is_a_fault(namespace: str, value: str) -> None:
    """Spyne does what was asked as if the header were not there."""
    answer = header(f's:mustUnderstand="{value}"', namespace)
    assert (answer.status, answer.fault) == (500, "MustUnderstand")
    assert sentence(answer).startswith("the header '{urn:a}a' must be understood and is not")
    assert b"soap:MustUnderstand<" in answer.body
    assert b"DispatcherFault" not in answer.body  # the detail is the Body's (SOAP 1.1, 4.4)


@VERSIONS
@pytest.mark.parametrize("value", ["0", "false", " 0 ", "False", ""])
def test_a_header_that_need_not_be_understood_is_passed_over(namespace: str, value: str) -> None:
    assert header(f's:mustUnderstand="{value}"', namespace).status == 200
    assert header("", namespace).status == 200


@pytest.mark.parametrize(
    ("namespace", "attribute", "target", "ours"),
    [
        (S11, "actor", "", True),
        (S11, "actor", "http://schemas.xmlsoap.org/soap/actor/next", True),
        (S11, "actor", "urn:somebody", False),
        (S11, "actor", f"{S12}/role/next", False),
        (S11, "role", "urn:somebody", True),
        (S12, "role", "", True),
        (S12, "role", f"{S12}/role/next", True),
        (S12, "role", f" {S12}/role/ultimateReceiver ", True),
        (S12, "role", f"{S12}/role/none", False),
        (S12, "role", "urn:somebody", False),
        (S12, "actor", "urn:somebody", True),
    ],
)
def test_headers_for_others_need_not_be_understood_here(
    namespace: str, attribute: str, target: str, ours: bool
) -> None:
    answer = header(f's:mustUnderstand="1" s:{attribute}="{target}"', namespace)
    assert answer.fault == ("MustUnderstand" if ours else None)


@VERSIONS
def test_the_other_versions_must_understand_means_nothing(namespace: str) -> None:
    other = S12 if namespace == S11 else S11
    assert header(f'xmlns:t="{other}" t:mustUnderstand="1"', namespace).status == 200


@VERSIONS
def test_every_header_is_looked_at_and_the_same_may_come_twice(namespace: str) -> None:
    action = '<w:Trace xmlns:w="urn:trace">urn:x</w:Trace>'
    body = "<ListByStatus/>"
    assert SERVICE.call(envelope(body, namespace, action * 2), None, None).status == 200
    assert SERVICE.call(envelope(body, namespace, action * 2 + MUST), None, None).status == 500


@VERSIONS
def test_a_header_that_somebody_understands_is_no_fault(namespace: str) -> None:
    known = '<Security xmlns="urn:known" s:mustUnderstand="1"><x/></Security>'
    assert SERVICE.call(envelope("<ListByStatus/>", namespace, known), None, None).status == 200
