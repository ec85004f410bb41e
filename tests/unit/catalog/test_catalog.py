import uuid
from typing import Any

import pytest

from gateway.catalog import checks
from gateway.catalog.catalog import (
    DefinitionAmbiguous,
    DefinitionKind,
    DefinitionNotFound,
    DefinitionSummary,
    KindTaken,
    Saved,
)
from gateway.catalog.changes import Change, NameTaken
from gateway.catalog.definitions import Module, ParameterType
from gateway.catalog.sealing import SealedModule, SecretMissing
from gateway.identity import audit
from gateway.identity.principals import MACHINE
from gateway.identity.vault import SECRET_MARKER
from storage import models
from tests.unit.catalog.conftest import Parts
from tests.unit.catalog.samples import GREETING, module, parameter, task

SECRET = "correct horse battery staple"  # not one


def save(parts: Parts, one: Module) -> Saved:
    return parts.catalog.save(one, MACHINE)


def stored(parts: Parts, saved: Saved) -> SealedModule:
    with parts.store.reading() as session:
        return parts.catalog.module(session, saved.definition.version_id)


def listed(parts: Parts, **options: Any) -> list[DefinitionSummary]:
    with parts.store.reading() as session:
        return parts.catalog.definitions(session, DefinitionKind.MODULE, **options)


def with_secret(value: str, kind: ParameterType = ParameterType.PASSWORD) -> Module:
    member = "default" if kind is ParameterType.PASSWORD else "default2"
    return module(task(), parameters=(parameter("Key", kind, **{member: value}),))


def test_a_module_is_stored_and_listed(parts: Parts) -> None:
    saved = save(parts, module(task(), folder="A/B"))
    assert saved.change is Change.CREATED
    assert listed(parts) == [saved.definition]
    assert saved.definition.folder == "A/B"
    assert stored(parts, saved).tasks == (task(),)
    assert saved.definition.id > 10_000


def test_a_change_makes_a_version_and_keeps_the_old_one(parts: Parts) -> None:
    first = save(parts, module(task()))
    second = save(parts, module(task(), task("More")))
    assert second.change is Change.UPDATED
    assert second.definition.id == first.definition.id
    assert len(stored(parts, first).tasks) == 1
    assert len(stored(parts, second).tasks) == 2


def test_the_same_again_changes_nothing(sqlite_parts: Parts) -> None:
    one = module(task(type="http", settings={"url": "$[X]", "body": "$[X]", "max_body": 1}))
    one = one.model_copy(update={"parameters": (parameter("X"),), "folder": "Ä/b"})
    first = save(sqlite_parts, one)
    assert save(sqlite_parts, one.model_copy(update={"folder": "ä / B"})).change is Change.UNCHANGED
    assert sqlite_parts.versions() == 1
    assert listed(sqlite_parts) == [first.definition]


def test_a_number_and_a_truth_value_are_not_the_same(sqlite_parts: Parts) -> None:
    def members(value: object) -> Module:
        settings = {"text": "$[X]", "arguments": ["$[X]"], "folder": None, "exit_codes": [value]}
        return module(task(type="script", settings=settings), parameters=(parameter("X"),))

    save(sqlite_parts, members(1))
    assert save(sqlite_parts, members(0)).change is Change.UPDATED
    with sqlite_parts.store.reading() as session:
        assert sqlite_parts.catalog.compare(session, members(False)) is Change.UPDATED


@pytest.mark.parametrize("kind", [ParameterType.PASSWORD, ParameterType.CREDENTIALS])
def test_secrets_are_references(parts: Parts, kind: ParameterType) -> None:
    saved = save(parts, with_secret(SECRET, kind))
    (key,) = stored(parts, saved).parameters
    assert key.secret is not None
    assert SECRET_MARKER in (key.default, key.default2)
    with parts.store.reading() as session:
        assert parts.vault.reveal(session, key.secret) == SECRET
        bodies = [row["body"] for row in session.rows(models.DefinitionVersion.select())]
    assert SECRET not in repr(bodies)


def test_equal_secrets_and_markers_keep_the_stored_one(parts: Parts) -> None:
    first = save(parts, with_secret(SECRET))
    assert save(parts, with_secret(SECRET)).change is Change.UNCHANGED
    assert save(parts, with_secret(SECRET_MARKER)).change is Change.UNCHANGED
    second = save(parts, with_secret("another"))
    old, new = stored(parts, first).parameters[0], stored(parts, second).parameters[0]
    assert second.change is Change.UPDATED
    assert old.secret is not None
    assert new.secret not in (None, old.secret)
    with parts.store.reading() as session:
        assert parts.vault.reveal(session, old.secret) == SECRET


def test_a_marker_without_a_stored_secret_is_refused(parts: Parts) -> None:
    with pytest.raises(SecretMissing, match="'Key'"):
        save(parts, with_secret(SECRET_MARKER))
    save(parts, with_secret(""))
    with pytest.raises(SecretMissing):
        save(parts, with_secret(SECRET_MARKER))


def test_a_lost_secret_is_mended_by_storing_it_again(parts: Parts) -> None:
    key = stored(parts, save(parts, with_secret(SECRET))).parameters[0]
    assert key.secret is not None
    lost = key.secret
    parts.store.unit_of_work(lambda session: parts.vault.drop(session, lost))
    assert save(parts, with_secret(SECRET)).change is Change.UPDATED


def test_finding(parts: Parts) -> None:
    saved = save(parts, module(task(), name="Größe ändern", folder="A", enabled=False))
    assert listed(parts) == []
    assert listed(parts, disabled=True) == [saved.definition]
    catalog = parts.catalog
    with parts.store.reading() as session:
        assert catalog.find(session, GREETING) == saved.definition
        name = "GRÖSSE ÄNDERN"
        assert catalog.find_by_name(session, DefinitionKind.MODULE, name) == saved.definition
        with pytest.raises(DefinitionNotFound, match="run book"):
            catalog.find(session, GREETING, DefinitionKind.RUN_BOOK)
        with pytest.raises(DefinitionNotFound):
            catalog.find_by_name(session, DefinitionKind.MODULE, name, "B")
        with pytest.raises(DefinitionNotFound):
            catalog.find(session, uuid.UUID(int=1))
        with pytest.raises(DefinitionNotFound):
            catalog.module(session, 0)


def test_names_are_taken_within_their_folder(parts: Parts) -> None:
    save(parts, module(task()))
    other = module(task(), guid=uuid.UUID(int=1), name="GREETING")
    with pytest.raises(NameTaken, match="at the top"):
        save(parts, other)
    assert len(listed(parts)) == 1
    save(parts, other.model_copy(update={"folder": "A"}))
    with parts.store.reading() as session, pytest.raises(DefinitionAmbiguous, match="'A'"):
        parts.catalog.find_by_name(session, DefinitionKind.MODULE, "greeting")


def test_deleted_definitions_keep_their_versions_and_their_guid(parts: Parts) -> None:
    saved = save(parts, with_secret(SECRET))
    parts.catalog.delete(GREETING, MACHINE)
    assert listed(parts, disabled=True) == []
    assert stored(parts, saved).name == "Greeting"
    with pytest.raises(DefinitionNotFound):
        parts.catalog.delete(GREETING, MACHINE)
    again = save(parts, with_secret(SECRET_MARKER))
    assert again.change is Change.CREATED
    assert again.definition.id == saved.definition.id


def test_a_guid_of_another_kind_is_refused(parts: Parts) -> None:
    save(parts, module(task()))
    table = models.Definition
    parts.store.unit_of_work(
        lambda session: session.execute(table.update(kind=DefinitionKind.RUN_BOOK))
    )
    with pytest.raises(KindTaken, match="run book 'Greeting'"):
        save(parts, module(task()))


def test_a_module_is_checked_before_it_is_stored(parts: Parts) -> None:
    wrong = module(
        task("One", type="nonsense"),
        task("Two", settings={"argv": ["$[Nobody]", "\x1b"]}),
        task("Three", type="set_parameter", settings={"name": "Nothing", "value": ""}),
    )
    with pytest.raises(checks.Refused) as refused:
        save(parts, wrong)
    text = str(refused.value)
    with pytest.raises(checks.Refused, match=r"^folder: "):
        save(parts, module(task(), folder="/A"))
    for part in ("tasks[0].type", "nonsense", "Nobody", "Nothing", "tasks[1].settings.argv[1]"):
        assert part in text
    assert "U+001B" in text
    assert listed(parts) == []


def test_what_was_rolled_back_is_not_remembered(sqlite_parts: Parts) -> None:
    """SQLite gives the next version the number of the one that was rolled back."""
    parts = sqlite_parts
    lost = module(task("Lost"))

    def work(session: Any) -> None:
        saved = parts.catalog.put(session, lost, MACHINE)
        assert parts.catalog.module(session, saved.definition.version_id).tasks[0].name == "Lost"
        raise KeyError("something else failed")

    with pytest.raises(KeyError):
        parts.store.unit_of_work(work)
    assert stored(parts, save(parts, module(task("Kept")))).tasks[0].name == "Kept"


def test_changes_are_audited_without_content(parts: Parts) -> None:
    save(parts, with_secret(SECRET))
    save(parts, with_secret("another").model_copy(update={"name": "Renamed"}))
    with parts.store.reading() as session:
        second, first = audit.page(session)
    assert (first.action, second.action) == ("create", "update")
    assert (second.before["name"], second.after["name"]) == ("Greeting", "Renamed")
    assert SECRET not in repr((first, second))
