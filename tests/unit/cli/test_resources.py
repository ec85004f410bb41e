"""``resource``: on a folder that no server holds, and through one."""

import os
import stat
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "setup.msi"
    path.write_bytes(b"one")
    return path


def test_a_resource_from_upload_to_its_end(gateway: Run, file: Path, tmp_path: Path) -> None:
    made = gateway("resource", "upload", str(file), "--folder", "Tools", "--json").json
    assert (made["name"], made["folder"], made["version_name"]) == ("setup.msi", "Tools", "1.0.0")
    (listed,) = gateway("resource", "list", "--json").json
    assert listed == made
    file.write_bytes(b"two!")
    edited = gateway(
        *("resource", "upload", str(file), "--edit", "SETUP.msi", "--version-name", "1.1"),
        *("--description", "newer", "--parse-content", "--json"),
    ).json
    assert (edited["guid"], edited["version"], edited["size"]) == (made["guid"], 2, 4)
    assert (edited["comment"], edited["parse_content"]) == ("newer", True)
    assert gateway("resource", "upload", "--edit", made["guid"], "--name", "Setup").code == 0
    newest, oldest = gateway("resource", "versions", "Setup", "--json").json
    assert (newest["version_name"], newest["comment"]) == ("1.1", "newer")
    assert (oldest["number"], oldest["size"], oldest["created_by"]) == (1, 3, None)
    written = tmp_path / "copy"
    assert gateway("resource", "download", "Setup", str(written)).code == 0
    assert written.read_bytes() == b"two!"
    assert gateway("resource", "download", "Setup", str(written), "--number", "1").code == 0
    assert written.read_bytes() == b"one"
    assert "Setup" in gateway("resource", "list").out
    assert gateway("resource", "delete", "setup").out == "deleted Setup\n"
    assert gateway("resource", "list", "--json").json == []


def test_what_is_wrong_is_one_line(gateway: Run, file: Path) -> None:
    assert gateway("resource", "upload", str(file)).code == 0
    for arguments, words in (
        (("upload", str(file)), "another resource"),
        (("upload",), "needs a file"),
        (("upload", os.devnull), "no bytes"),
        (("upload", os.devnull, "--edit", "setup.msi"), "no bytes"),
        (("upload", str(file), "--name", "y", "--comment", "x" * 4001), "longer than 4000"),
        (("delete", "setup.msi", "--comment", "x" * 4001), "longer than 4000"),
        (("upload", str(file), "--edit", "none"), "no resource named"),
        (("upload", "--edit", "setup.msi", "--folder", "/A"), "folder path"),
        (("upload", "--edit", "setup.msi", "--name", "x" * 256), "255 characters"),
        (("versions", "none"), "no resource named"),
        (("download", "setup.msi", "unwritten", "--number", "9"), "no version 9"),
        (("delete", "none"), "no resource named"),
    ):
        outcome = gateway("resource", *arguments)
        assert (outcome.code, outcome.err.count("\n")) == (2, 1), outcome.err
        assert words in outcome.err


def test_a_file_that_cannot_be_read_is_named(gateway: Run, tmp_path: Path) -> None:
    outcome = gateway("resource", "upload", str(tmp_path / "nothing"))
    assert (outcome.code, "nothing" in outcome.err) == (2, True)
    assert stat.S_ISDIR(tmp_path.stat().st_mode)


def test_why_is_in_the_audit_trail(gateway: Run, file: Path) -> None:
    for arguments in (
        ("upload", str(file), "--description", "Setup", "--comment", "first"),
        ("upload", "--edit", "setup.msi", "--folder", "A", "--comment", "second"),
        ("delete", "setup.msi", "--comment", "third"),
    ):
        assert gateway("resource", *arguments).code == 0
    entries = gateway("audit", "list", "--json").json
    assert [each["comment"] for each in entries[:3]] == ["third", "second", "first"]
    assert entries[0]["before"]["comment"] == "Setup"
