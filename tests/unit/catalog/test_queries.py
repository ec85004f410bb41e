import json

import pytest

from gateway.catalog.queries import (
    MAX_EXPRESSION,
    QueryError,
    by_json_path,
    by_xpath,
    check_json_path,
    check_xpath,
)

DOCUMENT = json.dumps(
    {
        "id": 17,
        "whole": 2.0,
        "part": 1.5,
        "name": "Zoë",
        "yes": True,
        "none": None,
        "list": [{"n": "a1", "v": 1}, {"n": "b2", "v": 2}, {"n": "b\r3", "v": 3}],
    }
).encode()


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.id", "17"),
        ("$.whole", "2"),
        ("$.part", "1.5"),
        ("$.name", "Zoë"),
        ("$['yes']", "true"),
        ("$.none", None),
        ("$.missing", None),
        ("$.list[1].n", "b2"),
        ("$.list[-1].v", "3"),
        ("$..v", "1"),
        ("$.list[?@.v > 1].n", "b2"),
        ("$.list[?match(@.n, 'b.')].v", "2"),
        ("$.list[?match(@.n, '.')].v", None),
        ("$.list[?search(@.n, '^?3')].v", "3"),
        ("$.list[?match(@.v, '1')].v", None),
        ("$.list[0]", '{"n":"a1","v":1}'),
    ],
)
def test_json_paths(path: str, found: str | None) -> None:
    assert by_json_path(path, DOCUMENT) == found


def test_json_in_utf_16() -> None:
    assert by_json_path("$.a", '{"a": "ß"}'.encode("utf-16")) == "ß"


def test_a_pattern_within_a_path_cannot_take_for_ever() -> None:
    # The library's own engine would backtrack.
    document = json.dumps(["a" * 50_000 + "b"]).encode()
    assert by_json_path("$[?match(@, '(a*)*c')]", document) is None


@pytest.mark.parametrize(
    "document", [b"", b"<a/>", b"{", b"[NaN]", b"\xff\xfe\xff", b"[" * 200_000]
)
def test_what_is_not_json(document: bytes) -> None:
    with pytest.raises(QueryError, match="not JSON"):
        by_json_path("$", document)


@pytest.mark.parametrize(
    "path", ["", "a", "$.", "$[", "$.a[?nosuch(@)]", "$" + ".a" * MAX_EXPRESSION]
)
def test_what_is_no_json_path(path: str) -> None:
    with pytest.raises(QueryError):
        check_json_path(path)


XML = b"""<?xml version="1.0"?>
<o:order xmlns:o="urn:o" xmlns="urn:d" no="7"><!-- no --><o:item>a<b>c</b></o:item>
<o:item>second</o:item><other/></o:order>"""


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/o:order/@no", "7"),
        ("//o:item", "ac"),
        ("//o:item/text()", "a"),
        ("//o:item[last()]", "second"),
        ("//*[local-name()='other']", ""),
        ("//nothing", None),
        ("count(//o:item)", "2"),
        ("count(//o:item) div 4", "0.5"),
        ("count(//o:item) > 1", "true"),
        ("string(/o:order/@no)", "7"),
    ],
)
def test_xpaths(path: str, found: str | None) -> None:
    assert by_xpath(path, XML) == found


@pytest.mark.parametrize("path", ["//", "a[", "1 +", "x" * (MAX_EXPRESSION + 1)])
def test_what_is_no_xpath(path: str) -> None:
    with pytest.raises(QueryError):
        check_xpath(path)


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/a", b"{}"),
        ("/a", b'<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>'),
        ("/x:a", b"<a/>"),
        ("re:test('a', '(a*)*b')", b'<a xmlns:re="http://exslt.org/regular-expressions"/>'),
        ("document('/etc/passwd')", b"<a/>"),
    ],
)
def test_what_cannot_be_asked_of_xml(path: str, document: bytes) -> None:
    with pytest.raises(QueryError):
        by_xpath(path, document)
