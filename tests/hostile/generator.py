"""Hostile messages made by chance: a seed gives the same ones each time, in the same order.

Each begins as a right call of some operation or as a message of the corpus and is spoilt a few
times: as text, then as bytes, then in its headers.
"""

import dataclasses
import functools
import random
import re
from collections.abc import Callable, Iterator, Sequence

from gateway.surfaces.dispatcher.operation import Argument, Operation
from gateway.surfaces.dispatcher.service import SERVICES, Service
from gateway.wire import samples, xml_messages
from gateway.wire.scalars import Scalar
from tests.hostile import corpus
from tests.hostile.corpus import security, token
from tests.hostile.messages import MODULE, S11, S12, TYPES, Login, Message, envelope

_LONGEST_SEED = 20_000
_OFTEN_LONGEST = 200_000
# One message in so many is as long as a body may be, the first of them soon: what memory the
# longest ones need is then known before growth is looked for.
_LONG_ONE_IN = 500
_FIRST_LONG_ONE = 7
# A wrong password costs what a right one does, a hash.
_WRONG_SHARE = 0.01


def messages(seed: int) -> Iterator[Message]:
    """Messages without end."""
    number = 0
    while True:
        yield message(seed, number)
        number += 1


def message(seed: int, number: int) -> Message:
    """The message of this number; it does not depend on those before."""
    rng = random.Random(f"{seed}/{number}")
    made = _begun(rng)
    if number % _LONG_ONE_IN == _FIRST_LONG_ONE:
        made = _with_text(made, _lengthened(rng, _text(made), corpus.LONGEST - _LONGEST_SEED))
    for _ in range(rng.choice((0, 1, 1, 2, 3, 5))):
        made = spoilt(rng, made)
    return _with_login(rng, dataclasses.replace(made, name=f"{seed}-{number}"))


# --- right calls --------------------------------------------------------------------------------


def call(service: Service, operation: Operation, namespace: str = S11) -> Message:
    """A right call of an operation, with the samples of its arguments."""
    arguments = "".join(_written(argument) for argument in operation.arguments)
    body = f'<{operation.name} xmlns="{service.namespace}">{arguments}</{operation.name}>'
    headers = (("Content-Type", TYPES[namespace]), ("SOAPAction", f'"{operation.name}"'))
    return Message(operation.name, envelope(body, namespace).encode(), headers, service)


def _written(argument: Argument) -> str:
    content = argument.content
    name = argument.soap_name
    if isinstance(content, Scalar):
        return f"<{name}>{xml_messages.escape(content.to_text(content.sample))}</{name}>"
    document = xml_messages.write(samples.sample(content), "").decode()
    inside = re.sub(r"^<\?xml[^>]*\?>\s*<\w+[^>]*>|</\w+>$", "", document)
    return f"<{name}>{inside}</{name}>"


@functools.cache
def calls() -> Sequence[Message]:
    """A right call of every operation, in both versions of SOAP."""
    return [
        call(service, operation, namespace)
        for service in SERVICES
        for operation in service.operations
        for namespace in (S11, S12)
    ]


@functools.cache
def seeds() -> Sequence[Message]:
    """Messages of the corpus that are worth to be spoilt further.

    Those that name agents or teams of the house might become right.
    """
    found = corpus.small(_LONGEST_SEED)
    return [each for each in found if b"in this house" not in each.body]


def _begun(rng: random.Random) -> Message:
    return rng.choice(calls() if rng.random() < 0.6 else seeds())


# --- texts --------------------------------------------------------------------------------------

_TAG = re.compile(r"<[^<>]*>")
_VALUE = re.compile(r">([^<>]*)<")
_NAME = re.compile(r"</?([\w:.-]+)")

_PARTS = (
    *("<a/>", "<a>", "</a>", "<!--", "-->", "<![CDATA[", "]]>", "<?a ?>", "<?xml version='1.0'?>"),
    *("&lt;", "&a;", "&#0;", "&#xD800;", "&#x10FFFF;", "&", "<", ">", '"', "'", "=", "\0", "\x1b"),
    *('<!DOCTYPE a [<!ENTITY x "y">]>', '<!ENTITY x SYSTEM "file:///etc/passwd">', "&x;"),
    *('<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/>',),
    *('<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:a"/>',),
    *("\ufeff", "\u2028", "\u202e", "\U0001f600", "\ud7ff", "\x85", "\xa0", "\r", "\r\n"),
    *("xmlns", "xmlns:s", "xml:base", "Envelope", "Body", "Fault", "Header"),
)
_ATTRIBUTES = (
    *('i:nil="true"', 'i:type="x:string"', 'href="#a"', 'id="a"', 'xmlns="urn:x"', 'xmlns=""'),
    *('s:mustUnderstand="1"', 's:encodingStyle="urn:x"', 's:actor=""', 's:role=""', 'xml:id="a"'),
    *('xmlns:s="urn:x"', 'i:schemaLocation="urn:x file:///etc/passwd"', "a=''", "a='' a=''", "a=b"),
    *('xmlns:e="http://www.w3.org/2003/05/soap-encoding" e:ref="a"', 'xmlns:xml="urn:x"'),
)
_VALUES = (
    *("", " ", "\n", "0", "-1", "2147483648", "1e400", "NaN", "true", "TRUE", "null", "\u0661"),
    *("{00000000-0000-0000-0000-000000000000}", str(MODULE), "{}", "/Date(9e99)/", "%00", "../.."),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "2015-06-25T24:00:00", "20140231000000"),
    *("' OR 1=1 --", "$[VMName]", "{{x}}", "%s%n", "\uffff", "QUJD", "QUI", "Aborting", "Module"),
)


def _drop(rng: random.Random, text: str) -> str:
    start, end = _span(rng, text)
    return text[:start] + text[end:]


def _double(rng: random.Random, text: str) -> str:
    start, end = _span(rng, text)
    return text[:end] + text[start:]


def _swap(rng: random.Random, text: str) -> str:
    start, end = _span(rng, text)
    other, last = _span(rng, text)
    return text[:start] + text[other:last] + text[end:]


def _insert(rng: random.Random, text: str) -> str:
    place = rng.randrange(len(text) + 1)
    return text[:place] + rng.choice(_PARTS) + text[place:]


def _other_value(rng: random.Random, text: str) -> str:
    return _at_one(rng, _VALUE, text, lambda _found: rng.choice(_VALUES))


def _other_name(rng: random.Random, text: str) -> str:
    names = _NAME.findall(text) or ["a"]
    return _at_one(rng, _NAME, text, lambda _found: rng.choice((*names, "a", "a:b", "x" * 300)))


def _attribute(rng: random.Random, text: str) -> str:
    return _at_one(rng, _NAME, text, lambda found: f"{found} {rng.choice(_ATTRIBUTES)}")


def _attributes(rng: random.Random, text: str) -> str:
    count = rng.choice((10, 63, 70, 255, 260, 2_000))
    form = rng.choice(('a{}=""', 'xmlns:a{}="u{}"', 'xmlns:a{0}="u"'))
    flood = " ".join(form.format(number, number) for number in range(count))
    return _at_one(rng, _NAME, text, lambda found: f"{found} {flood}")


def _nest(rng: random.Random, text: str) -> str:
    depth = rng.choice((2, 30, 61, 64, 200, 300))
    name = rng.choice(("a", "GetJobs", "job", "What"))
    start, end = f"<{name}>" * depth, f"</{name}>" * depth
    return _at_one(rng, _VALUE, text, lambda found: f"{start}{found}{end}")


def _repeat_element(rng: random.Random, text: str) -> str:
    found = list(re.finditer(r"<([\w:]+)[^<>]*?(?:/>|>[^<>]*</\1>)", text))
    if not found:
        return text
    one = rng.choice(found)
    count = min(_often_short(rng, 2_000), 1 + _OFTEN_LONGEST // len(one[0]))
    return text[: one.end()] + one[0] * count + text[one.end() :]


def _lengthen(rng: random.Random, text: str) -> str:
    """Blow up a value."""
    return _lengthened(rng, text, _often_short(rng, _OFTEN_LONGEST))


_UNITS = ("x", " ", "9", "\r\n", "&lt;", "&#9;", "QUJD", "\u00e9", "\u4e2d", "=", "<a/>", "<!---->")


def _lengthened(rng: random.Random, text: str, length: int) -> str:
    unit = rng.choice(_UNITS)
    count = length // len(unit.encode())
    return _at_one(rng, _VALUE, text, lambda found: found + unit * count)


def _version(rng: random.Random, text: str) -> str:
    present = S11 if S11 in text else S12
    return text.replace(present, rng.choice((S11, S12, "urn:x", "")), rng.choice((1, -1)))


def _header(rng: random.Random, text: str) -> str:
    return text.replace("<s:Header>", "<s:Header>" + _block(rng), rng.choice((1, -1)))


def _block(rng: random.Random) -> str:
    kind = rng.choice(("#PasswordText", "#PasswordDigest", "", "#x"))
    name, password = rng.choice((("nobody", "x"), ("admin", "x"), ("", ""), ("a" * 3000, "&#9;")))
    nonce = rng.choice((None, "QUJD", "QUI", "", "*", "QUJD" * 5_000))
    created = rng.choice((None, "", "2026-01-01T00:00:00Z", "x", "9999-12-31T23:59:59Z"))
    made = token(kind, name, password, nonce, created) * rng.choice((1, 1, 1, 2, 50))
    must = rng.choice(("", 's:mustUnderstand="1"', 's:mustUnderstand="x"'))
    others = ('<a xmlns="urn:x" s:mustUnderstand="1"/>', '<a xmlns="urn:x"/>', "text", "<s:Body/>")
    return rng.choice((security(made, must), security(made, must), *others))


def _before(rng: random.Random, text: str) -> str:
    encoding = rng.choice(("utf-8", "utf-16", "latin-1", "x", "cp037", "gb18030", ""))
    befores = (
        f'<?xml version="1.0" encoding="{encoding}"?>',
        "<?xml version='1.1'?>",
        "<!DOCTYPE a>",
        '<!DOCTYPE a [<!ENTITY a "b"><!ENTITY c "&a;&a;&a;">]>',
        "<!-- -->\n",
        "\r\n\r\n ",
        "\ufeff",
    )
    return rng.choice(befores) + text


def _crossed(rng: random.Random, text: str) -> str:
    """A part of another message in place of one of this one."""
    other = rng.choice(calls()).body.decode()
    start, end = _span(rng, text)
    other_start, other_end = _span(rng, other)
    return text[:start] + other[other_start:other_end] + text[end:]


_TEXTS: Sequence[Callable[[random.Random, str], str]] = (
    *(_drop, _double, _swap, _insert, _insert, _other_value, _other_value, _other_name, _attribute),
    *(_attribute, _attributes, _nest, _repeat_element, _lengthen, _version, _header, _header),
    *(_before, _crossed),
)


def _span(rng: random.Random, text: str) -> tuple[int, int]:
    """Where some part begins and ends: a few characters, or what lies between two tags."""
    places = [found.start() for found in _TAG.finditer(text)]
    if len(places) > 1 and rng.random() < 0.7:
        start, end = sorted(rng.sample(range(len(places)), 2))
        return places[start], places[min(end, start + 6)]
    start = rng.randrange(len(text) + 1)
    return start, min(len(text), start + rng.randrange(20))


def _at_one(
    rng: random.Random, pattern: re.Pattern[str], text: str, change: Callable[[str], str]
) -> str:
    """Change what the first group matches in one place of a text."""
    found = list(pattern.finditer(text))
    if not found:
        return text
    one = rng.choice(found)
    return text[: one.start(1)] + change(one[1]) + text[one.end(1) :]


def _often_short(rng: random.Random, most: int) -> int:
    return int(most ** rng.random())


# --- bytes --------------------------------------------------------------------------------------


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _flip(rng: random.Random, data: bytes) -> bytes:
    spoilt_ = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if spoilt_:
            spoilt_[rng.randrange(len(spoilt_))] ^= 1 << rng.randrange(8)
    return bytes(spoilt_)


def _junk(rng: random.Random, data: bytes) -> bytes:
    place = rng.randrange(len(data) + 1)
    junk = rng.choice((b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\xaf", rng.randbytes(9)))
    return data[:place] + junk + data[place:]


def _recoded(rng: random.Random, data: bytes) -> bytes:
    codecs = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "utf-7", "gb18030", "cp037")
    return data.decode("utf-8", "replace").encode(rng.choice(codecs), "replace")


_BYTES: Sequence[Callable[[random.Random, bytes], bytes]] = (_cut, _flip, _junk, _recoded)


# --- headers ------------------------------------------------------------------------------------

_TYPES = (
    *("text/xml", "text/xml; charset=utf-16", "text/xml; charset=x", "application/soap+xml"),
    *('application/soap+xml; action="x"; charset=latin-1', "application/json", "", "\xff", ";;=,"),
    *("multipart/related; boundary=a", "text/plain", "application/xml; charset=utf-8; charset=x"),
)
_HEADERS = (
    *(("SOAPAction", '""'), ("SOAPAction", "urn:x#AbortJob"), ("SOAPAction", "x" * 8_000)),
    *(("Content-Encoding", "gzip"), ("Accept", "application/json"), ("Accept", "*/*;q=x")),
    *(("Idempotency-Key", ""), ("Idempotency-Key", "\xff"), ("Idempotency-Key", "k" * 300)),
    *(("X-Audit-Comment", "c" * 2_000), ("X-Audit-Comment", "\xe9"), ("Host", "a b")),
    *(("X-Request-Id", "<script>"), ("Origin", "null"), ("Origin", "http://evil.example")),
    *(("X-Forwarded-For", "127.0.0.1"), ("Cookie", "a=b"), ("Accept-Language", "x" * 3_000)),
)


def _other_headers(rng: random.Random, made: Message) -> Message:
    kept = [each for each in made.headers if each[0] != "Content-Type" or rng.random() < 0.5]
    if rng.random() < 0.6:
        kept = [each for each in kept if each[0] != "Content-Type"]
        kept.append(("Content-Type", rng.choice(_TYPES)))
    kept += rng.choices(_HEADERS, k=rng.choice((0, 1, 1, 2, 30)))
    return dataclasses.replace(made, headers=tuple(kept))


def spoilt(rng: random.Random, made: Message) -> Message:
    """A message with one thing more wrong in it."""
    kind = rng.random()
    if kind < 0.75:
        return _with_text(made, rng.choice(_TEXTS)(rng, _text(made)))
    if kind < 0.9:
        return dataclasses.replace(made, body=rng.choice(_BYTES)(rng, made.body)[: corpus.LONGEST])
    return _other_headers(rng, made)


def _text(made: Message) -> str:
    return made.body.decode("utf-8", "surrogateescape")


def _with_text(made: Message, text: str) -> Message:
    body = text.encode("utf-8", "surrogateescape")
    return dataclasses.replace(made, body=body[: corpus.LONGEST])


def _with_login(rng: random.Random, made: Message) -> Message:
    """With a login of its own: who could store something by a right call has no right to."""
    kind = rng.random()
    if kind < _WRONG_SHARE:
        login = Login.WRONG
    elif kind < 0.1:
        login = Login.NONE
    elif kind < 0.2 or made.stored_by_right:
        login = Login.READER
    else:
        login = Login.ADMINISTRATOR
    kept = tuple(each for each in made.headers if each[0] != "Authorization")
    return dataclasses.replace(made, headers=(*kept, *login.header))
