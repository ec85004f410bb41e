"""Commands on a data folder that no server holds."""

import datetime
import io
import json
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from gateway import administration, failures, moments
from gateway.administration import Administration
from gateway.cli import ending
from gateway.control import ControlServer
from gateway.datafolder import DataFolder
from gateway.jobs.orders import MissedRuns
from tests.conftest import PostgresPlace
from tests.unit.cli.conftest import MODULE, Run

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def test_init_prints_a_password_once(bare: Run, data: Path) -> None:
    first = bare("init", "--data", str(data))
    again = bare("init", "--data", str(data))
    assert "login admin, password " in first.out
    assert "login admin" not in again.out
    assert (first.code, again.code) == (0, 0)
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_init_takes_the_password_given(
    bare: Run, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_ADMIN_PASSWORD", "correct horse battery")
    outcome = bare("init", "--data", str(data))
    assert outcome.code == 0
    assert "horse" not in outcome.out + outcome.err
    assert "login admin" not in outcome.out


def test_init_without_login(bare: Run, data: Path) -> None:
    assert bare("init", "--no-login", "--data", str(data)).code == 0
    assert bare("login", "list", "--json", "--data", str(data)).json == []


def test_logins(gateway: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a long enough password\n"))
    added = gateway("login", "add", "Ada", "--role", "readers", "--password-stdin")
    assert (added.code, added.out) == (0, "added Ada\n")
    assert "password: " in gateway("login", "passwd", "ada", "--generate").out
    assert gateway("login", "disable", "ADA").code == 0
    (_, ada) = sorted(gateway("login", "list", "--json").json, key=lambda one: one["name"] == "Ada")
    assert (ada["name"], ada["disabled"], ada["roles"]) == ("Ada", True, ["Readers"])
    assert gateway("login", "enable", "ada").code == 0
    assert gateway("login", "remove", "ada").code == 0
    assert "Ada" not in gateway("login", "list").out


def test_a_soap_secret_is_made_up_given_and_taken(
    gateway: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = gateway("login", "soap-secret", "admin").out
    assert made.startswith("gave a SOAP secret to admin\nSOAP secret: ")
    monkeypatch.setattr("sys.stdin", io.StringIO("a long enough secret\n"))
    given = gateway("login", "soap-secret", "admin", "--secret-stdin")
    assert (given.code, given.out) == (0, "gave a SOAP secret to admin\n")
    taken = gateway("login", "soap-secret", "admin", "--remove")
    assert (taken.code, taken.out) == (0, "took the SOAP secret of admin\n")
    shown = gateway("audit", "list", "--json").out
    assert shown.count("login.soap-secret") == 3
    assert made.split()[-1] not in shown
    assert "a long enough secret" not in shown


def test_what_was_imported_is_exported_with_markers(
    gateway: Run, block: Path, tmp_path: Path
) -> None:
    first = gateway("import", str(block), "--json").json
    again = gateway("import", str(block), "--on-conflict", "update", "--json").json
    assert [one["change"] for one in first + again] == ["created", "unchanged"]
    exported = gateway("export", "Hello", "--format", "json")
    assert exported.json["modules"][0]["guid"] == MODULE
    assert "hunter2" not in exported.out
    target = tmp_path / "all.xml"
    assert gateway("export", "--output", str(target)).code == 0
    assert etree.parse(target).getroot() is not None
    assert gateway("import", str(target), "--on-conflict", "update").code == 0


def test_jobs(gateway: Run, block: Path) -> None:
    gateway("import", str(block))
    agent = gateway_agent(gateway)
    job = gateway(
        *("job", "submit", "hello", "--agent", agent, "-p", "Who=Ada", "--json"),
        *("--at", "2099-01-01T00:00", "--description", "later\x1b[31m"),
    ).json
    assert job["status"] == "scheduled"
    guid = job["guid"]
    assert gateway("job", "list", "--stage", "scheduled", "--json").json["total"] == 1
    assert gateway("job", "hold", guid).out == f"{guid} disabled\n"
    assert gateway("job", "resume", guid, "--reason", "now").out == f"{guid} scheduled\n"
    shown = gateway("job", "show", guid)
    assert "later\\x1b[31m" in shown.out
    assert gateway("job", "abort", guid).code == 0
    assert gateway("job", "results", guid, "--json").json["status"] in {"aborted", "canceled"}
    assert gateway("job", "watch", guid).code == failures.FAILED
    assert gateway("job", "rerun", guid, "--json").json["guid"] != guid


def test_a_key_and_a_mark(gateway: Run, block: Path) -> None:
    gateway("import", str(block))
    submit = (
        "job",
        "submit",
        "hello",
        "--agent",
        gateway_agent(gateway),
        "--at",
        "2099-01-01T00:00",
    )
    first, second = (gateway(*submit, "--idempotency-key", "k", "--json").json for _ in range(2))
    assert first == second
    other = gateway(*submit, "--priority", "9", "--idempotency-key", "k")
    assert (other.code, "another request" in other.err) == (failures.WRONG_USE, True)
    assert gateway(*submit, "--idempotency-key", "no key").code == failures.WRONG_USE
    plain = gateway(*submit, "--json").json["guid"]
    twice = gateway(*submit, "--json").json["guid"]
    assert f"possible duplicate of  {plain}" in gateway("job", "show", twice).out
    rerun = ("job", "rerun", plain, "--idempotency-key", "r", "--json")
    assert gateway(*rerun).json["guid"] == gateway(*rerun).json["guid"]


def test_explanations(gateway: Run, block: Path) -> None:
    gateway("import", str(block))
    submit = ("job", "submit", "hello", "--agent", gateway_agent(gateway), "--json")
    job = gateway(*submit, "--at", "2099-01-01T00:00+00:00").json["guid"]
    told = gateway("job", "explain", job)
    assert told.out.startswith("It waits (due)")
    assert "2099-01-01 00:00:00 UTC" in told.out
    early = gateway("job", "explain", job, "--at", "2000-01-01T00:00", "--json").json
    assert early["status"] is None
    assert early["conditions"][0]["met"] == "no"
    recurring = gateway(*submit, "--cron", "0 22 * * *", "--zone", "Europe/Amsterdam").json["guid"]
    told = gateway("schedule", "explain", recurring, "--at", "2099-01-01T22:00+01:00")
    assert "still to come" in told.out
    assert "next due  2099-01-02 21:00:00 UTC" in told.out
    found = gateway("schedule", "explain", recurring, "--json").json
    assert (found["job"], found["made"], len(found["following"])) == (recurring, None, 5)
    for arguments in (("job", "explain"), ("schedule", "explain")):
        assert gateway(*arguments, UNKNOWN).code == failures.WRONG_USE
        assert "is no id" in gateway(*arguments, "xyz").err
        assert "is no time" in gateway(*arguments, recurring, "--at", "noon").err


@pytest.mark.parametrize("when", [("--every", "3600"), ("--cron", "0 22 * * *")])
def test_a_recurring_job_with_all_that_can_be_said_of_it(
    gateway: Run, block: Path, when: tuple[str, str]
) -> None:
    gateway("import", str(block))
    submitted = gateway(
        *("job", "submit", "hello", "--agent", gateway_agent(gateway), *when),
        *("--starts", "2098-01-01T00:00+00:00", "--ends", "2099-01-01T01:00+01:00"),
        *("--missed", "all", "--grace", "90"),
    )
    assert submitted.code == 0, submitted.err
    with sqlite3.connect(_store_of(gateway)) as store:
        row = store.execute(
            "SELECT starts_at, ends_at, missed_runs, grace FROM schedule"
        ).fetchone()
    store.close()
    starts, ends = (datetime.datetime(year, 1, 1, tzinfo=datetime.UTC) for year in (2098, 2099))
    expected = (*map(moments.from_datetime, (starts, ends)), MissedRuns.ALL, 90 * moments.SECOND)
    assert row == expected


def test_a_job_with_all_that_can_be_said_of_when_it_begins(gateway: Run, block: Path) -> None:
    gateway("import", str(block))
    job = gateway(
        *("job", "submit", "hello", "--agent", gateway_agent(gateway), "--json"),
        *("--at", "2098-01-01T14:00", "--local-time", "--after-boot", "next"),
        *("--offline-at-next-boot", "--launch-timeout", "90", "--wake-on-lan"),
        *("--window", "22:00-06:00", "--window-day", "sat", "--window-day", "mon"),
        *("--window-utc", "--outside", "fail"),
    ).json
    assert job["launch_timeout"] == 90 * 60 * moments.SECOND
    timing = job["timing"]
    assert timing["wall"] == "2098-01-01T14:00:00"
    assert (timing["boot"], timing["outside"]) == ("next", "fail")
    assert timing["offline_at_next_boot"] is timing["wake_on_lan"] is True
    assert sorted(timing["window"].pop("days")) == [0, 5]
    assert timing["window"] == {"opens": 1320, "closes": 360, "utc": True}


def test_a_job_after_every_boot(gateway: Run, block: Path) -> None:
    gateway("import", str(block))
    submit = ("job", "submit", "hello", "--agent", gateway_agent(gateway))
    refused = gateway(*submit, "--window", "22:00-6")
    assert (refused.code, "'6' is no time of day" in refused.err) == (failures.WRONG_USE, True)
    job = gateway(*submit, "--after-boot", "every", "--json")
    assert (job.json["recurring"], job.json["due_at"]) == (True, None)


def gateway_agent(gateway: Run) -> str:
    """The name of an agent, put there as an embedded one would be."""
    outcome = gateway("job", "submit", "hello")
    assert "agent" in outcome.err
    assert outcome.code == failures.WRONG_USE
    with sqlite3.connect(_store_of(gateway)) as store:
        store.execute(
            "INSERT INTO agent (guid, tenant_id, name, name_key, embedded, enabled, facts, "
            "max_runs, boot_id, created_at) VALUES (?, 1, 'a1', 'a1', 0, 1, '{}', 1, '', 0)",
            ("a" * 32,),
        )
    store.close()
    return "a1"


def _store_of(gateway: Run) -> Path:
    settings = gateway("config", "--json").json
    (data,) = (one["value"] for one in settings if one["setting"] == "data")
    return DataFolder(Path(data)).store


def test_config_tells_values_and_sources(gateway: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_LIMITS__BODY_BYTES", "99")
    monkeypatch.setenv("GATEWAY_DATABASE_URL", "postgresql://u:hunter2@h/d")
    rows = {row["setting"]: row for row in gateway("config", "--json").json}
    assert (rows["limits.body_bytes"]["value"], rows["limits.body_bytes"]["origin"]) == (
        99,
        "GATEWAY_LIMITS__BODY_BYTES",
    )
    table = gateway("config", "--set", "workers.decoders=1").out
    assert "hunter2" not in table
    assert "command line" in next(
        line for line in table.splitlines() if line.startswith("workers.decoders")
    )


def test_wsdl_has_the_public_address(bare: Run) -> None:
    outcome = bare("wsdl", "--set", "public_url=https://gateway.example/x")
    assert b"https://gateway.example/x/Dispatcher/SchedulingService/soap" in outcome.out.encode()
    etree.fromstring(outcome.out.encode())


def test_wsdl_of_the_other_service(bare: Run) -> None:
    public = ("--set", "public_url=https://gateway.example/base")
    root = etree.fromstring(bare("wsdl", "--service", "resource", *public).out.encode())
    address = root.xpath("//*[local-name() = 'address']/@location")
    assert address == ["https://gateway.example/base/Dispatcher/ResourceService/soap"]


def test_backup_and_restore(gateway: Run, block: Path, data: Path, tmp_path: Path) -> None:
    gateway("import", str(block))
    copy = tmp_path / "copy.sqlite3"
    assert gateway("backup", str(copy)).code == 0
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert "File exists" in gateway("backup", str(copy)).err
    before = incarnation(data)
    gateway("login", "add", "late", "--generate")
    assert gateway("restore", str(copy)).code == 0
    assert "late" not in gateway("login", "list").out
    assert gateway("export", "Hello").code == 0
    assert incarnation(data) != before
    assert len(list((data / "backups").iterdir())) == 1
    assert not list(data.glob("restoring*"))


def incarnation(data: Path) -> str:
    with sqlite3.connect(data / "gateway.sqlite3") as store:
        found: str = store.execute(
            "SELECT value FROM store_fact WHERE name = 'incarnation'"
        ).fetchone()[0]
    store.close()
    return found


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\x00" + b"x" * 5000, b"text"])
def test_a_restore_of_something_else_leaves_the_store(
    gateway: Run, tmp_path: Path, content: bytes
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_bytes(content)
    outcome = gateway("restore", str(wrong))
    assert outcome.code == failures.WRONG_USE
    assert outcome.err.count("\n") == 1
    assert "admin" in gateway("login", "list").out


def test_rotated_keys_open_what_was_sealed_before(gateway: Run, block: Path) -> None:
    gateway("import", str(block))
    assert gateway("key", "rotate").out.startswith("1 secrets")
    assert gateway("doctor").code == 0
    assert gateway("export").code == 0


def test_doctor_says_what_is_wrong(gateway: Run, data: Path) -> None:
    data.chmod(0o755)
    outcome = gateway("doctor", "--json")
    assert outcome.code == failures.FAILED
    wrong = [one for one in outcome.json if not one["ok"]]
    assert [one["name"] for one in wrong] == ["data folder"]
    assert "chmod 700" in wrong[0]["detail"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("serve", "--prot", "1"), "--prot"),
        (("sevre",), "sevre"),
        (("serve", "--port", "http"), "'http'"),
        (("serve", "--set", "x"), "NAME=VALUE"),
        (("serve", "--set", "limits.body_byte=1"), "did you mean limits.body_bytes"),
        (("serve", "--config", "/nonexistent.toml"), "/nonexistent.toml"),
        (("login", "list", "--data", "/nonexistent/data"), "/nonexistent/data"),
        (("import",), "FILES"),
        (("job", "list", "--page", "0"), "--page"),
        (("job", "submit", "x", "-p", "novalue"), "'novalue' is not NAME=VALUE"),
        (("job", "submit", "x", "--every", "5", "--cron", "* * * * *"), "--cron"),
        (
            ("job", "submit", "x", "--missed", "all"),
            "--missed goes with --every, --cron or --rrule",
        ),
        (("job", "submit", "x", "--at", "2030-01-01", "--ends", "2031-01-01"), "--ends goes"),
        (("job", "submit", "x", "--every", "5", "--missed", "some"), "'some'"),
        (("job", "submit", "x", "--every", "5", "--grace", "0"), "--grace"),
        (("job", "submit", "x", "--local-time"), "--local-time goes with --at"),
        (("job", "submit", "x", "--window", "22:00"), "'22:00' is not FROM-TO"),
        (("job", "submit", "x", "--window-utc"), "go with --window"),
        (("job", "submit", "x", "--launch-timeout", "0"), "--launch-timeout"),
        (("restore", "/nonexistent"), "/nonexistent"),
        (("backup", "x", "--data", "/nonexistent/data"), "/nonexistent/data"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    bare: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = bare(*arguments)
    assert outcome.code == failures.WRONG_USE
    assert words in outcome.err
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("login", "passwd", "nobody", "--generate"), "nobody"),
        (("login", "soap-secret", "nobody"), "nobody"),
        (("login", "soap-secret", "admin", "--secret-stdin", "--remove"), "choose one"),
        (("login", "add", "admin", "--generate"), "admin"),
        (("login", "remove", "admin"), "last enabled administrator"),
        (("login", "add", "x", "--role", "nonsense", "--generate"), "nonsense"),
        (("login", "add", "x"), "--password-stdin"),
        (("job", "show", "xyz"), "'xyz' is no job id"),
        (("job", "show", UNKNOWN), UNKNOWN),
        (("job", "watch", UNKNOWN), UNKNOWN),
        (("job", "abort", UNKNOWN), UNKNOWN),
        (("job", "rerun", UNKNOWN), UNKNOWN),
        (("job", "submit", "Nope"), "Nope"),
        (("export", UNKNOWN), UNKNOWN),
        (("import", "/nonexistent.xml"), "/nonexistent.xml"),
        (("backup", "/nonexistent/x"), "/nonexistent"),
    ],
)
def test_what_does_not_exist_is_one_line_and_exit_code_2(
    gateway: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    outcome = gateway(*arguments)
    assert outcome.code == failures.WRONG_USE
    assert words in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_damaged_store_and_a_newer_one_are_named(gateway: Run, data: Path) -> None:
    with sqlite3.connect(data / "gateway.sqlite3") as store:
        store.execute("UPDATE store_fact SET value = '9999' WHERE name = 'readable_from'")
    store.close()
    newer = gateway("login", "list")
    assert (newer.code, "newer version" in newer.err) == (failures.WRONG_USE, True)
    (data / "gateway.sqlite3").write_bytes(b"not a database")
    damaged = gateway("login", "list")
    assert (damaged.code, "gateway.sqlite3" in damaged.err) == (failures.WRONG_USE, True)


def test_what_nobody_expected_is_not_hidden(gateway: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_self: Administration) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Administration, "login_list", broken)
    with pytest.raises(ZeroDivisionError):
        gateway("login", "list")


@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError])
def test_an_interrupt_and_a_reader_that_left_are_quiet(
    gateway: Run, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def interrupted(_self: Administration) -> None:
        raise error

    monkeypatch.setattr(Administration, "login_list", interrupted)
    monkeypatch.setattr(ending, "_forget_output", lambda: None)
    outcome = gateway("login", "list")
    assert outcome.code == (130 if error is KeyboardInterrupt else 1)
    assert (outcome.out, outcome.err.strip()) == ("", "")  # Click ends the line of the ^C


class Operations:
    """Answers of a server, without one."""

    def login_list(self) -> list[dict[str, str]]:
        return [{"name": "of the server"}]

    def job_watch(self, job: str) -> Iterator[object]:
        state = {"guid": job, "reason": "", "finished_at": None}
        yield {"job": {**state, "status": "active"}, "done": 0, "total": 1}
        yield None
        yield {"output": "half", "task": "Say", "run": "r"}
        yield {"output": " a line\nrest\x1b[2J", "task": "Say", "run": "r"}
        finished = {**state, "status": "completed", "finished_at": "2026-01-01"}
        yield {"job": finished, "done": 1, "total": 1}


@pytest.fixture
def served(gateway: Run, data: Path) -> Iterator[Run]:
    """Commands while another holds the data folder and answers."""
    operations = Operations()
    commands = {"login_list": operations.login_list, "job_watch": operations.job_watch}
    with DataFolder(data).hold():
        server = ControlServer(commands, data, failures.describe)
        server.start()
        yield gateway
        server.stop()


def test_commands_go_through_the_server_that_holds_the_folder(served: Run) -> None:
    assert served("login", "list", "--json").json == [{"name": "of the server"}]


def test_watching_without_a_terminal_gives_lines(served: Run) -> None:
    outcome = served("job", "watch", UNKNOWN)
    assert outcome.code == 0
    assert outcome.out.splitlines() == [
        "active, 0 of 1 tasks",
        "Say | half a line",
        "Say | rest\\x1b[2J",
        "completed, 1 of 1 tasks",
    ]


def test_watching_as_json_gives_a_document_a_line(served: Run) -> None:
    lines = served("job", "watch", UNKNOWN, "--json").out.splitlines()
    assert len([json.loads(line) for line in lines]) == 4


def test_a_folder_held_by_one_that_takes_no_commands(gateway: Run, data: Path) -> None:
    with DataFolder(data).hold():
        outcome = gateway("login", "list")
        restoring = gateway("restore", __file__)
    assert (outcome.code, outcome.err.count("\n")) == (1, 1)
    assert (restoring.code, "in use by process" in restoring.err) == (2, True)


def test_every_public_method_is_a_command(gateway: Run) -> None:
    methods = {name for name in vars(Administration) if not name.startswith("_")}
    assert methods - {"commands"} >= {"initialise", "job_watch", "backup"}
    assert administration.Administration.commands.__doc__


def test_a_restored_database_begins_anew(
    gateway: Run, monkeypatch: pytest.MonkeyPatch, postgres_place: PostgresPlace
) -> None:
    """PostgreSQL is restored by its own tools; a command tells the gateway of it."""
    monkeypatch.setenv("GATEWAY_DATABASE_URL", postgres_place.url)
    assert gateway("restore").out == "the restored database begins anew; jobs marked: 0\n"
    first = gateway("restore", "/some/file")
    assert first.code == failures.WRONG_USE
    assert "pg_restore" in first.err
    monkeypatch.delenv("GATEWAY_DATABASE_URL")
    assert "FILE is missing" in gateway("restore").err
