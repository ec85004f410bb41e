"""The headers of SOAP messages that are honoured: WS-Security's tokens, and WS-Addressing.

Both are accepted without standing in the published contract, so that no client has to know them.
"""

import base64
import datetime
import hashlib
import itertools
import uuid

import pytest
import requests
import zeep
import zeep.wsa
from lxml import etree
from zeep.wsse import username

from gateway.identity.principals import MACHINE
from gateway.surfaces.dispatcher.soap_security import WSSE, WSU
from tests.contract.dispatcher import served
from tests.contract.dispatcher.conftest import Build
from tests.contract.dispatcher.house import (
    ADMIN,
    ENVELOPES,
    NAMESPACE,
    Answer,
    Client,
    House,
    basic,
    braced,
    challenged_by_soap,
    checked,
)
from tests.contract.dispatcher.served import head

S11, S12 = ENVELOPES
TYPES = {S11: "text/xml; charset=utf-8", S12: "application/soap+xml; charset=utf-8"}
VERSIONS = pytest.mark.parametrize("namespace", [S11, S12], ids=["1.1", "1.2"])
PROFILE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#"
BASE64 = (
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"
)
SECRET = "a secret for digests"
WSA = "http://www.w3.org/2005/08/addressing"
WSA_2004 = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_NONCES = itertools.count()


def envelope(header: str, namespace: str = S11, body: str = "<GetModules/>") -> str:
    return (
        f'<s:Envelope xmlns:s="{namespace}" xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}" '
        f'xmlns="{NAMESPACE}"><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>'
    )


def now(seconds: int = 0) -> str:
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def security(content: str, must: str = "1") -> str:
    return f'<wsse:Security s:mustUnderstand="{must}">{content}</wsse:Security>'


def text_token(name: str = ADMIN[0], password: str = ADMIN[1], more: str = "") -> str:
    return (
        f"<wsse:UsernameToken><wsse:Username>{name}</wsse:Username>"
        f'<wsse:Password Type="{PROFILE}PasswordText">{password}</wsse:Password>{more}'
        "</wsse:UsernameToken>"
    )


def digest_token(
    name: str = ADMIN[0], secret: str = SECRET, created: str = "", nonce: bytes | None = None
) -> str:
    nonce = b"nonce %d" % next(_NONCES) if nonce is None else nonce
    created = created or now()
    made = hashlib.sha1(nonce + created.encode() + secret.encode()).digest()
    return (
        f"<wsse:UsernameToken><wsse:Username>{name}</wsse:Username>"
        f'<wsse:Password Type="{PROFILE}PasswordDigest">{base64.b64encode(made).decode()}'
        f'</wsse:Password><wsse:Nonce EncodingType="{BASE64}">'
        f"{base64.b64encode(nonce).decode()}</wsse:Nonce>"
        f"<wsu:Created>{created}</wsu:Created></wsse:UsernameToken>"
    )


def send(client: Client, message: str, namespace: str = S11) -> Answer:
    return client.post("soap", message, TYPES[namespace])


def fault(answer: Answer, namespace: str = S11) -> tuple[str, str, str]:
    """The standard code as {namespace}name, the word, and the sentence of a fault."""
    told = checked(answer.body)
    assert answer.headers["Content-Type"] == TYPES[namespace]
    where = "faultcode" if namespace == S11 else "{*}Code/{*}Subcode/{*}Value"
    code = told.find(where)
    assert code is not None
    prefix, _, name = (code.text or "").rpartition(":")
    detail = told.find(f".//{{{NAMESPACE}}}DispatcherFault")
    assert detail is not None
    return (
        f"{{{code.nsmap[prefix]}}}{name}",
        detail.findtext("{*}Code") or "",
        detail.findtext("{*}Message") or "",
    )


@pytest.fixture
def anonymous(house: House) -> Client:
    """A client without Basic; the administrator has a SOAP secret."""
    house.gateway.soap_secrets.give(ADMIN[0], SECRET, MACHINE)
    return house.client(None)


# --- WS-Security --------------------------------------------------------------------------


@VERSIONS
def test_a_username_token_stands_in_place_of_basic(anonymous: Client, namespace: str) -> None:
    for content in (
        text_token(),
        text_token().replace(f'Type="{PROFILE}PasswordText"', ""),
        text_token().replace(PROFILE, "wsse:"),
        text_token(more=f"<wsse:Nonce>bm8=</wsse:Nonce><wsu:Created>{now()}</wsu:Created>"),
        digest_token(),
        f"<wsu:Timestamp><wsu:Created>{now()}</wsu:Created></wsu:Timestamp>{digest_token()}",
    ):
        for must in ("0", "1"):
            again = content.replace("bm8=", base64.b64encode(uuid.uuid4().bytes).decode())
            if must == "1" and "PasswordDigest" in content:
                again = security(digest_token(), must)
            else:
                again = security(again, must)
            answer = send(anonymous, envelope(again, namespace), namespace)
            assert answer.status == 200, answer.text


@VERSIONS
def test_a_token_that_is_not_right_is_the_specifications_fault(
    anonymous: Client, namespace: str
) -> None:
    cases = [
        (text_token(password="wrong"), "FailedAuthentication"),
        (text_token(name="nobody"), "FailedAuthentication"),
        (text_token(password=SECRET), "FailedAuthentication"),
        (digest_token(secret=ADMIN[1]), "FailedAuthentication"),
        (digest_token(created=now(-1000)), "MessageExpired"),
        (digest_token(created=now(1000)), "MessageExpired"),
        (digest_token(created="yesterday"), "InvalidSecurityToken"),
        (digest_token(nonce=b""), "InvalidSecurityToken"),
        (digest_token(nonce=b"x" * 257), "InvalidSecurityToken"),
        (digest_token().replace("</wsse:Nonce>", "@</wsse:Nonce>"), "InvalidSecurityToken"),
        (digest_token().replace("PasswordDigest", "PasswordX"), "InvalidSecurityToken"),
        (text_token(more="<wsse:Username/>"), "InvalidSecurityToken"),
        (text_token().replace("wsse:Username>", "wsse:Name>"), "InvalidSecurityToken"),
        (text_token() + text_token(), "InvalidSecurity"),
        (text_token() + '<Signature xmlns="urn:d"/>', "UnsupportedSecurityToken"),
        ('<wsse:BinarySecurityToken/><x xmlns="UsernameToken"/>', "UnsupportedSecurityToken"),
    ]
    for content, word in cases:
        answer = send(anonymous, envelope(security(content), namespace), namespace)
        assert answer.status == (500 if namespace == S11 else 400), (content, answer.text)
        code, said, sentence = fault(answer, namespace)
        assert (code, said) == (f"{{{WSSE}}}{word}", word), content
        assert sentence
        assert SECRET not in answer.text
    assert anonymous.log.requests >= len(cases)


@VERSIONS
def test_a_token_with_a_nonce_is_taken_once(anonymous: Client, namespace: str) -> None:
    message = envelope(security(digest_token()), namespace)
    assert send(anonymous, message, namespace).status == 200
    code, word, sentence = fault(send(anonymous, message, namespace), namespace)
    assert (code, word) == (f"{{{WSSE}}}MessageExpired", "MessageExpired")
    assert "used" in sentence


def test_guesses_are_slowed_and_told_when_to_come_again(anonymous: Client) -> None:
    message = envelope(security(text_token(password="guess")))
    answers = [send(anonymous, message) for _ in range(60)]
    assert fault(answers[-1])[1:] == ("FailedAuthentication", "too many failures: come again later")
    assert int(answers[-1].headers["Retry-After"]) > 0


@VERSIONS
def test_who_tells_no_login_at_all_is_asked_for_basic(anonymous: Client, namespace: str) -> None:
    for header in (
        "",
        security("", "0"),
        security("<wsu:Timestamp/>", "0"),
        '<x xmlns="urn:x">UsernameToken</x>',
        '<wsse:Security s:actor="urn:x" s:role="urn:x">' + text_token() + "</wsse:Security>",
    ):
        challenged_by_soap(send(anonymous, envelope(header, namespace), namespace))


def test_rights_are_those_of_the_tokens_login(house: House) -> None:
    house.login("reader", "Readers", password="r" * 12)
    anonymous = house.client(None)
    order = "<ScheduleJob><job/></ScheduleJob>"
    token = security(text_token("reader", "r" * 12))
    assert send(anonymous, envelope(token)).status == 200
    (detail,) = checked(send(anonymous, envelope(token, body=order)).body).iter(
        f"{{{NAMESPACE}}}DispatcherFault"
    )
    assert detail.findtext("{*}Code") == "AccessDenied"


@VERSIONS
def test_beside_basic_a_token_counts_where_it_must_be_understood(
    house: House, namespace: str
) -> None:
    other = house.login("other", "Administrators", password="o" * 12)
    good = security(text_token("other", "o" * 12))
    bad = security(text_token("other", "wrong"))
    assert send(other, envelope(good, namespace), namespace).status == 200
    assert fault(send(other, envelope(bad, namespace), namespace), namespace)[1] == (
        "FailedAuthentication"
    )
    ignored = bad.replace('"1"', '"0"')
    assert send(other, envelope(ignored, namespace), namespace).status == 200
    answer = send(house.client(), envelope(good, namespace), namespace)
    assert fault(answer, namespace)[2].endswith("name two logins")


def test_a_job_that_a_token_has_ordered_is_its_logins(house: House, anonymous: Client) -> None:
    module, agent = braced(house.module().guid), braced(house.agent().agent)
    order = (
        f"<ScheduleJob><job><What><JobWhat><ID>{module}</ID></JobWhat></What>"
        f"<Who><JobWho><ID>{agent}</ID></JobWho></Who></job></ScheduleJob>"
    )
    answer = send(anonymous, envelope(security(digest_token()), body=order))
    assert checked(answer.body).findtext(".//{*}JobInvokerInfo") == ADMIN[0]
    assert house.stored() == 1


def test_where_tokens_are_switched_off_they_are_asked_for_basic(build: Build) -> None:
    house = build(ws_security={"enabled": False})
    message = envelope(security(text_token()))
    challenged_by_soap(send(house.client(None), message))
    told = checked(send(house.client(), message).body)
    assert told.findtext("faultcode") == "soap:MustUnderstand"


def test_a_body_without_a_token_is_read_whole_before_it_is_challenged(house: House) -> None:
    """As .NET does it: the first try comes without credentials, its body after 100 Continue."""
    message = envelope(security(text_token())).encode()
    length = {"Content_Type": "text/xml", "Content_Length": str(len(message))}
    with served.serving(house) as place, place.connected() as wire:
        wire.send(head("POST", "soap", Expect="100-continue", **length))
        assert wire.answer().status == 100
        wire.send(message)
        assert wire.answer().status == 200
        plain = envelope("").encode()
        wire.send(head("POST", "soap", Content_Length=str(len(plain))) + plain)
        assert wire.answer().status == 401
        named = {"Authorization": basic(*ADMIN), "Content_Length": str(len(plain))}
        wire.send(head("POST", "soap", **named) + plain)
        assert wire.answer().status == 200


def test_zeep_sends_tokens_of_both_kinds(house: House) -> None:
    house.gateway.soap_secrets.give(ADMIN[0], SECRET, MACHINE)
    module = house.module()
    with served.serving(house) as place:
        for token in (
            username.UsernameToken(*ADMIN),
            username.UsernameToken(ADMIN[0], SECRET, use_digest=True),
        ):
            session = requests.Session()
            house.log.requests += 2
            client = zeep.Client(
                f"http://127.0.0.1:{place.port}/Dispatcher/SchedulingService/soap?wsdl=1.2",
                transport=zeep.Transport(session=session),
                wsse=token,
            )
            assert [one.Name for one in client.service.GetModules()] == [module.name]


# --- WS-Addressing ------------------------------------------------------------------------


def addressed(space: str = WSA, message_id: str | None = "urn:uuid:1", more: str = "") -> str:
    told = "" if message_id is None else f"<w:MessageID>{message_id}</w:MessageID>"
    return (
        f'<w:Action xmlns:w="{space}" s:mustUnderstand="1">urn:x/GetModules</w:Action>'
        + told.replace("<w:MessageID>", f'<w:MessageID xmlns:w="{space}">')
        + more
    )


def reply_to(address: str, name: str = "ReplyTo", space: str = WSA) -> str:
    return f'<w:{name} xmlns:w="{space}"><w:Address>{address}</w:Address></w:{name}>'


@VERSIONS
@pytest.mark.parametrize("space", [WSA, WSA_2004], ids=["2005", "2004"])
def test_an_answer_relates_to_the_message_that_it_answers(
    house: House, namespace: str, space: str
) -> None:
    anonymous = f"{WSA}/anonymous" if space == WSA else f"{WSA_2004}/role/anonymous"
    header = addressed(space, "urn:a&amp;b", reply_to(anonymous, space=space))
    root = etree.fromstring(send(house.client(), envelope(header, namespace), namespace).body)
    blocks = {etree.QName(one).localname: one for one in root[0]}
    assert {etree.QName(one).namespace for one in root[0]} == {space}
    assert blocks["RelatesTo"].text == "urn:a&b"
    assert blocks["Action"].text == f"{NAMESPACE}:SchedulingService:GetModulesResponse"
    assert uuid.UUID((blocks["MessageID"].text or "").removeprefix("urn:uuid:"))
    unknown = envelope(header, namespace, "<Nothing/>")
    root = etree.fromstring(send(house.client(), unknown, namespace).body)
    blocks = {etree.QName(one).localname: one for one in root[0]}
    assert blocks["RelatesTo"].text == "urn:a&b"
    assert (blocks["Action"].text or "").endswith("fault")
    assert etree.QName(root[1][0]).localname == "Fault"


def test_who_sends_no_such_header_gets_none(house: House) -> None:
    root = etree.fromstring(send(house.client(), envelope("")).body)
    assert [etree.QName(one).localname for one in root] == ["Body"]
    header = addressed(message_id=None)
    root = etree.fromstring(send(house.client(), envelope(header)).body)
    assert "RelatesTo" not in {etree.QName(one).localname for one in root[0]}


@VERSIONS
def test_an_answer_that_is_to_go_elsewhere_is_refused_and_nothing_done(
    house: House, namespace: str
) -> None:
    for name in ("ReplyTo", "FaultTo"):
        header = addressed(more=reply_to("http://127.0.0.1:9/", name))
        answer = send(house.client(), envelope(header, namespace), namespace)
        code, word, sentence = fault(answer, namespace)
        assert code == f"{{{WSA}}}OnlyAnonymousAddressSupported"
        assert word == "OnlyAnonymousAddressSupported"
        assert name in sentence
    for header in (
        addressed() * 2,
        addressed() + addressed(WSA_2004, None),
        addressed(more=f'<w:MessageID xmlns:w="{WSA}"/>'),
    ):
        answer = send(house.client(), envelope(header, namespace), namespace)
        assert fault(answer, namespace)[1] == "InvalidAddressingHeader"


@VERSIONS
def test_an_answer_that_nobody_wants_is_not_sent(house: House, namespace: str) -> None:
    none = f"{WSA}/none"
    module, agent = braced(house.module().guid), braced(house.agent().agent)
    order = (
        f"<ScheduleJob><job><What><JobWhat><ID>{module}</ID></JobWhat></What>"
        f"<Who><JobWho><ID>{agent}</ID></JobWho></Who></job></ScheduleJob>"
    )
    header = addressed(more=reply_to(none) + reply_to(none, "FaultTo"))
    for body, jobs in ((order, 1), ("<Nothing/>", 1)):
        answer = send(house.client(), envelope(header, namespace, body), namespace)
        assert (answer.status, answer.body) == (202, b"")
        assert house.stored() == jobs
    header = addressed(more=reply_to(none))
    assert fault_word(send(house.client(), envelope(header, namespace, "<Nothing/>"), namespace))


def fault_word(answer: Answer) -> str | None:
    """The word of a fault of ours."""
    return checked(answer.body).findtext(f".//{{{NAMESPACE}}}DispatcherFault/{{*}}Code")


def test_zeep_addresses_its_messages(house: House) -> None:
    module = house.module()
    session = requests.Session()
    session.auth = ADMIN
    house.log.requests += 2
    with served.serving(house) as place:
        client = zeep.Client(
            f"http://127.0.0.1:{place.port}/Dispatcher/SchedulingService/soap?wsdl",
            transport=zeep.Transport(session=session),
            plugins=[zeep.wsa.WsAddressingPlugin()],
        )
        found = client.service.GetModules()
    assert [one.Name for one in found] == [module.name]
