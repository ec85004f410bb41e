"""What an order's values change: a default that comes back is no value of its own."""

import uuid

import pytest

from gateway.catalog.definitions import Parameter, ParameterType
from gateway.identity.vault import SECRET_MARKER
from gateway.jobs import values
from gateway.jobs.orders import GivenParameters, GivenValue
from gateway.jobs.values import Holder, Holders

PROJECT, FIRST, SECOND, STEP = (uuid.UUID(int=i) for i in range(1, 5))
WORD, OTHER = Parameter(name="Word", default="one"), Parameter(name="Word", default="two")
KEY = Parameter(name="Key", type=ParameterType.PASSWORD, default="")
LOGIN = Parameter(name="Login", type=ParameterType.CREDENTIALS, default="me")
WITHIN = frozenset({PROJECT})
MODULE = Holders((Holder(FIRST, "First", (WORD, KEY, LOGIN)),))
MODULES = Holders(
    (
        Holder(PROJECT, "Project", (WORD,), merges=True),
        Holder(FIRST, "First", (WORD,), within=WITHIN),
        Holder(SECOND, "Second", (OTHER,), within=WITHIN),
    )
)


def given(
    definition: uuid.UUID | None,
    value: str | None,
    secondary: str | None = None,
    *,
    name: str = "Word",
    step: uuid.UUID | None = None,
) -> GivenParameters:
    return GivenParameters(definition, (GivenValue(name, value, secondary),), step)


@pytest.mark.parametrize(
    ("one", "counts"),
    [
        (given(FIRST, "one"), False),
        (given(FIRST, "one", name="WORD"), False),
        (given(None, "one"), False),
        (given(FIRST, "One"), True),
        (given(FIRST, ""), True),
        (given(FIRST, None), False),
        # What is secret is not compared: the definition's may be another, which is not known here.
        (given(FIRST, "", name="Key"), True),
        (given(FIRST, SECRET_MARKER, name="Key"), False),
        (given(FIRST, "me", name="Login"), False),
        (given(FIRST, "me", SECRET_MARKER, name="Login"), False),
        (given(FIRST, "me", "", name="Login"), True),
        (given(FIRST, "you", name="Login"), True),
    ],
)
def test_a_default_that_is_sent_back_is_not_given(one: GivenParameters, counts: bool) -> None:
    assert bool(values.checked([one], MODULE)) is counts


@pytest.mark.parametrize(
    ("one", "counts"),
    [
        # As the project shows it, whatever the other module has.
        (given(PROJECT, "one"), False),
        (given(PROJECT, "two"), True),
        (given(SECOND, "two"), False),
        (given(SECOND, "one"), True),
        # For everything: it is what only one of the two has anyway.
        (given(None, "one"), True),
    ],
)
def test_in_a_project_the_default_is_that_of_the_definition_named(
    one: GivenParameters, counts: bool
) -> None:
    assert values.checked([one], MODULES) == ((one,) if counts else ())


def test_a_default_counts_that_takes_back_what_another_set_gives() -> None:
    wide, narrow = given(PROJECT, "three"), given(SECOND, "two")
    for order in ([wide, narrow], [narrow, wide]):
        assert values.checked(order, MODULES) == tuple(order)
    assert values.checked([given(FIRST, "three"), narrow], MODULES) == (given(FIRST, "three"),)
    assert values.checked([given(PROJECT, "one"), narrow], MODULES) == ()


def test_a_default_for_a_job_of_a_run_book_leaves_its_links_alone() -> None:
    book = Holder(PROJECT, "Run book", (Parameter(name="Say", default="hi"),))
    job = Holder(FIRST, "First", (WORD,), step=STEP, linked=frozenset({"word"}))
    assert values.checked([given(FIRST, "one", step=STEP)], Holders((book, job))) == ()
    other = given(FIRST, "other", step=STEP)
    assert values.checked([other], Holders((book, job))) == (other,)
