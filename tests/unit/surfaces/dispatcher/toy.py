"""A small SOAP service with nested messages, lists, bytes and every way to fail."""

import threading
import uuid
from typing import Any

from gateway.surfaces.dispatcher import messages, soap
from gateway.surfaces.dispatcher.soap_contract import (
    FaultCode,
    SoapArgument,
    SoapFault,
    SoapOperation,
)
from gateway.wire.messages import list_of
from gateway.wire.scalars import BOOLEAN, BYTES, GUID, INTEGER, TEXT, enumeration

NAMESPACE = messages.NAMESPACE
S11 = "http://schemas.xmlsoap.org/soap/envelope/"
S12 = "http://www.w3.org/2003/05/soap-envelope"


class NoSuchJobError(Exception):
    """A domain error that the toy knows how to explain."""


class Recorder:
    """The operations' handlers; keeps what each was called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._lock = threading.Lock()

    def _note(self, *call: Any) -> None:
        with self._lock:
            self.calls.append(call)

    def schedule(self, context: object, job: messages.Job | None, note: str | None) -> messages.Job:
        self._note("schedule", context, job, note)
        return job or messages.Job()

    def by_status(self, _context: object, status: messages.JobStatusType | None) -> Any:
        self._note("by_status", status)
        same = status == messages.JobStatusType.Active
        return (messages.JobWhat(Name="active" if same else "other"), messages.JobWhat())

    def upload(self, _context: object, data: bytes | None, flag: bool | None) -> int:
        self._note("upload", data, flag)
        return len(data or b"")

    def abort(self, _context: object, job: uuid.UUID | None) -> None:
        raise NoSuchJobError(str(job))

    def refuse(self, _context: object) -> None:
        raise SoapFault(FaultCode.SERVER, "StoreUnavailable", "later & not <now>")

    def fail(self, _context: object) -> None:
        raise RuntimeError("the password is hunter2")

    def wrong(self, _context: object) -> str:
        return "not a job"


def explain(error: Exception) -> SoapFault | None:
    if isinstance(error, NoSuchJobError):
        return SoapFault(FaultCode.CLIENT, "JobNotFound", f"there is no job {error}")
    return None


def service(handlers: Recorder) -> soap.SoapService:
    status = SoapArgument("status", enumeration(messages.JobStatusType), "Which status.")
    operations = [
        SoapOperation(
            "ScheduleJob",
            handlers.schedule,
            (SoapArgument("job", messages.Job, "The job."), SoapArgument("note", TEXT)),
            messages.Job,
            "Schedules a job.",
        ),
        SoapOperation("ListByStatus", handlers.by_status, (status,), list_of(messages.JobWhat)),
        SoapOperation(
            "Upload",
            handlers.upload,
            (SoapArgument("data", BYTES), SoapArgument("flag", BOOLEAN)),
            INTEGER,
        ),
        SoapOperation("AbortJob", handlers.abort, (SoapArgument("jobId", GUID),)),
        SoapOperation("Refuse", handlers.refuse),
        SoapOperation("Fail", handlers.fail),
        SoapOperation("Wrong", handlers.wrong, (), messages.Job),
    ]
    return soap.build_soap(
        operations,
        name="ToyService",
        namespace=NAMESPACE,
        explain=explain,
        understood=frozenset({"{urn:known}Security"}),
    )


def envelope(body: str, namespace: str = S11, header: str = "") -> bytes:
    head = f"<s:Header>{header}</s:Header>" if header else ""
    return (
        f'<s:Envelope xmlns:s="{namespace}" xmlns="{NAMESPACE}">{head}'
        f"<s:Body>{body}</s:Body></s:Envelope>"
    ).encode()
