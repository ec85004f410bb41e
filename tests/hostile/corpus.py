"""Hostile messages made by hand, in families. All are small in memory until they are asked for."""

import base64
import itertools
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from gateway.surfaces.dispatcher.service import RESOURCES, SCHEDULING, Service
from tests.hostile.messages import MODULE, S11, S12, TYPES, Login, Message, envelope, typed

LONGEST = 8 * 1024 * 1024
"""As many bytes as a body may have."""

_Named = Iterable[tuple[str, str | bytes]]


def _job(inside: str) -> str:
    return f"<ScheduleJob><job>{inside}</job></ScheduleJob>"


def _text(text: str) -> str:
    return _job(f"<Description>{text}</Description>")


def _filled(unit: str, length: int = LONGEST - 1000) -> str:
    return unit * (length // len(unit))


def _messages(
    named: _Named, namespace: str = S11, service: Service = SCHEDULING
) -> Iterator[Message]:
    for name, body in named:
        data = body.encode() if isinstance(body, str) else body
        yield Message(name, data, typed(namespace), service)


# --- what reaches for files, other machines, or memory --------------------------------------

_LAUGHS = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 20))
_WIDE = f'<!ENTITY w "{"w" * 50_000}">'
_CYCLE = '<!ENTITY a "&b;"><!ENTITY b "&a;">'


def _entity_bombs() -> Iterator[Message]:
    bombs = {
        "laughs": (f'<!DOCTYPE l [<!ENTITY e0 "ha">{_LAUGHS}]>', "&e19;"),
        "quadratic": (f"<!DOCTYPE l [{_WIDE}]>", "&w;" * 50_000),
        "cycle": (f"<!DOCTYPE l [{_CYCLE}]>", "&a;"),
        "parameter": ("<!DOCTYPE l [<!ENTITY % a \"<!ENTITY b '&#37;a;'>\"> %a;]>", "&b;"),
        "attribute default": ('<!DOCTYPE l [<!ATTLIST Description x CDATA "&e;">]>', "x"),
        "unfinished": ("<!DOCTYPE l [", "x"),
        "behind comments": ("<!-- -->" * 1000 + '<!DOCTYPE l [<!ENTITY e "x">]>', "&e;"),
        "behind marks": ("\ufeff\ufeff<!DOCTYPE l>", "x"),
        "in lower case": ("<!doctype l>", "x"),
    }
    for name, (before, text) in bombs.items():
        yield from _messages([(name, envelope(_text(text), before=before))])
    utf16 = envelope(_text("&a;"), before=f"<!DOCTYPE l [{_CYCLE}]>").encode("utf-16")
    yield from _messages([("in UTF-16", utf16)])
    yield from _messages([("undefined entities", envelope(_text(_filled("&a;"))))])


_OUTSIDE = (
    "file:///etc/passwd",
    "file:///dev/zero",
    "http://127.0.0.1:9/x",
    "ftp://127.0.0.1:9/x",
    "php://filter/read=x/resource=/etc/passwd",
    "jar:http://127.0.0.1:9/x!/y",
    "data:text/plain,x",
    "\\\\127.0.0.1\\share",
)


def _external_entities() -> Iterator[Message]:
    for target in _OUTSIDE:
        doctypes = {
            "general": f'<!DOCTYPE l [<!ENTITY x SYSTEM "{target}">]>',
            "parameter": f'<!DOCTYPE l [<!ENTITY % x SYSTEM "{target}"> %x;]>',
            "DOCTYPE": f'<!DOCTYPE l SYSTEM "{target}">',
            "public": f'<!DOCTYPE l PUBLIC "-//x" "{target}">',
            "notation": f'<!DOCTYPE l [<!NOTATION n SYSTEM "{target}">]>',
        }
        for name, before in doctypes.items():
            data = envelope(_text("&x;"), before=before)
            yield from _messages([(f"{name} {target}", data)])
        style = f'<?xml-stylesheet type="text/xsl" href="{target}"?>'
        schema = f'i:schemaLocation="urn:x {target}" i:noNamespaceSchemaLocation="{target}"'
        yield from _messages(
            [
                (f"style {target}", envelope(_text("x"), before=style)),
                (f"schema {target}", envelope(_text("x"), root=schema)),
                (f"base {target}", envelope(_text("x"), root=f'xml:base="{target}"')),
            ]
        )


_INCLUDE = 'xmlns:xi="http://www.w3.org/2001/XInclude"'
_XOP = 'xmlns:xop="http://www.w3.org/2004/08/xop/include"'


def _xinclude() -> Iterator[Message]:
    for target in _OUTSIDE:
        for parse in ("xml", "text"):
            element = f'<xi:include {_INCLUDE} href="{target}" parse="{parse}"/>'
            places = {"value": _text(element), "member": _job(element), "operation": element}
            named = [(f"{parse} {p} {target}", envelope(b)) for p, b in places.items()]
            yield from _messages(named)
            fallback = element.replace("/>", "><xi:fallback>x</xi:fallback></xi:include>")
            yield from _messages([(f"{parse} header {target}", envelope("", header=fallback))])


def _xop() -> Iterator[Message]:
    for target in (*_OUTSIDE, "cid:part@x", "#id", "../../etc/passwd", ""):
        include = f'<xop:Include {_XOP} href="{target}"/>'
        upload = f"<UploadResource><content>{include}</content></UploadResource>"
        yield from _messages([(f"upload {target}", envelope(upload))], service=RESOURCES)
        yield from _messages([(f"value {target}", envelope(_text(include), S12))], S12)
        attribute = f'<Description href="{target}"/>'
        yield from _messages([(f"attribute {target}", envelope(_job(attribute)))])
    parts = "--b\r\nContent-Type: application/xop+xml\r\n\r\n{}\r\n--b--"
    related = 'multipart/related; boundary=b; type="application/xop+xml"; start="<a>"'
    for kind in (related, "multipart/related", "multipart/form-data; boundary=b", "multipart/x"):
        headers = (("Content-Type", kind), *Login.ADMINISTRATOR.header)
        yield Message(kind, parts.format(envelope(_text("x"))).encode(), headers)


# --- trees ----------------------------------------------------------------------------------


def _deep() -> Iterator[Message]:
    for depth in (58, 62, 64, 250, 256, 300, 10_000):
        nested = "<a>" * depth + "</a>" * depth
        spaces = "".join(f'<a xmlns="u{i}">' for i in range(depth)) + "</a>" * depth
        yield from _messages(
            [
                (f"{depth} elements", envelope(_job(nested))),
                (f"{depth} default namespaces", envelope(_job(spaces))),
                (f"{depth} in the header", envelope("", header=nested)),
            ]
        )
    combs = ("<a>" * 50 + "</a>" * 50) * 190
    yield from _messages(
        [
            ("never closed", "<a>" * (LONGEST // 3)),
            ("many and deep", envelope(_job(combs))),
            ("operation in itself", envelope("<GetJobs>" * 100 + "</GetJobs>" * 100)),
            ("envelope in itself", envelope(envelope(envelope("<GetJobs/>")))),
        ]
    )


def _wide() -> Iterator[Message]:
    for count in (9_000, 24_000, 99_000, LONGEST // 5):
        yield from _messages(
            [
                (f"{count} unknown", envelope(_job("<a/>" * count))),
                (f"{count} in the Body", envelope("<a/>" * count)),
                (f"{count} in the Header", envelope("<GetJobs/>", header="<a/>" * count)),
            ]
        )
    yield from _messages(
        [
            ("modules", envelope(_job(f"<What>{'<JobWhat><ID/></JobWhat>' * 49_000}</What>"))),
            ("nil items", envelope(_job(f"<What>{'<JobWhat/>' * 99_000}</What>"))),
            ("texts", envelope(_job(f"<x>{'<y>abc</y>' * 95_000}</x>"))),
            ("different names", envelope(_job("".join(f"<a{i}/>" for i in range(99_000))))),
            ("comments", envelope(_text(_filled("<!---->")))),
            ("comments before", _filled("<!-- -->") + envelope("<GetJobs/>")),
            ("comments after", envelope("<GetJobs/>") + _filled("<!-- -->")),
            ("instructions", envelope(_text(_filled("<?a?>")))),
            ("instructions before", _filled("<?a ?>") + envelope("<GetJobs/>")),
            ("unfinished instructions", _filled("<?")),
            ("unfinished comments", _filled("<!--")),
            ("CDATA", envelope(_text(_filled("<![CDATA[a]]>")))),
            ("empty CDATA", envelope(_text(_filled("<![CDATA[]]>")))),
            ("tags in CDATA", envelope(_text(f"<![CDATA[{_filled('<a/>')}]]>"))),
            ("angle brackets", _filled("<")),
            ("closing brackets", envelope(_text(_filled(">")))),
        ]
    )


def _orders() -> Iterator[Message]:
    """Jobs of many parts, all of them known but the last: it takes a look at each."""
    known = f"<JobWhat><ID>{MODULE}</ID><Type>0</Type></JobWhat>"
    unknown = known.replace(str(MODULE), str(uuid.UUID(int=1)))
    nobody = f"<Who><JobWho><ID>{uuid.UUID(int=1)}</ID><Type>0</Type></JobWho></Who>"
    named = "<JobWho><Name>nobody</Name></JobWho>"
    value = "<Parameter><Name>VMName</Name><Value1>x</Value1></Parameter>"
    values = f"<JobParameters>{value * 6_000}</JobParameters>"
    guid = f"<TaskContainerGuid>{MODULE}</TaskContainerGuid>"
    sets = f"<ParameterSet>{guid}{{}}</ParameterSet>"
    one = f"<What>{known}</What>{nobody}"
    orders = {
        "modules": f"<What>{known * 8_000}</What>{nobody}",
        "a hundred modules": f"<What>{known * 99}{unknown}</What>{nobody}",
        "agents": f"<What>{known}</What><Who>{named * 12_000}</Who>",
        "a thousand agents": f"<What>{known * 100}</What><Who>{named * 1_000}</Who>",
        "values": f"{one}<Parameters>{sets.format(values)}</Parameters>",
        "sets of values": f"{one}<Parameters>{sets.format('') * 12_000}</Parameters>",
    }
    for name, order in orders.items():
        yield from _messages([(name, envelope(_job(order)))])
    changes = {
        "ModifyAgentMembership": ("Agent", "Agent in this house", "AddTo"),
        "ModifyTeamMembership": ("Team", "Team in this house", "Add"),
    }
    for operation, (whom, known_as, which) in changes.items():
        for count in (1_000, 12_000):
            object_ = f"<{whom}><Name>{known_as}</Name></{whom}>"
            change = f"<membership>{object_}<{which}>{named * count}</{which}></membership>"
            call = f"<{operation}>{change}</{operation}>"
            yield from _messages([(f"{operation} {count}", envelope(call))])


def _attributes() -> Iterator[Message]:
    sixty = " ".join(f'a{i}=""' for i in range(60))
    letters = " ".join(f'{c}=""' for c in "abcdefghijklmnop")
    yield from _messages(
        [
            ("long", envelope(_job(f'<a x="{_filled("a")}"/>'))),
            ("long in quotes", envelope(_job(f"<a x='{_filled(chr(34))}'/>"))),
            ("references", envelope(_job(f'<a x="{_filled("&#65;")}"/>'))),
            ("line breaks", envelope(_job(f'<a x="{_filled(chr(10))}"/>'))),
            ("on one element", envelope(_job(f"<a {_filled_names(LONGEST)}/>"))),
            ("1000 on one element", envelope(_job(f"<a {_filled_names(9_000)}/>"))),
            ("on many elements", envelope(_job(f"<a {sixty}/>" * 20_000))),
            ("few on many elements", envelope(_job(f"<a {letters}/>" * 90_000))),
            (
                "blanks round the sign",
                envelope(_job(f"<a {letters}/>".replace("=", " = ") * 60_000)),
            ),
            ("twice", envelope(_job('<a x="" x=""/>'))),
            ("twice by namespace", envelope(_job('<a xmlns:b="u" xmlns:c="u" b:x="" c:x=""/>'))),
            ("references to elements", envelope(_job('<a href="x"/>' * 90_000))),
            ("on the Envelope", envelope("<GetJobs/>", root=_filled_names(100_000))),
            ("long name", envelope(_job(f"<a {'x' * 49_000}=''/>"))),
            ("longer name", envelope(_job(f"<a {_filled('x')}=''/>"))),
        ]
    )


def _filled_names(length: int) -> str:
    return " ".join(f'a{i}=""' for i in range(length // 11))


def _names() -> Iterator[Message]:
    for letter in ("x", "\u00e9", "\u4e2d"):
        for length in (200, 49_000, 60_000, (LONGEST - 1000) // len(letter.encode())):
            name = letter * length
            yield from _messages(
                [
                    (f"operation {letter} {length}", envelope(f"<{name}/>")),
                    (f"member {letter} {length}", envelope(_job(f"<{name}/>"))),
                ]
            )
    colons = ("a:b", ":a", "a:", "a:b:c", "xml:a", "xmlns:a")
    yield from _messages([(f"colons {name}", envelope(f"<{name}/>")) for name in colons])


def _namespaces() -> Iterator[Message]:
    many = " ".join(f'xmlns:n{i}="u{i}"' for i in range(9_900))
    used = "<n0:a " + " ".join(f'n{i}:a=""' for i in range(60)) + "/>"
    yield from _messages(
        [
            ("flood", envelope(_job(_filled('<a xmlns:b="u"/>')))),
            (
                "each its own",
                envelope(_job("".join(f'<a xmlns:n{i}="u{i}"/>' for i in range(9_900)))),
            ),
            ("default", envelope(_job("".join(f'<a xmlns="u{i}"/>' for i in range(9_900))))),
            ("on one element", envelope(_job(f"<a {many}/>"))),
            ("on one element, used", envelope(_job(f"<a {many}>{used * 8_000}</a>"))),
            ("on one element, last", envelope(_job(f"<a {many}>{'<n9899:a/>' * 49_000}</a>"))),
            ("long", envelope(_job(f'<a xmlns="{_filled("u")}"/>'))),
            ("no declaration", envelope(_job("<n:a/>"))),
            ("xml for another", envelope(_job('<a xmlns:xml="u"/>'))),
            ("xmlns for another", envelope(_job('<a xmlns:xmlns="u"/>'))),
            ("taken back", envelope(_job('<a xmlns:b=""><b:c/></a>'))),
            ("as text", envelope(_text(_filled("xmlns")))),
            ("no namespace", "<Envelope><Body><GetJobs/></Body></Envelope>"),
            ("another Envelope", envelope("<GetJobs/>").replace(S11, "urn:x")),
            ("two versions", envelope("<GetJobs/>").replace("<s:Body", f'<s:Body xmlns:s="{S12}"')),
        ]
    )


def _collisions() -> Iterator[Message]:
    """Names that are alike to simple hashes of strings, with no seed of their own."""
    # Times 31, times 33, and the ends and the length only, as libxml2 once did.
    kinds = {
        "31": ("Aa", "BB"),
        "33": ("Ab", "BA"),
        "ends": None,
    }
    for kind, pair in kinds.items():
        names = _alike(pair)
        prefixes = names[:9_000]
        declared = " ".join(f'xmlns:{name}="{name}"' for name in prefixes)
        yield from _messages(
            [
                (f"{kind} elements", envelope(_job("".join(f"<{n}/>" for n in names)))),
                (f"{kind} attributes", envelope(_job(f"<a {_empty(names)}/>"))),
                (f"{kind} few attributes", envelope(_job(f"<a {_empty(names[:60])}/>" * 300))),
                (f"{kind} prefixes", envelope(_job(f"<a {declared}><{prefixes[-1]}:b/></a>"))),
                (f"{kind} ids", envelope(_job("".join(f'<a xml:id="{n}"/>' for n in names)))),
            ]
        )
    spaces = [f'<ID xmlns="urn:{i}"/>' for i in range(9_000)]
    members = [f'<Description xmlns="urn:{i}">x</Description>' for i in range(9_000)]
    yield from _messages(
        [
            ("one name in many namespaces", envelope(_job(f"<x>{''.join(spaces)}</x>"))),
            ("one member in many namespaces", envelope(_job("".join(members)))),
            (
                "one operation in many",
                envelope("".join(f'<GetJobs xmlns="u{i}"/>' for i in range(900))),
            ),
        ]
    )


def _alike(pair: tuple[str, str] | None) -> list[str]:
    if pair is None:
        return [f"aaaaaaaaaa{i:06}aaaaaaaaaa" for i in range(16_384)]
    return ["".join(each) for each in itertools.product(pair, repeat=14)]


def _empty(names: Iterable[str]) -> str:
    return " ".join(f'{name}=""' for name in names)


# --- what security headers may hold -----------------------------------------------------------

_WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
_PROFILE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0"
_DSIG = "http://www.w3.org/2000/09/xmldsig#"
_NAME, _PASSWORD = Login.WRONG.value or ("", "")
_NONCE = base64.b64encode(b"0123456789abcdef").decode()
_CREATED = "2026-01-01T00:00:00Z"


def security(content: str, must: str = "") -> str:
    """A Security header."""
    return f'<w:Security xmlns:w="{_WSSE}" xmlns:u="{_WSU}" {must}>{content}</w:Security>'


def token(
    kind: str = "#PasswordText",
    name: str = _NAME,
    password: str = _PASSWORD,
    nonce: str | None = _NONCE,
    created: str | None = _CREATED,
) -> str:
    """A UsernameToken; with None for nonce or created it has none."""
    more = "" if nonce is None else f"<w:Nonce>{nonce}</w:Nonce>"
    more += "" if created is None else f"<u:Created>{created}</u:Created>"
    kind = kind if "://" in kind or not kind else f"{_PROFILE}{kind}"
    return (
        f"<w:UsernameToken><w:Username>{name}</w:Username>"
        f'<w:Password Type="{kind}">{password}</w:Password>{more}</w:UsernameToken>'
    )


_DIGEST = base64.b64encode(b"d" * 20).decode()
_TOKENS = {
    "text": token(),
    "digest": token("#PasswordDigest", password=_DIGEST),
    "digest of another length": token("#PasswordDigest", password="QUJD"),
    "digest without nonce": token("#PasswordDigest", password=_DIGEST, nonce=None),
    "digest without created": token("#PasswordDigest", password=_DIGEST, created=None),
    "no type": token(""),
    "unknown type": token("#PasswordNothing"),
    "type of another site": token("http://evil.example/#PasswordText"),
    "empty password": token(password=""),
    "empty name": token(name=""),
    "empty both": token(name="", password=""),
    "huge name": token(name="n" * 100_000),
    "huge password": token(password="p" * 100_000),
    "huge nonce": token(nonce="QUJD" * 500_000),
    "no Base64": token("#PasswordDigest", password="***", nonce="!!!"),
    "Base64 cut": token(nonce=_NONCE[:-3]),
    "nonce in hexadecimal": token(nonce="30313233343536"),
    "elements in the name": token(name="<a/>"),
    "elements in the password": token(password="<a>x</a>"),
    "control characters": token(name="a&#9;&#10;b", password="&#13;"),
    "nil": '<w:UsernameToken i:nil="true"/>',
    "empty": "<w:UsernameToken/>",
    "no password": "<w:UsernameToken><w:Username>admin</w:Username></w:UsernameToken>",
    "no name": "<w:UsernameToken><w:Password>x</w:Password></w:UsernameToken>",
    "two tokens": token() * 2,
    "two hundred tokens": token() * 200,
    "two names": token().replace("<w:Password", "<w:Username>admin</w:Username><w:Password"),
    "two passwords": token().replace(
        "</w:UsernameToken>", "<w:Password>x</w:Password></w:UsernameToken>"
    ),
    "two nonces": token().replace("<w:Nonce>", "<w:Nonce>QUJD</w:Nonce><w:Nonce>"),
    "bare text": "admin:correct horse battery",
    "no namespace": "<UsernameToken><Username>admin</Username></UsernameToken>",
}
_CREATEDS = (
    "",
    "now",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "2026-02-30T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:00:00+99:99",
    "2026-01-01T00:00:00." + "9" * 10_000 + "Z",
    "9" * 10_000,
    "-2026-01-01T00:00:00Z",
    "\u0662\u0660\u0662\u0666-01-01T00:00:00Z",
)


def _tokens() -> Iterator[Message]:
    replayed = envelope("<GetModules/>", header=security(token()))
    named = {name: security(content) for name, content in _TOKENS.items()}
    named |= {f"created {each[:30]}": security(token(created=each)) for each in _CREATEDS}
    named["must be understood"] = security(token(), 's:mustUnderstand="1"')
    named["for another"] = security(token(), 's:actor="urn:x"')
    named["two headers"] = security(token()) * 2
    named["stamps"] = security(f"<u:Timestamp><u:Created>{_CREATED}</u:Created></u:Timestamp>" * 50)
    for name, header in named.items():
        data = envelope("<GetModules/>", header=header).encode()
        yield Message(name, data, typed(S11, Login.ADMINISTRATOR))
        yield Message(f"{name}, without Basic", data, typed(S11, Login.NONE))
    for round_ in range(3):
        yield Message(f"replay {round_}", replayed.encode(), typed(S11, Login.NONE))


def _signatures() -> Iterator[Message]:
    reference = (
        '<d:Reference URI="file:///etc/passwd"><d:Transforms>{}</d:Transforms></d:Reference>'
    )
    transform = (
        '<d:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116">'
        '<x:stylesheet xmlns:x="http://www.w3.org/1999/XSL/Transform" version="1.0">'
        '<x:template match="/"><x:value-of select="document(\'file:///etc/passwd\')"/>'
        "</x:template></x:stylesheet></d:Transform>"
    )
    many = reference.format(transform * 20) * 20
    junk = {
        "transforms": f"<d:SignedInfo>{many}</d:SignedInfo>",
        "value": f"<d:SignatureValue>{'QUJD' * 200_000}</d:SignatureValue>",
        "no Base64": "<d:SignatureValue>&#13;***</d:SignatureValue>",
        "key": '<d:KeyInfo><d:RetrievalMethod URI="http://127.0.0.1:9/x"/></d:KeyInfo>',
        "certificates": f"<d:KeyInfo>{'<d:X509Data>QUJD</d:X509Data>' * 2000}</d:KeyInfo>",
        "encrypted": '<e:EncryptedKey xmlns:e="http://www.w3.org/2001/04/xmlenc#"/>',
        "assertion": '<a:Assertion xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion"/>',
    }
    for name, content in junk.items():
        signature = f'<d:Signature xmlns:d="{_DSIG}">{content}</d:Signature>'
        yield from _messages(
            [
                (name, envelope("<GetModules/>", header=security(signature))),
                (f"{name} in a job", envelope(_job(signature))),
            ]
        )
    wrapped = '<w:x xmlns:w="urn:x"><s:Body><ScheduleJob/></s:Body></w:x>'
    yield from _messages([("Body within the Header", envelope("<GetModules/>", header=wrapped))])


# --- bytes ------------------------------------------------------------------------------------

_CODECS = (
    *("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "utf-7", "cp037"),
    *("shift_jis", "gb18030", "big5", "euc_jp", "euc_kr", "iso2022_jp", "hz", "koi8-r", "cp1252"),
)
_CHARSETS = (
    *("utf-16", "utf-32", "utf-7", "idna", "punycode", "rot13", "hex", "zlib", "undefined"),
    *("unicode_escape", "base64", "latin-1", "ISO-8859-1", "x" * 10_000, "..", "%00", "\xff", ""),
)


def _encodings() -> Iterator[Message]:
    text = _text("gr\u00fc\u00df \u65e5\u672c")
    for codec in _CODECS:
        for declared in dict.fromkeys((None, codec, "utf-16", "utf-8")):
            before = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
            data = envelope(text, before=before).encode(codec, "replace")
            yield from _messages([(f"{codec} as {declared}", data)])
    for charset in _CHARSETS:
        kind = (("Content-Type", f'text/xml; charset="{charset}"'), *Login.ADMINISTRATOR.header)
        yield Message(f"charset {charset[:20]!r}", envelope(text).encode(), kind)
        declared = f"<?xml version='1.0' encoding='{charset}'?>"
        yield from _messages([(f"declared {charset[:20]!r}", envelope(text, before=declared))])
    bad = {
        "surrogates": b"\xed\xa0\x80",
        "overlong": b"\xc0\xaf",
        "cut": b"\xe2\x82",
        "no character": b"\xef\xbf\xbf",
        "zero": b"\0",
        "controls": bytes(range(1, 32)),
        "Latin-1": b"\xe9",
        "beyond": b"\xf4\x90\x80\x80",
    }
    for name, junk in bad.items():
        yield from _messages([(name, envelope(_text("{}")).encode().replace(b"{}", junk))])
    yield from _messages(
        [
            ("zeros", bytes(LONGEST)),
            ("ones", b"\xff" * LONGEST),
            ("marks", "\ufeff" * (LONGEST // 3)),
            ("half a character", envelope(text).encode("utf-16")[:-1]),
            ("wide text", envelope(_text("\u4e2d" * (LONGEST // 2 - 500))).encode("utf-16")),
            ("declaration without end", "<?xml " + "a" * 100_000),
            ("two declarations", "<?xml version='1.0'?>" * 2 + envelope("<GetJobs/>")),
            ("XML 1.1", envelope("<GetJobs/>", before="<?xml version='1.1'?>")),
            ("XML 9", envelope("<GetJobs/>", before="<?xml version='9.9' standalone='maybe'?>")),
        ]
    )


def _truncated() -> Iterator[Message]:
    whole = envelope(_text("x"), before="<?xml version='1.0'?>").encode()
    for length in range(0, len(whole), 7):
        yield from _messages([(f"{length} bytes", whole[:length])])
    yield from _messages(
        [
            ("in a tag", whole[:-1]),
            ("more behind it", whole + whole),
            ("text behind it", whole + b"x"),
            ("blanks only", _filled(" ")),
            ("no XML", b"POST / HTTP/1.1\r\n\r\n"),
            ("JSON", b'{"job": {}}'),
            ("an archive", b"PK\x03\x04" + bytes(1000)),
            ("compressed", b"\x1f\x8b\x08\0" + bytes(1000)),
            ("too long", bytes(LONGEST + 1)),
        ]
    )


# --- headers and values -------------------------------------------------------------------------


def _headers() -> Iterator[Message]:
    data = envelope("<GetModules/>").encode()
    usual = typed()
    sent: dict[str, tuple[tuple[str, str], ...]] = {
        "a thousand": tuple((f"X-{i}", "x") for i in range(1000)),
        "one a thousand times": (("X-A", "x"),) * 1000,
        "two lengths": (("Content-Type", "application/json"), ("Accept", "application/json")),
        "long action": (("SOAPAction", "x" * 60_000),),
        "another action": (("SOAPAction", '"urn:dispatcher-gateway:scheduling:1/AbortJob"'),),
        "forwarded": (("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Host", "evil.example")),
        "compressed": (("Content-Encoding", "gzip"),),
        "compressed twice": (("Content-Encoding", "gzip, br, deflate"),),
        "comment": (("X-Audit-Comment", "c" * 60_000),),
        "comment of bytes": (("X-Audit-Comment", "\xff\xfe\x80"),),
        "key": (("Idempotency-Key", "k" * 60_000),),
        "two keys": (("Idempotency-Key", "a"), ("Idempotency-Key", "b")),
        "request id": (("X-Request-Id", "'\"><script>" * 100),),
        "another site": (("Origin", "http://evil.example"), ("Sec-Fetch-Site", "cross-site")),
        "accept": (("Accept", ",".join(["a/b;q=0.1"] * 5000)),),
        "cookies": (("Cookie", "a=b; " * 5000),),
        "range": (("Range", "bytes=" + "0-1," * 5000),),
        "methods": (("X-HTTP-Method-Override", "DELETE"),),
        "proxy": (("Proxy", "http://127.0.0.1:9/"),),
    }
    for name, headers in sent.items():
        yield Message(name, data, (*usual, *headers))
        yield Message(f"{name}, 1.2", data.replace(S11.encode(), S12.encode()), (*headers, *usual))
    kinds = (
        *("", "text/xml", ";", "text/xml;" * 1000, "application/soap+xml; action=" + "x" * 50_000),
        *("text/plain", "application/json", "a" * 60_000, "text/xml; charset*=utf-8''x", "\xff"),
        *(TYPES[S12], "multipart/form-data", "application/x-www-form-urlencoded", 'text/xml; a="'),
    )
    for kind in kinds:
        yield Message(
            f"type {kind[:30]}", data, (("Content-Type", kind), *Login.ADMINISTRATOR.header)
        )
    yield Message("no type", data, Login.ADMINISTRATOR.header)
    yield from _logins(data)
    yield from _blocks()


def _logins(data: bytes) -> Iterator[Message]:
    logins = (
        *("Basic", "Basic ", "Basic ***", "Basic " + "QUJD" * 10_000, "basic OjpB", "Basic OjpB="),
        *(
            "Bearer x",
            "Digest username=x",
            "Negotiate TlRMTVNTUAAB",
            "\xff",
            "Basic \xff",
            "x" * 60_000,
        ),
        *(
            "Basic " + base64.b64encode(b"\xff\xfe:\0").decode(),
            "Basic " + base64.b64encode(b"a").decode(),
        ),
    )
    for login in logins:
        yield Message(
            f"login {login[:30]!r}", data, (*typed(login=Login.NONE), ("Authorization", login))
        )
    yield Message("wrong login", data, typed(login=Login.WRONG))
    yield Message("no login", data, typed(login=Login.NONE))


def _blocks() -> Iterator[Message]:
    for namespace in (S11, S12):
        must = '<a xmlns="urn:x" s:mustUnderstand="{}" s:role="{}" s:actor="{}"/>'
        for value, role in itertools.product(("1", "true", "maybe", "0" * 50_000), ("", "urn:x")):
            header = must.format(value, role, role)
            name = f"must {value[:5]} {role} {namespace[-9:]}"
            yield from _messages(
                [(name, envelope("<GetJobs/>", namespace, header=header))], namespace
            )
        flood = '<a s:mustUnderstand="0">x</a>' * 9_000
        yield from _messages(
            [
                (f"blocks {namespace}", envelope("<GetJobs/>", namespace, header=flood)),
                (
                    f"two headers {namespace}",
                    f'<s:Envelope xmlns:s="{namespace}"><s:Header/><s:Header/><s:Body><GetJobs/></s:Body></s:Envelope>',
                ),
                (
                    f"two bodies {namespace}",
                    f'<s:Envelope xmlns:s="{namespace}"><s:Body><GetJobs/></s:Body><s:Body><GetWho/></s:Body></s:Envelope>',
                ),
                (f"no body {namespace}", f'<s:Envelope xmlns:s="{namespace}"/>'),
                (f"fault {namespace}", envelope("<s:Fault/>", namespace)),
                (f"text {namespace}", envelope("x<GetJobs/>y", namespace)),
            ],
            namespace,
        )


def _values() -> Iterator[Message]:
    long = {
        "digits": _filled("9"),
        "a text": _filled("x"),
        "line ends": _filled("\r\n"),
        "references": _filled("&lt;"),
        "numbers": _filled("&#65;"),
        "blanks": _filled(" "),
        "wide": _filled("\u4e2d", LONGEST // 3 - 1000),
        "zeros": "0" * 4_300,
        "more zeros": "1" + "0" * 5_000,
    }
    places = {
        "page": "<GetJobs><page>{}</page></GetJobs>",
        "id": "<GetJob><jobId>{}</jobId></GetJob>",
        "flag": "<GetJobs><recurringJobs>{}</recurringJobs></GetJobs>",
        "description": _text("{}"),
        "time": _job("<When><ScheduledDateTime>{}</ScheduledDateTime></When>"),
        "fraction": _job(
            "<When><ScheduledDateTime>2015-01-01T00:00:00.{}</ScheduledDateTime></When>"
        ),
        "period": "<GetJobUsageReport><start>{}</start></GetJobUsageReport>",
        "search": "<GetWho><search>{}</search></GetWho>",
        "stage": "<GetJobs><stage>{}</stage></GetJobs>",
    }
    for name, value in long.items():
        yield from _messages(
            [(f"{name} for a text", envelope(places["description"].format(value)))]
        )
    for (place, body), name in itertools.product(places.items(), ("digits", "blanks")):
        yield from _messages([(f"{name} for {place}", envelope(body.format(long[name])))])
    odd = ("-1", "0", "2147483648", "-0", "1e9", "NaN", "0x10", "\u0661", "+1", "1_000", "null", "")
    for value, (place, body) in itertools.product(odd, places.items()):
        yield from _messages([(f"{value} for {place}", envelope(body.format(value), S12))], S12)
    # No right folder or name: what could be decoded may not be stored.
    upload = "<UploadResource><name>a/b\\:*</name><folder>..</folder><content>{}</content></UploadResource>"
    contents = {
        "Base64": "QUJD",
        "Base64 in short lines": "QU JD\n",
        "references": "&#x51;",
        "signs of equality": "=",
        "no Base64": "!",
    }
    for name, unit in contents.items():
        data = envelope(upload.format(_filled(unit, LONGEST - 2000)))
        yield from _messages([(f"file of {name}", data)], service=RESOURCES)


FAMILIES: Mapping[str, Callable[[], Iterator[Message]]] = MappingProxyType(
    {
        "entity bombs": _entity_bombs,
        "external entities": _external_entities,
        "XInclude": _xinclude,
        "XOP and attachments": _xop,
        "deep trees": _deep,
        "wide trees": _wide,
        "orders": _orders,
        "attributes": _attributes,
        "names": _names,
        "namespaces": _namespaces,
        "hash collisions": _collisions,
        "username tokens": _tokens,
        "signatures": _signatures,
        "encodings": _encodings,
        "truncated": _truncated,
        "headers": _headers,
        "values": _values,
    }
)


def small(longest: int) -> list[Message]:
    """All messages of no more than so many bytes: to make others of."""
    everything = itertools.chain.from_iterable(make() for make in FAMILIES.values())
    return [message for message in everything if len(message.body) <= longest]
