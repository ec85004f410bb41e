"""The lives of a store: another one begins when a backup takes its place.

What happened between the backup and its restore is unknown to the store, and did happen: agents'
reports of that time are refused, since they belong to another life, and each job that had not ended
in the backup bears a mark that it may have run already.
"""

import uuid

import peewee

from gateway.identity import store_facts
from gateway.jobs.states import JobStatus
from storage import models
from storage.session import WritingSession

RESTORED = (
    "the store was restored from a backup: what happened since the backup was made is not known, "
    "so this may have run already"
)
_ACTOR = "restore"


def begin(session: WritingSession, now: int) -> int:
    """Begin another life, at ``now`` in epoch microseconds; how many jobs were marked."""
    store_facts.write(session, store_facts.INCARNATION, str(uuid.uuid4()))
    job, event = models.Job, models.JobEvent
    unsettled = job.status.in_([status for status in JobStatus if not status.finished])
    marks = job.select(job.id, now, job.status, job.status, _ACTOR, RESTORED).where(unsettled)
    fields = (event.job_id, event.at, event.before, event.after, event.actor, event.reason)
    count = session.scalar(job.select(peewee.fn.COUNT(job.id)).where(unsettled))
    session.execute(event.insert_from(marks, fields))
    return int(count)
