"""The schema of the settings: names, types, defaults, and what each is for.

The descriptions are what ``gateway config`` and ``docs/settings.md`` show. Sizes are in bytes,
times in seconds, as the names say.
"""

import datetime
import enum
import ipaddress
import platform
import urllib.parse
import zoneinfo
from pathlib import Path
from typing import Annotated, Any

import pydantic
import tzlocal
from pydantic import BaseModel, ConfigDict, Field, IPvAnyAddress, IPvAnyNetwork, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway import names

KIB = 1024
MIB = 1024 * KIB
MASK = "********"

_POSTGRES_SCHEMES = frozenset({"postgresql", "postgres"})


class WebApiState(enum.StrEnum):
    """The state of the Dispatcher Web API (Dispatcher contract 1.2)."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"
    GLOBAL = "GLOBAL"


class GlobalWebApiState(enum.StrEnum):
    """What GLOBAL stands for."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"


class LogFormat(enum.StrEnum):
    """How a line of the log is written."""

    JSON = "json"
    CONSOLE = "console"


class LogRequests(enum.StrEnum):
    """Which requests have a line in the log."""

    REFUSED = "refused"
    CHANGING = "changing"
    ALL = "all"


class LogLevel(enum.StrEnum):
    """The least level that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Surface(enum.StrEnum):
    """What a listener can serve."""

    DISPATCHER = "dispatcher"
    OPERATIONS = "operations"
    AGENTS = "agents"


def _zone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("a time zone of the IANA list is needed, such as Europe/Berlin") from error
    return name


def _base_address(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("an address such as https://gateway.example.com is needed")
    if parts.query or parts.fragment or parts.username:
        raise ValueError("only scheme, host, port and path are allowed in it")
    return url.rstrip("/")


def _postgres_address(url: SecretStr) -> SecretStr:
    parts = urllib.parse.urlsplit(url.get_secret_value())
    if parts.scheme not in _POSTGRES_SCHEMES or not parts.path.strip("/"):
        raise ValueError(
            "an address such as postgresql://user:password@host:5432/database is needed"
        )
    return url


def _different_names(agents: tuple[str, ...]) -> tuple[str, ...]:
    if len({names.key(name) for name in agents}) < len(agents):
        raise ValueError("each of the agents needs a name of its own (case does not matter)")
    return agents


ZoneName = Annotated[str, pydantic.AfterValidator(_zone)]
TimeOfDay = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
AgentName = Annotated[str, Field(min_length=1, max_length=255)]


class Group(BaseModel):
    """Settings that belong together."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TlsSettings(Group):
    """The certificate files of a listener, in PEM."""

    certificate: Path = Field(description="The server's certificate, followed by its chain.")
    key: Path = Field(description="The certificate's key, not encrypted.")
    client_ca: Path | None = Field(default=None, description="Who signs good client certificates.")
    require_client_certificate: bool = Field(
        default=False, description="Whether a client without a certificate is refused."
    )


class ListenerSettings(Group):
    """One address and port."""

    address: str = Field(
        default="127.0.0.1", description="An address of this machine, or 0.0.0.0 or ::."
    )
    port: int = Field(
        default=8080, ge=0, le=65535, description="The port; 0 lets the system choose."
    )
    tls: TlsSettings | None = Field(default=None, description="Certificates; none for plain HTTP.")
    surfaces: frozenset[Surface] | None = Field(
        default=None, description="What is served here; everything when left out."
    )


def _at_least_one(listeners: tuple[ListenerSettings, ...]) -> tuple[ListenerSettings, ...]:
    if not listeners:
        raise ValueError("at least one listener is needed")
    return listeners


Listeners = Annotated[tuple[ListenerSettings, ...], pydantic.AfterValidator(_at_least_one)]


class DispatcherSettings(Group):
    """The Dispatcher surface."""

    web_api: WebApiState = Field(
        default=WebApiState.GLOBAL,
        description="The state of this Dispatcher's Web API; GLOBAL follows `web_api`.",
    )
    date_zone: ZoneName | None = Field(
        default=None,
        description="The zone of the server whose date quirk is kept up in JSON: times come out "
        "shifted by its offset, as the vendor's do and old scripts expect, and dates that carry an "
        "offset are shifted back when they come in. The machine's own zone (`time_zone`) when left "
        "out; `UTC` switches the quirk off.",
    )


class WsSecuritySettings(Group):
    """UsernameTokens in the header of SOAP messages, in place of Basic."""

    enabled: bool = Field(
        default=True,
        description="Whether a SOAP message without Basic may tell its login in a UsernameToken. "
        "Its body must then be read before it is known who sends it.",
    )
    lifetime_seconds: Positive = Field(
        default=300, description="How long after its `Created` a UsernameToken is taken."
    )
    skew_seconds: int = Field(
        default=60,
        ge=0,
        description="How far apart a client's clock and the server's may be.",
    )


class LimitSettings(Group):
    """What a client may use of the server."""

    body_bytes: Positive = Field(default=8 * MIB, description="Longest request body.")
    resource_bytes: Positive = Field(
        default=2048 * MIB, description="Longest file that is uploaded as a resource over REST."
    )
    memory_spool_bytes: Positive = Field(
        default=256 * KIB,
        description="What of a body stays in memory; a longer one goes to a file.",
    )
    header_bytes: Positive = Field(
        default=64 * KIB, description="Longest request line and headers."
    )
    header_seconds: Seconds = Field(default=20.0, description="For a whole request head.")
    body_idle_seconds: Seconds = Field(default=30.0, description="Longest silence within a body.")
    body_minimum_rate: float = Field(
        default=200.0, ge=0, description="Bytes a second that a body must reach; 0 for no minimum."
    )
    body_allowance_seconds: Seconds = Field(
        default=20.0, description="How long after its start a body may still be slower than that."
    )
    keep_alive_seconds: Positive = Field(
        default=60, description="How long an idle connection is kept."
    )
    response_idle_seconds: Seconds = Field(
        default=60.0, description="How long a client may take no byte of its answer."
    )
    connections: Positive = Field(
        default=8192, description="Open connections; more are answered 503."
    )
    waiting_requests: Positive = Field(
        default=1024, description="Requests that may wait for a thread; more are answered 503."
    )
    xml_depth: Positive = Field(
        default=64, description="How deep elements of an XML body may nest."
    )
    xml_elements: Positive = Field(default=25_000, description="Elements in one XML body.")
    xml_attributes: Positive = Field(default=256, description="Attributes of one XML element.")
    json_depth: Positive = Field(default=64, description="How deep values of a JSON body may nest.")
    json_values: Positive = Field(
        default=100_000, description="Members and items in one JSON body, all together."
    )
    import_bytes: Positive = Field(
        default=64 * MIB, description="Longest building block to import."
    )
    log_bytes: Positive = Field(
        default=10 * MIB,
        description="What is kept of one task's output; the rest is cut, with a mark.",
    )


class WorkerSettings(Group):
    """How much is done at once."""

    request_threads: Positive = Field(
        default=64, description="Threads for requests; most wait for something, or are not there."
    )
    decoders: Positive | None = Field(
        default=None,
        description="Requests that compute at the same time; when left out 1 on SQLite, where one "
        "is fastest, and 2 on PostgreSQL, whose answers a request waits for.",
    )
    embedded_runs: Positive = Field(default=10, description="Runs at once on the embedded agent.")


class AgentSettings(Group):
    """Agents on other machines."""

    client_certificates: bool = Field(
        default=False,
        description="Whether agents are heard only over connections on which they have shown a "
        "certificate that a listener's `client_ca` has signed.",
    )
    offline_seconds: Positive = Field(
        default=300, description="How long an agent may be silent before it counts as offline."
    )


class MailSecurity(enum.StrEnum):
    """How the connection to the mail server is made safe."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class NotificationSettings(Group):
    """How notifications leave; the rules are made by `notification create`."""

    smtp_host: str = Field(default="", description="The mail server; no mail without one.")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Its port.")
    smtp_security: MailSecurity = Field(
        default=MailSecurity.STARTTLS,
        description="How the connection is made safe: `starttls`, `tls` from the start, `none`.",
    )
    smtp_user: str = Field(default="", description="The login at the mail server, if it wants one.")
    smtp_password: SecretStr | None = Field(default=None, description="Its password.")
    mail_from: str = Field(default="", description="The sender's address of all mail.")
    timeout_seconds: Seconds = Field(
        default=15.0, description="How long one attempt to deliver may take."
    )
    keep_days: Positive = Field(
        default=30, description="How long messages that have arrived, or were given up, are kept."
    )


class DefaultScheduleStatus(enum.StrEnum):
    """How new jobs begin (Dispatcher contract 6)."""

    SCHEDULED = "scheduled"
    DISABLED = "disabled"


class OutsideWindow(enum.StrEnum):
    """What happens to a run outside the launch window."""

    CONTINUE = "continue"
    WAIT = "wait"
    FAIL = "fail"


class Day(enum.StrEnum):
    """A day of the week."""

    MONDAY = "mon"
    TUESDAY = "tue"
    WEDNESDAY = "wed"
    THURSDAY = "thu"
    FRIDAY = "fri"
    SATURDAY = "sat"
    SUNDAY = "sun"


class LaunchWindowSettings(Group):
    """When runs may begin, unless their job says otherwise."""

    opens: TimeOfDay | None = Field(
        default=None,
        description="When runs may begin from, such as `22:00`; there is no window unless this "
        "and `launch_window.closes` are given.",
    )
    closes: TimeOfDay | None = Field(
        default=None,
        description="Until when runs may begin, such as `06:00`; on the next day if that is not "
        "later than `launch_window.opens`.",
    )
    days: Annotated[tuple[Day, ...], Field(min_length=1)] = Field(
        default=tuple(Day), description="The days on which the window opens."
    )
    utc: bool = Field(
        default=False, description="Whether the times are UTC, not those of each agent's clock."
    )
    outside: OutsideWindow = Field(
        default=OutsideWindow.WAIT,
        description="What happens to a run outside the window: it begins nevertheless, waits for "
        "the window, or fails.",
    )

    @pydantic.model_validator(mode="after")
    def _whole(self) -> "LaunchWindowSettings":
        if (self.opens is None) != (self.closes is None):
            raise ValueError("launch_window.opens and launch_window.closes go together")
        return self


class WakeOnLanSettings(Group):
    """Where packets that wake machines are sent."""

    addresses: tuple[IPvAnyAddress, ...] = Field(
        default=(ipaddress.IPv4Address("255.255.255.255"),),
        description="Broadcast addresses, or those of machines that pass the packets on.",
    )
    port: int = Field(default=9, ge=1, le=65535, description="The UDP port of the packets.")


class Settings(BaseSettings):
    """All settings. Made by ``load``, which knows where each value came from."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    data: Path = Field(
        default=Path("data"), description="The data folder: store, keys, spooled bodies."
    )
    database_url: Annotated[SecretStr, pydantic.AfterValidator(_postgres_address)] | None = Field(
        default=None,
        description="A PostgreSQL store, `postgresql://user:password@host:port/database`; SQLite "
        "in the data folder when left out.",
    )
    admin_password: SecretStr | None = Field(
        default=None,
        description="The password of the login `admin`, used at the first start only; generated "
        "and printed when left out.",
    )
    demo: bool = Field(
        default=False, description="Demonstration content at the start, and the Web API enabled."
    )
    listeners: Listeners = Field(
        default=(ListenerSettings(),),
        description="Where to listen: a list of `address`, `port`, `tls` (`certificate`, `key`, "
        "`client_ca`, `require_client_certificate`) and `surfaces`.",
    )
    public_url: Annotated[str, pydantic.AfterValidator(_base_address)] | None = Field(
        default=None,
        description="The address that clients know, written into WSDL and links; taken from the "
        "request when left out.",
    )
    trusted_proxies: tuple[IPvAnyNetwork, ...] = Field(
        default=(),
        description="Networks of reverse proxies whose `X-Forwarded-*` headers are believed.",
    )
    web_api: GlobalWebApiState | None = Field(
        default=None,
        description="The global state of the Dispatcher Web API; as long as it is left out the "
        "Web API is disabled.",
    )
    dispatcher: DispatcherSettings = DispatcherSettings()
    wsdl_public: bool = Field(
        default=True, description="Whether `?wsdl` and `?xsd` are served without authentication."
    )
    ws_security: WsSecuritySettings = WsSecuritySettings()
    limits: LimitSettings = LimitSettings()
    workers: WorkerSettings = WorkerSettings()
    agents: AgentSettings = AgentSettings()
    notifications: NotificationSettings = NotificationSettings()
    embedded_agent: bool = Field(
        default=True,
        description="Whether this process runs tasks itself. Tasks run as the server's user and "
        "could read its key: switch it off where that must not be.",
    )
    agent_name: AgentName | None = Field(
        default=None, description="The name of the embedded agent; the machine's when left out."
    )
    agent_names: Annotated[tuple[AgentName, ...], pydantic.AfterValidator(_different_names)] = (
        Field(
            default=(),
            description="Names of further embedded agents in this process, each with a supervisor "
            "and working folders of its own: for demonstrations and tests.",
        )
    )
    task_environment: tuple[str, ...] = Field(
        default=(),
        description="Environment variables of the server that tasks are given, besides the usual "
        "ones (`PATH`, `HOME`, `USER`, `LANG`, `LC_*`, `TZ`, `TMPDIR`, and what Windows needs).",
    )
    task_user: str | None = Field(
        default=None,
        description="The user of this machine as whom the embedded agent's tasks run; needs root, "
        "and a program and Python that he may read. Their folders then lie beside the data folder, "
        "which he cannot enter. Left out, tasks run as the server's user.",
    )
    time_zone: ZoneName | None = Field(
        default=None, description="The zone of local times; the machine's when left out."
    )
    launch_timeout_seconds: Positive = Field(
        default=7 * 24 * 3600,
        description="What an agent has not begun by then is canceled, unless the job says "
        "otherwise.",
    )
    launch_window: LaunchWindowSettings = LaunchWindowSettings()
    default_schedule_status: DefaultScheduleStatus = Field(
        default=DefaultScheduleStatus.SCHEDULED,
        description="How jobs that clients schedule begin: `disabled` ones wait on hold until "
        "somebody resumes them.",
    )
    wake_on_lan: WakeOnLanSettings = WakeOnLanSettings()
    missed_run_grace_seconds: Annotated[int, Field(ge=0)] = Field(
        default=60, description="How late a scheduled run may start without counting as missed."
    )
    idempotency_seconds: Positive = Field(
        default=24 * 3600,
        description="How long an `Idempotency-Key` stands for the job that it has made.",
    )
    lease_seconds: Positive = Field(
        default=60, description="How long a run stays with an agent that is not heard of."
    )
    credential_cache_seconds: Annotated[int, Field(ge=0)] = Field(
        default=300, description="How long a verified password is remembered; 0 for never."
    )
    low_disk_bytes: Annotated[int, Field(ge=0)] = Field(
        default=256 * MIB,
        description="With less free space than this no new job is accepted, and no content that "
        "would leave less.",
    )
    drain_seconds: Annotated[float, Field(ge=0)] = Field(
        default=30.0, description="How long a stop waits for requests and runs that are under way."
    )
    log_level: LogLevel = Field(
        default=LogLevel.INFO, description="The least level that is logged."
    )
    log_requests: LogRequests = Field(
        default=LogRequests.REFUSED,
        description="Which requests have a line in the log: those that were `refused`, those "
        "`changing` something as well, or `all`. What was accepted stands in the store in any "
        "case, with who, when and from which surface.",
    )
    log_format: LogFormat = Field(
        default=LogFormat.CONSOLE, description="Log lines as JSON objects, or for people to read."
    )

    @pydantic.field_validator("agent_names")
    @classmethod
    def _no_second_of_a_name(
        cls, agents: tuple[str, ...], info: pydantic.ValidationInfo
    ) -> tuple[str, ...]:
        own = info.data.get("agent_name") or machine()
        if names.key(own) in map(names.key, agents):
            raise ValueError(f"{own!r} is the name of the first agent already")
        return agents

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what is given and nothing else: ``load`` reads the sources and tracks origins."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @property
    def dispatcher_enabled(self) -> bool:
        """Whether the Dispatcher Web API answers (Dispatcher contract 1.2)."""
        if self.dispatcher.web_api is not WebApiState.GLOBAL:
            return self.dispatcher.web_api is WebApiState.ENABLED
        if self.web_api is None:
            return self.demo
        return self.web_api is GlobalWebApiState.ENABLED

    @property
    def decoders(self) -> int:
        """How many requests compute at the same time."""
        return self.workers.decoders or (1 if self.database_url is None else 2)

    @property
    def zone(self) -> datetime.tzinfo:
        """The zone of local times."""
        return zoneinfo.ZoneInfo(self.time_zone) if self.time_zone else tzlocal.get_localzone()

    @property
    def date_zone(self) -> datetime.tzinfo:
        """The zone whose offset the Dispatcher's JSON dates are shifted by."""
        name = self.dispatcher.date_zone
        return zoneinfo.ZoneInfo(name) if name else self.zone

    @property
    def machine_name(self) -> str:
        """The name of the first embedded agent."""
        return self.agent_name or machine()

    @property
    def embedded_names(self) -> tuple[str, ...]:
        """The names of all embedded agents; none where they are switched off."""
        return (self.machine_name, *self.agent_names) if self.embedded_agent else ()

    @property
    def postgres_url(self) -> str | None:
        """The PostgreSQL address with its password, for the driver only."""
        return self.database_url.get_secret_value() if self.database_url else None


def machine() -> str:
    """The name of this machine."""
    return platform.node() or "localhost"


def shown(value: Any) -> Any:
    """A setting's value as JSON that may be shown: passwords are masked."""
    if isinstance(value, SecretStr):
        return masked(value.get_secret_value())
    if isinstance(value, BaseModel):
        return {name: shown(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, tuple | list):
        return [shown(item) for item in value]
    if isinstance(value, frozenset):
        return sorted(shown(item) for item in value)
    return value if isinstance(value, bool | int | float | None) else str(value)


def masked(secret: str) -> str:
    """A secret for showing: of an address all but its password, of anything else nothing."""
    try:
        parts = urllib.parse.urlsplit(secret)
    except ValueError:
        return MASK
    if parts.scheme not in _POSTGRES_SCHEMES or not parts.hostname:
        return MASK
    user = f"{parts.username}:{MASK}@" if parts.password else f"{parts.username or ''}@"
    where = parts.netloc.rpartition("@")[2]
    # Options may hold a password too, and are of no use to the reader.
    return f"{parts.scheme}://{user.removeprefix('@')}{where}{parts.path}"
