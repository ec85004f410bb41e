"""Messages reach their targets: signed, tried again, each attempt kept."""

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway import moments
from gateway.identity.principals import MACHINE
from gateway.notifications import outbox, rules
from gateway.notifications.channels import Undelivered, Webhook, signature
from gateway.notifications.outbox import Message, NotificationNotFound, State
from gateway.notifications.rules import Channel
from gateway.notifications.sender import Sender, pause_after
from tests.engine import HOUR
from tests.unit.notifications.conftest import Hook, House, until

Start = Callable[..., Sender]


@pytest.fixture
def start(house: House) -> Iterator[Start]:
    made: list[Sender] = []

    def begin(pause: float = 0.01, timeout: float = 5.0, **channels: Any) -> Sender:
        sending = {Channel.WEBHOOK: Webhook(time.time, timeout), **channels}
        sender = Sender(house.engine.store, house.vault, sending, house.engine.now, lambda _: pause)
        made.append(sender)
        sender.start()
        return sender

    yield begin
    for sender in made:
        sender.stop()


def send(house: House, hook: Hook, name: str = "rule", secret: str | None = None) -> uuid.UUID:
    with house.engine.store.reading() as session:
        known = name in [one.name for one in rules.listed(session)]
    if not known:
        house.rules.create(name, ["start"], Channel.WEBHOOK, hook.url, MACHINE, secret=secret)
    with house.engine.store.reading() as session:
        rule = rules.find(session, name)
    now = house.engine.now()
    return house.engine.store.unit_of_work(
        lambda session: outbox.enter(session, rule, "test", {"event": "test"}, now)
    )


def message(house: House, guid: uuid.UUID) -> Message:
    with house.engine.store.reading() as session:
        return next(one for one in outbox.latest(session, 100) if one.guid == guid)


def details(house: House, guid: uuid.UUID) -> list[str]:
    found = message(house, guid)
    with house.engine.store.reading() as session:
        return [one.detail for one in outbox.attempts(session, found.id)]


def ended(house: House, guid: uuid.UUID) -> Callable[[], bool]:
    return lambda: message(house, guid).state is not State.WAITING


@pytest.mark.usefixtures("store_place")
def test_a_message_arrives_signed_with_its_id(house: House, hook: Hook, start: Start) -> None:
    start()
    guid = send(house, hook, secret="s3cret")
    until(ended(house, guid))
    ((headers, body),) = hook.taken
    assert headers["Gateway-Delivery"] == str(guid)
    assert headers["Gateway-Event"] == "test"
    expected = signature("s3cret", headers["Gateway-Timestamp"], body)
    assert headers["Gateway-Signature"] == expected
    assert hook.bodies()[0]["rule"] == "rule"
    assert details(house, guid) == ["200 OK"]


def test_without_a_secret_nothing_is_signed(house: House, hook: Hook, start: Start) -> None:
    start()
    until(ended(house, send(house, hook)))
    assert "Gateway-Signature" not in hook.taken[0][0]


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_what_may_pass_is_tried_again_under_the_same_id(
    house: House, hook: Hook, start: Start, status: int
) -> None:
    hook.statuses[:] = [status, status, 204]
    start()
    guid = send(house, hook)
    ends = time.monotonic() + 20
    while not ended(house, guid)():
        assert time.monotonic() < ends
        house.engine.now.advance(moments.SECOND)
        time.sleep(0.02)
    assert message(house, guid).state is State.SENT
    assert [headers["Gateway-Delivery"] for headers, _ in hook.taken] == [str(guid)] * 3
    assert [detail[:3] for detail in details(house, guid)] == [str(status), str(status), "204"]


@pytest.mark.parametrize("status", [301, 400, 401, 404, 410])
def test_what_will_not_pass_is_given_up(
    house: House, hook: Hook, start: Start, status: int
) -> None:
    hook.statuses[:] = [status]
    hook.headers["Location"] = hook.url
    start()
    guid = send(house, hook)
    until(ended(house, guid))
    assert message(house, guid).state is State.GIVEN_UP
    assert len(hook.taken) == 1
    hook.statuses[:] = [200]
    now = house.engine.now()
    house.engine.store.unit_of_work(lambda session: outbox.again(session, guid, now))
    until(lambda: message(house, guid).state is State.SENT)
    with pytest.raises(NotificationNotFound):
        house.engine.store.unit_of_work(lambda session: outbox.again(session, guid, now))


def test_who_says_when_to_come_again_is_heeded(house: House, hook: Hook, start: Start) -> None:
    hook.statuses[:] = [503]
    hook.headers["Retry-After"] = "600"
    start()
    guid = send(house, hook)
    until(lambda: message(house, guid).attempts == 1)
    following = message(house, guid).next_at
    assert following is not None
    assert following >= house.engine.now() + 600 * moments.SECOND


def test_after_a_day_nothing_helps_any_more(house: House, hook: Hook, start: Start) -> None:
    hook.statuses[:] = [500]
    guid = send(house, hook)
    house.engine.now.advance(25 * HOUR)
    start()
    until(ended(house, guid))
    assert message(house, guid).state is State.GIVEN_UP


def test_nobody_at_the_other_end_is_tried_again(house: House, hook: Hook, start: Start) -> None:
    hook.url = "http://127.0.0.1:9/"
    start(pause=1000)
    guid = send(house, hook)
    until(lambda: message(house, guid).attempts == 1)
    assert message(house, guid).state is State.WAITING
    assert "Connect" in details(house, guid)[0]


def test_a_slow_target_holds_up_no_other(house: House, hook: Hook, start: Start) -> None:
    start(timeout=30.0)
    slow = Hook()
    slow.url = hook.url + "/slow"
    release = time.monotonic() + 1.0

    class Slow:
        def __call__(self, target: str, *_rest: Any) -> str:
            while time.monotonic() < release:
                time.sleep(0.01)
            return "at last"

    house.rules.create("slow", ["start"], Channel.MAIL, "a@b.example", MACHINE)
    start().stop()
    sender = Sender(
        house.engine.store,
        house.vault,
        {Channel.MAIL: Slow(), Channel.WEBHOOK: Webhook(time.time)},
        house.engine.now,
    )
    with house.engine.store.reading() as session:
        rule = rules.find(session, "slow")
    now = house.engine.now()
    for _ in range(20):
        house.engine.store.unit_of_work(
            lambda session: outbox.enter(session, rule, "test", {}, now)
        )
    sender.start()
    quick = send(house, hook)
    until(ended(house, quick))
    assert time.monotonic() < release
    sender.stop()


@pytest.mark.usefixtures("store_place")
def test_each_is_sent_once_by_two_senders(house: House, hook: Hook, start: Start) -> None:
    start()
    start()
    guids = [send(house, hook) for _ in range(20)]
    until(lambda: all(ended(house, guid)() for guid in guids))
    delivered = sorted(headers["Gateway-Delivery"] for headers, _ in hook.taken)
    assert delivered == sorted(map(str, guids))


@pytest.mark.usefixtures("store_place")
def test_what_a_crash_left_is_sent_later(house: House, hook: Hook, start: Start) -> None:
    guid = send(house, hook)
    found = message(house, guid)
    until_ = house.engine.now() + 120 * moments.SECOND
    # Another process has taken it, and died.
    house.engine.store.unit_of_work(lambda session: outbox.take(session, found, until_))
    start()
    time.sleep(0.1)
    assert hook.taken == []
    house.engine.now.advance(130 * moments.SECOND)
    send(house, hook)
    until(ended(house, guid))


def test_pauses_grow_and_differ() -> None:
    for attempts in (0, 1, 5, 50):
        found = {pause_after(attempts) for _ in range(20)}
        assert len(found) > 1
        assert all(0 < pause <= 3600 for pause in found)
    assert max(pause_after(0) for _ in range(50)) <= 10


@pytest.mark.usefixtures("store_place")
def test_old_messages_are_forgotten(house: House, hook: Hook, start: Start) -> None:
    start()
    guid = send(house, hook)
    until(ended(house, guid))
    sweep = house.engine.store.unit_of_work
    before = house.engine.now()
    assert sweep(lambda session: outbox.sweep(session, before - HOUR, 10)) == 0
    assert sweep(lambda session: outbox.sweep(session, before + HOUR, 10)) == 1


def test_an_address_that_is_none_is_final() -> None:
    webhook = Webhook(time.time)
    with pytest.raises(Undelivered) as caught:
        webhook("http://", uuid.uuid4(), {}, None)
    assert caught.value.final
