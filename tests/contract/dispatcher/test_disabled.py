"""The state of the Web API (Dispatcher contract 1.2)."""

import pytest

from tests.contract.dispatcher.conftest import Build
from tests.contract.dispatcher.house import House

PATHS = ("help", "jobs", "what/modules", "soap?wsdl", "soap", "nothing")


def disabled(house: House) -> bool:
    answers = [house.client().get(path) for path in PATHS]
    answers.append(house.client().post("jobs", "{}"))
    answers.append(house.client(None).get("jobs"))
    off = [answer.status == 404 and "is disabled" in answer.text for answer in answers]
    assert all(off) or not any(off)
    return all(off)


@pytest.mark.parametrize(
    ("everywhere", "here", "off"),
    [
        (None, "GLOBAL", True),
        ("ENABLED", "GLOBAL", False),
        ("DISABLED", "GLOBAL", True),
        ("DISABLED", "ENABLED", False),
        ("ENABLED", "DISABLED", True),
    ],
)
def test_1_2_the_dispatchers_own_state_wins_over_the_global_one(
    build: Build, everywhere: str | None, here: str, off: bool
) -> None:
    house = build(web_api=everywhere, dispatcher={"web_api": here})
    assert disabled(house) is off


def test_1_2_what_is_not_of_this_surface_answers_all_the_same(build: Build) -> None:
    house = build(web_api="DISABLED")
    assert house.client(None).get("/healthz").status == 200
