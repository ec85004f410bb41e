"""The document of a job's results (Dispatcher contract 2.9).

``masterjobresults/masterjobresult`` and ``task`` with ``guid``, ``description`` and
``results/agent/result/status`` are certain; everything else in the tree is our choice.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lxml import etree

from gateway import moments
from gateway.jobs.states import JobStatus
from gateway.jobs.views import JobView, RunView, TaskView

# Logs are for reading; the rest of a longer one is to be had from the console or the command line.
LOG_BYTES = 256 * 1024
# Of all logs together, who get equal shares of it: the contract's list of numbers for the bytes of
# UTF-16 takes 25 times the memory of the text.
ALL_LOG_BYTES = 4 * 1024 * 1024

# The console's words, which clients compare with (Dispatcher contract 2.7).
STATUS_TEXTS = {
    JobStatus.UNKNOWN: "Unknown",
    JobStatus.DISABLED: "On Hold",
    JobStatus.SCHEDULED: "Scheduled",
    JobStatus.ACTIVE: "Active",
    JobStatus.ABORTING: "Aborting",
    JobStatus.ABORTED: "Aborted",
    JobStatus.COMPLETED: "Completed",
    JobStatus.FAILED: "Failed",
    JobStatus.FAILED_HALTED: "Failed (job stopped)",
    JobStatus.CANCELED: "Cancelled",
    JobStatus.COMPLETED_WITH_ERRORS: "Completed with errors",
    JobStatus.SKIPPED: "Skipped",
    JobStatus.PENDING: "Pending",
    JobStatus.TIMED_OUT: "Timeout",
}

_UNFIT = dict.fromkeys((*range(32), 65534, 65535), "�")
for _fit in (0x09, 0x0A, 0x0D):
    del _UNFIT[_fit]


@dataclass(frozen=True)
class JobResult:
    """A job with its runs; one of a run book has instead the jobs in it, and its last values."""

    job: JobView
    runs: Sequence[RunView]
    outputs: Mapping[str, str]
    jobs: Sequence["JobResult"] = ()

    def all_runs(self) -> Iterator[RunView]:
        """Its runs and those of all jobs within it."""
        yield from self.runs
        for inner in self.jobs:
            yield from inner.all_runs()


def document(
    found: JobResult,
    read_log: Callable[[int, int], bytes],
    *,
    overview: bool,
    detailed: bool,
) -> bytes:
    """The results in UTF-16LE without byte order mark; the declaration says utf-16.

    ``overview`` adds a line for each agent, ``detailed`` every task with its output.
    ``read_log`` answers the beginning of a log, at most so many bytes.
    """
    root = etree.Element("masterjobresults")
    beginning = _beginnings(list(found.all_runs()), read_log)
    _job_result(etree.SubElement(root, "masterjobresult"), found, beginning, overview, detailed)
    text = etree.tostring(root, encoding="unicode")
    return ('<?xml version="1.0" encoding="utf-16"?>' + text).encode("utf-16-le")


def _job_result(
    result: etree._Element,
    found: JobResult,
    beginning: Callable[[int], str],
    overview: bool,
    detailed: bool,
) -> None:
    _job_members(result, found.job)
    if found.outputs:
        _outputs(result, found.outputs)
    if overview:
        agents = etree.SubElement(result, "agents")
        for run in found.runs:
            _overview(agents, run)
    if detailed:
        tasks = etree.SubElement(result, "tasks")
        for same in _by_task(found.runs):
            _task(tasks, same, beginning)
    if found.jobs:
        jobs = etree.SubElement(result, "runbookjobs")
        for inner in found.jobs:
            _job_result(etree.SubElement(jobs, "job"), inner, beginning, overview, detailed)


def _beginnings(
    runs: Sequence[RunView], read_log: Callable[[int, int], bytes]
) -> Callable[[int], str]:
    """Reads the beginning of a log as text, within its share of what a document may hold."""
    logs = sum(task.log_id is not None for run in runs for task in run.tasks)
    share = min(LOG_BYTES, ALL_LOG_BYTES // max(1, logs))
    return lambda log_id: _readable(read_log(log_id, share), share)


def _job_members(result: etree._Element, job: JobView) -> None:
    _text(result, "guid", _guid(job.guid))
    _text(result, "description", job.description)
    _text(result, "status", STATUS_TEXTS[job.status])
    _text(result, "startdatetime", _time(job.started_at))
    _text(result, "stopdatetime", _time(job.finished_at))
    _text(result, "reason", job.reason)


def _overview(agents: etree._Element, run: RunView) -> None:
    agent = etree.SubElement(agents, "agent")
    _text(agent, "guid", _guid(run.agent_guid))
    _text(agent, "name", run.agent)
    _text(agent, "status", STATUS_TEXTS[run.status])
    _text(agent, "attempt", str(run.attempt))
    _text(agent, "startdatetime", _time(run.started_at))
    _text(agent, "stopdatetime", _time(run.finished_at))
    _text(agent, "reason", run.reason)


def _by_task(runs: Sequence[RunView]) -> list[list[tuple[RunView, TaskView]]]:
    """The tasks in their order, each with its result on every agent."""
    places: dict[int, list[tuple[RunView, TaskView]]] = {}
    for run in runs:
        for task in run.tasks:
            places.setdefault(task.seq, []).append((run, task))
    return [places[seq] for seq in sorted(places)]


def _task(
    tasks: etree._Element,
    same: Sequence[tuple[RunView, TaskView]],
    beginning: Callable[[int], str],
) -> None:
    task = same[0][1]
    element = etree.SubElement(tasks, "task")
    _text(element, "guid", _guid(task.guid))
    _text(element, "description", task.name)
    module = etree.SubElement(element, "module")
    _text(module, "guid", _guid(task.module_guid))
    _text(module, "name", task.module)
    results = etree.SubElement(element, "results")
    for run, result in same:
        agent = etree.SubElement(results, "agent")
        _text(agent, "guid", _guid(run.agent_guid))
        _text(agent, "name", run.agent)
        _result(agent, result, beginning)


def _result(agent: etree._Element, task: TaskView, beginning: Callable[[int], str]) -> None:
    result = etree.SubElement(agent, "result")
    _text(result, "status", STATUS_TEXTS[task.status])
    _text(result, "exitcode", "" if task.exit_code is None else str(task.exit_code))
    _text(result, "startdatetime", _time(task.started_at))
    _text(result, "stopdatetime", _time(task.finished_at))
    _text(result, "details", task.detail)
    if task.outputs:
        _outputs(result, task.outputs)
    if task.log_id is not None:
        output = _text(result, "output", beginning(task.log_id))
        output.set("truncated", "true" if task.log_truncated else "false")


def _outputs(parent: etree._Element, values: Mapping[str, str]) -> None:
    parameters = etree.SubElement(parent, "outputparameters")
    for name, value in values.items():
        parameter = etree.SubElement(parameters, "parameter")
        _text(parameter, "name", name)
        _text(parameter, "value", value)


def _readable(output: bytes, most: int) -> str:
    text = output.decode("utf-8", "replace")
    if len(output) >= most:
        text += f"\n[only the first {most} bytes are shown here]"
    return text


def _text(parent: etree._Element, name: str, text: str) -> etree._Element:
    element = etree.SubElement(parent, name)
    element.text = text.translate(_UNFIT)
    return element


def _guid(guid: uuid.UUID) -> str:
    return f"{{{str(guid).upper()}}}"


def _time(moment: int | None) -> str:
    """UTC without a zone, as the old datastore kept times."""
    return "" if moment is None else f"{moments.to_datetime(moment):%Y-%m-%dT%H:%M:%S}"
