"""Sealed secrets."""

import uuid
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies

from gateway.identity import errors, keyring, store_facts, vault
from gateway.identity.keyring import Key
from gateway.identity.vault import Vault, open_vault
from storage import models
from storage.database import Store

SECRET = models.Secret


def seal(store: Store, opened: Vault, text: str, purpose: str = "parameter") -> uuid.UUID:
    return store.unit_of_work(lambda session: opened.seal(session, 5, purpose, text))


def reveal(store: Store, opened: Vault, guid: uuid.UUID) -> str:
    with store.reading() as session:
        return opened.reveal(session, guid)


@pytest.mark.parametrize("text", ["hunter2", "", "naïve \U0001f600", "\0", "\ud800", "x" * 100_000])
def test_a_secret_comes_back_and_lies_there_sealed(store: Store, vault: Vault, text: str) -> None:
    guid = seal(store, vault, text)
    assert reveal(store, vault, guid) == text
    with store.reading() as session:
        row = session.first(SECRET.select())
    assert row is not None
    data = text.encode("utf-8", "surrogatepass")
    assert len(data) < 2 or data not in bytes(row["sealed"])
    assert (row["key_id"], row["purpose"]) == (vault.keyring.active.id, "parameter")


def test_equal_secrets_look_different(store: Store, vault: Vault) -> None:
    seal(store, vault, "same")
    seal(store, vault, "same")
    with store.reading() as session:
        first, second = session.rows(SECRET.select(SECRET.sealed))
    assert bytes(first["sealed"]) != bytes(second["sealed"])


def test_a_dropped_secret_is_gone(store: Store, vault: Vault) -> None:
    guid = seal(store, vault, "hunter2")
    for _ in range(2):
        store.unit_of_work(lambda session: vault.drop(session, guid))
    with pytest.raises(errors.SecretNotFound, match=str(guid)):
        reveal(store, vault, guid)


def test_swapped_rows_do_not_open(store: Store, vault: Vault) -> None:
    mine, theirs = seal(store, vault, "mine"), seal(store, vault, "theirs")
    with store.reading() as session:
        row = session.first(SECRET.select().where(SECRET.guid == theirs))
    assert row is not None
    store.unit_of_work(
        lambda session: session.execute(
            SECRET.update(sealed=bytes(row["sealed"])).where(SECRET.guid == mine)
        )
    )
    with pytest.raises(errors.SecretDamaged, match=str(mine)) as raised:
        reveal(store, vault, mine)
    assert "theirs" not in str(raised.value)


def test_another_purpose_does_not_open(store: Store, vault: Vault) -> None:
    guid = seal(store, vault, "mine", "login")
    store.unit_of_work(lambda session: session.execute(SECRET.update(purpose="parameter")))
    with pytest.raises(errors.SecretDamaged):
        reveal(store, vault, guid)


KEY = Key("00c0ffee", bytes(range(32)))
ROW = uuid.UUID(int=99)


class OneKey:
    """A keyring without a file."""

    path = Path("keys.json")

    def find(self, key_id: str) -> Key | None:
        return KEY if key_id == KEY.id else None


@hypothesis.given(strategies.data())
def test_no_changed_byte_and_no_cut_goes_unnoticed(data: strategies.DataObject) -> None:
    sealed = vault.sealed(KEY, ROW, "purpose", "hunter2")
    assert vault.opened(OneKey(), ROW, "purpose", sealed) == "hunter2"  # type: ignore[arg-type]  # a stand-in
    place = data.draw(strategies.integers(0, len(sealed) - 1))
    changed = bytearray(sealed)
    changed[place] ^= data.draw(strategies.integers(1, 255))
    for bad in (bytes(changed), sealed[:place], sealed + b"x"):
        with pytest.raises(errors.SecretDamaged):
            vault.opened(OneKey(), ROW, "purpose", bad)  # type: ignore[arg-type]  # a stand-in


def test_the_first_start_makes_a_key_file_that_later_starts_accept(
    store: Store, key_file: Path
) -> None:
    guid = seal(store, open_vault(store, key_file), "hunter2")
    assert reveal(store, open_vault(store, key_file), guid) == "hunter2"


def test_a_missing_key_file_is_a_clear_line_and_none_is_made(store: Store, key_file: Path) -> None:
    open_vault(store, key_file)
    key_file.unlink()
    with pytest.raises(
        errors.KeyFileError, match=r"missing.*restore it from your backup"
    ) as raised:
        open_vault(store, key_file)
    assert str(key_file) in str(raised.value)
    assert not key_file.exists()


def test_anothers_key_file_is_a_clear_line(store: Store, key_file: Path) -> None:
    open_vault(store, key_file)
    key_file.unlink()
    keyring.create(key_file)
    with pytest.raises(errors.KeyFileError, match="does not belong to this store: restore it"):
        open_vault(store, key_file)


def test_a_file_with_the_right_id_but_another_key_is_found_out(
    store: Store, key_file: Path
) -> None:
    opened = open_vault(store, key_file)
    other = keyring.create(key_file.with_name("other.json"))
    text = key_file.with_name("other.json").read_text()
    key_file.write_text(text.replace(other.active.id, opened.keyring.active.id))
    with pytest.raises(errors.KeyFileError, match="does not belong"):
        open_vault(store, key_file)


def test_a_damaged_canary_is_no_traceback(store: Store, key_file: Path) -> None:
    open_vault(store, key_file)
    store.unit_of_work(lambda session: store_facts.write(session, vault.CANARY, "not hex"))
    with pytest.raises(errors.KeyFileError, match="does not belong"):
        open_vault(store, key_file)


def test_a_start_that_was_killed_before_the_canary_goes_on(store: Store, key_file: Path) -> None:
    created = keyring.create(key_file)
    assert open_vault(store, key_file).keyring.active == created.active


def test_no_repr_shows_a_secret(store: Store, vault: Vault) -> None:
    seal(store, vault, "hunter2")
    material = vault.keyring.active.material
    assert repr(material) not in f"{vault!r} {vars(vault)!r}"
