"""Whatever is sent: an answer that says whose mistake it is, and nothing half stored.

The log of all this is read by ``test_log.py``.
"""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.dispatcher import bodies
from tests.contract.dispatcher.house import BASE, JSON, PARAMETERS, XML, Answer, House

ID = "5cf59e5a-343c-4d85-a83c-8b18e4731040"

# A house is built once for all examples of a test; each looks at what it added.
shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

TYPES = st.sampled_from(
    [
        *(None, "", JSON, XML, "text/plain", "text/xml; charset=utf-16", "application/soap+xml"),
        *("application/json; charset=latin-1", "application/json; charset=nonsense", ";;==,"),
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["", "true", "0", ID, f" {{{ID}}} ", "/Date(9e99)/", "/Date(-1+9999)/"])
    | st.sampled_from(
        ["24:00:00", "0001-01-01T00:00:00", "9999-12-31T23:59:59Z", "\x01", "\ufffe"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def plain(answer: Answer) -> bool:
    """Hold that an answer is success or a client's mistake told as such; whether it is success."""
    assert answer.status in (200, 400, 404, 405), answer.text
    if answer.status != 200:
        answer.refused(answer.status)
    assert "Traceback" not in answer.text
    return answer.status == 200


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all members and items of a JSON value."""
    if not isinstance(value, dict | list):
        return []
    found = []
    for name, item in value.items() if isinstance(value, dict) else enumerate(value):
        found += [(*path, name), *places(item, (*path, name))]
    return found


@pytest.fixture
def order(house: House) -> str:
    """A good order."""
    return bodies.vdi2(house.module(parameters=PARAMETERS).guid, house.agent().agent)


@shared
@given(st.data())
def test_1_6_any_value_in_any_member_is_taken_whole_or_refused(
    house: House, order: str, data: st.DataObject
) -> None:
    body = json.loads(order)
    *where, last = data.draw(st.sampled_from(places(body)))
    holder = body
    for step in where:
        holder = holder[step]
    holder[last] = data.draw(VALUES)
    before = house.stored()
    taken = plain(house.client().post("jobs", json.dumps(body)))
    assert house.stored() == before + taken
    assert plain(house.client().get("jobs?pagesize=3"))
    assert plain(house.client().get_xml("jobs?pagesize=3"))


@shared
@given(st.binary(max_size=100) | st.text(alphabet='<>/{}[]":,&;!-? aA0\n', max_size=60), TYPES)
def test_1_6_any_bytes_of_any_type_are_refused_and_store_nothing(
    house: House, body: bytes | str, content_type: str | None
) -> None:
    for method, path in (("POST", "jobs"), ("PUT", f"jobs/{ID}")):
        assert not plain(house.client().send(method, path, body, content_type))
    assert house.stored() == 0


@shared
@given(
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "PROPFIND"]),
    st.lists(
        st.sampled_from(
            ["jobs", "what", "modules", "inputparameters", "results", "help", ID, "%00"]
        )
        | st.from_regex(r"[!-.0-9A-~]{0,8}", fullmatch=True),
        max_size=4,
    ),
    st.from_regex(r"[!-~]{0,20}", fullmatch=True),
)
def test_1_6_any_address_is_answered(
    house: House, method: str, path: list[str], query: str
) -> None:
    address = f"{BASE}/{'/'.join(path)}?{query}".replace("#", "%23")
    answer = house.client().send(method, address, content_type=JSON)
    assert answer.status in (200, 307, 400, 404, 405), answer.text


@pytest.mark.parametrize(
    "accept", ["*", "*/*;q=2", ";q=,,/", "text/html, image/gif, *; q=.2", "\xff"]
)
def test_1_4_any_accept_header_is_answered(house: House, accept: str) -> None:
    assert house.client().get("who", Accept=accept).status == 200


HEADERS = st.sampled_from(
    ["Guid", "Filename", "Name", "Folder", "Description", "Version", "ParseContent"]
)
HEADER_VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=20
) | st.sampled_from([ID, "true", "A/B", "%00", "%ED%A0%80", "UTF-8''%FF", "UTF-8''%EF%BF%BF", "%"])


@shared
@given(st.dictionaries(HEADERS, HEADER_VALUES), st.binary(max_size=20), st.booleans())
def test_1_6_any_headers_of_an_upload_are_taken_whole_or_refused(
    house: House, headers: dict[str, str], body: bytes, as_json: bool
) -> None:
    def stored() -> int:
        with house.gateway.store.reading() as session:
            return len(house.gateway.resources.all(session))

    before = stored()
    path = "/Dispatcher/ResourceService/UploadResource"
    headers["Accept"] = JSON if as_json else XML
    answer = house.client().send("POST", path, body, "application/octet-stream", **headers)
    assert answer.status in (200, 400, 404, 409), answer.text
    if answer.status != 200:
        answer.refused(answer.status)
    assert stored() == before + (answer.status == 200)
