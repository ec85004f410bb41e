"""A server that is killed before its client has the answer: the client sends its request again."""

import uuid

import httpx
import pytest

from tests.reliability import load
from tests.reliability.load import Kind
from tests.reliability.servers import House

pytestmark = pytest.mark.slow

KEY = {"Idempotency-Key": "one-job-only"}


def ask(client: httpx.Client, headers: dict[str, str]) -> uuid.UUID:
    path, body, content_type = load.as_json(Kind.PLAIN.guid)
    answer = client.post(path, content=body, headers={"Content-Type": content_type, **headers})
    assert answer.status_code == 200, answer.text
    return load.job_id(answer)


def test_what_is_sent_again_after_a_kill_is_one_job_or_bears_its_mark(house: House) -> None:
    with house.serving() as server, server.client() as client:
        keyed, plain = ask(client, KEY), ask(client, {})
        server.kill()
    with house.serving() as server, server.client() as client:
        assert ask(client, KEY) == keyed
        second = ask(client, {})
        assert second not in {keyed, plain}
    (reason,) = house.query(
        f"SELECT reason FROM job_event WHERE job_id = ({_number(second)}) ORDER BY id LIMIT 1"
    )[0]
    assert str(plain) in reason
    assert len(house.query("SELECT id FROM job")) == 3


def _number(job: uuid.UUID) -> str:
    return f"SELECT id FROM job WHERE guid = '{job.hex}'"
