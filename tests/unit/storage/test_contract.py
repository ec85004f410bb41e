"""What the domain relies on, on both databases."""

import threading
import uuid
from concurrent.futures import wait

import peewee
import pytest

from storage import models, statements
from storage.database import Store
from storage.session import Session
from tests.conftest import StorePlace

INSERT = statements.insert(
    models.Tenant, models.Tenant.guid, models.Tenant.name
)


def add(name: str):
    def work(session: Session) -> str:
        session.run(INSERT, {"guid": uuid.uuid4(), "name": name})
        return name

    return work


def names(store: Store) -> set[str]:
    with store.reading() as session:
        return {row["name"] for row in session.rows(models.Tenant.select(models.Tenant.name))}


def test_work_is_there_for_readers_once_it_returns(store: Store) -> None:
    assert store.unit_of_work(add("one")) == "one"
    assert "one" in names(store)
