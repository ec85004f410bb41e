"""The commands ``schedule``, ``calendar`` and ``maintenance``."""

import json
import uuid
from pathlib import Path

import pytest

from gateway import application
from gateway.agents.desk import AgentFacts
from gateway.catalog.definitions import Module, Task
from gateway.datafolder import DataFolder
from gateway.identity.principals import MACHINE
from gateway.settings import Settings
from tests.unit.cli.conftest import Run


@pytest.fixture
def house(gateway: Run, data: Path) -> Run:
    """Runs commands where there are a module, ``Backup``, and an agent, PC1."""
    folder = DataFolder(data)
    with folder.hold():
        built = application.build(Settings(data=data), folder)
        facts = AgentFacts("PC1", "linux", "1", "boot", (), (), 1, embedded=True)
        built.reception.open_session(facts)
        task = Task(guid=uuid.uuid4(), name="t", type="command", settings={"argv": ["true"]})
        module = Module(guid=uuid.uuid4(), name="Backup", tasks=(task,))
        built.catalog.save(module, MACHINE)
        built.store.close()
    return gateway


def test_a_calendar_from_its_making_to_its_end(gateway: Run, tmp_path: Path) -> None:
    file = tmp_path / "plant.json"
    file.write_text(json.dumps({"zone": "Europe/Berlin", "holidays": ["12-25"]}))
    made = gateway("calendar", "create", "Plant", "--file", str(file), "--workday", "mon", "--json")
    assert (made.json["zone"], made.json["workdays"]) == ("Europe/Berlin", ["mon"])
    changed = gateway(
        *("calendar", "change", "plant", "--holiday", "2026-05-14", "--json"),
        *("--blackout", "22:00/06:00"),
    ).json
    assert (changed["holidays"], changed["workdays"]) == (["2026-05-14"], ["mon"])
    assert changed["blackouts"][0]["from"] == "22:00"
    assert "Plant" in gateway("calendar", "list").out
    assert gateway("calendar", "show", made.json["guid"], "--json").json["name"] == "Plant"
    assert gateway("calendar", "delete", "Plant").out == "deleted Plant\n"
    assert gateway("calendar", "list", "--json").json == []


def test_a_rule_is_previewed_with_a_calendar(gateway: Run) -> None:
    gateway("calendar", "create", "Plant", "--zone", "UTC", "--workday", "mon")
    found = gateway(
        *("schedule", "preview", "--cron", "0 9 ? * sun", "--zone", "UTC", "--json"),
        *("--calendar", "plant", "--on-closed", "next", "--count", "2"),
    ).json
    assert [one["runs"] for one in found] == [False, True, False, True]
    assert found[1]["reason"] == f"instead of {found[0]['at']}"


def test_a_schedule_is_turned_off_and_on(house: Run) -> None:
    house("calendar", "create", "Plant", "--zone", "UTC")
    job = house(
        *("job", "submit", "Backup", "--agent", "PC1", "--rrule", "FREQ=DAILY;BYHOUR=9", "--json"),
        *("--calendar", "Plant", "--on-closed", "previous", "--zone", "UTC"),
    ).json["guid"]
    (listed,) = house("schedule", "list", "--json").json
    assert (listed["job"], listed["calendar"], listed["enabled"]) == (job, "Plant", True)
    assert listed["kind"] == "calendar"
    assert len(house("schedule", "forecast", job, "--count", "3", "--json").json) == 3
    assert house("schedule", "disable", job, "--comment", "stocktaking").out.endswith("disabled\n")
    assert house("schedule", "forecast", job, "--json").json == []
    shown = house("schedule", "show", listed["guid"], "--json").json
    assert (shown["enabled"], shown["events"][-1]["reason"]) == (False, "stocktaking")
    assert house("schedule", "enable", job).out.endswith("enabled\n")
    assert house("schedule", "history", job, "--json").json == []
    assert "used by 1 schedule" in house("calendar", "delete", "Plant").err


def test_maintenance_begins_and_ends(gateway: Run) -> None:
    gateway("team", "create", "Floor")
    begun = gateway("maintenance", "begin", "--team", "floor", "--until", "2999-01-01T00:00Z")
    assert begun.out == "maintenance of Floor has begun\n"
    assert "has begun" in gateway("maintenance", "begin", "--reason", "new disk").out
    found = gateway("maintenance", "list", "--json").json
    assert [(one["team"], one["on"]) for one in found] == [(None, True), ("Floor", True)]
    assert "has ended" in gateway("maintenance", "end").out
    assert [one["on"] for one in gateway("maintenance", "list", "--json").json] == [False, True]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("schedule", "preview"), "name one rule"),
        (("schedule", "preview", "--cron", "61 * * * *"), "minute: '61'"),
        (("schedule", "preview", "--rrule", "FREQ=HOURLY"), "FREQ=HOURLY is not read"),
        (("schedule", "preview", "--cron", "* * * * *", "--zone", "Mars"), "unknown time zone"),
        (("schedule", "preview", "--cron", "* * * * *", "--calendar", "x"), "no calendar 'x'"),
        (("schedule", "preview", "--cron", "0 0 30 2 *"), "never due"),
        (("schedule", "show", "x"), "no GUID"),
        (("calendar", "create", "X", "--holiday", "2026-02-30"), "holidays.0"),
        (("calendar", "create", "X", "--blackout", "now"), "FROM/TO"),
        (("calendar", "change", "X"), "there is no calendar"),
        (("maintenance", "end"), "there is no maintenance"),
        (("maintenance", "begin", "--until", "0001-01-01T00:00"), "between 1970"),
        (("job", "submit", "M", "--on-closed", "skip", "--cron", "* * * * *"), "--calendar"),
        (("job", "submit", "M", "--calendar", "x"), "goes with --every"),
    ],
)
def test_what_is_wrong_is_told(gateway: Run, command: tuple[str, ...], told: str) -> None:
    result = gateway(*command)
    assert told in result.err
    assert result.code == 2
