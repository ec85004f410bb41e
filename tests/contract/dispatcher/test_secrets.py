"""Secrets are in no answer of any dialect, and the marker in their place can be sent back."""

import json

import pytest

from tests.contract.dispatcher import bodies
from tests.contract.dispatcher.house import JSON, PARAMETERS, SECRETS, XML, House


def secretly(house: House) -> tuple[str, str]:
    """A job that was given secrets; answers its id and the module's."""
    module, agent = house.module(parameters=PARAMETERS), house.agent()
    client = house.client()
    given = client.get(f"what/modules/{module.guid}/inputparameters").json
    for parameter in given["JobParameters"]:
        if parameter["Name"] == "Password":
            parameter["Value1"] = "a secret of the job"
        if parameter["Name"] == "Account":
            parameter["Value1"] = "somebody"
            parameter["Value2"] = "a secret of the job"
    answer = client.post("jobs", bodies.itm(module.guid, agent.agent, json.dumps(given)))
    house.engine.run_all(agent)
    return answer.json["JobID"], str(module.guid)


@pytest.mark.parametrize("content_type", [JSON, XML])
def test_no_answer_holds_a_secret(stored_house: House, content_type: str) -> None:
    job, module = secretly(stored_house)
    client = stored_house.client()
    for path in (
        "jobs",
        f"jobs/{job}",
        "what/modules",
        f"what/modules/{module}/inputparameters",
    ):
        body = client.get(path, content_type).text
        assert not any(secret in body for secret in SECRETS), path
    data = client.get(f"jobs/{job}/results").json["Xml"]
    told = bytes(data).decode("utf-16-le")
    assert not any(secret in told for secret in SECRETS)


def test_soap_answers_hold_no_secret(house: House) -> None:
    job, module = secretly(house)
    for call in (
        f"<GetJob><jobId>{job}</jobId></GetJob>",
        (
            f"<GetInputParameters><whatType>Module</whatType><whatId>{module}</whatId>"
            "</GetInputParameters>"
        ),
        "<GetJobs/>",
    ):
        body = (
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
            f"{call}</s:Body></s:Envelope>"
        )
        answer = house.client().post("soap", body, "text/xml")
        assert answer.status == 200
        assert not any(secret in answer.text for secret in SECRETS)


def test_a_refusal_does_not_quote_a_secret(house: House) -> None:
    module, agent = house.module(parameters=PARAMETERS), house.agent()
    given = house.client().get(f"what/modules/{module.guid}/inputparameters").json
    for parameter in given["JobParameters"]:
        if parameter["Name"] == "Password":
            parameter["Value1"] = {"nested": SECRETS[2]}
    answer = house.client().post("jobs", bodies.itm(module.guid, agent.agent, json.dumps(given)))
    answer.refused(400)
    assert SECRETS[2] not in answer.text


def test_the_marker_keeps_what_is_stored_and_a_new_value_reaches_the_agent(house: House) -> None:
    module, agent = house.module(parameters=PARAMETERS), house.agent()
    given = house.client().get(f"what/modules/{module.guid}/inputparameters").json
    body = bodies.itm(module.guid, agent.agent, json.dumps(given))
    assert house.client().post("jobs", body).status == 200
    (order,) = house.gateway.reception.claim(agent, 1)
    values = {parameter.name: parameter.value for parameter in order.parameters}
    assert values["Password"] == SECRETS[1]
    assert "********" not in values.values()
