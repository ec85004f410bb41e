"""The Dispatcher's messages against what real clients send and read."""

import datetime
import enum
import uuid
import zoneinfo
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.surfaces.dispatcher import messages, published
from gateway.surfaces.dispatcher.service import SCHEDULING
from gateway.wire import json_messages, samples, wcf_json, xml, xml_messages
from gateway.wire.messages import Content, ListOf, Message
from gateway.wire.scalars import (
    BOOLEAN,
    BYTES,
    DATETIME,
    GUID,
    GUID_OR_NAME,
    INTEGER,
    TEXT,
    Scalar,
)

SCHEMA = etree.XMLSchema(etree.parse(published.FOLDER / SCHEDULING.schema))
MODULE = uuid.UUID("5cf59e5a-343c-4d85-a83c-8b18e4731040")
AGENT = uuid.UUID("3ccbdb70-2391-46d5-b2af-6cdf197d0427")

ALL = [
    messages.Job,
    messages.JobsPage,
    messages.JobStatus,
    messages.JobWhat,
    messages.JobWho,
    messages.JobWhen,
    messages.JobResults,
    messages.Parameter,
    messages.ParameterSet,
    messages.AgentMembership,
    messages.TeamMembership,
    messages.AgentRemoval,
    messages.TeamAgent,
    messages.TeamReport,
    messages.DispatcherFault,
]

# Contract 4.1: Windows PowerShell 5.1 with strings for booleans and a list of null.
POWERSHELL = rb"""{"Description":"New Test Job",
 "When":{"ScheduledDateTime":"\/Date(1435238400000)\/","Immediate":"true","IsLocalTime":"true","UseWakeOnLAN":"false"},
 "What":[{"ID":"{5CF59E5A-343C-4D85-A83C-8B18E4731040}","Type":0,"Name":"Test Module"}],
 "Who":[{"ID":"{3CCBDB70-2391-46D5-B2AF-6CDF197D0427}","Type":0,"Name":"PC1234"}],
 "Parameters":[null]}"""

# Contract 4.4: hand-written, with a trailing comma and padded ids.
HAND_WRITTEN = b"""{
  "What": [ { "ID": " {5cf59e5a-343c-4d85-a83c-8b18e4731040} ", "Type": 2 } ],
  "Who": [ { "ID": " 3ccbdb70-2391-46d5-b2af-6cdf197d0427", "Type": 1, } ],
  "Parameters": [ { "JobParameters": [ { "Name": "VMName", "Value1": 17, "Value2": null } ] } ],
  "ScheduleInParallel": "true",
  "outsideLaunchWindow": "LaunchWindowFailJob"
}"""


def job(data: bytes) -> messages.Job:
    return json_messages.read(messages.Job, wcf_json.read(data))


def test_a_job_as_powershell_sends_it() -> None:
    read = job(POWERSHELL)
    assert read.When is not None
    assert (read.When.Immediate, read.When.UseWakeOnLAN) == (True, False)
    assert read.When.ScheduledDateTime is not None
    assert read.When.ScheduledDateTime.isoformat() == "2015-06-25T13:20:00+00:00"
    assert (read.What[0].ID, read.What[0].Type) == (MODULE, messages.JobWhatType.Module)
    assert (read.Who[0].ID, read.Who[0].Name) == (AGENT, "PC1234")
    assert read.Parameters == ()


def test_a_job_as_somebody_wrote_it_by_hand() -> None:
    read = job(HAND_WRITTEN)
    assert read.What == (messages.JobWhat(ID=MODULE, Type=messages.JobWhatType.RunBook),)
    assert read.Who == (messages.JobWho(ID=AGENT, Type=messages.JobWhoType.Team),)
    assert read.Parameters[0].JobParameters == (messages.Parameter(Name="VMName", Value1="17"),)
    assert read.ScheduleInParallel is True
    assert read.extras == {"outsideLaunchWindow": "LaunchWindowFailJob"}


def test_an_agent_may_be_named() -> None:
    assert job(b'{"Who":[{"ID":"PC1234"}]}').Who[0].ID == "PC1234"


@pytest.mark.parametrize("message", ALL)
def test_what_is_answered_is_accepted_unchanged(message: type[Message]) -> None:
    sample = samples.sample(message)
    as_json = json_messages.write(sample)
    as_xml = xml_messages.write(sample, messages.NAMESPACE)
    assert json_messages.read(message, wcf_json.read(as_json)) == sample
    assert xml_messages.read(message, xml.parse(as_xml)) == sample
    assert json_messages.write(json_messages.read(message, wcf_json.read(as_json))) == as_json


# What XML can carry.
TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\ufffe\uffff").filter(
        lambda character: character >= " " or character in "\t\n\r"
    ),
    max_size=12,
)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9 _.&<]{0,10}[a-z]", fullmatch=True)
MOMENTS = st.integers(0, 253402128000000).map(
    lambda milliseconds: wcf_json.EPOCH + datetime.timedelta(milliseconds=milliseconds)
)
SCALARS: dict[Scalar[Any], st.SearchStrategy[Any]] = {
    BOOLEAN: st.booleans(),
    BYTES: st.binary(max_size=12),
    DATETIME: MOMENTS,
    GUID: st.uuids(),
    GUID_OR_NAME: st.uuids() | NAMES,
    INTEGER: st.integers(-(2**31), 2**31 - 1),
    TEXT: TEXTS,
}


def of_content(content: Content) -> st.SearchStrategy[Any]:
    if isinstance(content, ListOf):
        return st.lists(of_content(content.content), max_size=2).map(tuple)
    if isinstance(content, Scalar):
        known = SCALARS.get(content)
        return st.sampled_from(type(content.sample)) if known is None else known
    return of_message(content)


def of_message(message: type[Message]) -> st.SearchStrategy[Any]:
    members = {
        each.name: of_content(each.content)
        if isinstance(each.content, ListOf)
        else st.none() | of_content(each.content)
        for each in message.members
    }
    return st.builds(message, **members)


@pytest.mark.parametrize("message", ALL)
@given(st.data())
def test_7_5_whatever_is_answered_is_accepted_unchanged_in_both_dialects(
    message: type[Message], data: st.DataObject
) -> None:
    zone = data.draw(st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns"]))
    dates = wcf_json.unspecified_date(zoneinfo.ZoneInfo(zone))
    answer = data.draw(of_message(message))
    in_json = wcf_json.read(json_messages.write(answer, dates=dates.write))
    assert json_messages.read(message, in_json, offsets=dates.read_offset) == answer
    document = xml_messages.write(answer, messages.NAMESPACE)
    assert xml_messages.read(message, xml.parse(document)) == answer
    SCHEMA.assertValid(etree.fromstring(document))


def test_an_empty_page_still_says_where_its_end_is() -> None:
    page = messages.JobsPage(CurrentPage=1, PageCount=0)
    assert json_messages.write(page) == b'{"CurrentPage":1,"Items":[],"PageCount":0}'


def test_results_are_numbers_in_json_and_base64_in_xml() -> None:
    results = messages.JobResults(Xml="<a/>".encode("utf-16-le"))
    assert json_messages.write(results) == b'{"Xml":[60,0,97,0,47,0,62,0]}'
    assert b"<Xml>PABhAC8APgA=</Xml>" in xml_messages.write(results, messages.NAMESPACE)


@pytest.mark.parametrize(
    ("enumeration", "numbers"),
    [
        (
            messages.JobStatusType,
            {
                "Unknown": -2,
                "Disabled": -1,
                "Scheduled": 0,
                "Active": 1,
                "Aborting": 2,
                "Aborted": 3,
                "Completed": 4,
                "Failed": 5,
                "FailedHalted": 6,
                "Canceled": 7,
                "CompletedWithErrors": 8,
                "Skipped": 9,
                "Pending": 10,
                "TimedOut": 11,
            },
        ),
        (messages.JobWhatType, {"Module": 0, "Project": 1, "RunBook": 2}),
        (messages.JobWhoType, {"Agent": 0, "Team": 1}),
        (
            messages.JobParameterType,
            {
                "Text": 0,
                "List": 1,
                "Credentials": 2,
                "MultiSelectList": 3,
                "MultiLineText": 4,
                "Password": 5,
            },
        ),
    ],
)
def test_numbers_of_enumerations_are_the_contracts(
    enumeration: type[enum.IntEnum], numbers: dict[str, int]
) -> None:
    assert {each.name: each.value for each in enumeration} == numbers


def test_a_status_is_taken_back_with_its_type_changed_to_abort() -> None:
    sent = json_messages.write(samples.sample(messages.JobStatus)).replace(b'"Type":4', b'"Type":2')
    status = json_messages.read(messages.JobStatus, wcf_json.read(sent))
    assert status.Type is messages.JobStatusType.Aborting
