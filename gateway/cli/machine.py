"""``agent``, ``agent run`` and ``agent enrol``: the program on a machine that runs tasks.

It loads neither the store nor the server's parts: ``main`` comes here before it looks at the other
commands.
"""

import dataclasses
import functools
import os
import platform
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from gateway import memory
from gateway.agents import startup, trust, users
from gateway.agents.enrolling import Enrolment
from gateway.agents.home import AgentHome, Identity, default_folder
from gateway.agents.refusals import AgentRefused, ServerUnreachable
from gateway.agents.remote import RemoteAgent, RemoteSettings
from gateway.agents.server_client import server_address
from gateway.agents.trust import Trust
from gateway.agents.users import TaskUser, UserRefused
from gateway.cli import ending
from gateway.cli.requests import Request, Requests
from gateway.observability import logs
from gateway.settings import LogFormat, LogLevel

VARIABLES = "GATEWAY_AGENT_"
_MIB = 1024 * 1024

Function = TypeVar("Function", bound=Callable[..., Any])


class AgentGroup(click.Group):
    """``agent --server URL`` is ``agent run --server URL``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Name the command that is left out."""
        if args and startup.is_run(args[0]):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(context_settings={"help_option_names": list(startup.HELP)})
def _root() -> None:
    """A self-hosted gateway for automation."""


@_root.group("agent", cls=AgentGroup)
def _agent() -> None:
    """Run tasks on this machine."""


def _option(name: str, *more: str, **settings: Any) -> Callable[[Function], Function]:
    """An option that a variable of the environment can give as well."""
    variable = VARIABLES + name.removeprefix("--").replace("-", "_").upper()
    return click.option(name, *more, envvar=variable, show_envvar=True, **settings)


_FILE = click.Path(path_type=Path, exists=True, dir_okay=False, resolve_path=True)
_ENROLLING = (
    _option("--server", metavar="URL", help="The server; later it is known from the folder."),
    _option("--token", metavar="TOKEN", help="An enrolment token; others can see it in a list of "
            "processes, so give it by the variable or a file."),
    _option("--token-file", type=_FILE, help="A file with the enrolment token."),
    _option("--name", metavar="NAME", help="The agent's name; the machine's unless told."),
    _option("--folder", metavar="DIR", type=click.Path(path_type=Path),
            help="Where the agent keeps who it is, its cache and its runs."),
    _option("--ca", type=_FILE, help="A PEM file of the authorities that may vouch for it."),
    _option("--pin", metavar="sha256:HEX", help="The fingerprint of the server's certificate, "
            "instead of any authority."),
    _option("--certificate", type=_FILE, help="The agent's own certificate (PEM), for servers that "
            "ask for one."),
    _option("--key", type=_FILE, help="Its key, if it is not in the same file."),
    _option("--max-runs", type=click.IntRange(1, 10_000), default=10, show_default=True,
            help="Runs at once."),
    _option("--time-zone", metavar="ZONE", help="The agent's zone; the machine's unless told."),
    _option("--log-level", type=click.Choice([level.value for level in LogLevel]),
            default=LogLevel.INFO.value, show_default=True, help="The least level that is logged."),
    _option("--log-format", type=click.Choice([form.value for form in LogFormat]),
            default=LogFormat.CONSOLE.value, show_default=True, help="Log lines for people or as "
            "JSON."),
)  # fmt: skip
_WORKING = (
    _option("--inherit", metavar="VARIABLE", multiple=True, help="A variable of the agent's "
            "environment that tasks are given besides the usual ones; may be repeated."),
    _option("--run-as", metavar="USER", help="The user as whom tasks run; the agent's own unless "
            "told. Needs root."),
    _option("--cache-bytes", type=click.IntRange(0), default=1024 * _MIB, show_default=True,
            help="How much of the resources that were fetched is kept."),
    _option("--token-days", type=click.FloatRange(0), default=30.0, show_default=True,
            help="How old the agent's own token becomes before it is changed."),
    _option("--drain-seconds", type=click.FloatRange(0), default=30.0, show_default=True,
            help="How long a stop waits for runs that are under way."),
    _option("--task-type", metavar="NAME=MODULE:CLASS", multiple=True, hidden=True),
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class _Enrolling:
    """What the options say of who the agent is and where its server is."""

    home: AgentHome
    name: str
    max_runs: int
    time_zone: str | None
    server: str | None
    token: str | None = dataclasses.field(repr=False)
    trust: Trust

    @classmethod
    def of(cls, options: dict[str, Any]) -> "_Enrolling":
        """Raises click.UsageError, AgentRefused, OSError."""
        token, file = options["token"], options["token_file"]
        if options["pin"] and options["ca"]:
            raise click.UsageError("give --ca or --pin: a pin counts instead of any authority")
        if options["key"] and not options["certificate"]:
            raise click.UsageError("--key belongs to a --certificate")
        if file is not None and token is None:
            token = file.read_text("utf-8").strip()
        pin = options["pin"]
        return cls(
            AgentHome(options["folder"] or default_folder()),
            options["name"] or platform.node() or "agent",
            options["max_runs"],
            options["time_zone"],
            None if options["server"] is None else server_address(options["server"]),
            token or None,
            Trust(
                options["ca"],
                trust.pin(pin) if pin else None,
                options["certificate"],
                options["key"],
            ),
        )

    def settings(self, **more: Any) -> RemoteSettings:
        """The settings of the agent's work."""
        return RemoteSettings(
            name=self.name,
            folder=more.pop("folder", self.home.runs),
            max_runs=self.max_runs,
            time_zone=self.time_zone,
            **more,
        )

    def identity(self, stopped: threading.Event) -> Identity | None:
        """Who the agent is, after it has enrolled if need be; None if it was stopped."""
        known = self.home.identity()
        return self.enrol(stopped, patient=True) if known is None else self._moved(known)

    def enrol(self, stopped: threading.Event, *, patient: bool) -> Identity | None:
        """Enrol; None if it was stopped while it waited."""
        if self.server is None:
            raise AgentRefused(
                f"the folder {self.home.path} holds no agent yet: name its server with --server"
            )
        enrolment = Enrolment(
            self.home, self.server, self.trust, _show_code, stopped, patient=patient
        )
        identity = enrolment.enrol(self.settings().facts(embedded=False), self.token)
        if identity is not None:
            click.echo(f"enrolled at {self.server} as {self.name} ({identity.agent})")
        return identity

    def _moved(self, known: Identity) -> Identity:
        """The same agent, at the address and with the certificates that the options name."""
        changes: dict[str, Any] = {}
        if self.server not in (None, known.server):
            changes["server"] = self.server
        if self.trust != Trust():
            changes |= vars(self.trust)
        moved = known.model_copy(update=changes)
        if moved != known:
            self.home.keep(moved)
        return moved


def _show_code(code: str) -> None:
    click.echo(
        f"waiting for approval, code {code}: an operator of the server compares it and approves"
    )


def _with(options: Sequence[Callable[[Any], Any]]) -> Callable[[Function], Function]:
    def give(command: Function) -> Function:
        return functools.reduce(lambda given, option: option(given), reversed(options), command)

    return give


@_agent.command("run")
@_with((*_ENROLLING, *_WORKING))
def run_(**options: Any) -> int:
    """Work off runs until SIGTERM or Ctrl-C; enrols first where that was not done yet.

    `agent --server URL` is the same.
    """
    memory.share_heaps()
    logs.configure(LogLevel(options["log_level"]), LogFormat(options["log_format"]))
    given = _Enrolling.of(options)
    user = users.task_user(options["run_as"]) if options["run_as"] else None
    given.home.create()
    requests = Requests()
    with given.home.hold(), requests.from_signals():
        return _Program(given, user, options, requests).run()


class _Program:
    """The agent in a thread of its own, so that signals find the main one waiting for them."""

    def __init__(
        self,
        given: _Enrolling,
        user: TaskUser | None,
        options: dict[str, Any],
        requests: Requests,
    ) -> None:
        self._given = given
        self._user = user
        self._options = options
        self._requests = requests
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._agent: RemoteAgent | None = None
        self._error: Exception | None = None

    def run(self) -> int:
        """Work until a signal says otherwise. Raises what ended the agent."""
        worker = threading.Thread(target=self._work, name="agent", daemon=True)
        worker.start()
        while (request := self._requests.get()) is Request.RELOAD:
            continue
        if request is Request.STOP:
            self._stop()
        worker.join()
        if self._error is not None:
            raise self._error
        return 0

    def _stop(self) -> None:
        with self._lock:
            self._stopped.set()
            if self._agent is not None:
                self._agent.stop()

    def _work(self) -> None:
        try:
            identity = self._given.identity(self._stopped)
            agent = None if identity is None else self._begin(identity)
            if agent is not None:
                memory.settle()
                agent.run(self._options["drain_seconds"])
        except Exception as error:  # noqa: BLE001  (it is told where the program ends)
            self._error = error
        self._requests.put(Request.PART_ENDED)

    def _begin(self, identity: Identity) -> RemoteAgent | None:
        home, options = self._given.home, self._options
        settings = self._given.settings(
            folder=home.runs if self._user is None or not self._user.other else home.open_runs,
            user=self._user,
            inherit=options["inherit"],
            task_types=dict(item.split("=", 1) for item in options["task_type"]),
            cache_bytes=options["cache_bytes"],
            token_days=options["token_days"],
        )
        with self._lock:
            if not self._stopped.is_set():
                self._agent = RemoteAgent(home, identity, settings)
            return self._agent


@_agent.command("enrol")
@_with(_ENROLLING)
@click.option("--replace", is_flag=True, help="Forget who the agent in the folder was before.")
def enrol(*, replace: bool, **options: Any) -> int:
    """Have the server let this agent in: at once with a token, else when it was approved."""
    logs.configure(LogLevel(options["log_level"]), LogFormat(options["log_format"]))
    given = _Enrolling.of(options)
    given.home.create()
    with given.home.hold():
        known = given.home.identity()
        if known is not None and not replace:
            raise AgentRefused(
                f"the folder {given.home.path} holds the agent {known.agent} of {known.server} "
                "already: start it with `agent run`, or enrol another with --replace"
            )
        given.enrol(threading.Event(), patient=False)
    return 0


@dataclasses.dataclass(frozen=True)
class _Told:
    sentence: str
    exit_code: int


def _describe(error: Exception) -> _Told | None:
    """What to tell of an error; None for one that nobody expected."""
    if isinstance(error, AgentRefused | UserRefused):
        return _Told(str(error), ending.WRONG_USE)
    if isinstance(error, ServerUnreachable):
        return _Told(str(error), 1)
    if isinstance(error, OSError) and error.errno is not None:
        where = f"{error.filename}: " if error.filename else ""
        return _Told(f"{where}{os.strerror(error.errno)}", ending.WRONG_USE)
    return None


def run(arguments: Sequence[str]) -> int:
    """Run one command of an agent; its exit code."""
    return ending.run(_root, arguments, _describe)
