"""Magic packets, on real sockets: who is woken, and who is not."""

import contextlib
import dataclasses
import logging
import socket
import uuid
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest

from gateway.agents.desk import AgentSession
from gateway.catalog.catalog import DefinitionKind
from gateway.catalog.run_books import RunBook, RunBookJob, RunBookWhat, WhatKind
from gateway.fleet.wake_on_lan import MagicPackets, Waker, packet
from gateway.identity.principals import MACHINE
from gateway.jobs import launching
from gateway.jobs.orders import Boot, Recurrence, RecurrenceKind, Timing, What
from storage import models
from storage.errors import StoreUnavailable
from tests.engine import HOUR, MINUTE, Engine
from tests.unit.agents.memory_desk import eventually

MAC = "00:1a:2B:3c:4d:5E"
WAKING = Timing(wake_on_lan=True)


def magic(mac: str) -> bytes:
    return b"\xff" * 6 + bytes.fromhex(mac.replace(":", "")) * 16


class Wire:
    """A socket on loopback, and what came in on it."""

    def __init__(self, family: socket.AddressFamily, address: str) -> None:
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.socket.settimeout(20)
        self.address = address
        self.port: int = self.socket.getsockname()[1]

    def packets(self, macs: MagicPackets) -> list[bytes]:
        """All that came in so far: a mark is sent after them."""
        macs.send(["ff" * 6])
        got: list[bytes] = []
        while (data := self.socket.recv(1024)) != magic("ff" * 6):
            got.append(data)
        return got


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire(socket.AF_INET, "127.0.0.1")
    with contextlib.closing(wire.socket):
        yield wire


@dataclasses.dataclass
class Sleepers:
    """An engine whose offline agents are woken over the wire."""

    engine: Engine
    wire: Wire

    def __post_init__(self) -> None:
        self.packets = MagicPackets([self.wire.address], self.wire.port)
        self.waker = Waker(
            self.engine.store, self.packets, self.engine.now, launching.OFFLINE_AFTER
        )
        for part in (self.engine.jobs, self.engine.clock):
            part._dispatched = self.look  # type: ignore[union-attr]

    def look(self, job_id: int) -> None:
        self.waker.wake([job_id])

    def agent(self, name: str, **facts: Any) -> AgentSession:
        session = self.engine.agent(name)
        query = models.Agent.update(facts=facts).where(models.Agent.id == session.agent_id)
        self.engine.store.unit_of_work(lambda db: db.execute(query))
        return session

    def woken(self) -> list[bytes]:
        return self.wire.packets(self.packets)


@pytest.fixture
def sleepers(engine: Engine, wire: Wire) -> Sleepers:
    return Sleepers(engine, wire)


@pytest.mark.parametrize("mac", [MAC, "00-1A-2B-3C-4D-5E", "001a.2b3c.4d5e", " 001a2b3c4d5e "])
def test_a_packet_is_six_times_ff_and_sixteen_times_the_address(mac: str) -> None:
    assert packet(mac) == magic(MAC)
    assert len(packet(mac)) == 102


@pytest.mark.parametrize("mac", ["", "00:1a:2b:3c:4d", "00:1a:2b:3c:4d:5e:6f", "0x1a2b3c4d5e"])
def test_what_is_no_mac_address_makes_no_packet(mac: str) -> None:
    with pytest.raises(ValueError, match="is no MAC address"):
        packet(mac)


def test_machines_of_offline_agents_are_woken_when_their_job_starts(sleepers: Sleepers) -> None:
    engine = sleepers.engine
    asleep = sleepers.agent("asleep", mac_addresses=[MAC, "00:00:00:00:00:01"])
    unknown = sleepers.agent("without an address")
    bystander = sleepers.agent("bystander", mac_addresses=["00:00:00:00:00:02"])
    engine.now.advance(launching.OFFLINE_AFTER + MINUTE)
    awake = sleepers.agent("awake", mac_addresses=["00:00:00:00:00:03"])
    module = engine.module()
    engine.accept(engine.order(module, bystander))
    engine.accept(engine.order(module, asleep, unknown, awake, timing=WAKING))
    assert sleepers.woken() == [magic(MAC), magic("00:00:00:00:00:01")]


def test_machines_are_woken_by_the_clock_and_at_their_own_time(sleepers: Sleepers) -> None:
    engine = sleepers.engine
    east = sleepers.agent("east", mac_addresses=[MAC], time_zone="Asia/Tokyo")
    here = sleepers.agent("here", mac_addresses=["00:00:00:00:00:01"], time_zone="UTC")
    wall = launching.timing_of(
        launching.stored(WAKING, None, "UTC")
        | {"immediate": False, "local": "2026-01-06T12:00:00", "zone": "UTC"}
    )
    engine.accept(engine.order(engine.module(), east, here, timing=wall))
    got = []
    for hours in (14, 1, 8, 1):
        engine.now.advance(hours * HOUR)
        engine.clock.tick()
        got.append(sleepers.woken())
    # The one that was not begun is woken again with the other.
    assert got == [[], [magic(MAC)], [], [magic(MAC), magic("00:00:00:00:00:01")]]


def test_a_machine_is_woken_for_its_next_boot_and_after_a_hold(sleepers: Sleepers) -> None:
    engine = sleepers.engine
    asleep = sleepers.agent("asleep", mac_addresses=[MAC])
    engine.now.advance(launching.OFFLINE_AFTER + MINUTE)
    timing = dataclasses.replace(WAKING, boot=Boot.NEXT)
    job = engine.accept(engine.order(engine.module(), asleep, timing=timing))
    assert sleepers.woken() == [magic(MAC)]
    engine.jobs.hold(job.guid, engine.caller)
    assert sleepers.woken() == []
    engine.jobs.resume(job.guid, engine.caller)
    assert sleepers.woken() == [magic(MAC)]


def test_a_machine_is_woken_for_each_job_of_a_schedule_and_of_a_run_book(
    sleepers: Sleepers,
) -> None:
    engine = sleepers.engine
    asleep = sleepers.agent("asleep", mac_addresses=[MAC])
    engine.now.advance(launching.OFFLINE_AFTER + MINUTE)
    hourly = Recurrence(RecurrenceKind.INTERVAL, "3600")
    timing = dataclasses.replace(WAKING, immediate=False, recurrence=hourly)
    engine.accept(engine.order(engine.module(), asleep, timing=timing))
    assert sleepers.woken() == []
    for _ in range(2):
        engine.now.advance(HOUR)
        engine.clock.tick()
        assert sleepers.woken() == [magic(MAC)]
    job = RunBookJob(guid=uuid.uuid4(), name="one", what=(RunBookWhat(guid=engine.module()),))
    book = RunBook(guid=uuid.uuid4(), name="book", jobs=(job,))
    engine.catalog.save(book, MACHINE)
    order = engine.order(book.guid, asleep, timing=WAKING)
    what = (What(book.guid, DefinitionKind.RUN_BOOK),)
    engine.accept(dataclasses.replace(order, what=what))
    engine.clock.tick()
    assert sleepers.woken() == [magic(MAC)]


@pytest.mark.parametrize("hourly", [False, True])
def test_a_machine_is_woken_for_the_jobs_of_a_run_book_within_a_run_book(
    sleepers: Sleepers, hourly: bool
) -> None:
    engine = sleepers.engine
    asleep = sleepers.agent("asleep", mac_addresses=[MAC])
    engine.now.advance(launching.OFFLINE_AFTER + MINUTE)
    inner = RunBookWhat(guid=engine.module())
    for kind in (WhatKind.MODULE, WhatKind.RUN_BOOK):
        what = inner.model_copy(update={"kind": kind})
        job = RunBookJob(guid=uuid.uuid4(), name="one", what=(what,))
        book = RunBook(guid=uuid.uuid4(), name=f"of a {kind}", jobs=(job,))
        engine.catalog.save(book, MACHINE)
        inner = RunBookWhat(guid=book.guid)
    timing = WAKING
    if hourly:
        rule = Recurrence(RecurrenceKind.INTERVAL, "3600")
        timing = dataclasses.replace(WAKING, immediate=False, recurrence=rule)
    order = engine.order(inner.guid, asleep, timing=timing)
    asked = (What(inner.guid, DefinitionKind.RUN_BOOK),)
    engine.accept(dataclasses.replace(order, what=asked))
    engine.now.advance(HOUR)
    engine.clock.tick()
    assert sleepers.woken()[:1] == [magic(MAC)]


def test_a_thread_of_its_own_wakes_and_survives_trouble(
    sleepers: Sleepers, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, waker = sleepers.engine, sleepers.waker
    asleep = sleepers.agent("asleep", mac_addresses=[MAC])
    engine.now.advance(launching.OFFLINE_AFTER + MINUTE)
    job = engine.accept(engine.order(engine.module(), asleep, timing=WAKING))
    assert sleepers.woken() == [magic(MAC)]
    waker.look(job.id)  # nobody there yet
    waker.start()
    with monkeypatch.context() as broken, caplog.at_level(logging.WARNING):
        for trouble in (ValueError("a mistake"), StoreUnavailable("full")):
            broken.setattr(engine.store, "reading", Mock(side_effect=trouble))
            before = len(caplog.records)
            waker.look(job.id)
            eventually(lambda known=before: len(caplog.records) > known)
    waker.look(job.id)
    assert sleepers.wire.socket.recv(1024) == magic(MAC)
    waker.stop()
    assert sleepers.woken() == []


def test_a_packet_goes_out_over_ipv6_too() -> None:
    wire = Wire(socket.AF_INET6, "::1")
    with contextlib.closing(wire.socket):
        packets = MagicPackets(["::1"], wire.port)
        packets.send([MAC])
        assert wire.packets(packets) == [magic(MAC)]


def test_what_fails_is_logged_once_and_stops_nothing(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    # A name is no address, and so is what is no MAC address.
    packets = MagicPackets(["nowhere", wire.address], wire.port)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            packets.send([MAC, "no address"])
    assert wire.packets(packets) == [magic(MAC)] * 3
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == len(set(warnings)) == 3
