"""What was promised, and whether it was kept, once all is quiet again.

Read from the store by plain SQL, from the journals of the clients, and from the lines that the
tasks themselves have written.
"""

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.jobs.states import JobStatus
from tests.reliability import consistency, load
from tests.reliability.campaign.plan import Fault
from tests.reliability.campaign.site import Site
from tests.reliability.load import Kind
from tests.reliability.servers import until

_SECOND = 1_000_000
_RUNS = """
SELECT run.guid, run.attempt, run.status, definition.guid,
    EXISTS (SELECT 1 FROM job_event WHERE job_id IN (job.id, job.parent_id) AND actor = 'restore')
FROM run JOIN job ON job.id = run.job_id JOIN definition ON definition.id = job.definition_id"""
_KEYED = f"""
SELECT description FROM job JOIN job_request ON job_request.job_id = job.id
WHERE parent_id IS NULL AND description LIKE '{load.TEXT} %'
GROUP BY description HAVING count(*) > 1"""
_DUE = "SELECT due_at FROM schedule_firing ORDER BY due_at"
_COUNTS = {
    "jobs": "SELECT count(*) FROM job WHERE NOT recurring",
    "failed": "SELECT count(*) FROM job WHERE status NOT IN (4) AND stage = 2 AND NOT recurring",
    "again": "SELECT count(*) FROM run WHERE attempt > 1",
    "marked": "SELECT count(*) FROM job_event WHERE actor = 'restore'",
    "missed": "SELECT count(*) FROM schedule_firing WHERE outcome <> 0",
    "late": "SELECT count(*) FROM job_event WHERE reason LIKE 'a late report%'",
}


@dataclass(frozen=True)
class Outcome:
    """What a round came to: its figures, and sentences on what was not kept."""

    counts: Mapping[str, int]
    broken: tuple[str, ...]


def settle(site: Site) -> None:
    """Wait until nothing waits or runs any more. Raises AssertionError when that takes too long."""
    site.await_agents()
    site.command("schedule", "disable", site.schedule)
    until("all jobs end", site.house.settled)
    until("all processes are gone", lambda: not site.house.marked())


def outcome(site: Site) -> Outcome:
    """Look at everything that was promised."""
    crowd = site.crowd
    assert crowd is not None
    counts = {name: int(site.house.query(sql)[0][0]) for name, sql in _COUNTS.items()}
    return Outcome(
        counts={"accepted": len(crowd.accepted), "refused": crowd.refusals, **counts},
        broken=(
            *(f"an answer that no client should see: {one}" for one in crowd.mistakes),
            *_lost(site, crowd.accepted),
            *_doubled(site),
            *_ran(site),
            *_due_times(site),
            *_logged(site),
        ),
    )


def _lost(site: Site, accepted: set[uuid.UUID]) -> Iterator[str]:
    jobs = {uuid.UUID(guid) for (guid,) in site.house.query("SELECT guid FROM job")}
    for job in accepted - jobs - site.gone:
        yield f"job {job} was accepted and is not there"
    with site.house.reading() as connection:
        yield from consistency.problems(connection)


def _doubled(site: Site) -> Iterator[str]:
    for (text,) in site.house.query(_KEYED):
        yield f"the request {text!r} has made more than one job"


def _ran(site: Site) -> Iterator[str]:
    """What really ran is what the store says: no more often, and completed means ended."""
    written = load.lines(site.house)
    begun = Counter(line.run for line in written if line.what == "begun")
    ended = {line.run for line in written if line.what == "ended"}
    known = set()
    for text, attempt, status, module, marked in site.house.query(_RUNS):
        run = uuid.UUID(text)
        known.add(run)
        # A job that waited in a backup may have run before it was restored: it says so.
        if begun[run] > attempt + marked:
            yield f"run {run} ran {begun[run]} times in {attempt} attempts without a mark"
        if attempt > 1 and uuid.UUID(module) != Kind.RETRIED.guid:
            yield f"run {run} is not to be tried again, and has {attempt} attempts"
        if status == JobStatus.COMPLETED and run not in ended:
            yield f"run {run} is completed, and its task has not come to its end"
    for line in written:
        if line.what == "overlap":
            yield f"two attempts of run {line.run} ran at the same time"
    if Fault.RESTORE not in site.plan.faults:
        for run in begun.keys() - known:
            yield f"run {run} ran, and the store does not know it"


def _due_times(site: Site) -> Iterator[str]:
    """The schedule is due each second: each due time has its record, and ran once at the most."""
    firings = site.house.query(
        "SELECT due_at, outcome, job_id FROM schedule_firing ORDER BY due_at"
    )
    if not firings:
        yield "the schedule was never due"
        return
    found = [due for due, _, _ in firings]
    wanted = set(range(found[0], found[-1] + 1, _SECOND))
    for due in sorted(wanted.symmetric_difference(found))[:3]:
        yield f"due time {due} has no record of its own"
    if len(set(found)) != len(found):
        yield "a due time has two records"


def _logged(site: Site) -> Iterator[str]:
    for name, text in site.logs().items():
        if "Traceback" in text:
            at = text.index("Traceback")
            yield f"the log of {name} has an error nobody foresaw: {text[at : at + 3000]}"
