"""What is no message of the protocol is refused as a Problem, whoever sends it."""

import json
import re
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.agents import messages
from gateway.surfaces.agents import openapi
from gateway.surfaces.agents.operations import OPERATIONS, Operation, Proof
from tests.contract.agents.conftest import ROOT, Remote, as_json, facts
from tests.contract.dispatcher.house import House

POSTS = [one for one in OPERATIONS if one.method == "POST"]


def named(operation: Operation) -> str:
    return operation.name


def path(operation: Operation) -> str:
    return operation.path.replace("{enrolment}", str(uuid.uuid4()))


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
@pytest.mark.parametrize(
    "header", [None, "Bearer ", "Bearer x", "Bearer " + "9" * 5000, "Basic eA=="]
)
def test_nobody_comes_in_without_a_token(house: House, operation: Operation, header: str) -> None:
    remote = Remote(house.app, house.log)
    headers = {} if header is None else {"Authorization": header}
    reply = remote.send(operation.method, path(operation), b"{", **headers)
    if operation.proof is Proof.NOTHING:
        reply.refused(400, "bad_request")
    else:
        reply.refused(401, "unauthenticated")
        assert reply.headers["WWW-Authenticate"] == "Bearer"


def test_every_route_has_its_operation(house: House) -> None:
    routed = {
        (method, re.sub(r"<(\w+)>", r"{\1}", rule.rule.removeprefix(ROOT)))
        for rule in house.app.url_map.iter_rules()
        if rule.endpoint.startswith("agents.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    described = {(one.method, one.path) for one in OPERATIONS}
    assert routed == described | {("GET", "/openapi.json")}


@pytest.mark.parametrize("operation", POSTS, ids=named)
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"facts": 1}', b"\0"],
    ids=range(8),
)
def test_what_is_no_message_is_refused(remote: Remote, operation: Operation, body: bytes) -> None:
    reply = remote.send("POST", operation.path, body)
    if operation.request is messages.Document and body.startswith(b'{"'):
        # It asks for no members, and passes over all.
        assert reply.status == 200
        return
    assert reply.status == 400
    messages.Problem.model_validate_json(reply.body)


def test_what_is_too_long_is_refused(remote: Remote) -> None:
    remote.send("POST", "/reports", b" " * (9 * 1024 * 1024)).refused(413, "too_large")


@pytest.mark.parametrize(
    "change",
    [
        {"max_runs": 0},
        {"max_runs": 2**40},
        {"console_user": "nul\0"},
        {"console_user": "\ud800"},
        {"boot_id": "b" * 300},
        {"addresses": ["10.0.0.1"] * 2000},
        {"name": 5},
        {"addresses": None},
    ],
)
def test_facts_that_nobody_could_keep_are_refused(remote: Remote, change: dict[str, Any]) -> None:
    told = as_json(facts()) | change
    asked = {"facts": told, "instance": remote.instance, "previous": remote.session["session"]}
    remote.post("/sessions", asked).refused(400, "bad_request")


def test_unknown_members_are_passed_over(remote: Remote) -> None:
    told = as_json(facts()) | {"new": 1}
    asked = {
        "facts": told,
        "instance": remote.instance,
        "previous": remote.session["session"],
        "later": {},
    }
    assert remote.post("/sessions", asked).status == 200


def test_what_is_not_there_is_a_problem_too(remote: Remote) -> None:
    remote.send("GET", "/nothing").refused(404, "not_found")
    remote.send("GET", "/poll").refused(405, "bad_request")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.uuids().map(str),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
MEMBERS = (
    *("session", "incarnation", "places", "runs", "facts", "wait", "reports", "reason", "begun"),
    *("instance", "previous", "name", "secret", "token"),
)
REPORT = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["task_started", "log_chunk", "task_finished", "run_finished"]),
        "run": st.uuids().map(str) | JSON,
        **dict.fromkeys(
            ("attempt", "seq", "at", "index", "data", "status", "outputs", "detail"), JSON
        ),
    },
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    operation=st.sampled_from(POSTS),
    members=st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=6),
    reports=st.none() | st.lists(REPORT, max_size=3),
)
def test_no_json_breaks_the_server(
    remote: Remote, operation: Operation, members: dict[str, Any], reports: Any
) -> None:
    body = {**remote.named, "wait": 0, **members}
    if reports is not None:
        body["reports"] = reports
    reply = remote.post(operation.path, body)
    assert reply.status < 500, reply.body
    if reply.status != 200:
        messages.Problem.model_validate_json(reply.body)


class TestOpenApi:
    """The published description."""

    @pytest.fixture
    def document(self, house: House) -> dict[str, Any]:
        reply = Remote(house.app, house.log).send("GET", "/openapi.json")
        return reply.json

    def test_has_every_operation(self, document: dict[str, Any]) -> None:
        assert document["openapi"].startswith("3.1")
        found = {
            (method.upper(), place.removeprefix(ROOT))
            for place, methods in document["paths"].items()
            for method in methods
        }
        assert found == {(one.method, one.path) for one in OPERATIONS}

    def test_refers_to_nothing_that_is_not_there(self, document: dict[str, Any]) -> None:
        schemas = document["components"]["schemas"]
        wanted = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
        assert wanted <= schemas.keys()
        assert {"PollAnswer", "RunOrder", "Problem"} <= wanted

    def test_is_what_the_code_makes(self, document: dict[str, Any]) -> None:
        assert document == json.loads(json.dumps(openapi.document()))
