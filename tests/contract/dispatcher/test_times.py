"""When jobs begin, as clients ask for it (Dispatcher contract 2.6, 6), in all three dialects."""

import contextlib
import json
import re
import socket
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree

from gateway import moments
from gateway.agents.desk import AgentSession
from gateway.catalog.definitions import Module
from gateway.jobs.states import JobStatus
from gateway.jobs.views import JobView
from storage import models
from tests.contract.dispatcher import bodies
from tests.contract.dispatcher.conftest import Build
from tests.contract.dispatcher.house import NAMESPACE, XML, House, braced

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
# 2035-06-25, 14:00 by UTC; Berlin is two hours ahead.
MILLISECONDS = 2_066_392_800_000
HOURS = 3_600_000


def body(module: Module, agent: AgentSession, **when: Any) -> dict[str, Any]:
    """A job in JSON."""
    return {
        "Description": "Times",
        "What": [{"ID": braced(module.guid), "Type": 0}],
        "Who": [{"ID": braced(agent.agent), "Type": 0}],
        "When": {"Immediate": False, "IsLocalTime": True, "UseWakeOnLAN": False} | when,
    }


def document(module: Module, agent: AgentSession, when: str, name: str = "Job") -> str:
    """A job in XML, of which ``when`` is the inside of When."""
    return (
        f'<{name} xmlns="{NAMESPACE}"><Description>Times</Description>'
        f"<What><JobWhat><ID>{module.guid}</ID></JobWhat></What><When>{when}</When>"
        f"<Who><JobWho><ID>{agent.agent}</ID></JobWho></Who></{name}>"
    )


def stored(house: House, job_id: str) -> JobView:
    return house.gateway.jobs.get(uuid.UUID(job_id))


def local(house: House, job_id: str) -> str:
    wall = stored(house, job_id).timing.wall
    assert wall is not None
    return wall.isoformat()


def soap(house: House, content: str) -> etree._Element:
    """The result of a SOAP call."""
    envelope = f'<e:Envelope xmlns:e="{SOAP}"><e:Body>{content}</e:Body></e:Envelope>'
    answer = house.client().post("soap", envelope, "text/xml; charset=utf-8")
    assert answer.status == 200, answer.text
    return etree.fromstring(answer.body)


def member(element: etree._Element, name: str) -> str:
    found = element.findtext(f".//{{*}}When/{{*}}{name}")
    assert found is not None
    return found


def post_xml(house: House, document: str) -> etree._Element:
    return house.client().post("jobs", document, XML).xml


def job_id(element: etree._Element) -> str:
    found = element.findtext(".//{*}JobID")
    assert found is not None
    return found


# What a local time is.


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize(
    ("written", "utc", "berlin"),
    [
        # Windows PowerShell writes no offset, whatever the zone: the server's own is taken.
        (f"/Date({MILLISECONDS})/", "14:00", "16:00"),
        ("2035-06-25T14:00:00Z", "14:00", "16:00"),
        # What is written with an offset, or without any zone, is what the clock showed.
        (f"/Date({MILLISECONDS}+0200)/", "16:00", "16:00"),
        (f"/Date({MILLISECONDS}-0430)/", "09:30", "09:30"),
        ("2035-06-25T14:00:00+02:00", "14:00", "14:00"),
        ("2035-06-25T14:00:00", "14:00", "14:00"),
    ],
)
def test_2_6_which_wall_time_a_date_in_json_means(
    build: Build, zone: str, written: str, utc: str, berlin: str
) -> None:
    house = build(time_zone=zone)
    when = {"ScheduledDateTime": written}
    posted = json.dumps(body(house.module(), house.agent(), **when))
    job = house.client().post("jobs", posted).json
    assert local(house, job["JobID"])[11:16] == (utc if zone == "UTC" else berlin)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize(
    ("written", "utc", "berlin"),
    [
        ("2035-06-25T14:00:00Z", "14:00", "16:00"),
        ("2035-06-25T14:00:00+02:00", "14:00", "14:00"),
        ("2035-06-25T14:00:00.123", "14:00", "14:00"),
    ],
)
def test_2_6_which_wall_time_a_date_in_xml_and_soap_means(
    build: Build, zone: str, written: str, utc: str, berlin: str
) -> None:
    house = build(time_zone=zone)
    module, agent = house.module(), house.agent()
    when = (
        "<Immediate>false</Immediate><IsLocalTime>true</IsLocalTime>"
        f"<ScheduledDateTime>{written}</ScheduledDateTime>"
    )
    rest = post_xml(house, document(module, agent, when))
    call = f'<ScheduleJob xmlns="{NAMESPACE}">{document(module, agent, when, "job")}</ScheduleJob>'
    for answer in (rest, soap(house, call)):
        expected = utc if zone == "UTC" else berlin
        assert local(house, job_id(answer))[11:16] == expected
        shown = member(answer, "ScheduledDateTime")
        # No zone at all, since it is none's.
        assert re.fullmatch(rf"2035-06-25T{expected}:00\.\d{{3}}", shown)


# 2035-03-25, 02:30 is skipped in Berlin; 2035-10-28, 02:30 comes twice.
WALLS = ("2035-06-25T14:00:00", "2035-03-25T02:30:00", "2035-10-28T02:30:00")


@pytest.mark.parametrize("quirk", [None, "UTC", "America/New_York"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Europe/London", "America/St_Johns"])
@pytest.mark.parametrize("wall", WALLS)
def test_7_5_a_local_time_that_was_answered_can_be_sent_back(
    build: Build, zone: str, quirk: str | None, wall: str
) -> None:
    house = build(time_zone=zone, dispatcher={"date_zone": quirk})
    client = house.client()
    when = {"ScheduledDateTime": wall}
    posted = json.dumps(body(house.module(), house.agent(), **when))
    first = client.post("jobs", posted).json["JobID"]
    shown = client.get(f"jobs/{first}")
    again = client.post("jobs", shown.body).json
    assert again["When"] == shown.json["When"]
    assert local(house, again["JobID"]) == local(house, first) == wall
    in_xml = client.get_xml(f"jobs/{first}")
    sent_back = post_xml(house, in_xml.text)
    assert local(house, job_id(sent_back)) == wall
    assert member(sent_back, "ScheduledDateTime") == f"{wall}.000"
    (item,) = [item for item in client.get("jobs").json["Items"] if item["JobID"] == first]
    assert item["When"] == shown.json["When"]


def test_7_7_windows_powershell_sends_an_answer_back_without_its_offset(build: Build) -> None:
    """It reads the milliseconds only, and writes the moment that they are."""
    house = build(time_zone="Europe/Berlin")
    client = house.client()
    when = {"ScheduledDateTime": f"/Date({MILLISECONDS})/"}
    job = client.post("jobs", json.dumps(body(house.module(), house.agent(), **when))).json
    assert job["When"]["ScheduledDateTime"] == f"/Date({MILLISECONDS}+0200)/"
    job["When"]["ScheduledDateTime"] = f"/Date({MILLISECONDS})/"
    again = client.post("jobs", json.dumps(job)).json
    assert again["When"] == job["When"] | {"ScheduledDateTime": f"/Date({MILLISECONDS}+0200)/"}


def test_4_1_itm_means_now_whatever_time_it_sends(house: House) -> None:
    module, agent = house.module(), house.agent()
    job = house.client().post("jobs", bodies.itm(module.guid, agent.agent)).json
    view = stored(house, job["JobID"])
    assert (view.immediate, view.local_time, view.timing.wall) == (True, True, None)
    assert house.engine.run_all(agent) == 1


def test_6_a_job_starts_in_each_agents_local_zone(stored_house: House) -> None:
    house = stored_house
    zones = ("Pacific/Kiritimati", "UTC", "America/New_York")
    agents = [house.agent(zone) for zone in zones]
    for agent, zone in zip(agents, zones, strict=True):
        query = models.Agent.update(facts={"time_zone": zone})
        query = query.where(models.Agent.id == agent.agent_id)
        house.gateway.store.unit_of_work(lambda db, query=query: db.execute(query))
    when = {"ScheduledDateTime": f"/Date({MILLISECONDS}+0000)/"}
    job = body(house.module(), agents[0], **when)
    job["Who"] = [{"ID": braced(agent.agent), "Type": 0} for agent in agents]
    answer = house.client().post("jobs", json.dumps(job)).json
    view = stored(house, answer["JobID"])
    assert view.due_at == (MILLISECONDS - 14 * HOURS) * 1000
    # What clients sort by is when the first agent starts.
    assert answer["Status"]["StartDateTime"] == f"/Date({MILLISECONDS - 14 * HOURS}+0000)/"


# What the contract has no members for.

ASKED: dict[str, Any] = {
    "AfterBoot": 1,
    "OfflineAtNextBoot": True,
    "LaunchTimeout": 90,
    "LaunchWindow": {"From": "22:00", "To": "06:00", "Days": [1, 6], "Utc": False},
    "OutsideLaunchWindow": 2,
}
ASKED_IN_XML = (
    "<AfterBoot>Next</AfterBoot><Immediate>true</Immediate><LaunchTimeout>90</LaunchTimeout>"
    "<LaunchWindow><Days><Day>Monday</Day><Day>Saturday</Day></Days><From>22:00</From>"
    "<To>06:00</To><Utc>false</Utc></LaunchWindow><OfflineAtNextBoot>true</OfflineAtNextBoot>"
    "<OutsideLaunchWindow>Fail</OutsideLaunchWindow>"
)


def in_json(house: House, module: Module, agent: AgentSession) -> str:
    when = ASKED | {"Immediate": True, "IsLocalTime": False}
    client = house.client()
    first = client.post("jobs", json.dumps(body(module, agent, **when))).json
    shown = client.get(f"jobs/{first['JobID']}")
    again = client.post("jobs", shown.body).json
    for answer in (first, shown.json, again):
        assert {name: answer["When"][name] for name in ASKED} == ASKED
    return str(again["JobID"])


def in_xml(house: House, module: Module, agent: AgentSession) -> str:
    first = post_xml(house, document(module, agent, ASKED_IN_XML))
    shown = house.client().get_xml(f"jobs/{job_id(first)}").text
    assert "<Days><Day>Monday</Day><Day>Saturday</Day></Days>" in shown
    return job_id(post_xml(house, shown))


def in_soap(house: House, module: Module, agent: AgentSession) -> str:
    asked = document(module, agent, ASKED_IN_XML, "job")
    first = soap(house, f'<ScheduleJob xmlns="{NAMESPACE}">{asked}</ScheduleJob>')
    call = f'<GetJob xmlns="{NAMESPACE}"><jobId>{job_id(first)}</jobId></GetJob>'
    (shown,) = soap(house, call).iter(f"{{{NAMESPACE}}}GetJobResult")
    shown.tag = f"{{{NAMESPACE}}}job"
    again = f'<ScheduleJob xmlns="{NAMESPACE}">{etree.tostring(shown).decode()}</ScheduleJob>'
    return job_id(soap(house, again))


@pytest.mark.parametrize("dialect", [in_json, in_xml, in_soap])
def test_6_boots_timeouts_and_windows_go_in_and_out(
    house: House, dialect: Callable[[House, Module, AgentSession], str]
) -> None:
    view = stored(house, dialect(house, house.module(), house.agent()))
    timing = view.timing
    assert (timing.boot.name, timing.offline_at_next_boot) == ("NEXT", True)
    assert view.launch_timeout == 90 * 60 * 1_000_000
    assert timing.window is not None
    assert (timing.window.opens, timing.window.closes) == (1320, 360)
    # Monday and Saturday, where Monday is 0.
    assert timing.window.days == {0, 5}
    assert timing.outside is not None
    assert timing.outside.name == "FAIL"


def test_6_what_was_not_asked_for_is_not_answered(house: House) -> None:
    client, module, agent = house.client(), house.module(), house.agent()
    when = {"Immediate": True, "AfterBoot": 0, "OfflineAtNextBoot": False}
    job = client.post("jobs", json.dumps(body(module, agent, **when))).json
    assert not ASKED.keys() & client.get(f"jobs/{job['JobID']}").json["When"].keys()
    xml = client.get_xml(f"jobs/{job['JobID']}").xml
    assert not {etree.QName(each).localname for each in xml.find("{*}When")} & ASKED.keys()


def test_6_a_job_after_every_boot_recurs(house: House) -> None:
    client, module, agent = house.client(), house.module(), house.agent()
    when = {"Immediate": True, "AfterBoot": 2}
    job = client.post("jobs", json.dumps(body(module, agent, **when))).json
    assert job["Status"]["Type"] == 0
    assert client.get("jobs?recurringjobs=False").json["Items"] == []
    facts = models.Agent.update(boot_id="another").where(models.Agent.id == agent.agent_id)
    house.gateway.store.unit_of_work(lambda db: db.execute(facts))
    agent = house.agent()
    (made,) = client.get("jobs?recurringjobs=False").json["Items"]
    assert made["Status"]["JobInvoker"] == "InvokeBoot"
    assert "AfterBoot" not in made["When"]
    assert house.engine.run_all(agent) == 1
    assert client.get(f"jobs/{made['JobID']}").json["Status"]["Type"] == JobStatus.COMPLETED
    aborted = client.put(f"jobs/{job['JobID']}", json.dumps(job["Status"] | {"Type": 2})).json
    assert aborted["Type"] == JobStatus.ABORTED


def test_6_why_a_job_waits_is_told(house: House) -> None:
    client, module, agent = house.client(), house.module(), house.agent()
    when = {"Immediate": True, "AfterBoot": 1}
    job = client.post("jobs", json.dumps(body(module, agent, **when))).json
    assert "next start" in job["Status"]["Reason"]
    assert client.get(f"jobs/{job['JobID']}").json["Status"] == job["Status"]


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ({"LaunchTimeout": 0}, "When.LaunchTimeout"),
        ({"LaunchTimeout": -1}, "When.LaunchTimeout"),
        ({"LaunchTimeout": 2**31 - 1}, "When.LaunchTimeout"),
        ({"LaunchTimeout": "soon"}, "Job.When.LaunchTimeout"),
        ({"AfterBoot": 3}, "Job.When.AfterBoot"),
        ({"AfterBoot": "Next"}, "Job.When.AfterBoot"),
        ({"OutsideLaunchWindow": "LaunchWindowFailJob"}, "Job.When.OutsideLaunchWindow"),
        ({"LaunchWindow": {}}, "When.LaunchWindow.From"),
        ({"LaunchWindow": {"From": "22:00"}}, "When.LaunchWindow.To"),
        ({"LaunchWindow": {"From": "25:00", "To": "6:00"}}, "When.LaunchWindow.From"),
        ({"LaunchWindow": {"From": "1:00", "To": "2:00", "Days": [7]}}, "LaunchWindow.Days[0]"),
        ({"Immediate": False, "AfterBoot": 2}, "When.ScheduledDateTime"),
    ],
)
def test_6_what_cannot_be_asked_for_is_refused_and_leaves_nothing(
    house: House, when: dict[str, Any], words: str
) -> None:
    posted = body(house.module(), house.agent(), **({"Immediate": True} | when))
    house.client().post("jobs", json.dumps(posted)).refused(400, words)
    assert house.stored() == 0


def test_4_3_the_window_of_another_products_api_is_passed_over(house: House) -> None:
    module, agent = house.module(), house.agent()
    job = house.client().post("jobs", bodies.vdi2(module.guid, agent.agent)).json
    view = stored(house, job["JobID"])
    assert (view.timing.window, view.timing.outside) == (None, None)


# What a site sets.


def test_6_new_jobs_may_start_on_hold(build: Build) -> None:
    house = build(default_schedule_status="disabled")
    module, agent, client = house.module(), house.agent(), house.client()
    job = client.post("jobs", bodies.itm(module.guid, agent.agent)).json
    assert job["Status"]["Type"] == -1
    assert house.engine.run_all(agent) == 0
    house.gateway.jobs.resume(uuid.UUID(job["JobID"]), house.engine.caller)
    house.gateway.clock.tick()
    assert house.engine.run_all(agent) == 1
    call = f'<ScheduleJob xmlns="{NAMESPACE}">{document(module, agent, "", "job")}</ScheduleJob>'
    assert soap(house, call).findtext(".//{*}Status/{*}Type") == "Disabled"


@pytest.mark.parametrize(("outside", "status"), [("fail", 5), ("wait", 0), ("continue", 4)])
def test_6_a_site_has_a_launch_window(build: Build, outside: str, status: int) -> None:
    # One minute of one day that is far away from any on which this runs.
    today = weekday()
    days = [["mon", "tue", "wed", "thu", "fri", "sat", "sun"][(today + 3) % 7]]
    window = {"opens": "12:00", "closes": "12:01", "days": days, "outside": outside, "utc": True}
    house = build(launch_window=window)
    module, agent, client = house.module(), house.agent(), house.client()
    job = client.post("jobs", bodies.itm(module.guid, agent.agent)).json
    house.engine.run_all(agent)
    present = client.get(f"jobs/{job['JobID']}").json["Status"]
    assert present["Type"] == status
    assert ("launch window" in present.get("Reason", "")) is (outside != "continue")


def weekday() -> int:
    """Which day of the week it is, where Monday is 0."""
    return moments.to_datetime(moments.now()).weekday()


def test_2_6_sleeping_machines_are_woken(build: Build) -> None:
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as wire:
        wire.bind(("127.0.0.1", 0))
        wire.settimeout(20)
        port = wire.getsockname()[1]
        house = build(wake_on_lan={"addresses": ["127.0.0.1"], "port": port})
        module, agent, client = house.module(), house.agent(), house.client()
        query = models.Agent.update(
            last_contact_at=1, facts={"mac_addresses": ["00:00:00:00:00:01"]}
        )
        house.gateway.store.unit_of_work(lambda db: db.execute(query))
        house.gateway.waker.start()
        for wanted in (False, True):
            when = {"Immediate": True, "UseWakeOnLAN": wanted}
            assert client.post("jobs", json.dumps(body(module, agent, **when))).status == 200
        assert wire.recv(1024) == b"\xff" * 6 + bytes.fromhex("000000000001") * 16
        wire.setblocking(False)
        with pytest.raises(BlockingIOError):
            wire.recv(1024)
