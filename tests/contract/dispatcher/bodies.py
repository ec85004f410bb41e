"""Request bodies byte for byte as the known clients write them (Dispatcher contract 4).

Names as there: ITM and LUCD are PowerShell modules, VDI1 and VDI2 scripts of desktop pools. The
scripts schedule run books on teams; here their bodies name modules and agents.
"""

import json
import uuid
from typing import Any

NO_GUID = "{00000000-0000-0000-0000-000000000000}"


def braced(guid: uuid.UUID) -> str:
    """An id in upper case and braces."""
    return f"{{{str(guid).upper()}}}"


def itm(module: uuid.UUID, agent: uuid.UUID, parameters: str = "null") -> str:
    """ITM: ConvertTo-Json of Windows PowerShell, booleans as texts, a list that holds null."""
    return (
        '{"Description":"New Test Job",'
        '"When":{"ScheduledDateTime":"\\/Date(1435238400000)\\/","Immediate":"true",'
        '"IsLocalTime":"true","UseWakeOnLAN":"false"},'
        f'"What":[{{"ID":"{braced(module)}","Type":0,"Name":"Test Module"}}],'
        f'"Who":[{{"ID":"{braced(agent)}","Type":0,"Name":"PC1234"}}],'
        f'"Parameters":[{parameters}]}}'
    )


def lucd(what: list[Any], who: list[Any], parameters: list[Any]) -> str:
    """LUCD: the whole objects that what/* and who answered, as it read them."""
    body = {
        "Description": "RESAM job",
        "When": {
            "ScheduledDateTime": "/Date(1403733600000)/",
            "Immediate": "True",
            "IsLocalTime": "False",
            "UseWakeOnLAN": "False",
        },
        "What": what,
        "Who": who,
        "Parameters": parameters,
    }
    return json.dumps(body, indent=4).replace("/Date(1403733600000)/", "\\/Date(1403733600000)\\/")


def vdi1(module: uuid.UUID, agent: uuid.UUID) -> str:
    """VDI1: written by hand, a comma too many, ids between blanks."""
    return f"""{{
    "Description": "Reinstall VM vm01",
    "When": {{
        "Immediate": true,
        "IsLocalTime": true,
        "UseWakeOnLAN": false
    }},
    "What": [
        {{
            "ID": " {{{module}}} ",
            "Type": 0,
            "Name": "Reinstall"
        }}
    ],
    "Who": [
        {{
            "ID": " {{{agent}}} ",
            "Type": 0,
        }}
    ],
    "Parameters": [
        {{
            "Identifier": "",
            "Type": 0,
            "TaskContainerGuid": " {{{module}}} ",
            "TaskContainerName": "Reinstall VM vm01",
            "JobGuid": "{NO_GUID}",
            "JobName": "",
            "JobParameters": [
                {{
                    "Name": "VMName",
                    "Type": 0,
                    "Description": "",
                    "Value1": "vm01",
                    "Value2": "",
                    "Value3": "",
                    "Hint": "Please provide the necessary input",
                    "Selection": ""
                }}
            ]
        }}
    ],
    "ScheduleInParallel": "true"
}}"""


def vdi2(module: uuid.UUID, agent: uuid.UUID, value: Any = "vm01") -> str:
    """VDI2: members of another product's API, a value as the database gave it, random order."""
    parameter = {
        "Selection": "",
        "Hint": "Please provide the necessary input",
        "Value3": "",
        "Value2": "",
        "Value1": value,
        "Description": "",
        "Type": 0,
        "Name": "VMName",
    }
    body = {
        "scheduleInParallel": True,
        "outsideLaunchWindow": "LaunchWindowFailJob",
        "Parameters": [
            {
                "JobParameters": [parameter],
                "JobName": "",
                "JobGuid": NO_GUID,
                "TaskContainerName": "IA - Order for user",
                "TaskContainerGuid": str(module),
                "Type": 0,
                "Identifier": "",
            }
        ],
        "Who": [{"ID": str(agent), "Type": 0}],
        "What": [{"ID": str(module), "Type": 0, "Name": "IA - Order for user"}],
        "When": {"Immediate": True, "IsLocalTime": True, "UseWakeOnLAN": False},
        "Description": "IA - Order for user",
    }
    return json.dumps(body, indent=2)
