"""Message classes: declaration, both dialects, and that nothing but MessageError comes out."""

import contextlib
import dataclasses
import datetime
import enum
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.wire import json_messages, samples, wcf_json, xml, xml_messages
from gateway.wire.errors import MessageError
from gateway.wire.messages import ListOf, Message, member, messages, nested, scalars
from gateway.wire.scalars import (
    BOOLEAN,
    BYTES,
    DATETIME,
    GUID,
    GUID_OR_NAME,
    INTEGER,
    TEXT,
    Scalar,
    enumeration,
)

NAMESPACE = "urn:test"
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
XSI = 'xmlns:i="http://www.w3.org/2001/XMLSchema-instance"'


class Kind(enum.IntEnum):
    Ship = 0
    Crew = 1


class Part(Message):
    """A small message."""

    ID: uuid.UUID | str | None = member(GUID_OR_NAME, "Its id or name.")
    Type: Kind | None = member(enumeration(Kind), "Its kind.")


class Whole(Message, name="Thing"):
    """A message with everything, under another name on the wire."""

    Words: str | None = member(TEXT, "Words.", sample="word")
    Count: int | None = member(INTEGER, "A number.")
    Flag: bool | None = member(BOOLEAN, "Yes or no.")
    Time: datetime.datetime | None = member(DATETIME, "When.")
    ID: uuid.UUID | None = member(GUID, "Which.")
    Data: bytes | None = member(BYTES, "What.")
    One: Part | None = nested(Part, "One part.")
    Parts: tuple[Part, ...] = messages(Part, "Many parts.")
    Names: tuple[str, ...] = scalars(TEXT, "Names.", item="string", sample="a name")


# What XML can carry; a name is read without the white space around it.
TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\ufffe\uffff").filter(
        lambda character: character >= " " or character in "\t\n\r"
    )
)
NAMES = TEXTS.map(str.strip).filter(bool).filter(lambda text: "-" not in text and len(text) < 30)
MOMENTS = st.datetimes(timezones=st.just(datetime.UTC)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
PARTS = st.builds(Part, ID=st.none() | st.uuids() | NAMES, Type=st.none() | st.sampled_from(Kind))
WHOLES = st.builds(
    Whole,
    Words=st.none() | TEXTS,
    Count=st.none() | st.integers(-(2**31), 2**31 - 1),
    Flag=st.none() | st.booleans(),
    Time=st.none() | MOMENTS,
    ID=st.none() | st.uuids(),
    Data=st.none() | st.binary(),
    One=st.none() | PARTS,
    Parts=st.lists(PARTS).map(tuple),
    Names=st.lists(TEXTS).map(tuple),
)


def from_xml(text: str) -> Whole:
    return xml_messages.read(Whole, xml.parse(text.encode()))


# --- declaration --------------------------------------------------------------------------


def test_a_message_is_a_frozen_dataclass_whose_members_may_all_be_absent() -> None:
    empty = Whole()
    assert (empty.Words, empty.One, empty.Parts, empty.Names) == (None, None, (), ())
    assert empty == Whole() != Whole(Words="")
    with pytest.raises(dataclasses.FrozenInstanceError):
        empty.Words = "x"  # type: ignore[misc]  # that is the point
    with pytest.raises(TypeError):
        Whole("by position")  # type: ignore[call-arg, arg-type]  # that is the point


def test_members_know_their_names_and_stand_in_data_contract_order() -> None:
    assert Whole.wire_name == "Thing"
    assert [each.name for each in Whole.members] == sorted(
        ["Words", "Count", "Flag", "Time", "ID", "Data", "One", "Parts", "Names"]
    )


def test_extras_take_no_part_in_comparison() -> None:
    assert Part(extras={"a": 1}) == Part()
    assert hash(Part(extras={"a": 1})) == hash(Part())


# --- both dialects ------------------------------------------------------------------------


@given(WHOLES)
def test_what_is_written_is_read_back(whole: Whole) -> None:
    assert json_messages.read(Whole, wcf_json.read(json_messages.write(whole))) == whole
    assert xml_messages.read(Whole, xml.parse(xml_messages.write(whole, NAMESPACE))) == whole


@given(st.lists(PARTS))
def test_lists_are_written_bare_in_json_and_wrapped_in_xml(parts: list[Part]) -> None:
    values = wcf_json.read(json_messages.write_list(parts))
    assert [json_messages.read(Part, value) for value in values] == parts
    root = xml.parse(xml_messages.write_list(Part, parts, NAMESPACE))
    assert root.tag == "{urn:test}ArrayOfPart"
    assert [xml_messages.read(Part, child) for child in root] == parts


@given(st.lists(PARTS))
def test_lists_may_be_written_one_by_one(parts: list[Part]) -> None:
    in_json = "".join(json_messages.list_texts(iter(parts)))
    assert in_json.encode() == json_messages.write_list(parts)
    in_xml = "".join(xml_messages.list_texts(Part, iter(parts), NAMESPACE))
    assert in_xml.encode() == xml_messages.write_list(Part, parts, NAMESPACE)


# --- XML ----------------------------------------------------------------------------------


def test_xml_is_written_in_order_in_one_namespace_without_what_is_absent() -> None:
    whole = Whole(Words="a&<>\r", One=Part(Type=Kind.Crew), Names=("x",))
    assert xml_messages.write(whole, NAMESPACE).decode() == (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<Thing xmlns="urn:test"><Names><string>x</string></Names><One><Type>Crew</Type></One>'
        "<Parts></Parts><Words>a&amp;&lt;&gt;&#13;</Words></Thing>"
    )


def test_what_xml_cannot_carry_is_replaced_in_answers() -> None:
    written = xml_messages.write(Whole(Words="a\0\x1b\ud800\uffff"), NAMESPACE)
    assert xml_messages.read(Whole, xml.parse(written)).Words == "a\ufffd\ufffd\ufffd\ufffd"


def test_xml_is_read_in_any_namespace_and_order() -> None:
    whole = from_xml(
        f'<x:Anything xmlns:x="u:1" xmlns="u:2" {XSI}><Words>a</Words><x:Flag>True</x:Flag>'
        '<Count i:nil="true"/><Parts><JobWhat><Type>1</Type></JobWhat>'
        '<x:Part i:nil="1"/></Parts><One i:nil="true"/><Names i:nil="true"/></x:Anything>'
    )
    assert whole == Whole(Words="a", Flag=True, Parts=(Part(Type=Kind.Crew),))


def test_unknown_elements_are_kept_aside() -> None:
    whole = from_xml(
        f"<Thing {XSI}><words>w</words><New><a>1</a><a>2</a><a>3</a><b i:nil='true'/></New>"
        "<Empty/></Thing>"
    )
    assert whole == Whole()
    assert whole.extras == {
        "words": "w",
        "New": {"a": ["1", "2", "3"], "b": None},
        "Empty": "",
    }


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("<T><Count>x</Count></T>", "Thing.Count"),
        ("<T><One><Type>Boat</Type></One></T>", "Thing.One.Type"),
        ("<T><Parts><P/><P><Type>9</Type></P></Parts></T>", "Thing.Parts[1].Type"),
        ("<T><Names><s><b/></s></Names></T>", "Thing.Names[0]"),
        ("<T><Words><b/></Words></T>", "Thing.Words"),
        ("<T><One>text</One></T>", "Thing.One"),
        ("<T><Parts>text</Parts></T>", "Thing.Parts"),
        ("<T>text</T>", "Thing"),
        ("<T><Time/></T>", "Thing.Time"),
    ],
)
def test_errors_in_xml_name_the_member(text: str, path: str) -> None:
    with pytest.raises(MessageError) as caught:
        from_xml(text)
    assert caught.value.path == path
    assert caught.value.sentence.startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("<Thing><Count>1</Count><Count>1</Count></Thing>", "Thing.Count"),
        ("<Thing><Parts/><x/><y:Parts xmlns:y='u'/></Thing>", "Thing.Parts"),
        ("<Thing><Parts><Part><ID/><ID/></Part></Parts></Thing>", "Thing.Parts[0].ID"),
    ],
)
def test_a_member_that_is_given_twice_is_refused(text: str, path: str) -> None:
    """Either would be lost in silence."""
    with pytest.raises(MessageError) as caught:
        xml_messages.read(Whole, xml.parse(text.encode()))
    assert (caught.value.path, caught.value.problem) == (path, "is given twice")


def test_comments_are_neither_members_nor_text() -> None:
    assert from_xml("<T><!-- Words --><Words>a<!-- b -->c</Words></T>").Words == "ac"


MEMBER_TAGS = st.sampled_from([each.name for each in Whole.members] + ["ID", "Type", "other"])
TREES: st.SearchStrategy[Any] = st.recursive(
    st.tuples(MEMBER_TAGS, TEXTS, st.just([])),
    lambda inner: st.tuples(MEMBER_TAGS, st.just(""), st.lists(inner, max_size=4)),
    max_leaves=12,
)


def build(tree: Any) -> etree._Element:
    tag, text, children = tree
    element = etree.Element(tag)
    element.text = text.replace("\r", "") or None
    element.extend([build(child) for child in children])
    return element


@given(TREES)
def test_any_tree_gives_a_message_or_a_message_error(tree: Any) -> None:
    with contextlib.suppress(MessageError):
        assert isinstance(xml_messages.read(Whole, build(tree)), Whole)


# --- JSON ---------------------------------------------------------------------------------


def test_json_is_written_compactly_with_lists_always_there() -> None:
    whole = Whole(
        Flag=True, Data=b"\0\xff", Time=datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    )
    assert json_messages.write(whole) == (
        rb'{"Data":[0,255],"Flag":true,"Names":[],"Parts":[],"Time":"\/Date(0)\/"}'
    )


def test_json_dates_can_be_written_and_read_another_way() -> None:
    whole = Whole(Time=datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC))
    written = json_messages.write(whole, dates=lambda moment: '"then"')
    assert b'"Time":"then"' in written
    sent = {"Time": "/Date(60000+0001)/"}
    assert json_messages.read(Whole, sent).Time == EPOCH + datetime.timedelta(minutes=1)
    read = json_messages.read(Whole, sent, offsets=lambda moment, offset: moment - offset)
    assert read.Time == EPOCH


def test_what_json_could_not_take_back_is_replaced_in_answers() -> None:
    """As in XML: what GET gives, POST takes back (Dispatcher contract 7, item 5)."""
    odd = "a\0\b\f\x1b\ud800\uffff\\ü\U0001f600\t\r\n"
    one = Part(ID="name\x01")
    written = json_messages.write(Whole(Words=odd, One=one, Names=(odd,)))
    read = json_messages.read(Whole, wcf_json.read(written))
    plain = "a\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\\ü\U0001f600\t\r\n"
    assert read == Whole(Words=plain, One=Part(ID="name\ufffd"), Names=(plain,))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, Whole()),
        ({}, Whole()),
        ({"Words": None, "Parts": None, "One": None}, Whole()),
        ({"Parts": [None]}, Whole()),
        ({"Parts": [{}, None, {"Type": "1"}]}, Whole(Parts=(Part(), Part(Type=Kind.Crew)))),
        ({"Parts": {"Type": 1}}, Whole(Parts=(Part(Type=Kind.Crew),))),
        ({"Words": 7, "Flag": "true"}, Whole(Words="7", Flag=True)),
        ({"Names": ["a", 1, None]}, Whole(Names=("a", "1"))),
    ],
)
def test_json_is_read_leniently(value: Any, expected: Whole) -> None:
    assert json_messages.read(Whole, value) == expected


def test_names_have_their_case_and_unknown_ones_are_kept_aside() -> None:
    whole = json_messages.read(Whole, {"words": "w", "New": [1, {"a": None}], "Words": "W"})
    assert whole == Whole(Words="W")
    assert whole.extras == {"words": "w", "New": [1, {"a": None}]}


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"Count": "x"}, "Thing.Count"),
        ({"One": {"Type": "Crew"}}, "Thing.One.Type"),
        ({"Parts": [{}, {"Type": 9}]}, "Thing.Parts[1].Type"),
        ({"Names": [[]]}, "Thing.Names[0]"),
        ({"One": "text"}, "Thing.One"),
        ({"Parts": "text"}, "Thing.Parts"),
        ({"Parts": True}, "Thing.Parts"),
        ([], "Thing"),
        (7, "Thing"),
    ],
)
def test_errors_in_json_name_the_member(value: Any, path: str) -> None:
    with pytest.raises(MessageError) as caught:
        json_messages.read(Whole, value)
    assert caught.value.path == path


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(MEMBER_TAGS | st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_value_gives_a_message_or_a_message_error(value: Any) -> None:
    with contextlib.suppress(MessageError):
        assert isinstance(json_messages.read(Whole, value), Whole)


# --- samples ------------------------------------------------------------------------------


def test_a_sample_has_a_value_for_every_member() -> None:
    sample = samples.sample(Whole)
    assert all(getattr(sample, each.name) not in (None, ()) for each in Whole.members)
    assert sample.One == sample.Parts[0]
    assert (sample.Words, sample.Names) == ("word", ("a name",))


def test_samples_are_shown_in_both_dialects_as_they_are_on_the_wire() -> None:
    as_xml, as_json = samples.sample_xml(Whole, NAMESPACE), samples.sample_json(Whole)
    assert r'"Time": "\/Date(1435240800000)\/"' in as_json
    assert "\n  <Count>1</Count>" in as_xml
    assert json_messages.read(Whole, wcf_json.read(as_json.encode())) == samples.sample(Whole)
    assert from_xml(as_xml) == samples.sample(Whole)


def test_a_list_knows_what_its_items_are_called() -> None:
    contents = {each.name: each.content for each in Whole.members}
    assert contents["Parts"] == ListOf(Part, "Part")
    assert contents["Names"] == ListOf(TEXT, "string")
    assert isinstance(contents["Words"], Scalar)
