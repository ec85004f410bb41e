"""The report of usage, on both databases."""

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from gateway import moments
from gateway.identity.permissions import OWN, Access, Reach
from gateway.jobs import usage
from gateway.jobs.orders import Origin
from gateway.jobs.states import JobStatus
from gateway.jobs.usage import Period, UsedWhat
from storage import models
from storage.database import Store
from storage.session import Session
from tests import stored
from tests.engine import BEGINNING, MINUTE, Engine


def starts(store: Store, period: Period) -> list[int]:
    return [job.started_at for job in usage.report(store, period)]


def test_a_job_is_told_as_a_whole(engine: Engine) -> None:
    agents = [engine.agent("one"), engine.agent("two")]
    module = engine.module(name="Printers")
    job = engine.accept(engine.order(module, *agents))
    first, second = (engine.reception.claim(agent, 1)[0] for agent in agents)
    (active,) = usage.report(engine.store, Period())
    assert (active.status, active.finished_at) == (JobStatus.ACTIVE, None)
    engine.now.advance(MINUTE)
    engine.finish(agents[0], first)
    engine.finish(agents[1], second, JobStatus.FAILED)
    (told,) = usage.report(engine.store, Period())
    assert told.guid == job.guid
    assert [(what.guid, what.name) for what in told.what] == [(module, "Printers")]
    assert (told.status, told.origin, told.owner) == (
        JobStatus.COMPLETED_WITH_ERRORS,
        Origin.USER,
        "",
    )
    assert told.agents == 2
    assert (told.started_at, told.finished_at) == (BEGINNING, BEGINNING + MINUTE)


def test_jobs_that_never_started_were_not_in_use(engine: Engine) -> None:
    agent = engine.agent()
    waiting, canceled = (
        engine.accept(engine.order(engine.module(), agent, on_hold=True)) for _ in range(2)
    )
    engine.jobs.abort(canceled.guid, engine.caller)
    assert engine.jobs.get(waiting.guid).status is JobStatus.DISABLED
    assert list(usage.report(engine.store, Period())) == []


@pytest.mark.parametrize(
    ("period", "told"),
    [
        (Period(), [10, 20, 30]),
        (Period(start=20), [20, 30]),
        (Period(start=21), [30]),
        (Period(end=20), [10]),
        (Period(end=21), [10, 20]),
        (Period(10, 31), [10, 20, 30]),
        (Period(20, 20), []),
        (Period(30, 20), []),
        (Period(start=31), []),
    ],
)
def test_a_period_has_its_start_and_not_its_end(
    store: Store, period: Period, told: list[int]
) -> None:
    stored.add_jobs(store, [30, None, 10, 20])
    assert starts(store, period) == told


def test_every_job_is_told_once_and_by_its_start_whatever_lies_between_two_reads(
    store: Store,
) -> None:
    """More of the same start than one read takes, before and behind its end."""
    same = [7] * 600
    stored.add_jobs(store, [*range(400, 0, -1), *same, 9, 8])
    told = list(usage.report(store, Period()))
    assert [job.started_at for job in told] == sorted([*range(1, 401), *same, 9, 8])
    assert len({job.guid for job in told}) == len(told)


def test_what_is_accepted_later_does_not_get_in(store: Store) -> None:
    """Or a report that is read slowly would never end."""
    stored.add_jobs(store, range(1000))
    report = usage.report(store, Period())
    read = [next(report).started_at]
    stored.add_jobs(store, [500, 5000])
    read += [job.started_at for job in report]
    assert read == list(range(1000))


def test_between_its_reads_a_report_holds_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_now: list[Session] = []
    most = 0
    reading = store.reading

    @contextlib.contextmanager
    def noted(**options: Any) -> Iterator[Session]:
        nonlocal most
        with reading(**options) as session:
            open_now.append(session)
            most = max(most, len(open_now))
            yield session
        open_now.remove(session)

    monkeypatch.setattr(store, "reading", noted)
    stored.add_jobs(store, range(1000))
    for _job in usage.report(store, Period()):
        assert open_now == []
    assert most == 1


def test_others_may_compute_between_its_reads_though_nothing_is_told(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or who may read of one job among a million would keep everybody waiting."""
    turns = 0

    @contextlib.contextmanager
    def waiting() -> Iterator[None]:
        nonlocal turns
        turns += 1
        yield

    monkeypatch.setattr(store, "_waiting", waiting)
    stored.add_jobs(store, range(1000))
    turns = 0
    nobody = Reach(0, Access.READ, ((OWN, Access.READ),))
    assert list(usage.report(store, Period(), nobody)) == []
    assert turns >= 4


def test_who_may_not_read_of_a_job_is_not_told_of_it(store: Store) -> None:
    def principal(session: Session) -> int:
        query = models.Principal.insert(
            guid=uuid.uuid4(),
            description="",
            tenant_id=1,
            kind=0,
            name="Ä",
            name_key="ä",
            disabled=False,
            created_at=0,
        )
        return int(session.execute(query))

    owner = store.unit_of_work(principal)
    mine = stored.add_jobs(store, range(0, 1000, 2), owner=owner)
    stored.add_jobs(store, range(1, 1000, 2))
    reach = Reach(owner, Access.READ, ((OWN, Access.READ),))
    told = list(usage.report(store, Period(), reach))
    assert [job.guid for job in told] == mine
    assert {job.owner for job in told} == {"Ä"}


def test_the_definitions_of_a_large_run_book_are_read_but_not_remembered(store: Store) -> None:
    (guid,) = stored.add_jobs(store, [1])
    what = [{**stored.WHAT[0], "tree": "x" * 10_000}]

    def change(session: Session) -> None:
        session.execute(models.JobRequest.update(what=what))

    store.unit_of_work(change)
    usage._known_what.cache_clear()
    (told,) = usage.report(store, Period())
    assert told.guid == guid
    assert told.what == (UsedWhat(stored.MODULE, 0, "Module <1>"),)  # type: ignore[arg-type]  # equal
    assert usage._known_what.cache_info().currsize == 0


def test_moments_are_microseconds(store: Store) -> None:
    moment = moments.now()
    stored.add_jobs(store, [moment], seconds=1)
    (told,) = usage.report(store, Period(moment, moment + 1))
    assert told.finished_at == moment + moments.SECOND
