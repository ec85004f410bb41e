"""The key file."""

import json
import stat
from pathlib import Path

import pytest

from gateway.identity import errors, keyring
from gateway.identity.keyring import Keyring


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_ours_alone_and_opens_again(key_file: Path) -> None:
    created = keyring.create(key_file)
    assert mode(key_file) == 0o600
    assert Keyring(key_file).active == created.active
    assert list(key_file.parent.glob("keys.json*")) == [key_file]


def test_an_existing_file_is_never_replaced_by_a_new_one(key_file: Path) -> None:
    key_file.write_text("precious")
    with pytest.raises(FileExistsError):
        keyring.create(key_file)
    assert key_file.read_text() == "precious"


def test_a_new_key_becomes_active_and_the_old_one_stays(key_file: Path) -> None:
    keys = keyring.create(key_file)
    first = keys.active
    second = keys.add()
    assert keys.active == second
    assert keys.find(first.id) == first
    assert keys.ids() == (first.id, second.id)
    assert mode(key_file) == 0o600
    assert Keyring(key_file).ids() == (first.id, second.id)


def test_dropping_never_drops_the_active_key(key_file: Path) -> None:
    keys = keyring.create(key_file)
    first = keys.active
    second = keys.add()
    keys.drop([first.id, second.id])
    assert keys.ids() == (second.id,)
    assert keys.find(first.id) is None


def test_another_process_follows_a_rotation(key_file: Path) -> None:
    keys = keyring.create(key_file)
    other = Keyring(key_file)
    added = keys.add()
    assert other.active == added
    assert other.add().id in keys.ids()


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", '"x"', "{}", '{"version": 2}', '{"version": 1, "keys": []}'),
        '{"version": 1, "active": "00000000", "keys": {}}',
        '{"version": 1, "active": "00000000", "keys": {"00000000": "c2hvcnQ="}}',
        '{"version": 1, "active": "00000000", "keys": {"00000000": 5}}',
        '{"version": 1, "active": "zz", "keys": {"zz": "' + "A" * 43 + '="}}',
        '{"version": 1, "active": [], "keys": {}}',
    ],
)
def test_a_damaged_file_is_named(key_file: Path, text: str) -> None:
    key_file.write_text(text)
    with pytest.raises(
        errors.KeyFileError, match=r"damaged.*restore it from your backup"
    ) as raised:
        Keyring(key_file)
    assert str(key_file) in str(raised.value)


def test_bytes_that_are_no_text_are_damage_too(key_file: Path) -> None:
    key_file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(errors.KeyFileError, match="damaged"):
        Keyring(key_file)


def test_a_missing_file_is_named(key_file: Path) -> None:
    with pytest.raises(errors.KeyFileError, match="cannot be read"):
        Keyring(key_file)


def test_a_file_that_goes_missing_while_in_use_stops_sealing(key_file: Path) -> None:
    keys = keyring.create(key_file)
    key_file.unlink()
    with pytest.raises(errors.KeyFileError):
        _ = keys.active


def test_no_repr_shows_a_key(key_file: Path) -> None:
    keys = keyring.create(key_file)
    (encoded,) = json.loads(key_file.read_text())["keys"].values()
    shown = f"{keys!r} {keys.active!r} {keys._content!r} {vars(keys)!r}"
    assert encoded not in shown
    assert repr(keys.active.material) not in shown


def test_an_error_carries_no_key(key_file: Path) -> None:
    keyring.create(key_file)
    (encoded,) = json.loads(key_file.read_text())["keys"].values()
    key_file.write_text(key_file.read_text()[:-3])
    with pytest.raises(errors.KeyFileError) as raised:
        Keyring(key_file)
    assert encoded not in str(raised.value)
    assert raised.value.__suppress_context__


def test_a_file_that_others_may_read_is_warned_of(
    key_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keyring.create(key_file)
    assert caplog.text == ""
    key_file.chmod(0o644)
    Keyring(key_file)
    assert f"chmod 600 {key_file}" in caplog.text


def test_what_an_interrupted_write_left_is_no_hindrance(key_file: Path) -> None:
    keys = keyring.create(key_file)
    key_file.with_name("keys.json.unfinished").write_text("half")
    assert keys.add() == Keyring(key_file).active
    assert list(key_file.parent.glob("keys.json*")) == [key_file]


def test_a_folder_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    with pytest.raises(errors.KeyFileError, match="cannot be written"):
        keyring.create(tmp_path / "missing" / "keys.json")
