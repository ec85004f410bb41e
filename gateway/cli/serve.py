"""``serve``: the server itself, from its start to its draining stop."""

import contextlib
import logging
from wsgiref.types import WSGIApplication

import click

from gateway import failures, memory, open_files
from gateway.administration import Administration
from gateway.catalog import demonstration
from gateway.cli.options import with_settings
from gateway.cli.requests import Request, Requests
from gateway.control import ControlServer
from gateway.datafolder import DataFolder
from gateway.front.gate import Gate
from gateway.front.limits import Limits
from gateway.front.listeners import Listener, ListenerError, Tls
from gateway.front.server import Address, Front
from gateway.identity.logins import ADMINISTRATOR, Logins
from gateway.observability import logs
from gateway.settings import ListenerSettings, Loaded, Settings

log = logging.getLogger("gateway.serve")


@click.command()
@click.option("--host", metavar="ADDRESS", help="Where to listen; 127.0.0.1 unless told.")
@click.option("--port", metavar="NUMBER", help="The port; 8080 unless told, 0 for any.")
@click.option("--demo", is_flag=True, default=None, help="With demonstration content.")
@with_settings
def serve(loaded: Loaded) -> int:
    """Start the gateway and stay up until SIGTERM or Ctrl-C; SIGHUP reloads certificates."""
    memory.share_heaps()
    open_files.raise_limit()
    settings = loaded.settings
    folder = DataFolder(settings.data)
    folder.create()
    logs.configure(settings.log_level, settings.log_format)
    requests = Requests()
    with folder.hold(), requests.from_signals():
        return _run(settings, folder, requests)


def _run(settings: Settings, folder: DataFolder, requests: Requests) -> int:
    from gateway import application  # noqa: PLC0415  # see gateway.cli.session

    gateway = application.build(settings, folder)
    with contextlib.ExitStack() as parts:
        parts.callback(gateway.stop, settings.drain_seconds)
        if settings.demo:
            demonstration.install(gateway.blocks)
        front = _front(settings, folder, application.create_app(gateway), gateway.gate, requests)
        control = ControlServer(Administration(gateway).commands(), folder.path, failures.describe)
        control.start()
        parts.callback(control.stop)
        # Told at once: a password that a start makes which then fails must be seen all the same.
        _tell_password(_first_password(gateway.logins, settings))
        front.start()
        parts.callback(front.stop, settings.drain_seconds)
        # After the listeners: a start that fails has begun no job.
        gateway.start()
        memory.settle()
        _announce(settings, front.addresses)
        return _until_stopped(front, requests)


def _until_stopped(front: Front, requests: Requests) -> int:
    while (request := requests.get()) is Request.RELOAD:
        try:
            front.reload_certificates()
            log.info("certificates were read again")
        except ListenerError as error:
            log.error("the old certificates stay in use: %s", error)  # noqa: TRY400  # no fault
    log.info("stopping")
    return failures.FAILED if request is Request.PART_ENDED else 0


def _first_password(logins: Logins, settings: Settings) -> str | None:
    given = settings.admin_password
    return logins.ensure_administrator(given.get_secret_value() if given else None)


def _front(
    settings: Settings,
    folder: DataFolder,
    application: WSGIApplication,
    gate: Gate,
    requests: Requests,
) -> Front:
    return Front(
        application,
        [listener(one) for one in settings.listeners],
        limits(settings),
        gate,
        threads=settings.workers.request_threads,
        trusted_proxies=settings.trusted_proxies,
        spool_folder=folder.spool,
        on_error=lambda _: requests.put(Request.PART_ENDED),
    )


def listener(setting: ListenerSettings) -> Listener:
    """A listener as the front wants it."""
    tls = setting.tls
    surfaces = setting.surfaces
    return Listener(
        setting.address,
        setting.port,
        Tls(tls.certificate, tls.key, tls.client_ca, tls.require_client_certificate)
        if tls
        else None,
        None if surfaces is None else frozenset(map(str, surfaces)),
    )


def limits(settings: Settings) -> Limits:
    """The limits that are the front's."""
    given = settings.limits
    return Limits(
        body_bytes=given.body_bytes,
        memory_spool_bytes=given.memory_spool_bytes,
        spool_free_bytes=settings.low_disk_bytes,
        header_bytes=given.header_bytes,
        header_seconds=given.header_seconds,
        body_idle_seconds=given.body_idle_seconds,
        body_minimum_rate=given.body_minimum_rate,
        body_allowance_seconds=given.body_allowance_seconds,
        keep_alive_seconds=given.keep_alive_seconds,
        response_idle_seconds=given.response_idle_seconds,
        connections=given.connections,
        waiting=given.waiting_requests,
    )


def _tell_password(password: str | None) -> None:
    if password is not None:
        click.echo(f"first start: login {ADMINISTRATOR}, password {password}")


def _announce(settings: Settings, addresses: list[Address]) -> None:
    for one in addresses:
        host = f"[{one.address}]" if ":" in one.address else one.address
        click.echo(f"listening on {'https' if one.tls else 'http'}://{host}:{one.port}/")
    if not settings.dispatcher_enabled:
        click.echo("the Dispatcher Web API is disabled: set web_api to ENABLED")
    click.echo("ready: end with Ctrl-C or SIGTERM")
