"""What real clients depend on (Dispatcher contract 7), item by item.

The names of the tests are the items' numbers. Clients as there: ITM and LUCD are PowerShell
modules, VDI1 and VDI2 scripts of desktop pools.
"""

import base64
import datetime
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from lxml import etree

from gateway import moments
from gateway.catalog.definitions import Module
from gateway.cli import serve
from gateway.settings import Settings
from tests.contract.dispatcher import bodies, served
from tests.contract.dispatcher.conftest import Build
from tests.contract.dispatcher.house import (
    ADMIN,
    BASE,
    JSON,
    PARAMETERS,
    XML,
    Answer,
    House,
    basic,
    braced,
)
from tests.contract.dispatcher.served import Place, head
from tests.contract.dispatcher.stage import KINDS, PowerShell, Stage, dates, members, stage

LOGIN = basic(*ADMIN)
EACH_KIND = pytest.mark.parametrize("kind", KINDS)
EACH_MEDIUM = pytest.mark.parametrize("media", [JSON, XML], ids=["json", "xml"])


@pytest.fixture
def scene(house: House) -> Stage:
    return stage(house)


@pytest.fixture
def place(scene: Stage) -> Iterator[Place]:
    with served.serving(scene.house) as place:
        yield place


@pytest.fixture
def shell(place: Place) -> PowerShell:
    return PowerShell(place)


def itm(scene: Stage, kind: str = "module", parameters: str = "null") -> str:
    """What ITM posts to schedule one of the kinds."""
    body = bodies.itm(scene.guid(kind), scene.agent.agent, parameters)
    return body.replace('"Type":0,"Name":"Test Module"', f'"Type":{KINDS[kind]},"Name":"Test"')


def scheduled(scene: Stage, kind: str = "module") -> str:
    """Schedule one of the kinds as ITM does; answers the path of its job."""
    return f"jobs/{scene.house.client().post('jobs', itm(scene, kind)).json['JobID']}"


def gets(scene: Stage) -> list[str]:
    """An address for each operation that answers to GET."""
    job = scheduled(scene, "runbook")
    scene.house.engine.clock.tick()
    scene.house.engine.run_all(scene.agent)
    scene.house.engine.clock.tick()
    return [
        "jobs?stage=All",
        job,
        f"{job}/results?overview=True&detailed=True",
        f"run{job.replace('jobs', 'bookjobs')}",
        "what/modules",
        "what/projects",
        "what/runbooks",
        f"what/Runbooks/{braced(scene.run_book.guid)}/inputparameters",
        f"what/Runbooks/{braced(scene.run_book.guid)}/outputparameters",
        "who?agents=True&teams=True&online=False&licensed=False",
        "report/teams",
        "report/jobusage?Start=20140621000000&Stop=20990622000000",
    ]


# --- item 1: the handshake -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "jobs"),
        ("GET", "what/modules"),
        ("GET", "help"),
        ("POST", "jobs"),
        ("PUT", f"jobs/{uuid.UUID(int=1)}"),
        ("POST", "agentmembership"),
    ],
)
def test_7_01_without_credentials_there_is_a_challenge_of_basic(
    place: Place, method: str, path: str
) -> None:
    """Item 1: clients send their password only after a 401 with a Basic challenge."""
    answer = place.exchange(head(method, path, Content_Type=JSON, Content_Length="0"))
    answer.refused(401)
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")


def test_7_01_every_call_goes_through_with_its_second_request(
    scene: Stage, shell: PowerShell
) -> None:
    """Item 1: GET, POST and PUT of the PowerShell modules, each as two requests."""
    made = shell.invoke("POST", "jobs", itm(scene)).json
    path = f"jobs/{made['JobID']}"
    status = shell.invoke("GET", path).json["Status"] | {"Type": 2}
    assert shell.invoke("PUT", path, json.dumps(status)).json["Type"] == 3
    assert scene.house.stored() == 1


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_7_01_a_body_is_asked_for_by_100_continue(place: Place, method: str) -> None:
    """Item 1: whoever expects 100 gets it before he has sent a byte of the body, or a 401."""
    body = b'{"Type":2}' if method == "PUT" else b"{}"
    path = f"jobs/{uuid.uuid4()}" if method == "PUT" else "jobs"
    expecting = {
        "Content_Type": JSON,
        "Content_Length": str(len(body)),
        "Expect": "100-continue",
    }
    with place.connected() as wire:
        wire.send(head(method, path, **expecting))
        challenge = wire.answer()
        assert challenge.status == 401
        # Nobody could tell whether the next bytes would be the body after all (RFC 9110, 10.1.1).
        assert challenge.headers["Connection"] == "close"
    with place.connected() as wire:
        wire.send(head(method, path, Authorization=LOGIN, **expecting))
        assert wire.answer().status == 100
        wire.send(body)
        wire.answer().refused(404 if method == "PUT" else 400)


def test_7_01_no_cookie_is_set_and_none_counts(place: Place) -> None:
    """Item 1: clients begin a new session with each call and hand back nothing."""
    answer = place.exchange(head("GET", "who", Authorization=LOGIN, Content_Type=JSON))
    assert answer.status == 200
    assert "set-cookie" not in {name.lower() for name in answer.headers}
    assert place.exchange(head("GET", "who", Cookie="session=1; ASP.NET_SessionId=x")).status == 401


# --- item 2: JSON by the Content-Type of the request ---------------------------------------------


def test_7_02_a_get_with_the_content_type_of_json_is_answered_in_json(
    scene: Stage, shell: PowerShell
) -> None:
    """Item 2: nothing but the request's own Content-Type says JSON, on a GET, too."""
    for path in gets(scene):
        assert shell.invoke("GET", path).json, path


def test_7_02_a_get_that_says_nothing_is_answered_in_xml(scene: Stage) -> None:
    """Item 2, the other half: browsers and curl see XML."""
    for path in gets(scene):
        assert len(scene.house.client().get_xml(path).xml), path


# --- item 3: the shapes of lists -----------------------------------------------------------------


def test_7_03_lists_of_what_and_who_are_bare_arrays(scene: Stage, shell: PowerShell) -> None:
    """Item 3: LUCD pipes the parsed answer straight into a filter on Name."""
    names = {
        path: [item["Name"] for item in shell.invoke("GET", path).json]
        for path in ("what/modules", "what/projects", "what/runbooks", "who")
    }
    assert names == {
        "what/modules": ["Test Module"],
        "what/projects": ["Test Project"],
        "what/runbooks": ["Test Run Book"],
        "who": ["Floor 2", "PC1234"],
    }


def test_7_03_lucd_lists_everybody_before_it_chooses_by_name(
    scene: Stage, shell: PowerShell
) -> None:
    """Item 3: its defaults say False where it does not want to narrow the list down."""
    scene.house.silence(scene.house.agent("Asleep"))
    query = "who?agents=True&teams=True&online=False&licensed=False"
    assert [item["Name"] for item in shell.invoke("GET", query).json] == [
        *("Asleep", "Floor 2", "PC1234"),
    ]


@pytest.mark.parametrize(("jobs", "size", "asked"), [(0, 500, 1), (3, 2, 3), (4, 2, 3)])
def test_7_03_the_paging_loop_ends(
    scene: Stage, shell: PowerShell, jobs: int, size: int, asked: int
) -> None:
    """Item 3: it goes on while CurrentPage is not greater than PageCount, beyond the last page."""
    made = [scheduled(scene) for _ in range(jobs)]
    found, page = [], 1
    while True:
        query = f"stage=All&runbookjobs=False&recurringjobs=False&page={page}&pagesize={size}"
        result = shell.invoke("GET", f"jobs?{query}").json
        assert set(result) == {"Items", "CurrentPage", "PageCount"}
        found += [f"jobs/{item['JobID']}" for item in result["Items"]]
        if not result["CurrentPage"] <= result["PageCount"]:
            break
        page = result["CurrentPage"] + 1
    assert (page, sorted(found)) == (asked, sorted(made))


# --- item 4: names of members --------------------------------------------------------------------

_WHAT = {"ID", "Type", "Name"}
_SET = {"Identifier", "Type", "TaskContainerGuid", "TaskContainerName", "JobGuid", "JobName"}
_PARAMETER = {"Name", "Type", "Description", "Value1", "Value2", "Value3", "Hint", "Selection"}


@EACH_KIND
def test_7_04_members_have_exactly_their_names_in_answers(scene: Stage, kind: str) -> None:
    """Item 4: what a client posts back has the case in which it was given."""
    client = scene.house.client()
    path = scheduled(scene, kind)
    job = client.get(path).json
    assert set(job) >= {"JobID", "Description", "When", "What", "Who", "Parameters", "Status"}
    assert set(job["When"]) >= {"ScheduledDateTime", "Immediate", "IsLocalTime", "UseWakeOnLAN"}
    assert set(job["Status"]) >= {"Type", "StartDateTime", "JobInvoker"}
    given = client.get(f"what/{kind}s/{scene.guid(kind)}/inputparameters").json
    assert [set(item) for item in (*job["What"], *job["Who"])] == [_WHAT, _WHAT]
    for one in (given, *job["Parameters"]):
        assert set(one) == {*_SET, "JobParameters"}
        assert [set(item) for item in one["JobParameters"]] == [_PARAMETER] * len(PARAMETERS)
    assert set(client.get(f"{path}/results").json) == {"Xml"}


def test_7_04_members_have_exactly_their_names_in_requests(scene: Stage) -> None:
    """Item 4: each counts under its name, and under no other spelling."""
    client = scene.house.client()
    body = bodies.vdi2(scene.module.guid, scene.agent.agent, "vm09")
    made = client.post("jobs", body).json
    shown = client.get(f"jobs/{made['JobID']}").json
    assert shown["Description"] == "IA - Order for user"
    assert [shown["When"][name] for name in ("Immediate", "IsLocalTime", "UseWakeOnLAN")] == [
        *(True, True, False),
    ]
    assert value(shown, "VMName") == "vm09"
    other = client.post("jobs", body.replace('"Value1"', '"value1"')).json
    assert value(client.get(f"jobs/{other['JobID']}").json, "VMName") == ""
    client.post("jobs", body.replace('"What"', '"what"')).refused(400, "What")
    client.post("jobs", body.replace('"ID"', '"Id"')).refused(400, "ID")


def value(job: Any, name: str) -> str:
    """The value of a parameter of a job."""
    (found,) = {
        parameter["Value1"]
        for one in job["Parameters"]
        for parameter in one["JobParameters"]
        if parameter["Name"] == name
    }
    return str(found)


# --- item 5: numbers for enumerations, and the way back ------------------------------------------


def test_7_05_enumerations_are_numbers_in_json_and_names_in_xml(scene: Stage) -> None:
    """Item 5: a client compares numbers; the words stand in XML."""
    client = scene.house.client()
    for path in gets(scene):
        for name, found in members(client.get(path).json):
            assert name != "Type" or isinstance(found, int), (path, name, found)
        for element in client.get_xml(path).xml.iter("{*}Type"):
            assert (element.text or "").isalpha(), path


@pytest.mark.parametrize(("written", "status"), [("2", 200), ('"2"', 200), ('"RunBook"', 400)])
def test_7_05_an_enumeration_is_read_as_a_number(scene: Stage, written: str, status: int) -> None:
    """Item 5: also as a number in quotes, never as a word."""
    body = itm(scene, "runbook").replace('"Type":2', f'"Type":{written}')
    assert scene.house.client().post("jobs", body).status == status


@EACH_KIND
@EACH_MEDIUM
def test_7_05_a_job_that_was_read_can_be_posted(scene: Stage, media: str, kind: str) -> None:
    """Item 5: the whole answer of GET, unchanged, makes a job like the first, secrets included."""
    client = scene.house.client()
    given = json.dumps(inputs(scene, kind, VMName='ä <&> "', Password="a secret of the job"))
    path = f"jobs/{client.post('jobs', itm(scene, kind, given)).json['JobID']}"
    again = client.post("jobs", client.get(path, media).body, media)
    made = again.json["JobID"] if media == JSON else again.xml.findtext("{*}JobID")
    first, second = client.get(path).json, client.get(f"jobs/{made}").json
    assert first.pop("JobID") != second.pop("JobID")
    for one in (first, second):
        assert one["Status"].pop("StartDateTime")
        assert one["When"].pop("ScheduledDateTime")
    assert second == first
    assert value(second, "VMName") == 'ä <&> "'


def inputs(scene: Stage, kind: str, **values: str) -> Any:
    """The answer of inputparameters with some values changed."""
    found = scene.house.client().get(f"what/{kind}s/{scene.guid(kind)}/inputparameters").json
    for parameter in found["JobParameters"]:
        parameter["Value1"] = values.get(parameter["Name"], parameter["Value1"])
    return found


@EACH_KIND
def test_7_05_what_who_and_parameters_are_posted_as_they_were_read(
    scene: Stage, shell: PowerShell, kind: str
) -> None:
    """Item 5: LUCD puts the whole objects of what/*, who and inputparameters into a job."""
    what = shell.invoke("GET", f"what/{kind}s").json
    who = shell.invoke("GET", "who?agents=True&teams=True&online=False&licensed=False").json
    word = {"module": "Module", "project": "Project", "runbook": "Runbook"}[kind]
    path = f"what/{word}s/{what[0]['ID']}/inputparameters"
    parameters = shell.invoke("GET", path).json
    parameters["JobParameters"][0]["Value1"] = "vm07"
    made = shell.invoke("POST", "jobs", bodies.lucd(what, who, [parameters])).json
    assert (made["What"], made["Who"]) == (what, who)
    assert value(shell.invoke("GET", f"jobs/{made['JobID']}").json, "VMName") == "vm07"


@EACH_KIND
@EACH_MEDIUM
def test_7_05_parameters_of_any_kind_are_taken_back_in_both_dialects(
    scene: Stage, media: str, kind: str
) -> None:
    """Item 5: the answer of inputparameters, unchanged, is a set of a posted job."""
    client = scene.house.client()
    given = client.get(f"what/{kind}s/{scene.guid(kind)}/inputparameters", media)
    if media == JSON:
        answer = client.post("jobs", itm(scene, kind, given.text))
    else:
        answer = client.post("jobs", xml_job(scene, kind, given), XML)
    assert answer.status == 200, answer.text
    made = answer.json["JobID"] if media == JSON else answer.xml.findtext("{*}JobID")
    shown = client.get(f"jobs/{made}").json
    values = {one.name: one.default for one in PARAMETERS if not one.type.secret}
    assert {name: value(shown, name) for name in values} == values


def xml_job(scene: Stage, kind: str, given: Answer) -> bytes:
    """A job in XML with the set, the What and the Who as they were answered in XML."""
    client = scene.house.client()
    job = etree.Element("Job")
    etree.SubElement(etree.SubElement(job, "When"), "Immediate").text = "true"
    etree.SubElement(job, "What").extend(client.get_xml(f"what/{kind}s").xml)
    etree.SubElement(job, "Who").extend(client.get_xml("who?teams=False").xml)
    etree.SubElement(job, "Parameters").append(etree.fromstring(given.body))
    return etree.tostring(job)


@EACH_KIND
@EACH_MEDIUM
def test_7_05_a_status_that_was_read_can_be_put(scene: Stage, media: str, kind: str) -> None:
    """Item 5: unchanged it changes nothing; with Type 2 it aborts, as LUCD's Stop-ResAMJob does."""
    client = scene.house.client()
    path = scheduled(scene, kind)
    before = client.get(path).json["Status"]
    for asked, status in ((None, 0), (2, 3)):
        if media == JSON:
            sent = before if asked is None else before | {"Type": asked}
            answer = client.put(path, json.dumps(sent))
            assert answer.json["Type"] == status
        else:
            element = client.get_xml(path).xml.find("{*}Status")
            assert element is not None
            if asked is not None:
                element[[child.tag for child in element].index(type_tag(element))].text = "Aborting"
            answer = client.put(path, etree.tostring(element), XML)
            assert answer.xml.findtext("{*}Type") == {0: "Scheduled", 3: "Aborted"}[status]
        assert client.get(path).json["Status"]["Type"] == status


def type_tag(element: etree._Element) -> str:
    """The full name of the member Type of a status."""
    (found,) = [child.tag for child in element if etree.QName(child).localname == "Type"]
    return str(found)


@pytest.mark.parametrize(
    ("path", "subject"), [("agentmembership", "Agent"), ("teammembership", "Team")]
)
def test_7_05_memberships_that_were_answered_can_be_posted(
    scene: Stage, path: str, subject: str
) -> None:
    """Item 5, for the bodies that are ours: the answer, sent back, changes nothing."""
    client = scene.house.client()
    name = {"Agent": "PC1234", "Team": "Floor 2"}[subject]
    first = client.post(path, json.dumps({subject: {"Name": name}}))
    assert client.post(path, first.body).json == first.json


# --- item 6: how dates are written ---------------------------------------------------------------


def test_7_06_slashes_of_dates_are_escaped_on_the_wire(scene: Stage, shell: PowerShell) -> None:
    """Item 6: Windows PowerShell makes a date only of the text with backslashes."""
    with_dates = 0
    for path in gets(scene):
        answer = shell.invoke("GET", path)
        assert b'"/Date(' not in answer.body
        assert answer.body.count(b"/Date(") == len(dates(answer)), path
        with_dates += bool(dates(answer))
    assert with_dates == 4  # the page, the job, the run book's jobs, the report
    made = shell.invoke("POST", "jobs", itm(scene))
    put = shell.invoke("PUT", f"jobs/{made.json['JobID']}", '{"Type":2}')
    for answer, count in ((made, 2), (put, 2)):
        assert answer.body.count(b"/Date(") == len(dates(answer)) == count


# --- item 7: the vendor's double conversion ------------------------------------------------------

HOUR = datetime.timedelta(hours=1)
ZONES = {  # without daylight saving, so that the tests are the same on every day
    "Etc/GMT-2": 2 * HOUR,
    "Asia/Kolkata": 5.5 * HOUR,
    "Etc/GMT+8": -8 * HOUR,
    "UTC": 0 * HOUR,
}
SUFFIXES = {"Etc/GMT-2": "+0200", "Asia/Kolkata": "+0530", "Etc/GMT+8": "-0800", "UTC": "+0000"}


def get_resam_job(shell: PowerShell, offset: datetime.timedelta) -> list[str]:
    """LUCD's listing of the last day on a client whose clock has this offset: ids of the jobs.

    It takes the offset off a window that is in UTC already, to make up for the vendor's dates.
    """
    finish = datetime.datetime.now(datetime.UTC) - offset
    start = finish - datetime.timedelta(days=1)
    answer = shell.invoke("GET", "jobs?stage=All&runbookjobs=False&recurringjobs=False")
    found = []
    for item in answer.json["Items"]:
        number = item["Status"]["StartDateTime"].removeprefix("/Date(")[:13]
        moment = datetime.datetime.fromtimestamp(int(number) / 1000, datetime.UTC)
        if start <= moment <= finish:
            found.append(item["JobID"])
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_7_07_lucd_in_the_servers_zone_sees_the_job_of_a_moment_ago(
    build: Build, zone: str
) -> None:
    """Item 7: switched on by default, with the zone of the server."""
    scene = stage(build(time_zone=zone))
    with served.serving(scene.house) as place:
        shell = PowerShell(place)
        made = shell.invoke("POST", "jobs", itm(scene)).json["JobID"]
        assert get_resam_job(shell, ZONES[zone]) == [made]


def test_7_07_without_the_quirk_lucd_east_of_greenwich_would_miss_it(build: Build) -> None:
    """Item 7: what the switch is for, shown by switching it off."""
    scene = stage(build(time_zone="Etc/GMT-2", dispatcher={"date_zone": "UTC"}))
    with served.serving(scene.house) as place:
        shell = PowerShell(place)
        shell.invoke("POST", "jobs", itm(scene))
        assert get_resam_job(shell, ZONES["Etc/GMT-2"]) == []
        assert len(get_resam_job(shell, ZONES["UTC"])) == 1


@pytest.mark.parametrize("zone", ZONES)
def test_7_07_dates_come_out_earlier_by_the_offset_that_follows_them(
    build: Build, zone: str
) -> None:
    """Item 7: in each answer; the moment itself is not changed, as XML shows."""
    scene = stage(build(time_zone=zone))
    client = scene.house.client()
    for path in gets(scene):
        in_xml = [element.text for element in client.get_xml(path).xml.iter("{*}StartDateTime")]
        real = [datetime.datetime.fromisoformat(text or "") for text in in_xml]
        answer = client.get(path)
        starts = [found for name, found in members(answer.json) if name == "StartDateTime"]
        shown = dates(answer)
        assert {suffix for _, suffix in shown} <= {SUFFIXES[zone]}
        assert len(starts) == len(real)
        for text, moment in zip(starts, real, strict=True):
            # XML has microseconds, JSON milliseconds.
            told = moments.from_datetime(moment - ZONES[zone]) // 1000
            assert text == f"/Date({told}{SUFFIXES[zone]})/"


@pytest.mark.parametrize(
    ("month", "suffix", "earlier"), [(1, "+0100", HOUR), (7, "+0200", 2 * HOUR)]
)
def test_7_07_the_offset_is_that_of_the_date_itself(
    build: Build, month: int, suffix: str, earlier: datetime.timedelta
) -> None:
    """Item 7: in a zone with daylight saving it is another one in summer; and it is undone."""
    scene = stage(build(time_zone="Europe/Amsterdam"))
    client = scene.house.client()
    moment = datetime.datetime(2098, month, 25, 14, tzinfo=datetime.UTC)
    body = itm(scene).replace("\\/Date(1435238400000)\\/", moment.isoformat())
    body = body.replace('"Immediate":"true","IsLocalTime":"true"', '"Immediate":"false"')
    path = f"jobs/{client.post('jobs', body).json['JobID']}"
    shown = client.get(path)
    assert dates(shown) == [(moment - earlier, suffix)] * 2
    again = client.post("jobs", shown.body).json["JobID"]
    due = scene.house.gateway.jobs.get(uuid.UUID(again)).due_at
    assert due == moments.from_datetime(moment)


# --- item 8: lenient input -----------------------------------------------------------------------

CHANGES: dict[str, Callable[[str, Module], str]] = {
    "booleans in quotes, and a list of null": lambda body, _: body,
    "real booleans": lambda body, _: body.replace('"true"', "true").replace('"false"', "false"),
    "a capital": lambda body, _: body.replace('"true"', '"True"'),
    "an empty list": lambda body, _: body.replace('"Parameters":[null]', '"Parameters":[]'),
    "a comma too many": lambda body, _: body.replace("}]", ",}]"),
    "a comma at the end": lambda body, _: f"{body[:-1]},}}",
    "padded ids": lambda body, _: body.replace('"{', '" {').replace('}",', '} ",'),
    "ids without braces": lambda body, _: body.replace('"{', '"').replace('}",', '",'),
    "ids in lower case": lambda body, module: body.replace(braced(module.guid), str(module.guid)),
    "unknown members": lambda body, _: (
        f'{{"outsideLaunchWindow":"LaunchWindowFailJob","scheduleInParallel":true,{body[1:]}'
    ),
    "nobody's name": lambda body, _: body.replace(',"Name":"PC1234"', ""),
    "nothing's name": lambda body, _: body.replace(',"Name":"Test"', ""),
    "no date": lambda body, _: body.replace('"ScheduledDateTime":"\\/Date(1435238400000)\\/",', ""),
}


@pytest.mark.parametrize("change", CHANGES)
def test_7_08_lenient_input_makes_the_same_job(
    scene: Stage, shell: PowerShell, change: str
) -> None:
    """Item 8: each thing that one of the clients writes, in ITM's body."""
    body = CHANGES[change](itm(scene), scene.module)
    assert (body == itm(scene)) is change.startswith("booleans in quotes")
    made = shell.invoke("POST", "jobs", body).json
    assert made["What"][0]["ID"] == braced(scene.module.guid)
    assert made["Who"][0] == {"ID": braced(scene.agent.agent), "Name": "PC1234", "Type": 0}
    assert made["When"]["Immediate"] is True
    assert made["When"]["UseWakeOnLAN"] is False
    assert scene.house.engine.run_all(scene.agent) == 1


@pytest.mark.parametrize(
    ("written", "shown"), [("null", ""), ("42", "42"), ('"vm01"', "vm01"), ("true", "true")]
)
def test_7_08_a_value_is_what_a_database_gave(scene: Stage, written: str, shown: str) -> None:
    """Item 8: VDI2 puts null or a number where a text is meant."""
    client = scene.house.client()
    body = bodies.vdi2(scene.module.guid, scene.agent.agent).replace('"vm01"', written)
    made = client.post("jobs", body).json["JobID"]
    assert value(client.get(f"jobs/{made}").json, "VMName") == shown


@pytest.mark.parametrize(
    "encode",
    [str.encode, lambda text: text.encode("latin-1"), lambda text: text.encode("utf-8-sig")],
    ids=["utf-8", "latin-1", "byte order mark"],
)
def test_7_08_a_body_may_be_latin_1(
    scene: Stage, shell: PowerShell, encode: Callable[[str], bytes]
) -> None:
    """Item 8: Windows PowerShell sends Latin-1 and does not say so."""
    body = itm(scene).replace("New Test Job", "Büro für Größen")
    assert shell.invoke("POST", "jobs", encode(body)).json["Description"] == "Büro für Größen"


def test_7_08_the_bodies_of_the_scripts_as_they_are(scene: Stage, shell: PowerShell) -> None:
    """Item 8: VDI1 with its comma too many and padded ids, VDI2 in random order."""
    for write in (bodies.vdi1, bodies.vdi2):
        made = shell.invoke("POST", "jobs", write(scene.module.guid, scene.agent.agent)).json
        shown = shell.invoke("GET", f"jobs/{made['JobID']}").json
        assert value(shown, "VMName") == "vm01"


@pytest.mark.parametrize("write", [bodies.vdi1, bodies.vdi2])
def test_7_08_a_script_schedules_a_run_book_on_a_team(
    scene: Stage, shell: PowerShell, write: Callable[[uuid.UUID, uuid.UUID], str]
) -> None:
    """Item 8: what the scripts really ask for; the values reach the module through its links."""
    body = write(scene.run_book.guid, scene.team.guid)
    for old, new in (("What", 2), ("Who", 1), ("Parameters", 2)):
        body = typed(body, old, new)
    assert shell.invoke("POST", "jobs", body).status == 200
    scene.house.engine.clock.tick()
    (order,) = scene.house.gateway.reception.claim(scene.agent, 9)
    assert {one.name: one.value for one in order.parameters}["VMName"] == "vm01"


def typed(body: str, member: str, number: int) -> str:
    """The same body with another Type in the first object of a list."""
    before, name, rest = body.partition(f'"{member}":')
    item, end, after = rest.partition('"Type": 0')
    assert end
    return f'{before}{name}{item}"Type": {number}{after}'


# --- item 9: results -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["module", "project"])
@pytest.mark.parametrize("flag", ["True", "False"])
def test_7_09_results_are_utf_16_le_without_a_mark(
    scene: Stage, shell: PowerShell, kind: str, flag: str
) -> None:
    """Item 9: numbers in JSON and base64 in XML, of the bytes that Encoding.Unicode reads."""
    path = scheduled(scene, kind)
    scene.house.engine.run_all(scene.agent)
    query = f"{path}/results?overview={flag}&detailed={flag}"
    numbers = shell.invoke("GET", query).json["Xml"]
    text = bytes(numbers).decode("utf-16-le")
    assert text.startswith('<?xml version="1.0" encoding="utf-16"?>')
    root = etree.fromstring(text.partition("?>")[2])
    assert root.tag == "masterjobresults"
    assert root.findtext("masterjobresult/status") == "Completed"
    (task,) = scene.module.tasks
    told = f'//task[guid/text()="{braced(task.guid)}"]/results/agent/result/status/text()'
    assert root.xpath(told) == (["Completed"] if flag == "True" else [])
    encoded = scene.house.client().get_xml(query).xml.findtext("{*}Xml") or ""
    assert base64.b64decode(encoded, validate=True) == bytes(numbers)


# --- item 10: the help sentence ------------------------------------------------------------------


@pytest.mark.parametrize("service", ["SchedulingService", "ResourceService"])
def test_7_10_the_help_page_is_a_text_with_the_sentence(place: Place, service: str) -> None:
    """Item 10: Test-ResAM looks for it in a string, so no XML parser may take the page."""
    request = head("GET", "help", Authorization=LOGIN, Content_Type=JSON)
    answer = place.exchange(request.replace(b"SchedulingService", service.encode()))
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "This page describes the service operations at this endpoint." in answer.text
    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(answer.body)


# --- item 11: case -------------------------------------------------------------------------------


@pytest.mark.parametrize("spell", [str.upper, str.lower, str.title], ids=lambda one: one.__name__)
def test_7_11_paths_and_query_names_have_no_case(
    scene: Stage, place: Place, spell: Callable[[str], str]
) -> None:
    """Item 11: every address that is read, and True and False in every case."""
    for path in gets(scene):
        plain = place.exchange(head("GET", path, Authorization=LOGIN, Content_Type=JSON))
        address = f"GET {spell(f'{BASE}/{path}')} HTTP/1.1\r\nHost: gateway.test\r\n"
        headers = f"Authorization: {LOGIN}\r\nContent-Type: {JSON}\r\n\r\n"
        answer = place.exchange(f"{address}{headers}".encode())
        assert answer.json == plain.json, path


@pytest.mark.parametrize("word", ["False", "false", "FALSE"])
def test_7_11_a_flag_is_read_in_any_case(scene: Stage, word: str) -> None:
    """Item 11: the flags of a listing as PowerShell writes them."""
    scheduled(scene, "runbook")
    scene.house.engine.clock.tick()
    client = scene.house.client()
    assert len(client.get("jobs").json["Items"]) == 2
    for name in ("runbookjobs", "RunBookJobs"):
        assert len(client.get(f"jobs?{name}={word}").json["Items"]) == 1


# --- item 12: success is 200 ---------------------------------------------------------------------


@EACH_KIND
def test_7_12_a_job_that_was_taken_is_answered_by_200(
    scene: Stage, shell: PowerShell, kind: str
) -> None:
    """Item 12: 200 and nothing else, with JobID and Status."""
    answer = shell.invoke("POST", "jobs", itm(scene, kind))
    assert answer.status == 200
    assert uuid.UUID(answer.json["JobID"])
    assert answer.json["Status"]["Type"] == 0


# --- item 13: plain HTTP under the old path ------------------------------------------------------


def test_7_13_plain_http_under_the_old_path(place: Place) -> None:
    """Item 13: http, the host's name alone, and the prefix that is written into the clients."""
    request = (
        "GET /Dispatcher/SchedulingService/what/modules HTTP/1.1\r\nHost: dispatcher\r\n"
        f"Authorization: {LOGIN}\r\nContent-Type: application/json\r\n\r\n"
    )
    assert [item["Name"] for item in place.exchange(request.encode()).json] == ["Test Module"]
    answer = place.exchange(request.replace("what/modules", "help").encode())
    assert "Operations at http://dispatcher/Dispatcher/SchedulingService" in answer.text


def test_7_13_port_80_without_tls_can_be_listened_on() -> None:
    """Item 13: the settings take the port that clients use when they name none."""
    (setting,) = Settings(data="x", listeners=[{"address": "0.0.0.0", "port": 80}]).listeners
    listener = serve.listener(setting)
    assert (listener.port, listener.tls, listener.surfaces) == (80, None, None)
