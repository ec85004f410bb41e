"""What must hold between the tables of a store that a server has at hand, whatever happened to it.

Read from outside by plain SQL: the same mistake in the code that writes cannot hide here.
"""

import hashlib
import sqlite3
from collections.abc import Iterator

# The jobs of a run book have origin 9 and it for their parent. One that has ended keeps a moment to
# wake until its run book has taken note.
# Numbers of the statuses (Dispatcher contract 2.7): on hold -1, Scheduled 0, Active 1, Aborting 2;
# all above are ends. Stages: scheduled 0, active 1, history 2.
_RULES = {
    "job without what was asked for": """
        SELECT id FROM job WHERE id NOT IN (SELECT job_id FROM job_request)""",
    "request without its job": """
        SELECT job_id FROM job_request WHERE job_id NOT IN (SELECT id FROM job)""",
    "job whose history does not begin once": """
        SELECT job.id FROM job LEFT JOIN job_event AS event
            ON event.job_id = job.id AND event.before IS NULL
        GROUP BY job.id HAVING count(event.id) <> 1""",
    "event that does not follow from the one before": """
        SELECT id FROM (SELECT id, before,
            lag(after) OVER (PARTITION BY job_id ORDER BY id) AS expected FROM job_event)
        WHERE before IS NOT expected""",
    "job whose status is not that of its last event": """
        SELECT job.id FROM job WHERE status <> (SELECT after FROM job_event AS event
            WHERE event.job_id = job.id ORDER BY event.id DESC LIMIT 1)""",
    "job in the wrong stage": """
        SELECT id FROM job WHERE stage <> CASE WHEN status > 2 THEN 2
            WHEN status IN (1, 2) THEN 1 ELSE 0 END""",
    "job that ended without a time, or has a time without an end": """
        SELECT id FROM job WHERE (status > 2) <> (finished_at IS NOT NULL)""",
    "job that is over and is still waited for": """
        SELECT id FROM job WHERE status > 2 AND wake_at IS NOT NULL AND (origin <> 9
            OR (SELECT status FROM job AS book WHERE book.id = job.parent_id) > 2)""",
    "job that waits for nothing": """
        SELECT id FROM job WHERE status = 0 AND wake_at IS NULL AND launch_by IS NOT NULL""",
    "job whose open runs are miscounted": """
        SELECT job.id FROM job LEFT JOIN run ON run.job_id = job.id AND run.status <= 2
        WHERE job.id NOT IN (SELECT parent_id FROM job WHERE origin = 9)
        GROUP BY job.id HAVING count(run.id) <> job.runs_open""",
    "run book that has ended before its jobs": """
        SELECT book.id FROM job AS book JOIN job ON job.parent_id = book.id AND job.origin = 9
        WHERE book.status > 2 AND job.status <= 2""",
    "run book that miscounts its open jobs": """
        SELECT book.id FROM job AS book JOIN job ON job.parent_id = book.id AND job.origin = 9
        GROUP BY book.id HAVING book.runs_open < sum(job.status <= 2)""",
    "run book that waits for a job that nobody will begin": """
        SELECT book.id FROM job AS book JOIN job ON job.parent_id = book.id AND job.origin = 9
        WHERE book.status IN (1, 2)
        GROUP BY book.id HAVING sum(job.status > 2 AND job.wake_at IS NULL) = count(*)""",
    "job of a run book that was begun before its turn": """
        SELECT job.id FROM job JOIN job AS earlier
            ON earlier.parent_id = job.parent_id AND earlier.origin = 9 AND earlier.seq < job.seq
        WHERE job.origin = 9 AND job.due_at IS NOT NULL AND earlier.due_at IS NULL
            AND earlier.status <= 2""",
    "job that is active without a run": """
        SELECT id FROM job WHERE stage = 1 AND runs_open = 0""",
    "job that completed without a run": """
        SELECT id FROM job WHERE status = 4 AND NOT recurring
            AND id NOT IN (SELECT job_id FROM run)
            AND id NOT IN (SELECT parent_id FROM job WHERE origin = 9)""",
    "run without its job": """
        SELECT id FROM run WHERE job_id NOT IN (SELECT id FROM job)""",
    "run under way without session or lease": """
        SELECT id FROM run WHERE status IN (1, 2) AND (session IS NULL OR lease_until IS NULL)""",
    "run that is over and has a lease, or no time of its end": """
        SELECT id FROM run WHERE status > 2 AND (lease_until IS NOT NULL OR finished_at IS NULL)""",
    "run with a further attempt and no mark of it": """
        SELECT run.id FROM run WHERE attempt <> 1 + (SELECT count(*) FROM job_event AS event
            WHERE event.run_id = run.id AND event.reason LIKE 'attempt %')""",
    "run whose finished tasks are miscounted": """
        SELECT run.id FROM run WHERE tasks_done > tasks_total""",
    "task that has not ended with its attempt": """
        SELECT task.id FROM task_result AS task JOIN run ON run.id = task.run_id
        WHERE task.status <= 2 AND (run.status > 2 OR task.attempt < run.attempt)""",
    "task without its run": """
        SELECT id FROM task_result WHERE run_id NOT IN (SELECT id FROM run)""",
    "log of a finished task that is not sealed": """
        SELECT task.id FROM task_result AS task JOIN blob ON blob.id = task.log_id
        WHERE task.status > 2 AND (blob.sha256 IS NULL OR blob.state <> 1)""",
    "bytes that belong to nothing": """
        SELECT id FROM blob WHERE state = 1
            AND id NOT IN (SELECT log_id FROM task_result WHERE log_id IS NOT NULL)
            AND id NOT IN (SELECT blob_id FROM resource_version)""",
    "blob with pieces missing": """
        SELECT blob_id FROM blob_chunk GROUP BY blob_id HAVING max(seq) <> count(*) - 1""",
    "counter that does not count": """
        SELECT stage FROM (
            SELECT stage, sum(jobs) AS jobs FROM job_counter GROUP BY stage
            UNION ALL SELECT stage, -count(*) FROM job GROUP BY stage)
        GROUP BY stage HAVING sum(jobs) <> 0""",
    "firing that ran without a job": """
        SELECT schedule_id FROM schedule_firing WHERE outcome = 0
            AND (job_id IS NULL OR job_id NOT IN (SELECT id FROM job))""",
    "job that two firings claim": """
        SELECT job_id FROM schedule_firing WHERE job_id IS NOT NULL
        GROUP BY job_id HAVING count(*) > 1""",
    "recurring run that no firing knows": """
        SELECT id FROM job WHERE origin = 2 AND parent_id IS NOT NULL
            AND schedule_id IS NOT NULL AND NOT recurring
            AND id NOT IN (SELECT job_id FROM schedule_firing WHERE job_id IS NOT NULL)""",
}


def problems(connection: sqlite3.Connection) -> list[str]:
    """Sentences on what does not fit together; none when all is well.

    Read in one transaction, since a server may be at work.
    """
    connection.execute("BEGIN")
    try:
        return [*_broken_rules(connection), *_wrong_seals(connection), *_damage(connection)]
    finally:
        connection.execute("ROLLBACK")


def _broken_rules(connection: sqlite3.Connection) -> Iterator[str]:
    for sentence, sql in _RULES.items():
        found = [row[0] for row in connection.execute(sql)]
        if found:
            yield f"{len(found)} x {sentence}: {found[:5]}"


def _wrong_seals(connection: sqlite3.Connection) -> Iterator[str]:
    sealed = connection.execute("SELECT id, size, sha256 FROM blob WHERE sha256 IS NOT NULL")
    for blob, size, sha256 in sealed.fetchall():
        digest, length = hashlib.sha256(), 0
        pieces = "SELECT data FROM blob_chunk WHERE blob_id = ? ORDER BY seq"
        for (data,) in connection.execute(pieces, (blob,)):
            digest.update(data)
            length += len(data)
        if (size, sha256) != (length, digest.hexdigest()):
            yield f"blob {blob} is not what its seal says"


def _damage(connection: sqlite3.Connection) -> Iterator[str]:
    for (line,) in connection.execute("PRAGMA quick_check"):
        if line != "ok":
            yield f"damaged: {line}"
    for row in connection.execute("PRAGMA foreign_key_check"):
        yield f"table {row[0]}: row {row[1]} refers to nothing in {row[2]}"
