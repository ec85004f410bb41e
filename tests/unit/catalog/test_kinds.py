"""Projects and run books are stored, found and changed as modules are."""

import uuid
from typing import Any

import pytest

from gateway.catalog.catalog import (
    DefinitionKind,
    DefinitionNotFound,
    DefinitionSummary,
    KindTaken,
    kind_of,
)
from gateway.catalog.changes import Change, InUse, NameTaken
from gateway.catalog.definitions import ParameterType
from gateway.catalog.run_books import RunBook, WhatKind
from gateway.catalog.sealing import Definition, SealedRunBook, SecretMissing
from gateway.identity import audit
from gateway.identity.principals import MACHINE
from gateway.identity.vault import SECRET_MARKER
from storage import models
from tests.unit.catalog.conftest import Parts
from tests.unit.catalog.samples import guid, job, parameter, project, run_book, simple, what

SECRET = "correct horse battery staple"  # not one
COMPOSED = [DefinitionKind.PROJECT, DefinitionKind.RUN_BOOK]


def sample(kind: DefinitionKind, name: str = "X", **members: Any) -> Definition:
    if kind is DefinitionKind.PROJECT:
        return project(name, "A", **members)
    return run_book(name, job("j", what("A")), **members)


def save(parts: Parts, one: Definition) -> DefinitionSummary:
    return parts.catalog.save(one, MACHINE).definition


def listed(parts: Parts, kind: DefinitionKind, **options: Any) -> list[str]:
    with parts.store.reading() as session:
        return [one.name for one in parts.catalog.definitions(session, kind, **options)]


def with_secret(value: str) -> RunBook:
    secret = parameter("Key", ParameterType.PASSWORD, default=value)
    return run_book("X", parameters=(secret,))


@pytest.mark.parametrize("kind", COMPOSED)
def test_they_are_stored_and_found(parts: Parts, kind: DefinitionKind) -> None:
    save(parts, simple("A"))
    one = sample(kind, folder="F/G")
    saved = parts.catalog.save(one, MACHINE)
    assert (saved.change, saved.definition.kind, kind_of(one)) == (Change.CREATED, kind, kind)
    assert parts.catalog.save(one, MACHINE).change is Change.UNCHANGED
    with parts.store.reading() as session:
        assert parts.catalog.find(session, one.guid, kind) == saved.definition
        assert parts.catalog.find_by_name(session, kind, "x", "f/g") == saved.definition
        current = parts.catalog.current(session, saved.definition)
        version = saved.definition.version_id
        if kind is DefinitionKind.PROJECT:
            assert parts.catalog.project(session, version) == current == one
        else:
            found = parts.catalog.run_book(session, version)
            assert found == current
            assert found.model_dump() == one.model_dump()
        with pytest.raises(DefinitionNotFound, match="no version of a module"):
            parts.catalog.module(session, version)
    assert listed(parts, kind) == ["X"]
    assert listed(parts, DefinitionKind.MODULE) == ["A"]


@pytest.mark.parametrize("kind", COMPOSED)
def test_a_version_asked_for_as_another_kind_is_not_there(
    sqlite_parts: Parts, kind: DefinitionKind
) -> None:
    module = save(sqlite_parts, simple("A"))
    with sqlite_parts.store.reading() as session:
        ask = sqlite_parts.catalog.project
        if kind is DefinitionKind.RUN_BOOK:
            with pytest.raises(DefinitionNotFound):
                sqlite_parts.catalog.run_book(session, module.version_id)
        with pytest.raises(DefinitionNotFound):
            ask(session, module.version_id)
        # Nor when the version is known already.
        sqlite_parts.catalog.module(session, module.version_id)
        with pytest.raises(DefinitionNotFound):
            ask(session, module.version_id)


@pytest.mark.parametrize("kind", COMPOSED)
def test_they_are_renamed_disabled_and_deleted(parts: Parts, kind: DefinitionKind) -> None:
    save(parts, simple("A"))
    first = save(parts, sample(kind))
    renamed = save(parts, sample(kind).model_copy(update={"name": "Y", "enabled": False}))
    assert (renamed.id, renamed.enabled) == (first.id, False)
    assert listed(parts, kind) == []
    assert listed(parts, kind, disabled=True) == ["Y"]
    parts.catalog.delete(first.guid, MACHINE)
    assert listed(parts, kind, disabled=True) == []
    with parts.store.reading() as session:
        actions = [(entry.action, entry.object_kind) for entry in audit.page(session)]
    assert actions[:3] == [("delete", kind.word), ("update", kind.word), ("create", kind.word)]


@pytest.mark.parametrize("kind", COMPOSED)
def test_names_and_guids_are_theirs(sqlite_parts: Parts, kind: DefinitionKind) -> None:
    save(sqlite_parts, simple("A"))
    # Another kind may have the name.
    save(sqlite_parts, simple("X", guid=uuid.UUID(int=9)))
    save(sqlite_parts, sample(kind))
    with pytest.raises(NameTaken, match=f"another {kind.word} 'x'"):
        save(sqlite_parts, sample(kind, guid=uuid.UUID(int=1), name="x"))
    with pytest.raises(KindTaken, match=f"belongs to the {kind.word} 'X'"):
        save(sqlite_parts, simple("X"))
    with pytest.raises(KindTaken, match="belongs to the module 'A'"):
        save(sqlite_parts, sample(kind, guid=guid("A")))


def test_secrets_of_run_books_are_sealed(parts: Parts) -> None:
    saved = save(parts, with_secret(SECRET))
    with parts.store.reading() as session:
        found = parts.catalog.run_book(session, saved.version_id)
        (body,) = [row["body"] for row in session.rows(models.DefinitionVersion.select())]
        assert found.parameters[0].default == SECRET_MARKER
        assert found.parameters[0].secret is not None
        assert parts.vault.reveal(session, found.parameters[0].secret) == SECRET
        assert SECRET not in repr((body, found, audit.page(session)))
    assert isinstance(found, SealedRunBook)
    assert parts.catalog.save(with_secret(SECRET), MACHINE).change is Change.UNCHANGED
    assert parts.catalog.save(with_secret(SECRET_MARKER), MACHINE).change is Change.UNCHANGED
    assert parts.catalog.save(with_secret("another"), MACHINE).change is Change.UPDATED


def test_a_marker_needs_a_stored_secret(sqlite_parts: Parts) -> None:
    with pytest.raises(SecretMissing, match="'Key'"):
        save(sqlite_parts, with_secret(SECRET_MARKER))


def test_what_is_used_is_not_deleted(parts: Parts) -> None:
    save(parts, simple("A"))
    save(parts, simple("B"))
    save(parts, project("P", "A"))
    nested = job("k", what("P", WhatKind.PROJECT))
    save(parts, run_book("R", job("j", what("A"), enabled=False), nested, enabled=False))
    save(parts, run_book("S", job("j", what("R", WhatKind.RUN_BOOK)), enabled=False))
    for name, users in (
        ("A", "the module 'A' is in use by the project 'P', the run book 'R':"),
        ("P", "the project 'P' is in use by the run book 'R':"),
        ("R", "the run book 'R' is in use by the run book 'S':"),
    ):
        with pytest.raises(InUse, match=users):
            parts.catalog.delete(guid(name), MACHINE)
    for name in ("S", "R", "P", "A", "B"):
        parts.catalog.delete(guid(name), MACHINE)
    assert listed(parts, DefinitionKind.MODULE, disabled=True) == []


def test_only_the_current_version_counts_as_use(sqlite_parts: Parts) -> None:
    save(sqlite_parts, simple("A"))
    save(sqlite_parts, project("P", "A"))
    save(sqlite_parts, project("P"))
    sqlite_parts.catalog.delete(guid("A"), MACHINE)
    assert listed(sqlite_parts, DefinitionKind.MODULE) == []
