"""The requests of the load, byte for byte: one order in three dialects, GET, and GetJob."""

import base64
import json
import uuid

from gateway.surfaces.dispatcher import messages

SERVICE = "/Dispatcher/SchedulingService"
LOGIN = ("admin", "a password to measure with")
_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"


def get(path: str, content_type: str = "application/json") -> bytes:
    """A GET with the login."""
    return _request("GET", path, content_type)


def json_order(module: uuid.UUID, agent: uuid.UUID) -> bytes:
    """POST jobs in JSON, with the members and the spelling of the PowerShell clients."""
    order = {
        "Description": "New Test Job",
        "When": {
            "ScheduledDateTime": "/Date(1435238400000)/",
            "Immediate": True,
            "IsLocalTime": True,
            "UseWakeOnLAN": False,
        },
        "What": [{"ID": _braced(module), "Type": 0, "Name": "Measured"}],
        "Who": [{"ID": _braced(agent), "Type": 0, "Name": "PC1234"}],
        "Parameters": [
            {
                "Identifier": "",
                "Type": 0,
                "TaskContainerGuid": _braced(module),
                "TaskContainerName": "Measured",
                "JobParameters": [
                    {"Name": "VMName", "Type": 0, "Value1": "vm01", "Value2": "", "Value3": ""}
                ],
            }
        ],
    }
    body = json.dumps(order).replace("/Date(1435238400000)/", r"\/Date(1435238400000)\/")
    return _request("POST", f"{SERVICE}/jobs", "application/json", body.encode())


def xml_order(module: uuid.UUID, agent: uuid.UUID) -> bytes:
    """The same in XML."""
    body = f'<Job xmlns="{messages.NAMESPACE}">{_members(module, agent)}</Job>'
    return _request("POST", f"{SERVICE}/jobs", "application/xml", body.encode())


def soap_order(module: uuid.UUID, agent: uuid.UUID, path: str = f"{SERVICE}/soap") -> bytes:
    """The same as a call of SOAP 1.1."""
    return _soap_call("ScheduleJob", f"<job>{_members(module, agent)}</job>", path)


def soap_question(job: uuid.UUID) -> bytes:
    """GetJob as a call of SOAP 1.1; ids are written as the gateway answers them."""
    return _soap_call("GetJob", f"<jobId>{_braced(job)}</jobId>", f"{SERVICE}/soap")


def _soap_call(operation: str, arguments: str, path: str) -> bytes:
    body = (
        f'<soap:Envelope xmlns:soap="{_SOAP}"><soap:Body>'
        f'<{operation} xmlns="{messages.NAMESPACE}">{arguments}</{operation}>'
        "</soap:Body></soap:Envelope>"
    )
    return _request("POST", path, "text/xml; charset=utf-8", body.encode())


def _members(module: uuid.UUID, agent: uuid.UUID) -> str:
    """In the order of the published schema: others validate against it."""
    return (
        "<Description>New Test Job</Description>"
        "<Parameters><ParameterSet><Identifier/><JobParameters><Parameter>"
        "<Name>VMName</Name><Type>Text</Type><Value1>vm01</Value1><Value2/><Value3/>"
        "</Parameter></JobParameters>"
        f"<TaskContainerGuid>{module}</TaskContainerGuid>"
        "<TaskContainerName>Measured</TaskContainerName><Type>Module</Type>"
        "</ParameterSet></Parameters>"
        f"<What><JobWhat><ID>{module}</ID><Name>Measured</Name><Type>Module</Type></JobWhat></What>"
        "<When><Immediate>true</Immediate><IsLocalTime>true</IsLocalTime>"
        "<ScheduledDateTime>2015-06-25T13:20:00Z</ScheduledDateTime>"
        "<UseWakeOnLAN>false</UseWakeOnLAN></When>"
        f"<Who><JobWho><ID>{agent}</ID><Name>PC1234</Name><Type>Agent</Type></JobWho></Who>"
    )


def credentials() -> str:
    """The value of the header Authorization."""
    return f"Basic {base64.b64encode(':'.join(LOGIN).encode()).decode()}"


def _request(method: str, path: str, content_type: str, body: bytes = b"") -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\n"
        "Host: 127.0.0.1\r\n"
        f"Authorization: {credentials()}\r\n"
        f"Content-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("latin-1") + body


def _braced(guid: uuid.UUID) -> str:
    return f"{{{str(guid).upper()}}}"
