"""The settings: what wins, where a value came from, and what is said about a wrong one."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import settings
from gateway.settings import SettingsError, Source, page, schema, sources

ROOT = Path(__file__).parents[2]
URL = "postgresql://ada:hunter2@db.example:5432/gateway?sslmode=require"


def load(command_line: Any = None, environment: Any = None, file: Path | None = None):
    return settings.load(command_line or {}, environment or {}, file)


def written(folder: Path, text: str) -> Path:
    path = folder / "gateway.toml"
    path.write_text(text, "utf-8")
    return path


def problem(*arguments: Any, **named: Any) -> str:
    with pytest.raises(SettingsError) as raised:
        load(*arguments, **named)
    assert len(raised.value.problems) == 1
    line = raised.value.problems[0]
    assert "\n" not in line
    return line


def test_defaults_listen_on_loopback_only() -> None:
    loaded = load()
    (listener,) = loaded.settings.listeners
    assert (listener.address, listener.port, listener.surfaces) == ("127.0.0.1", 8080, None)
    assert {origin.source for origin in loaded.sources.values()} == {Source.DEFAULT}


def test_each_source_wins_over_those_before_it(tmp_path: Path) -> None:
    file = written(tmp_path, 'log_level = "error"\n[limits]\nbody_bytes = 1\nlog_bytes = 1\n')
    environment = {"GATEWAY_LOG_LEVEL": "debug", "GATEWAY_LIMITS__BODY_BYTES": "2", "PATH": "x"}
    loaded = load({"limits.body_bytes": "3", "data": None}, environment, file)

    assert loaded.settings.limits.body_bytes == 3
    assert loaded.settings.limits.log_bytes == 1
    assert loaded.settings.log_level is settings.LogLevel.DEBUG
    assert str(loaded.sources["limits.body_bytes"]) == "--set limits.body_bytes"
    assert str(loaded.sources["limits.log_bytes"]) == f"{file}: limits.log_bytes"
    assert str(loaded.sources["log_level"]) == "GATEWAY_LOG_LEVEL"
    assert str(loaded.sources["data"]) == "default"


def test_host_and_port_change_the_first_listener_only(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        '[[listeners]]\naddress = "0.0.0.0"\nsurfaces = ["dispatcher"]\n'
        '[[listeners]]\naddress = "::"\nport = 81\n',
    )
    first, second = load({"port": 90}, {"GATEWAY_HOST": "127.0.0.2"}, file).settings.listeners
    assert (first.address, first.port, first.surfaces) == ("127.0.0.2", 90, {"dispatcher"})
    assert (second.address, second.port) == ("::", 81)


def test_lists_and_groups_in_the_environment() -> None:
    loaded = load(
        environment={
            "GATEWAY_TRUSTED_PROXIES": "10.0.0.0/8, ::1",
            "GATEWAY_LISTENERS": '[{"port": 0}]',
            "GATEWAY_WORKERS": '{"decoders": 1}',
            "GATEWAY_PUBLIC_URL": "https://gateway.example/base/",
            "GATEWAY_TIME_ZONE": "",
        }
    ).settings
    assert [str(network) for network in loaded.trusted_proxies] == ["10.0.0.0/8", "::1/128"]
    assert loaded.listeners[0].port == 0
    assert loaded.workers.decoders == 1
    assert loaded.public_url == "https://gateway.example/base"
    assert loaded.time_zone is None


@pytest.mark.parametrize(
    ("web_api", "dispatcher", "demo", "enabled"),
    [
        (None, None, False, False),
        (None, None, True, True),
        ("ENABLED", None, False, True),
        ("DISABLED", None, True, False),
        ("ENABLED", "DISABLED", True, False),
        ("DISABLED", "ENABLED", False, True),
        (None, "GLOBAL", False, False),
    ],
)
def test_state_of_the_web_api(
    web_api: str | None, dispatcher: str | None, demo: bool, enabled: bool
) -> None:
    loaded = load({"web_api": web_api, "dispatcher.web_api": dispatcher, "demo": demo})
    assert loaded.settings.dispatcher_enabled is enabled


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"GATEWAY_LIMITS__BODY_BYTES": "many"}, ("GATEWAY_LIMITS__BODY_BYTES", "'many'")),
        ({"GATEWAY_LIMITS__BODY_BYTES": "0"}, ("limits.body_bytes", "greater than or equal to 1")),
        ({"GATEWAY_LOG_FORMAT": "xml"}, ("log_format", "'json' or 'console'")),
        ({"GATEWAY_LISTENERS": '[{"port": 70000}]'}, ("listeners.0.port", "70000", "65535")),
        ({"GATEWAY_LISTENERS": "[]"}, ("listeners", "at least one")),
        ({"GATEWAY_LISTENERS": "[{"}, ("GATEWAY_LISTENERS", "not valid JSON")),
        ({"GATEWAY_LISTENERS": '[{"prot": 1}]'}, ("listeners.0.prot", "no member")),
        ({"GATEWAY_LISTENERS": '[{"tls": {"key": "k"}}]'}, ("listeners.0.tls.certificate",)),
        ({"GATEWAY_PORT": "http"}, ("listeners.0.port", "GATEWAY_PORT", "'http'")),
        ({"GATEWAY_TIME_ZONE": "Mars/Base"}, ("time_zone", "'Mars/Base'", "IANA")),
        ({"GATEWAY_TIME_ZONE": "../../etc/passwd"}, ("time_zone", "IANA")),
        ({"GATEWAY_PUBLIC_URL": "ftp://x"}, ("public_url", "https://gateway.example.com")),
        ({"GATEWAY_TRUSTED_PROXIES": "10.0.0.0/99"}, ("trusted_proxies.0", "10.0.0.0/99")),
        ({"GATEWAY_WORKERS": "7"}, ("workers", "JSON object")),
        ({"GATEWAY_LIMIT__BODY_BYTES": "1"}, ("did you mean GATEWAY_LIMITS__BODY_BYTES",)),
        ({"GATEWAY_BODY_BYTES": "1"}, ("did you mean GATEWAY_LIMITS__BODY_BYTES",)),
        ({"GATEWAY_ZZZZ": "1"}, ("no setting zzzz (from GATEWAY_ZZZZ)", "gateway config")),
    ],
)
def test_a_wrong_variable_is_named(environment: dict[str, str], expected: tuple[str, ...]) -> None:
    line = problem(environment=environment)
    for words in expected:
        assert words in line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[limits]\nbody_byte = 1", ("limits.body_byte", "did you mean limits.body_bytes")),
        ("limits = 3", ("limits",)),
        ("data = 5", ("gateway.toml: data", "5")),
        ("a = \nb", ("not valid TOML", "line 1")),
        ("web_api = 'GLOBAL'", ("gateway.toml: web_api", "'ENABLED' or 'DISABLED'")),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, expected: tuple[str, ...]) -> None:
    line = problem(file=written(tmp_path, text))
    for words in expected:
        assert words in line


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in problem(file=tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'data = "\xe4"')
    assert "not UTF-8" in problem(file=tmp_path / "latin.toml")


def test_all_wrong_values_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        load({"port": "x", "low_disk_bytes": "-1"})
    assert len(raised.value.problems) == 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"launch_window.opens": "22:00"}, "go together"),
        ({"launch_window": '{"opens": "22:00", "closes": "24:00"}'}, "closes"),
        ({"launch_window": '{"opens": "22:00", "closes": "6:00"}'}, "closes"),
        ({"launch_window.days": "mon,funday"}, "launch_window.days"),
        ({"launch_window.days": "[]"}, "launch_window.days"),
        ({"launch_window.outside": "panic"}, "launch_window.outside"),
        ({"default_schedule_status": "maybe"}, "default_schedule_status"),
        ({"wake_on_lan.addresses": "everybody"}, "wake_on_lan.addresses"),
        ({"wake_on_lan.port": "0"}, "wake_on_lan.port"),
    ],
)
def test_settings_of_when_runs_begin_are_checked(given: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(given, {}, None)
    assert words in str(refused.value)


def test_the_variable_that_names_the_file_is_no_setting() -> None:
    assert load(environment={"GATEWAY_CONFIG": "/x"}).settings == load().settings


def test_settings_do_not_change() -> None:
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        load().settings.demo = True


def test_the_environment_is_read_by_load_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO", "true")
    monkeypatch.setenv("GATEWAY_DEMO", "true")
    assert load().settings.demo is False


def test_passwords_are_not_shown() -> None:
    loaded = load(environment={"GATEWAY_DATABASE_URL": URL, "GATEWAY_ADMIN_PASSWORD": "hunter2"})
    shown = schema.shown(loaded.settings)
    assert shown["database_url"] == "postgresql://ada:********@db.example:5432/gateway"
    assert shown["admin_password"] == schema.MASK
    assert "hunter2" not in f"{shown}{loaded}"
    assert loaded.settings.postgres_url == URL


@pytest.mark.parametrize("url", ["mysql://ada:hunter2@h/d", "postgresql://ada:hunter2@h", "x"])
def test_a_wrong_address_of_a_database_does_not_show_its_password(url: str) -> None:
    line = problem({"database_url": url})
    assert "database_url" in line
    assert "hunter2" not in line


@given(st.text())
def test_a_password_is_masked_in_whatever_address(rest: str) -> None:
    assert "hunter2" not in schema.masked(f"postgresql://u:hunter2@{rest}")


@given(
    st.dictionaries(
        st.sampled_from(sorted(sources.leaves())).map(
            lambda name: "GATEWAY_" + name.replace(".", "__").upper()
        ),
        st.text(),
        max_size=3,
    )
)
def test_any_text_in_the_environment_is_taken_or_refused_in_words(
    environment: dict[str, str],
) -> None:
    refused: tuple[str, ...] = ()
    try:
        load(environment=environment)
    except SettingsError as error:
        refused = error.problems
    assert all(line.startswith("setting ") for line in refused)


def test_every_setting_is_documented() -> None:
    assert (ROOT / "docs/settings.md").read_text("utf-8") == page.text(), (
        "run: python -m gateway.settings > docs/settings.md"
    )
    for name, field in sources.leaves().items():
        assert field.description, name
        assert f"| `{name}` |" in page.text()


def test_the_command_that_makes_the_page() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway.settings"], cwd=ROOT, capture_output=True, check=True
    )
    assert done.stdout.decode("utf-8").replace("\r\n", "\n") == page.text()


def test_further_agents_have_names_of_their_own() -> None:
    loaded = load(environment={"GATEWAY_AGENT_NAME": "one", "GATEWAY_AGENT_NAMES": "two,three"})
    assert loaded.settings.embedded_names == ("one", "two", "three")
    off = load({"embedded_agent": "false", "agent_names": "two"})
    assert off.settings.embedded_names == ()
    assert "'one'" in problem({"agent_name": "one", "agent_names": "two,ONE"})
    assert "name of its own" in problem({"agent_names": "two,Two"})
