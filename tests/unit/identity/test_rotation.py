"""Rotation of the keys."""

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.identity import audit, errors
from gateway.identity.rotation import Rotation
from gateway.identity.vault import Vault, open_vault
from storage import models
from storage.database import Store
from tests.unit.identity.conftest import CALLER

SECRET = models.Secret


@pytest.fixture
def rotation(store: Store, vault: Vault) -> Rotation:
    return Rotation(store, vault, lambda: 5)


def seal(store: Store, vault: Vault, count: int) -> dict[uuid.UUID, str]:
    return {
        store.unit_of_work(lambda session, n=number: vault.seal(session, 5, "p", f"text {n}")): (
            f"text {number}"
        )
        for number in range(count)
    }


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
