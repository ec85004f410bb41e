"""Rotation of the keys."""

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from gateway.identity import audit, errors
from gateway.identity.rotation import Rotation
from gateway.identity.vault import Vault, open_vault
from storage import models
from storage.database import Store, Work
from tests.unit.identity.conftest import CALLER, StoreAround

SECRET = models.Secret
T = TypeVar("T")


@pytest.fixture
def rotation(store: Store, vault: Vault) -> Rotation:
    return Rotation(store, vault, lambda: 5)


def seal(store: Store, vault: Vault, count: int) -> dict[uuid.UUID, str]:
    texts = [f"text {number}" for number in range(count)]
    return {store.unit_of_work(sealing(vault, text)): text for text in texts}


def revealed(store: Store, vault: Vault, guids: dict[uuid.UUID, str]) -> dict[uuid.UUID, str]:
    with store.reading() as session:
        return {guid: vault.reveal(session, guid) for guid in guids}


def test_everything_is_sealed_anew_and_the_old_key_is_gone(
    store: Store, vault: Vault, rotation: Rotation, key_file: Path
) -> None:
    secrets = seal(store, vault, 250)
    old = vault.keyring.active
    assert rotation.rotate(CALLER) == 250
    assert vault.keyring.ids() == (vault.keyring.active.id,)
    assert vault.keyring.find(old.id) is None
    assert revealed(store, vault, secrets) == secrets
    assert revealed(store, open_vault(store, key_file), secrets) == secrets
    assert not rotation.unfinished()


def test_a_rotation_is_audited_without_keys(store: Store, vault: Vault, rotation: Rotation) -> None:
    rotation.rotate(CALLER)
    with store.reading() as session:
        (entry,) = audit.page(session)
    assert (entry.action, entry.after) == ("key.rotate", {"active": vault.keyring.active.id})


def test_an_interrupted_rotation_is_finished_later(
    store: Store, vault: Vault, rotation: Rotation, key_file: Path
) -> None:
    secrets = seal(store, vault, 3)
    vault.keyring.add()
    again = open_vault(store, key_file)
    assert revealed(store, again, secrets) == secrets
    resumed = Rotation(store, again, lambda: 5)
    assert resumed.unfinished()
    assert resumed.finish(CALLER) == 3
    assert len(again.keyring.ids()) == 1
    assert revealed(store, open_vault(store, key_file), secrets) == secrets


def test_a_damaged_secret_keeps_the_old_key(store: Store, vault: Vault, rotation: Rotation) -> None:
    secrets = seal(store, vault, 2)
    damaged = next(iter(secrets))
    store.unit_of_work(
        lambda session: session.execute(SECRET.update(sealed=b"?").where(SECRET.guid == damaged))
    )
    with pytest.raises(errors.SecretDamaged, match=str(damaged)):
        rotation.rotate(CALLER)
    assert rotation.unfinished()
    del secrets[damaged]
    assert revealed(store, vault, secrets) == secrets
    store.unit_of_work(lambda session: vault.drop(session, damaged))
    rotation.finish(CALLER)
    assert not rotation.unfinished()


def test_secrets_sealed_meanwhile_by_two_processes_are_never_lost(
    store: Store, vault: Vault, rotation: Rotation, key_file: Path
) -> None:
    processes = [vault, open_vault(store, key_file)]
    done = threading.Event()
    secrets: dict[uuid.UUID, str] = {}

    def keep_sealing(opened: Vault) -> None:
        number = 0
        while not done.is_set():
            text = f"{id(opened)} {number}"
            guid = store.unit_of_work(sealing(opened, text))
            secrets[guid] = text
            number += 1

    with ThreadPoolExecutor(4) as pool:
        sealers = [pool.submit(keep_sealing, opened) for opened in processes * 2]
        try:
            for _ in range(5):
                rotation.rotate(CALLER)
        finally:
            done.set()
        for sealer in sealers:
            sealer.result()
    assert len(vault.keyring.ids()) == 1
    assert revealed(store, open_vault(store, key_file), secrets) == secrets


def sealing(opened: Vault, text: str) -> Callable[..., uuid.UUID]:
    return lambda session: opened.seal(session, 5, "p", text)


def test_two_rotations_at_once_lose_nothing(store: Store, vault: Vault, key_file: Path) -> None:
    secrets = seal(store, vault, 120)
    rotations = [Rotation(store, open_vault(store, key_file), lambda: 5) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda rotation: rotation.rotate(CALLER), rotations))
    again = open_vault(store, key_file)
    assert revealed(store, again, secrets) == secrets
    assert len(again.keyring.ids()) == 1


class Interrupted(StoreAround):
    """Something happens before the unit of work of a given number."""

    def __init__(self, store: Store, place: int, happens: Callable[[], object]) -> None:
        super().__init__(store)
        self._left = place
        self._happens = happens

    def submit(self, work: Work[T]) -> "Future[T]":
        self._left -= 1
        if not self._left:
            self._happens()
        return super().submit(work)


@pytest.mark.parametrize("place", range(1, 7))
def test_another_rotation_may_begin_at_any_point(
    store: Store, vault: Vault, key_file: Path, place: int
) -> None:
    secrets = seal(store, vault, 2)
    interrupted = Interrupted(store, place, vault.keyring.add)
    Rotation(interrupted, vault, lambda: 5).rotate(CALLER)
    again = open_vault(store, key_file)
    assert revealed(store, again, secrets) == secrets
    Rotation(store, again, lambda: 5).finish(CALLER)
    assert again.keyring.ids() == (again.keyring.active.id,)
    assert revealed(store, open_vault(store, key_file), secrets) == secrets
