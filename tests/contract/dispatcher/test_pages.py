"""Pages of jobs (Dispatcher contract 2.8, row 3)."""

from typing import Any

import pytest

from gateway.jobs.orders import Recurrence, RecurrenceKind, Timing
from gateway.jobs.states import JobStatus
from tests.contract.dispatcher.house import Client, House, braced


def fill(house: House, jobs: int) -> list[str]:
    """Accept jobs; answers their ids, the newest first."""
    module, agent = house.module(), house.agent()
    accepted = [house.engine.accept(house.engine.order(module.guid, agent)) for _ in range(jobs)]
    return [f"{{{str(job.guid).upper()}}}" for job in reversed(accepted)]


def loop(client: Client, size: int, stage: str = "All") -> tuple[list[str], int]:
    """LUCD's loop: goes on while CurrentPage <= PageCount; answers ids and how many requests."""
    found: list[str] = []
    page = 1
    while True:
        query = f"stage={stage}&runbookjobs=True&recurringjobs=True&page={page}&pagesize={size}"
        result = client.get(f"jobs?{query}").json
        found += [item["JobID"] for item in result["Items"]]
        assert result["CurrentPage"] == page
        if not result["CurrentPage"] <= result["PageCount"]:
            return found, page
        page += 1


@pytest.mark.parametrize(
    ("jobs", "size", "requests"), [(0, 500, 1), (3, 500, 2), (4, 2, 3), (5, 2, 4)]
)
def test_2_8_the_loop_of_lucd_ends_and_finds_each_job_once(
    stored_house: House, jobs: int, size: int, requests: int
) -> None:
    ids = fill(stored_house, jobs)
    assert loop(stored_house.client(), size) == (ids, requests)


def test_2_8_without_jobs_there_is_page_1_of_0(house: House) -> None:
    assert house.client().get("jobs").json == {"CurrentPage": 1, "Items": [], "PageCount": 0}
    root = house.client().get_xml("jobs").xml
    assert [root.findtext(f"{{*}}{name}") for name in ("CurrentPage", "PageCount")] == ["1", "0"]


def test_2_8_the_page_asked_for_is_echoed_beyond_the_end(house: House) -> None:
    fill(house, 3)
    page = house.client().get("jobs?page=2147483647&pagesize=1").json
    assert page == {"CurrentPage": 2147483647, "Items": [], "PageCount": 3}


def stages(house: House) -> dict[str, set[str]]:
    client = house.client()
    return {
        stage: {item["JobID"] for item in client.get(f"jobs?stage={stage}").json["Items"]}
        for stage in ("All", "Scheduled", "Active", "History")
    }


def test_row_3_stages_are_those_of_the_console(stored_house: House) -> None:
    house = stored_house
    module, agent = house.module(), house.agent()
    other = house.agent("other")
    accept = house.engine.accept
    done = accept(house.engine.order(module.guid, agent))
    house.engine.run_all(agent)
    active = accept(house.engine.order(module.guid, agent))
    aborting = accept(house.engine.order(module.guid, agent))
    assert len(house.gateway.reception.claim(agent, 10)) == 2
    house.gateway.jobs.abort(aborting.guid, house.engine.caller)
    waiting = accept(house.engine.order(module.guid, other))
    held = accept(house.engine.order(module.guid, other, on_hold=True))
    future = Timing(immediate=False, scheduled_at=house.engine.now() + 10**12)
    later = accept(house.engine.order(module.guid, other, timing=future))
    ids = {
        name: f"{{{str(job.guid).upper()}}}"
        for name, job in {
            "done": done, "active": active, "aborting": aborting,
            "waiting": waiting, "held": held, "later": later,
        }.items()
    }  # fmt: skip
    assert stages(house) == {
        "All": set(ids.values()),
        "Scheduled": {ids["waiting"], ids["held"], ids["later"]},
        "Active": {ids["active"], ids["aborting"]},
        "History": {ids["done"]},
    }
    shown = {
        item["JobID"]: item["Status"]["Type"] for item in house.client().get("jobs").json["Items"]
    }
    numbers: dict[str, Any] = {name: shown[guid] for name, guid in ids.items()}
    assert numbers == {
        "done": JobStatus.COMPLETED, "active": JobStatus.ACTIVE, "aborting": JobStatus.ABORTING,
        "waiting": JobStatus.SCHEDULED, "held": JobStatus.DISABLED, "later": JobStatus.SCHEDULED,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"plain", "inside", "recurring"}),
        ("runbookjobs=True&recurringjobs=True", {"plain", "inside", "recurring"}),
        ("runbookjobs=False", {"plain", "recurring"}),
        ("recurringjobs=False", {"plain", "inside"}),
        ("RunBookJobs=false&RECURRINGJOBS=FALSE", {"plain"}),
        ("stage=Scheduled&recurringjobs=False&runbookjobs=False", {"plain"}),
        ("stage=History&runbookjobs=True", set()),
    ],
)
def test_row_3_false_hides_jobs_of_run_books_and_recurring_ones(
    stored_house: House, query: str, found: set[str]
) -> None:
    """The pages are counted without them too, or LUCD's loop would ask for empty ones."""
    house = stored_house
    module, agent = house.module().guid, house.agent()
    inside = house.engine.accept(house.engine.order(module, agent))
    house.adopt(inside)
    plain = house.engine.accept(house.engine.order(module, agent))
    nightly = Timing(recurrence=Recurrence(RecurrenceKind.CRON, "0 3 * * *"))
    recurring = house.engine.accept(house.engine.order(module, agent, timing=nightly))
    names = {
        braced(inside.guid): "inside",
        braced(plain.guid): "plain",
        braced(recurring.guid): "recurring",
    }
    page = house.client().get(f"jobs?pagesize=1&{query}").json
    assert page["PageCount"] == len(found)
    items = house.client().get(f"jobs?{query}").json["Items"]
    assert {names[item["JobID"]] for item in items} == found


def test_row_3_pages_have_a_size_unless_asked(house: House) -> None:
    fill(house, 51)
    first = house.client().get("jobs").json
    assert (len(first["Items"]), first["PageCount"]) == (50, 2)
    every = house.client().get("jobs?pagesize=1000000").json
    assert (len(every["Items"]), every["PageCount"]) == (51, 1)


def test_row_3_a_page_of_jobs_in_xml(house: House) -> None:
    ids = fill(house, 2)
    root = house.client().get_xml("jobs").xml
    assert [job.findtext("{*}JobID") for job in root.iterfind("{*}Items/{*}Job")] == ids
