"""An Idempotency-Key in every dialect, and answers that show no mark."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.contract.dispatcher.house import JSON, Answer, House
from tests.reliability import load

KEY = "7f0c-4b1e"

Dialect = Callable[[uuid.UUID], tuple[str, bytes, str]]


def post(house: House, dialect: Dialect, guid: uuid.UUID, key: str | None = None) -> Answer:
    path, body, content_type = dialect(guid)
    headers = {} if key is None else {"Idempotency_Key": key}
    body = body.replace(load.AGENT.encode(), b"PC1234")
    return house.client().send("POST", path, body, content_type, **headers)


def job_id(answer: Answer) -> uuid.UUID:
    found = load.JOB_ID.search(answer.text)
    assert found, answer.text
    return uuid.UUID(found[1])


@pytest.mark.parametrize("dialect", load.DIALECTS)
def test_the_same_key_answers_the_same_in_every_dialect(
    stored_house: House, dialect: Dialect
) -> None:
    agent, module = stored_house.agent(), stored_house.module()
    first = post(stored_house, dialect, module.guid, KEY)
    stored_house.engine.run_all(agent)
    second = post(stored_house, dialect, module.guid, KEY)
    assert (first.status, second.status) == (200, 200)
    assert second.body == first.body
    assert stored_house.stored() == 1


def test_a_key_holds_across_dialects(house: House) -> None:
    house.agent()
    module = house.module()
    answers = [post(house, dialect, module.guid, KEY) for dialect in load.DIALECTS]
    assert len({job_id(answer) for answer in answers}) == 1


def test_a_key_with_another_request_is_the_clients_mistake(house: House) -> None:
    house.agent()
    first, other = house.module(), house.module("Other")
    post(house, load.as_json, first.guid, KEY)
    post(house, load.as_json, other.guid, KEY).refused(422, "Idempotency-Key", "another request")
    fault = post(house, load.as_soap, other.guid, KEY)
    assert "IdempotencyKeyReused" in fault.text
    assert "Client" in fault.text
    assert house.stored() == 1


def test_what_is_no_key_is_refused(house: House) -> None:
    house.agent()
    module = house.module()
    post(house, load.as_json, module.guid, "x" * 256).refused(400, "Idempotency-Key")
    post(house, load.as_json, module.guid, "two words").refused(400, "Idempotency-Key")
    assert "InvalidIdempotencyKey" in post(house, load.as_soap, module.guid, " ").text
    assert house.stored() == 0


def test_the_same_key_at_the_same_moment_makes_one_job(stored_house: House) -> None:
    stored_house.agent()
    module = stored_house.module()
    with ThreadPoolExecutor(6) as threads:
        answers = list(
            threads.map(lambda _: post(stored_house, load.as_json, module.guid, KEY), range(6))
        )
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert stored_house.stored() == 1


def test_a_mark_changes_nothing_that_clients_see(house: House) -> None:
    house.agent()
    module = house.module()
    first, second = (post(house, load.as_json, module.guid) for _ in range(2))
    job = house.gateway.jobs.get(job_id(second))
    assert job.possible_duplicate_of == job_id(first)
    assert "duplicate" not in second.text.lower()
    assert "duplicate" not in house.client().get(f"jobs/{job.guid}", JSON).text.lower()
