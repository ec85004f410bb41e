"""What is remembered holds until what it was read from has changed."""

from collections.abc import Callable

from storage import models
from storage.database import Store
from storage.remembered import Memory, Remembered
from storage.session import Session
from tests.unit.storage.rows import FACT, add

KIND = Remembered(models.StoreFact, most=3)
OTHER = Remembered(models.Tenant)


class Source:
    """Something to read, and how often that was done."""

    def __init__(self) -> None:
        self.content = "old"
        self.reads = 0

    def read(self) -> str:
        self.reads += 1
        return self.content


def test_what_holds_is_not_read_again() -> None:
    memory, source = Memory(), Source()
    assert [memory.recall(KIND, "key", source.read) for _ in range(3)] == ["old"] * 3
    assert source.reads == 1


def test_a_change_of_its_table_ends_it_and_that_of_another_does_not() -> None:
    memory, source = Memory(), Source()
    memory.recall(KIND, "key", source.read)
    source.content = "new"
    memory.changed({"tenant"})
    assert memory.recall(KIND, "key", source.read) == "old"
    memory.changed({"store_fact"})
    assert memory.recall(KIND, "key", source.read) == "new"


def test_a_change_during_the_read_ends_it_too() -> None:
    memory = Memory()

    def overtaken() -> str:
        memory.changed({"store_fact"})
        return "old"

    assert memory.recall(KIND, "key", overtaken) == "old"
    assert memory.recall(KIND, "key", lambda: "new") == "new"


def test_kinds_and_keys_are_apart_and_few_are_kept() -> None:
    memory = Memory()
    for number in range(10):
        assert memory.recall(KIND, number, lambda number=number: number) == number
    assert memory.recall(OTHER, 9, lambda: "other") == "other"
    assert memory.recall(KIND, 9, lambda: "again") == 9
    assert memory.recall(KIND, 1, lambda: "again") == "again"


def test_what_cannot_be_read_is_not_remembered() -> None:
    memory = Memory()
    answers = iter([LookupError("no"), "there"])

    def read() -> object:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    for expected in ("no", "there", "there"):
        try:
            assert memory.recall(KIND, "key", read) == expected
        except LookupError as error:
            assert str(error) == expected  # noqa: PT017  # the first of the three


def test_a_store_of_several_processes_remembers_for_a_while_only() -> None:
    now = 10.0
    memory, source = Memory(freshness=1.0, monotonic=lambda: now), Source()
    memory.recall(KIND, "key", source.read)
    source.content = "new"
    now = 10.9
    assert memory.recall(KIND, "key", source.read) == "old"
    now = 11.0
    assert memory.recall(KIND, "key", source.read) == "new"


def _value(session: Session) -> Callable[[], object]:
    return lambda: session.scalar(FACT.select(FACT.value).where(FACT.name == "t-1"))


def test_readers_of_a_store_see_every_change_that_was_answered(store: Store) -> None:
    for value in ("one", "two", "three"):
        if value == "one":
            store.unit_of_work(add("t-1", value))
        else:
            change = FACT.update(value=value).where(FACT.name == "t-1")
            store.unit_of_work(lambda session, change=change: session.execute(change))
        for _ in range(2):
            with store.reading() as session:
                assert session.recall(KIND, "t-1", _value(session)) == value


def test_a_unit_of_work_sees_what_it_has_done_itself(store: Store) -> None:
    store.unit_of_work(add("t-1", "before"))
    with store.reading() as session:
        session.recall(KIND, "t-1", _value(session))

    def work(session: Session) -> object:
        session.execute(FACT.update(value="after").where(FACT.name == "t-1"))
        return session.recall(KIND, "t-1", _value(session))

    assert store.unit_of_work(work) == "after"
