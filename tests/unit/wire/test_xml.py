"""The guarded XML parser: what it takes, what it refuses, and that it never raises else."""

import concurrent.futures
import contextlib
import pathlib
import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire import xml
from gateway.wire.errors import XmlError

BOMB = (
    b'<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY a%d "%s">' % (i, b"&a%d;" % (i - 1) * 10) for i in range(1, 10))
    + b"]><b>&a9;</b>"
).replace(b"&a0;", b"&a;")


@pytest.mark.parametrize(
    "data",
    [
        '<?xml version="1.0" encoding="utf-8"?><a>Ä-€</a>'.encode(),
        '<?xml version="1.0" encoding="windows-1252"?><a>Ä-€</a>'.encode("cp1252"),
        '<?xml version="1.0" encoding="utf-16"?><a>Ä-€</a>'.encode("utf-16"),
        '<?xml version="1.0" encoding="utf-16"?><a>Ä-€</a>'.encode(),
        "<a>Ä-€</a>".encode("utf-8-sig"),
        "<a>Ä-€</a>".encode("cp1252"),
        '\r\n <?xml version="1.0"?><a>Ä-€</a>'.encode(),
        "<a>&#196;-<![CDATA[€]]></a>".encode(),
        "<a>Ä<!-- not text -->-€<?not text?></a>".encode(),
    ],
)
def test_a_document_is_read_in_whatever_encoding_it_is(data: bytes) -> None:
    root = xml.parse(data)
    assert (root.tag, root.text, len(root)) == ("a", "Ä-€", 0)


def test_the_charset_parameter_counts_for_undeclared_text() -> None:
    assert xml.parse("<a>Łódź</a>".encode("iso8859-2"), charset="iso-8859-2").text == "Łódź"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "it is empty|Document is empty"),
        (b"   \n ", "empty"),
        (b"{}", "line 1, column 1"),
        (b"<a>\n<b></a>", "line 2, column 8"),
        (b"<a>\0</a>", "not well-formed"),
        (b"<a>&nbsp;</a>", "nbsp"),
        (b"<!DOCTYPE a><a/>", "DOCTYPE"),
        (b"<!-- <a> --><!DOCTYPE a SYSTEM 'http://127.0.0.1:9/x.dtd'><a/>", "DOCTYPE"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "DOCTYPE"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a b="&x;"/>', "DOCTYPE"),
        (BOMB, "DOCTYPE|not well-formed"),
        (b"<a xmlns:x='u' x:a='' x:a=''/>", "line 1"),
        (b"<x:a/>", "x"),
        (b"<?xml version='1.0' encoding='bogus'?><a/>", "'bogus' is not known"),
        (b"<a>" * 65 + b"</a>" * 65, "nested deeper than 64"),
        (b"<a>" * 100_000, "more than 25000 elements"),
        (b"<a>" * 20_000, "not well-formed|deeper"),
        (b"<a>" + b"<b/>" * 25_000 + b"</a>", "more than 25000 elements"),
        (b"<a>" + b"<!---->" * 25_000 + b"</a>", "more than 25000 elements"),
        (b"<a>" + b"<b c = '' d\n=\n'' e=''/>" * 17_000 + b"</a>", "more than 50000 attributes"),
        (b"<a>" + b"&lt;" * 1_048_577 + b"</a>", "too many references"),
        (b"<a " + b" ".join(b'a%d=""' % i for i in range(65)) + b"/>", "more than 64 attributes"),
        (b"<a xmlns = '" + b"u" * 300_000 + b"'/>", "a namespace of more than 2000 characters"),
        (b'<b:a xmlns:b="' + b"u" * 300_000 + b'"/>', "a namespace of more than 2000 characters"),
        (
            b"<a " + b" ".join(b'xmlns:a%d="u"' % i for i in range(10_001)) + b"/>",
            "more than 10000 namespaces",
        ),
        (b"<a>" + b"x" * 10_000_001 + b"</a>", "line"),
        (b"<a>" + b" " * xml.DEFAULT_LIMITS.size + b"</a>", "larger than"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_refused_and_how_it_is_said(data: bytes, problem: str) -> None:
    with pytest.raises(XmlError, match=problem):
        xml.parse(data)


@pytest.mark.parametrize(
    "data",
    [
        b"<a>" * 300,
        b"<a>" + b"x" * 10_000_001 + b"</a>",
        b"<a b='" + b"x" * 10_000_001 + b"'/>",
        b"<a>&#1;</a>",
        b"<a>&#xD800;</a>",
        "<a/>".encode("utf-32-le"),
        b"<?",
        b"<a><?1?></a>",
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_refusal_tells_nothing_of_the_parser(data: bytes) -> None:
    with pytest.raises(XmlError, match="line 1, column") as caught:
        xml.parse(data)
    assert not re.search(r"XML_|xmlParse|\n", caught.value.sentence)


def test_what_is_just_within_the_limits_passes() -> None:
    assert len(xml.parse(b"<a>" + b"<b c='' d = ''/>" * 24_999 + b"</a>")) == 24_999
    assert xml.parse(b"<a xmlns='" + b"u" * 2000 + b"'/>").tag.startswith("{u")
    assert len(xml.parse(b"<a>" + b"=" * 100_000 + b"</a>").text or "") == 100_000
    assert len(xml.parse(b"<a>" + b"&lt;" * 1_048_576 + b"</a>").text or "") == 1_048_576
    assert xml.parse(b"<a>" * 64 + b"</a>" * 64).tag == "a"
    wide = b"<a " + b" ".join(b'a%d=""' % i for i in range(64)) + b"/>"
    assert len(xml.parse(wide).attrib) == 64


def test_limits_can_be_narrower() -> None:
    with pytest.raises(XmlError, match="nested deeper than 1"):
        xml.parse(b"<a><b/></a>", limits=xml.XmlLimits(depth=1))


def test_an_external_entity_is_not_opened(tmp_path: pathlib.Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hush")
    for entity in (
        f'<!ENTITY x SYSTEM "{secret.as_uri()}">',
        f'<!ENTITY % x SYSTEM "{secret}"> %x;',
    ):
        with pytest.raises(XmlError) as caught:
            xml.parse(f"<!DOCTYPE a [{entity}]><a>&x;</a>".encode())
        assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "before", ["", "\ufeff", "\ufeff\ufeff", " \ufeff\n\ufeff", "<?p i?>\ufeff"]
)
def test_no_byte_order_mark_hides_a_doctype(tmp_path: pathlib.Path, before: str) -> None:
    """libxml2 skips a mark of its own; it then opened the file that the DOCTYPE names."""
    outside = tmp_path / "outside.dtd"
    outside.write_text("no declarations, which libxml2 would complain of")
    for doctype in (f'SYSTEM "{outside.as_uri()}"', '[<!ENTITY x "y">]'):
        with pytest.raises(XmlError, match=r"DOCTYPE|not well-formed") as caught:
            xml.parse(f"{before}<!DOCTYPE a {doctype}><a/>".encode())
        assert "subset" not in str(caught.value)


@pytest.mark.parametrize(
    "doctype",
    [
        "a SYSTEM 'outside.dtd'",
        "a PUBLIC 'p' 'outside.dtd'",
        "a [<!ENTITY % p SYSTEM 'outside.dtd'> %p;]",
        "a [<!ENTITY x SYSTEM 'outside.dtd'>]",
        "a [<!ENTITY x 'y'>]",
        "a",
    ],
)
def test_a_doctype_is_refused_by_the_parser_too(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, doctype: str
) -> None:
    (tmp_path / "outside.dtd").write_text("<!ENTITY x 'hush'><!ATTLIST a b CDATA 'hush'>")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(xml, "_DOCTYPE", re.compile(b"(?!)"))
    with pytest.raises(XmlError, match="has a DOCTYPE"):
        xml.parse(f"<!DOCTYPE {doctype}><a>&lt;</a>".encode())


def test_threads_get_their_own_errors() -> None:
    def problem(number: int) -> str:
        with pytest.raises(XmlError) as caught:
            xml.parse(f"<a><tag{number}></a>".encode())
        return str(caught.value)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        told = list(pool.map(problem, range(400)))
    assert all(f"tag{number} " in each for number, each in enumerate(told))


@given(
    st.binary(max_size=200)
    | st.text(alphabet="<>/!?a&;'\"= \n[]-#x0:", max_size=80).map(str.encode)
)
def test_any_bytes_give_a_tree_or_an_xml_error(data: bytes) -> None:
    with contextlib.suppress(XmlError):
        xml.parse(data)


ENCODINGS = st.sampled_from(
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "iso8859-1", "iso8859-15"]
)


@given(
    st.sampled_from(["<a>Größe</a>", "<a><b/>ß</a>", "<a", "ä", "", "<!DOCTYPE a><a/>"]),
    ENCODINGS,
    st.none() | ENCODINGS | st.text(max_size=10),
    st.none() | ENCODINGS | st.text(alphabet="abcUTF-8 16", max_size=10),
)
def test_any_claims_about_the_encoding_give_a_tree_or_an_xml_error(
    text: str, encoding: str, charset: str | None, declared: str | None
) -> None:
    declaration = "" if declared is None else f'<?xml version="1.0" encoding="{declared}"?>'
    with contextlib.suppress(XmlError):
        xml.parse((declaration + text).encode(encoding), charset=charset)


def _names(count: int, number: int) -> bytes:
    elements = "".join(f"<e{number}_{place}/>" for place in range(count))
    return f"<r>{elements}</r>".encode()


def test_a_large_document_is_parsed_by_a_thread_that_takes_its_names_along() -> None:
    threads: list[str] = []
    original = xml._parser

    def noted() -> object:
        threads.append(threading.current_thread().name)
        return original()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xml, "_parser", noted)
        small, large = xml.parse(_names(10, 1)), xml.parse(_names(3000, 2))
    assert threads == [threading.current_thread().name, "xml"]
    # The tree outlives its thread.
    assert [len(small), len(large)] == [10, 3000]
    assert large[2999].tag == "e2_2999"


def test_a_thread_that_has_met_much_parses_nothing_more_itself() -> None:
    found: list[int] = []
    original = xml._parsed_apart

    def apart(text: bytes) -> object:
        found.append(len(text))
        return original(text)

    def meet() -> None:
        xml.parse(b"<r/>")
        xml._of_this_thread.met = xml._BYTES_OF_A_THREAD
        xml.parse(b"<r></r>")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xml, "_parsed_apart", apart)
        thread = threading.Thread(target=meet)
        thread.start()
        thread.join()
    assert found == [7]


def test_a_large_document_that_is_none_says_where() -> None:
    with pytest.raises(XmlError, match="not well-formed XML: line 1"):
        xml.parse(_names(3000, 3)[:-4])
