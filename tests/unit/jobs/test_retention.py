"""Ended jobs go by age and count, with all that is theirs, and nothing else does."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import moments
from gateway.agents.protocol import LogChunk, RunFinished, TaskFinished, TaskStarted
from gateway.catalog.blobs import Blobs
from gateway.catalog.definitions import Module, Parameter, ParameterType, Task
from gateway.identity import audit
from gateway.identity import vault as vaults
from gateway.identity.principals import MACHINE
from gateway.jobs import archives
from gateway.jobs.archives import Archives
from gateway.jobs.orders import (
    GivenParameters,
    GivenValue,
    Recurrence,
    RecurrenceKind,
    Timing,
)
from gateway.jobs.retention import Retention, RetentionRefused
from gateway.jobs.states import JobStatus, Stage
from storage import models
from tests import engine as engines
from tests.conftest import StorePlace
from tests.engine import HOUR, MINUTE, Engine
from tests.unit.jobs.test_run_books import module_job, run_book, schedule, work

DAY = 24 * HOUR


class House:
    """An engine with retention; no pause between portions."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.vault = vaults.open_vault(engine.store, folder / "keys.json")
        self.blobs = Blobs(engine.store, engine.now)
        self.archives = folder / "archives"
        self.pauses: list[float] = []
        self.retention = Retention(
            engine.store,
            self.vault,
            self.blobs,
            Archives(self.archives),
            engine.now,
            self.pauses.append,
        )
        self.agent = engine.agent()

    def keep(self, days: float | None = None, count: int | None = None, **more: Any) -> None:
        values = {"definition": None, "archive": False, "caller": MACHINE, **more}
        self.retention.set(values.pop("definition"), days, count, **values)

    def done(self, module: uuid.UUID, log: bytes = b"output") -> uuid.UUID:
        """A job that has ended, with some output."""
        job = self.engine.accept(self.engine.order(module, self.agent))
        (order,) = self.engine.reception.claim(self.agent, 1)
        now = self.engine.now()
        run, attempt = order.run, order.attempt
        self.engine.reception.report(
            self.agent,
            [
                TaskStarted(run, attempt, 0, now),
                LogChunk(run, attempt, 0, 0, log),
                TaskFinished(run, attempt, 0, now, now, JobStatus.COMPLETED),
                RunFinished(run, attempt, now, JobStatus.COMPLETED),
            ],
        )
        return job.guid

    def jobs(self) -> set[uuid.UUID]:
        with self.engine.store.reading() as session:
            return {row["guid"] for row in session.rows(models.Job.select(models.Job.guid))}

    def rows(self) -> dict[str, int]:
        """How many rows each table has that belongs to jobs."""
        tables = (
            *(models.Job, models.JobRequest, models.JobEvent, models.JobOutput, models.Run),
            *(models.RunOutput, models.TaskResult, models.BlobChunk, models.Blob, models.Secret),
        )
        with self.engine.store.reading() as session:
            return {table._meta.table_name: len(session.rows(table.select())) for table in tables}


@pytest.fixture
def house(store_place: StorePlace, tmp_path: Path) -> Iterator[House]:
    store = store_place.open()
    yield House(engines.make(store, tmp_path), tmp_path)
    store.close()


def test_nothing_goes_without_a_rule(house: House) -> None:
    house.done(house.engine.module())
    house.engine.now.advance(1000 * DAY)
    assert house.retention.run() == 0
    assert len(house.jobs()) == 1


def test_what_is_too_old_goes_with_all_that_is_its_own(house: House) -> None:
    before = house.rows()
    module = house.engine.module()
    old = house.done(module)
    house.engine.now.advance(10 * DAY)
    young = house.done(module)
    house.keep(days=5)
    assert house.retention.run(dry=True) == 1
    assert house.jobs() == {old, young}
    assert house.retention.run() == 1
    assert house.jobs() == {young}
    house.engine.now.advance(10 * DAY)
    assert house.retention.run() == 1
    house.blobs.sweep(house.engine.now())
    assert house.rows() == before


def test_the_newest_are_kept_of_each_definition(house: House) -> None:
    one, other = house.engine.module(), house.engine.module()
    of_one = [house.done(one) for _ in range(4)]
    of_other = [house.done(other) for _ in range(2)]
    house.keep(count=3)
    assert house.retention.run() == 1
    assert house.jobs() == {*of_one[1:], *of_other}
    house.keep(count=0)
    assert house.retention.run() == 5


def test_a_rule_of_its_own_comes_before_that_of_all_others(house: House) -> None:
    own, other = house.engine.module(name="Own"), house.engine.module()
    kept, gone = house.done(own), house.done(other)
    house.engine.now.advance(10 * DAY)
    house.keep(days=5)
    house.keep(days=100, definition="own")
    assert house.retention.run() == 1
    assert house.jobs() == {kept}
    house.retention.remove("Own", MACHINE)
    assert house.retention.run() == 1
    assert gone not in house.jobs()


def test_what_has_not_ended_stays(house: House) -> None:
    engine = house.engine
    module = engine.module()
    waiting = engine.accept(engine.order(module, house.agent)).guid
    active = engine.accept(engine.order(module, house.agent, priority=9)).guid
    engine.reception.claim(house.agent, 1)
    rule = Recurrence(RecurrenceKind.INTERVAL, "3600")
    recurring = engine.accept(
        engine.order(module, house.agent, timing=Timing(immediate=False, recurrence=rule))
    ).guid
    engine.now.advance(DAY // 2)
    house.keep(count=0, days=0)
    assert house.retention.run() == 0
    assert house.jobs() == {waiting, active, recurring}


def test_a_run_book_goes_with_its_jobs_and_they_never_alone(house: House) -> None:
    engine = house.engine
    book = run_book(engine, module_job(engine.module(), "one"), module_job(engine.module(), "two"))
    schedule(engine, book, house.agent)
    work(engine, house.agent)
    work(engine, house.agent)
    assert len(house.jobs()) == 3
    house.keep(count=1)
    assert house.retention.run() == 0
    house.keep(count=0)
    assert house.retention.run() == 3
    assert house.jobs() == set()


def test_the_counters_stay_right(house: House) -> None:
    module = house.engine.module()
    for _ in range(5):
        house.done(module)
    house.keep(count=2)
    house.retention.run()
    counted = sum(one.jobs for one in house.engine.jobs.counts() if one.stage is Stage.HISTORY)
    assert counted == 2


def test_due_times_keep_their_record(house: House) -> None:
    engine = house.engine
    rule = Recurrence(RecurrenceKind.INTERVAL, "60")
    engine.accept(
        engine.order(engine.module(), house.agent, timing=Timing(immediate=False, recurrence=rule))
    )
    engine.now.advance(MINUTE)
    engine.clock.tick()
    engine.run_all(house.agent)
    house.keep(count=0)
    assert house.retention.run() == 1
    with engine.store.reading() as session:
        (firing,) = session.rows(models.ScheduleFiring.select())
    assert firing["job_id"] is None


class TestArchives:
    """What is written down before it goes."""

    def test_holds_the_whole_job_without_its_secrets(self, house: House) -> None:
        module = Module(
            guid=uuid.uuid4(),
            name="Secret / keeper",
            parameters=(
                Parameter(name="Password", type=ParameterType.PASSWORD, default="default secret"),
            ),
            tasks=(
                Task(
                    guid=uuid.uuid4(),
                    name="task",
                    type="command",
                    settings={"argv": ["echo", "$[Password]"]},
                ),
            ),
        )
        house.engine.catalog.save(module, MACHINE)
        order = house.engine.order(
            module.guid,
            house.agent,
            parameters=(GivenParameters(None, (GivenValue("Password", "given secret"),)),),
        )
        job = house.engine.accept(order)
        (claimed,) = house.engine.reception.claim(house.agent, 1)
        house.engine.finish(house.agent, claimed)
        secrets_before = house.rows()["secret"]
        house.keep(count=0, archive=True)
        assert house.retention.run() == 1
        assert house.rows()["secret"] == secrets_before - 1
        (file,) = house.archives.iterdir()
        (line,) = archives.read(file)
        assert file.name.endswith("Secret-keeper.jsonl.gz")
        assert line["guid"] == str(job.guid)
        assert line["status"] == "COMPLETED"
        assert [run["status"] for run in line["runs"]] == ["COMPLETED"]
        assert line["events"]
        assert "secret" not in str(line["request"]["parameters"]).replace("_secret", "")
        assert file.stat().st_mode & 0o077 == 0

    def test_appends_portion_after_portion_and_keeps_the_output(self, house: House) -> None:
        module = house.engine.module()
        first = house.done(module, b"\xffbinary\n")
        house.keep(count=0, archive=True)
        house.retention.run()
        second = house.done(module)
        house.retention.run()
        (file,) = house.archives.iterdir()
        lines = list(archives.read(file))
        assert [line["guid"] for line in lines] == [str(first), str(second)]
        assert lines[0]["runs"][0]["tasks"][0]["log"] == "/2JpbmFyeQo="

    def test_nothing_goes_where_it_cannot_be_written(self, house: House) -> None:
        house.done(house.engine.module())
        house.keep(count=0, archive=True)
        house.archives.write_text("no folder")
        with pytest.raises(OSError, match=r".+"):
            house.retention.run()
        assert len(house.jobs()) == 1


def test_portions_are_small_with_pauses_between(house: House) -> None:
    module = house.engine.module()
    for _ in range(3):
        house.done(module)
    house.keep(count=0)
    assert house.retention.run() == 3
    assert len(house.pauses) == 1


def test_rules_are_audited_and_checked(house: House) -> None:
    house.keep(days=30, comment="law")
    with house.engine.store.reading() as session:
        entry = audit.page(session)[0]
    assert (entry.action, entry.object_kind, entry.comment) == ("set", "retention rule", "law")
    assert entry.after["max_age"] == 30 * DAY
    for values in ({}, {"days": -1.0}, {"count": -1}, {"days": 1.0, "definition": "none"}):
        with pytest.raises(RetentionRefused):
            house.keep(**values)  # type: ignore[arg-type]
    with pytest.raises(RetentionRefused):
        house.retention.remove("none", MACHINE)
    assert moments.SECOND * 86400 == DAY
