"""SOAP 1.1 and 1.2 with zeep, over HTTP, against the published WSDL (Dispatcher contract 5)."""

import base64
import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import zeep
import zeep.exceptions
from lxml import etree

from gateway.agents.desk import AgentSession
from gateway.jobs.service import JobFilter
from gateway.jobs.states import JobStatus
from storage.errors import StoreUnavailable
from tests.contract.conftest import Provoked
from tests.contract.dispatcher import served
from tests.contract.dispatcher.house import (
    ADMIN,
    NAMESPACE,
    PARAMETERS,
    House,
    braced,
    checked,
)
from tests.contract.dispatcher.served import Place

UNKNOWN = "{5CF59E5A-343C-4D85-A83C-8B18E4731040}"
VERSIONS = ("1.1", "1.2")


def check(answer: requests.Response, *_arguments: Any, **_options: Any) -> None:
    if answer.request.method == "POST" and "xml" in answer.headers["Content-Type"]:
        checked(answer.content)


@dataclasses.dataclass(frozen=True)
class Soap:
    """A house with a client for one version of SOAP."""

    house: House
    place: Place
    version: str

    def service(self, login: tuple[str, str] = ADMIN) -> Any:
        """zeep's proxy of the service."""
        session = requests.Session()
        session.auth = login
        session.hooks["response"].append(check)
        make: Any = zeep  # it has no types
        transport = make.Transport(session=session, timeout=20, operation_timeout=20)
        client = make.Client(f"{self.place.url}/soap?wsdl={self.version}", transport=transport)
        self.house.log.requests += 1
        return client.service

    def job(self) -> tuple[AgentSession, dict[str, Any]]:
        """A job to be scheduled, as zeep takes it, and the agent that it is for."""
        agent = self.house.agent()
        module = self.house.module(parameters=PARAMETERS)
        given = {
            "TaskContainerGuid": braced(module.guid),
            "Type": "Module",
            "JobParameters": {"Parameter": [{"Name": "VMName", "Type": "Text", "Value1": "ä<&>"}]},
        }
        return agent, {
            "Description": "From zeep",
            "Parameters": {"ParameterSet": [given]},
            "What": {"JobWhat": [{"ID": braced(module.guid), "Type": "Module"}]},
            "When": {"Immediate": True, "IsLocalTime": False, "UseWakeOnLAN": False},
            "Who": {"JobWho": [{"ID": braced(agent.agent), "Type": "Agent"}]},
        }


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def soap(version: str, house: House) -> Iterator[Soap]:
    with served.serving(house) as place:
        yield Soap(house, place, version)


@pytest.fixture
def stored_soap(version: str, stored_house: House) -> Iterator[Soap]:
    with served.serving(stored_house) as place:
        yield Soap(stored_house, place, version)


@contextlib.contextmanager
def fault(code: str, *, sender: bool, word: str = "") -> Iterator[None]:
    """Hold that a call ends in the contract's typed fault."""
    with pytest.raises(zeep.exceptions.Fault) as raised:
        yield
    detail = raised.value.detail
    assert detail is not None
    (told,) = detail.iter(f"{{{NAMESPACE}}}DispatcherFault")
    members = {etree.QName(member).localname: member.text or "" for member in told}
    assert members["Code"] == code
    assert word in members["Message"]
    assert members["Message"] == raised.value.message
    assert members["RequestId"]
    blamed = raised.value.code.rpartition(":")[2]
    assert blamed in (("Client", "Sender") if sender else ("Server", "Receiver"))


def test_every_operation_with_typed_results(stored_soap: Soap) -> None:
    service = stored_soap.service()
    agent, job = stored_soap.job()
    made = service.ScheduleJob(job=job)
    assert (made.Status.Type, made.Status.JobInvoker) == ("Scheduled", "InvokeUser")
    (module,) = service.GetModules()
    assert (module.ID, module.Type) == (job["What"]["JobWhat"][0]["ID"], "Module")
    (who,) = service.GetWho()
    assert (who.ID, who.Name, who.Type) == (braced(agent.agent), "PC1234", "Agent")
    assert service.GetWho(agents=False) is None
    assert [one.Name for one in service.GetWho(agents=True, search="pc", online=True)] == ["PC1234"]
    given = service.GetInputParameters(whatType="Module", whatId=module.ID)
    assert [p.Type for p in given.JobParameters.Parameter][-1] == "Password"
    shown = service.GetJob(jobId=made.JobID)
    (parameters,) = shown.Parameters.ParameterSet
    assert parameters.JobParameters.Parameter[0].Value1 == "ä<&>"
    assert shown.When.Immediate is True
    page = service.GetJobs(stage="Scheduled", page=1, pageSize=10, runBookJobs=True)
    assert (page.CurrentPage, page.PageCount, len(page.Items.Job)) == (1, 1, 1)
    assert service.AbortJob(jobId=made.JobID, status={"Type": "Aborting"}).Type == "Aborted"


def test_5_export_job_results_is_base64_of_utf_16(soap: Soap) -> None:
    service = soap.service()
    agent, job = soap.job()
    made = service.ScheduleJob(job=job)
    assert soap.house.engine.run_all(agent) == 1
    result = service.ExportJobResults(made.JobID, includeOverview=True, includeDetailed=False)
    # zeep unwraps a result with one member.
    text = result.decode("utf-16-le")
    assert text.startswith('<?xml version="1.0" encoding="utf-16"?><masterjobresults>')
    assert "<agents>" in text
    assert "<tasks>" not in text
    assert service.GetJob(made.JobID).Status.Type == "Completed"
    rest = soap.house.client().get_xml(f"jobs/{made.JobID}/results?detailed=false")
    encoded = rest.xml.findtext("{*}Xml")
    assert encoded is not None
    assert base64.b64decode(encoded) == result


def test_7_5_what_get_job_gives_schedule_job_takes_back(soap: Soap) -> None:
    service = soap.service()
    _, job = soap.job()
    made = service.ScheduleJob(job=job)
    again = service.ScheduleJob(job=service.GetJob(made.JobID))
    assert again.JobID != made.JobID
    one, other = service.GetJob(made.JobID), service.GetJob(again.JobID)
    assert one.Parameters == other.Parameters
    assert (one.What, one.Who) == (other.What, other.Who)


def test_an_empty_page_is_typed_too(soap: Soap) -> None:
    page = soap.service().GetJobs(page=7)
    assert (page.CurrentPage, page.PageCount) == (7, 0)


def test_a_wrong_password_is_the_basic_401(soap: Soap) -> None:
    service = soap.service((ADMIN[0], "wrong"))
    with pytest.raises(zeep.exceptions.Fault) as raised:
        service.GetModules()
    assert raised.value.detail[0].findtext("{*}Code") == "FailedAuthentication"


CALLS: dict[str, tuple[str, str, Callable[[Any], Any]]] = {
    "unknown job": ("JobNotFound", "job", lambda service: service.GetJob(UNKNOWN)),
    "results of no job": ("JobNotFound", "job", lambda service: service.ExportJobResults(UNKNOWN)),
    "abort of no job": (
        "JobNotFound",
        "job",
        lambda service: service.AbortJob(UNKNOWN, {"Type": "Aborting"}),
    ),
    "unknown module": (
        "DefinitionNotFound",
        "module",
        lambda service: service.GetInputParameters("Module", UNKNOWN),
    ),
    "malformed id": ("InvalidMessage", "GetJob.jobId", lambda service: service.GetJob("nonsense")),
    "no id": ("InvalidArgument", "jobId", lambda service: service.GetJob()),
    "no id of a result": ("InvalidArgument", "jobId", lambda s: s.ExportJobResults()),
    "no type": (
        "InvalidArgument",
        "whatType",
        lambda service: service.GetInputParameters(whatId=UNKNOWN),
    ),
    "bad type": ("InvalidArgument", "'x'", lambda s: s.GetInputParameters("x", UNKNOWN)),
    "bad stage": ("InvalidArgument", "stage", lambda service: service.GetJobs(stage="x")),
    "bad page": ("InvalidArgument", "page", lambda service: service.GetJobs(page=0)),
    "no job": ("InvalidArgument", "job", lambda service: service.ScheduleJob()),
    "empty job": ("InvalidJob", "What", lambda service: service.ScheduleJob({})),
    "no status": ("InvalidArgument", "status", lambda service: service.AbortJob(UNKNOWN)),
    "empty status": ("JobNotFound", "job", lambda s: s.AbortJob(UNKNOWN, {})),
}


def test_a_clients_mistake_is_a_typed_fault_and_stores_nothing(soap: Soap) -> None:
    service = soap.service()
    for code, word, call in CALLS.values():
        with fault(code, sender=True, word=word):
            call(service)
    assert soap.house.stored() == 0


def test_a_missing_right_is_a_typed_fault_and_lists_are_empty(soap: Soap) -> None:
    soap.house.login("somebody")
    service = soap.service(("somebody", "a long password"))
    _, job = soap.job()
    with fault("AccessDenied", sender=True, word="modify access to Jobs"):
        service.ScheduleJob(job=job)
    with fault("AccessDenied", sender=True):
        service.GetJob(UNKNOWN)
    assert service.GetModules() is None
    assert service.GetJobs().PageCount == 0
    assert soap.house.stored() == 0


def test_no_other_status_can_be_set(soap: Soap) -> None:
    service = soap.service()
    _, job = soap.job()
    made = service.ScheduleJob(job=job)
    with fault("InvalidStatus", sender=True, word="JobStatus.Type"):
        service.AbortJob(made.JobID, {"Type": "Completed"})
    (view,) = soap.house.gateway.jobs.page(JobFilter(), 1, 10).jobs
    assert view.status is JobStatus.SCHEDULED


def test_a_store_that_cannot_be_written_is_the_servers_fault(
    soap: Soap, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(*_arguments: object) -> None:
        raise StoreUnavailable("/secret/path")

    _, job = soap.job()
    service = soap.service()
    service.GetModules()
    monkeypatch.setattr(soap.house.gateway.store, "soon", unavailable)
    with fault("StoreUnavailable", sender=False, word="try again later"):
        service.ScheduleJob(job=job)


def test_a_mistake_of_ours_is_the_servers_fault_and_tells_nothing(
    soap: Soap, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise Provoked("a secret of the server")

    service = soap.service()
    monkeypatch.setattr(soap.house.gateway.jobs, "page", fail)
    with fault("InternalError", sender=False, word="its log has the cause"):
        service.GetJobs()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", "InvalidMessage"),
        ("<x", "InvalidMessage"),
        ("<Job/>", "InvalidEnvelope"),
        ("<GetNothing/>", "UnknownOperation"),
        ("<GetJobs><page>x</page></GetJobs>", "InvalidMessage"),
        ("<GetJobs><page><x/></page></GetJobs>", "InvalidMessage"),
        ("<GetModules/><GetModules/>", "InvalidEnvelope"),
    ],
)
def test_what_no_stack_would_send_is_a_typed_fault(house: House, body: str, code: str) -> None:
    enveloped = (
        f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{body}'
        "</s:Body></s:Envelope>"
    )
    sent = enveloped if body.startswith("<Get") else body
    answer = house.client().post("soap", sent, "text/xml")
    assert answer.status == 500
    assert answer.headers["Content-Type"] == "text/xml; charset=utf-8"
    (told,) = checked(answer.body).iter(f"{{{NAMESPACE}}}DispatcherFault")
    assert told.findtext("{*}Code") == code
    assert told.findtext("{*}RequestId") == answer.headers["X-Request-Id"]
