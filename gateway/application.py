"""The one place where the parts meet.

``build`` makes the domain from the settings, ``create_app`` puts the surfaces before it. Nothing
here starts a thread of its own accord: ``Gateway.start`` does.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import flask

from gateway import moments
from gateway.agents import processes, users
from gateway.agents.embedded import EmbeddedAgent, EmbeddedSettings
from gateway.catalog import resource_users
from gateway.catalog.blobs import Blobs
from gateway.catalog.building_blocks import BuildingBlocks
from gateway.catalog.catalog import Catalog
from gateway.catalog.resources import Resources
from gateway.datafolder import DataFolder
from gateway.fleet import events
from gateway.fleet.access import AgentAccess
from gateway.fleet.credentials import AgentCredentials
from gateway.fleet.enrolment import Enrolments
from gateway.fleet.exclusive_windows import ExclusiveWindows
from gateway.fleet.limits import RunLimits
from gateway.fleet.membership import Memberships
from gateway.fleet.orders import OrderMaker
from gateway.fleet.reception import Reception
from gateway.fleet.removal import AgentRemoval
from gateway.fleet.switchboard import Switchboard
from gateway.fleet.teams import Teams
from gateway.fleet.wake_on_lan import MagicPackets, Waker
from gateway.front.gate import Gate
from gateway.identity import store_facts
from gateway.identity import vault as vaults
from gateway.identity.authentication import Authenticator
from gateway.identity.credential_cache import CredentialCache
from gateway.identity.epoch import SecurityEpoch
from gateway.identity.logins import Logins
from gateway.identity.open_access import OpenAccess
from gateway.identity.passwords import Passwords
from gateway.identity.permissions import Permissions
from gateway.identity.role_changes import Roles
from gateway.identity.soap_secrets import SoapSecrets
from gateway.identity.throttle import Throttle
from gateway.identity.username_tokens import Freshness, UsernameTokens
from gateway.identity.vault import Vault
from gateway.jobs import launch_windows, repeats, resource_use
from gateway.jobs.acceptance import Acceptance
from gateway.jobs.archives import Archives
from gateway.jobs.clock import Clock
from gateway.jobs.explaining import Explainer, Right
from gateway.jobs.explanations.explainer import JobExplainer
from gateway.jobs.launch_windows import WindowPolicy
from gateway.jobs.maintenance import Maintenances
from gateway.jobs.orders import LaunchWindow, OutsideWindow
from gateway.jobs.parameters import ParameterReader
from gateway.jobs.recomputation import Recomputation
from gateway.jobs.repeats import Repeats
from gateway.jobs.retention import Retention
from gateway.jobs.service import Jobs
from gateway.jobs.signals import Signals
from gateway.notifications import outbox
from gateway.notifications.channels import Channel as Sending
from gateway.notifications.channels import Mail, MailServer, Security, Webhook
from gateway.notifications.rules import Channel, Rules
from gateway.notifications.sender import Sender
from gateway.observability import health
from gateway.observability.health import Check, Health
from gateway.observability.metrics import Metrics
from gateway.settings import Settings
from gateway.settings.schema import Day, DefaultScheduleStatus
from gateway.surfaces.agents import routes as agent_routes
from gateway.surfaces.dispatcher import routes as dispatcher
from gateway.surfaces.dispatcher.operation import Services
from gateway.surfaces.dispatcher.service import RIGHTS, ROOT, SURFACE
from gateway.tasks.registry import TaskTypes
from gateway.web import framing, status, surfaces
from gateway.web.authentication import Guard
from gateway.web.straight import Route, StraightRoutes
from gateway.wire import wcf_json, xml
from storage import opening
from storage.database import Store, Work
from storage.errors import DamagedStore

log = logging.getLogger("gateway")

_SWEEP_SECONDS = 600.0
_SILENCE_SECONDS = 30.0
# For rules that another gateway on the same store has made.
_RULES_SECONDS = 30.0
_PORTION = 500
# Events of agents: long enough to tell what became of one in the last months.
_EVENTS_KEPT = 180 * moments.DAY
_HOUR_SECONDS = 3600.0
_DAY_SECONDS = 24 * 3600.0
_MAINTENANCE_SECONDS = 5.0
# It counts from when a content last grew; an import keeps what it has for minutes at most.
_UNPUBLISHED_FOR = 3600 * moments.SECOND


@dataclass(frozen=True)
class Gateway:
    """The parts of a running gateway, made by ``build``."""

    settings: Settings
    folder: DataFolder
    store: Store
    vault: Vault
    gate: Gate
    epoch: SecurityEpoch
    logins: Logins
    soap_secrets: SoapSecrets
    tokens: UsernameTokens
    roles: Roles
    permissions: Permissions
    explainer: Explainer
    job_explainer: JobExplainer
    rights: Mapping[str, Right]
    guard: Guard
    task_types: TaskTypes
    catalog: Catalog
    blobs: Blobs
    resources: Resources
    blocks: BuildingBlocks
    signals: Signals
    reception: Reception
    switchboard: Switchboard
    enrolments: Enrolments
    credentials: AgentCredentials
    access: AgentAccess
    retention: Retention
    notification_rules: Rules
    sender: Sender
    run_limits: RunLimits
    exclusive_windows: ExclusiveWindows
    incarnation: str
    clock: Clock
    jobs: Jobs
    waker: Waker
    embedded: tuple[EmbeddedAgent, ...]
    teams: Teams
    memberships: Memberships
    removal: AgentRemoval
    metrics: Metrics

    def start(self) -> None:
        """Begin to work: settle what an earlier process left behind, then clock and agents."""
        self._settle()
        if self.settings.database_url is None:
            # On PostgreSQL another gateway may be writing it: there it goes when it grows no more.
            begun = moments.now()
            self.clock.once(
                lambda: self.blobs.sweep(begun), "sweep of what was not published before the start"
            )
        self.clock.every(_SWEEP_SECONDS, self._sweep, "sweep of unpublished blobs")
        self.clock.every(
            max(1.0, self.settings.lease_seconds / 3), self.reception.expire, "expiry of leases"
        )
        self.clock.every(_SWEEP_SECONDS, self.enrolments.sweep, "sweep of enrolments")
        self.clock.every(_SWEEP_SECONDS, self._sweep_nonces, "sweep of used nonces")
        self.clock.every(_SILENCE_SECONDS, self.access.note_silence, "watch for silent agents")
        self.clock.every(
            _DAY_SECONDS, self.clock.housekeeping.sweep, "sweep of housekeeping records"
        )
        self.clock.once(
            Recomputation(self.store, self.clock.wake_by).at_start, "recomputing of due times"
        )
        maintenances = Maintenances(self.store, self.signals.wake, self.clock.wake_by)
        self.clock.every(_MAINTENANCE_SECONDS, maintenances.expire, "end of maintenance")
        for agent in self.embedded:
            agent.start()
        self.clock.every(_HOUR_SECONDS, self.retention.run, "retention of ended jobs")
        self.clock.every(
            _RULES_SECONDS, self.notification_rules.load, "look for notification rules"
        )
        self.clock.every(_DAY_SECONDS, self._sweep_notifications, "sweep of notifications")
        self.clock.every(_HOUR_SECONDS, self._sweep_keys, "sweep of idempotency keys")
        self.clock.every(_DAY_SECONDS, self._sweep_events, "sweep of agents' events")
        self.notification_rules.load()
        self.sender.start()
        self.switchboard.start()
        self.waker.start()
        self.clock.start()

    def stop(self, grace: float) -> None:
        """Begin nothing new, let runs end for ``grace`` seconds, then stop and close the store."""
        self.clock.stop()
        self.switchboard.stop()
        self.waker.stop()
        # All at once: they share the one grace.
        stops = [
            threading.Thread(target=agent.stop, args=(grace,), name="agent-stop")
            for agent in self.embedded
        ]
        for stop in stops:
            stop.start()
        for stop in stops:
            stop.join()
        self.sender.stop()
        self.store.close()

    def ready(self) -> Health:
        """Whether the gateway can work."""
        return health.ready(
            self.store, self.clock.silence, self.settings.low_disk_bytes, [self._check_agent]
        )

    def _check_agent(self) -> Check:
        if not self.embedded:
            return Check("agent", True, "the embedded agent is switched off")
        still = [agent.name for agent in self.embedded if not agent.alive]
        if not still:
            return Check("agent", True, "running")
        stopped = ", ".join(still)
        return Check("agent", False, f"not running: {stopped}; the log says why")

    def _settle(self) -> None:
        """Kill what an earlier process's tasks left running, before anything is run again."""
        # Also of agents that are switched off by now.
        names = (self.settings.machine_name, *self.settings.agent_names)
        killed = sum(processes.kill_leftovers(*self.reception.left_behind(name)) for name in names)
        if killed:
            log.warning("killed %d processes that an earlier server left running", killed)

    def _sweep_notifications(self) -> int:
        before = moments.now() - self.settings.notifications.keep_days * moments.DAY
        return self._in_portions(lambda session: outbox.sweep(session, before, _PORTION))

    def _sweep_keys(self) -> int:
        before = moments.now() - self.settings.idempotency_seconds * moments.SECOND
        return self._in_portions(lambda session: repeats.sweep(session, before, _PORTION))

    def _sweep_nonces(self) -> int:
        swept = 0
        while found := self.tokens.sweep(_PORTION):
            swept += found
        return swept

    def _sweep_events(self) -> int:
        before = moments.now() - _EVENTS_KEPT
        return self._in_portions(lambda session: events.sweep(session, before, _PORTION))

    def _in_portions(self, work: Work[int]) -> int:
        """Do it until nothing is left, in units of work for which nobody waits for long."""
        swept = 0
        while found := self.store.unit_of_work(work):
            swept += found
        return swept

    def _sweep(self) -> None:
        self.blobs.sweep(moments.now() - _UNPUBLISHED_FOR)


def open_store(settings: Settings, folder: DataFolder, gate: Gate, metrics: Metrics) -> Store:
    """Open the store of the settings. Raises the errors of ``storage.opening``."""
    if settings.database_url is not None:
        return opening.open_postgres(
            settings.database_url.get_secret_value(), gate.released, metrics.committed
        )
    _check_not_lost(folder)
    return opening.open_sqlite(folder.store, folder.backups, gate.released, metrics.committed)


def _check_not_lost(folder: DataFolder) -> None:
    """Raise DamagedStore where there are keys but no store: that is no first start."""
    lost = not folder.store.exists() or folder.store.stat().st_size == 0
    if lost and folder.keys.exists():
        raise DamagedStore(
            f"{folder.store} is missing or empty, but {folder.keys} is there: restore a backup "
            "with 'gateway restore', or remove the keys to begin with an empty store"
        )


def build(settings: Settings, folder: DataFolder) -> Gateway:
    """Make the parts. The caller holds the data folder. Raises StoreError and key errors."""
    gate = Gate(settings.decoders)
    metrics = Metrics()
    store = open_store(settings, folder, gate, metrics)
    try:
        return _build(settings, folder, store, gate, metrics)
    except BaseException:
        store.close()
        raise


def _build(
    settings: Settings, folder: DataFolder, store: Store, gate: Gate, metrics: Metrics
) -> Gateway:
    vault = vaults.open_vault(store, folder.keys)
    epoch = SecurityEpoch(store)
    passwords = Passwords(gate.released)
    task_types = TaskTypes.load()
    catalog = Catalog(store, vault, moments.now, task_types)
    blobs = Blobs(store, moments.now, aside=gate.released, low_disk_bytes=settings.low_disk_bytes)
    users = (resource_users.described, resource_use.described_jobs)
    resources = Resources(store, blobs, moments.now, users)
    signals = Signals()
    offline_after = settings.agents.offline_seconds * moments.SECOND
    waker = Waker(store, _magic_packets(settings), moments.now, offline_after)
    clock = Clock(
        store,
        settings.missed_run_grace_seconds * moments.SECOND,
        signals.wake,
        moments.now,
        metrics.claimed,
        waker.look,
    )
    orders = OrderMaker(catalog, ParameterReader(vault), settings.limits.log_bytes)
    reception = Reception(
        store,
        orders,
        resources,
        signals,
        settings.lease_seconds * moments.SECOND,
        moments.now,
        ended=metrics.run_ended,
        wake_clock=clock.wake_by,
        windows=_windows(settings),
    )
    acceptance = Acceptance(
        catalog,
        vault,
        settings.launch_timeout_seconds * moments.SECOND,
        str(settings.zone),
        offline_after,
    )
    jobs = Jobs(
        store,
        catalog,
        acceptance,
        clock,
        signals,
        Repeats(store, vault.keyring, settings.idempotency_seconds * moments.SECOND),
        settings.low_disk_bytes,
        moments.now,
        metrics.accepted,
        waker.look,
    )
    switchboard = Switchboard(store, reception, signals, moments.now)
    credentials = AgentCredentials(store, epoch, moments.now)
    permissions = Permissions(store, epoch)
    authenticator = Authenticator(
        store, passwords, epoch, CredentialCache(settings.credential_cache_seconds), Throttle()
    )
    open_access = OpenAccess(store, epoch, proxy_configured=bool(settings.trusted_proxies))
    soap_secrets = SoapSecrets(store, vault, epoch, moments.now)
    freshness = Freshness(
        settings.ws_security.lifetime_seconds * moments.SECOND,
        settings.ws_security.skew_seconds * moments.SECOND,
    )
    tokens = UsernameTokens(store, authenticator, soap_secrets, freshness, moments.now)
    return Gateway(
        settings=settings,
        folder=folder,
        store=store,
        vault=vault,
        gate=gate,
        epoch=epoch,
        logins=Logins(store, passwords, epoch, moments.now),
        roles=Roles(store, epoch, moments.now),
        permissions=permissions,
        explainer=Explainer(store, catalog, resources, jobs, permissions),
        job_explainer=JobExplainer(
            store,
            _windows(settings),
            settings.missed_run_grace_seconds * moments.SECOND,
            moments.now,
        ),
        rights=RIGHTS,
        soap_secrets=soap_secrets,
        tokens=tokens,
        guard=Guard(authenticator, permissions, open_access, tokens),
        task_types=task_types,
        catalog=catalog,
        blobs=blobs,
        resources=resources,
        blocks=BuildingBlocks(store, catalog, resources, blobs, task_types),
        signals=signals,
        reception=reception,
        switchboard=switchboard,
        enrolments=Enrolments(store, moments.now),
        credentials=credentials,
        access=AgentAccess(
            store, epoch, credentials, switchboard.release, offline_after, moments.now
        ),
        retention=Retention(store, vault, blobs, Archives(folder.path / "archives"), moments.now),
        notification_rules=Rules(store, vault, moments.now),
        sender=Sender(store, vault, _channels(settings), moments.now),
        run_limits=RunLimits(store, signals, moments.now),
        exclusive_windows=ExclusiveWindows(store, moments.now),
        incarnation=_incarnation(store),
        clock=clock,
        jobs=jobs,
        waker=waker,
        embedded=_embedded(settings, folder, reception),
        teams=Teams(store, moments.now),
        memberships=Memberships(store, moments.now),
        removal=AgentRemoval(store, signals, offline_after, moments.now, clock.wake_by),
        metrics=metrics,
    )


def _incarnation(store: Store) -> str:
    with store.reading() as session:
        return store_facts.read(session, store_facts.INCARNATION) or ""


def _channels(settings: Settings) -> dict[Channel, Sending]:
    own = settings.notifications
    password = own.smtp_password
    server = MailServer(
        own.smtp_host,
        own.smtp_port,
        Security[own.smtp_security.name],
        own.smtp_user,
        "" if password is None else password.get_secret_value(),
        own.mail_from,
        own.timeout_seconds,
    )
    return {
        Channel.WEBHOOK: Webhook(time.time, own.timeout_seconds),
        Channel.MAIL: Mail(server),
    }


def _windows(settings: Settings) -> WindowPolicy:
    own = settings.launch_window
    window = None
    if own.opens is not None and own.closes is not None:
        window = LaunchWindow(
            launch_windows.minutes(own.opens),
            launch_windows.minutes(own.closes),
            frozenset(list(Day).index(day) for day in own.days),
            own.utc,
        )
    return WindowPolicy(window, OutsideWindow[own.outside.name], str(settings.zone))


def _magic_packets(settings: Settings) -> MagicPackets:
    own = settings.wake_on_lan
    return MagicPackets([str(address) for address in own.addresses], own.port)


def _embedded(
    settings: Settings, folder: DataFolder, reception: Reception
) -> tuple[EmbeddedAgent, ...]:
    user = users.task_user(settings.task_user) if settings.task_user else None
    runs = own = folder.runs
    if user is not None and user.other and settings.embedded_names:
        folder.close_to_others()
        # His own folder cannot hold those of the other agents.
        runs, own = folder.open_runs, folder.open_runs / "own"
    return tuple(
        EmbeddedAgent(
            reception,
            EmbeddedSettings(
                name=name,
                folder=own if name == settings.machine_name else folder.runs_of(runs, name),
                max_runs=settings.workers.embedded_runs,
                renew_seconds=settings.lease_seconds / 6,
                inherit=settings.task_environment,
                time_zone=settings.time_zone,
                user=user,
            ),
        )
        for name in settings.embedded_names
    )


def create_app(gateway: Gateway) -> flask.Flask:
    """The WSGI application: all surfaces before the parts of a gateway."""
    app = framing.Application("gateway", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = gateway.settings.limits.body_bytes
    # One contract forbids redirects for slashes, another sends its own: no surface gets Flask's.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    messages, posted = _dispatcher(gateway)
    served = (messages, _agents(gateway), _status(gateway))
    table = surfaces.by_segment(served)
    for surface in served:
        app.register_blueprint(surface.routes)
    frame = framing.Frame(gateway.metrics, gateway.settings.log_requests)
    framing.frame(app, table, frame)
    through = StraightRoutes(
        app.wsgi_app, posted, frame, gateway.settings.limits.body_bytes, dispatcher.SLASH
    )
    app.wsgi_app = dispatcher.LowerCasePaths(through)  # type: ignore[method-assign]
    return app


def _dispatcher(gateway: Gateway) -> tuple[surfaces.Surface, Mapping[str, Route]]:
    settings, limits = gateway.settings, gateway.settings.limits
    services = Services(
        store=gateway.store,
        catalog=gateway.catalog,
        resources=gateway.resources,
        jobs=gateway.jobs,
        memberships=gateway.memberships,
        removal=gateway.removal,
        now=moments.now,
        offline_after=settings.agents.offline_seconds * moments.SECOND,
        zone=settings.zone,
        jobs_on_hold=settings.default_schedule_status is DefaultScheduleStatus.DISABLED,
        give_way=gateway.gate.give_way,
    )
    blueprint, posted = dispatcher.blueprint(
        services,
        gateway.guard,
        enabled=settings.dispatcher_enabled,
        public_url=settings.public_url,
        wsdl_public=settings.wsdl_public,
        tokens_allowed=settings.ws_security.enabled,
        limits=dispatcher.MessageLimits(
            xml=xml.XmlLimits(
                size=limits.body_bytes,
                depth=limits.xml_depth,
                elements=limits.xml_elements,
                attributes=limits.xml_attributes,
            ),
            json_size=limits.body_bytes,
            json_depth=limits.json_depth,
            json_values=limits.json_values,
            content_size=limits.resource_bytes,
        ),
        dates=wcf_json.unspecified_date(settings.date_zone),
    )
    surface = surfaces.Surface(
        SURFACE,
        frozenset({ROOT.lower()}),
        blueprint,
        dispatcher.error_answer,
    )
    return surface, posted


def _agents(gateway: Gateway) -> surfaces.Surface:
    settings = gateway.settings
    services = agent_routes.Services(
        reception=gateway.reception,
        switchboard=gateway.switchboard,
        enrolments=gateway.enrolments,
        credentials=gateway.credentials,
        throttle=Throttle(),
        incarnation=gateway.incarnation,
        renew_seconds=settings.lease_seconds / 6,
        now=moments.now,
        certificates=settings.agents.client_certificates,
    )
    return surfaces.Surface(
        agent_routes.SURFACE,
        agent_routes.SEGMENTS,
        agent_routes.blueprint(services),
        agent_routes.error_answer,
    )


def _status(gateway: Gateway) -> surfaces.Surface:
    gateway.metrics.gauge("jobs", "Jobs by stage", "stage", lambda: _by_stage(gateway.jobs))
    return surfaces.Surface(
        status.SURFACE,
        status.SEGMENTS,
        status.blueprint(health.alive, gateway.ready, gateway.metrics),
        framing.plain_error,
    )


def _by_stage(jobs: Jobs) -> dict[str, float]:
    figures: dict[str, float] = {}
    for count in jobs.counts():
        stage = count.stage.name.lower()
        figures[stage] = figures.get(stage, 0) + count.jobs
    return figures


@contextlib.contextmanager
def running(gateway: Gateway) -> Iterator[Gateway]:
    """Start a gateway for the length of a block; for tests and commands."""
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop(0)
