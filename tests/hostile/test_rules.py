"""The rules notice what they are there for; without that, the other tests would say nothing."""

import dataclasses
import itertools
import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.hostile import campaign, generator, house, rules
from tests.hostile.house import Answer, Target
from tests.hostile.messages import S11, S12, TYPES, Login, Message, envelope, typed

READ = Message("read", envelope("<GetModules/>").encode(), typed())


def test_a_right_call_breaks_no_rule(target: Target) -> None:
    answer = target.ask(READ)
    assert answer.status == 200
    assert rules.broken(READ, answer) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"status": 500}, "the status is 500"),
        ({"status": 302}, "the status is 302"),
        ({"headers": {"Content-Type": "text/plain"}}, "the answer is text/plain"),
        ({"headers": {"Content-Type": TYPES[S12]}}, "another version"),
        ({"body": b"<a/>"}, "not valid"),
        ({"body": b"Traceback (most recent call last)"}, "inside"),
        ({"body": b"<lxml.etree.Error object at 0x7f>"}, "inside"),
        ({"logged": ("gateway: it failed",)}, "logged"),
        ({"status": 400, "headers": {"Content-Type": "text/html"}, "body": b"x" * 20_000}, "long"),
        ({"status": 502, "headers": {"Content-Type": "text/html; charset=utf-8"}}, "502"),
    ],
    ids=str,
)
def test_a_wrong_answer_is_noticed(target: Target, changes: dict[str, Any], problem: str) -> None:
    answer = dataclasses.replace(target.ask(READ), **changes)
    assert problem in "; ".join(rules.broken(READ, answer))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<a/>",
        envelope("<GetModules/>", before="<!DOCTYPE a>").encode(),
        envelope("<GetModules/><GetModules/>").encode(),
        envelope("<ScheduleJob/>").encode(),
        envelope("<GetModules/>", "urn:x").encode(),
        envelope("<GetModules/>").encode()[:-1],
    ],
    ids=lambda body: body.decode()[-60:],
)
def test_200_for_a_message_that_is_not_right_is_noticed(target: Target, body: bytes) -> None:
    answer = target.ask(READ)
    assert not rules.right(dataclasses.replace(READ, body=body))
    assert rules.broken(dataclasses.replace(READ, body=body), answer) == [
        "a message that is not right got 200"
    ]


def test_200_without_a_login_is_noticed(target: Target) -> None:
    nobody = dataclasses.replace(READ, headers=typed(login=Login.NONE))
    assert rules.broken(nobody, target.ask(READ)) != []
    assert rules.broken(nobody, target.ask(nobody)) == []


def test_an_uncaught_exception_is_noticed(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_given: object) -> Iterable[bytes]:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(target.house, "app", fail)
    (problem,) = campaign.run(target, [READ], 1).problems(of_memory=False)
    assert "the application failed" in problem
    assert "the status is 500" in problem


def test_what_costs_too_much_is_noticed_and_what_did_so_once_is_not(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = itertools.chain([0.3, 0.1], itertools.repeat(0.3))
    ask = target.ask

    def slow(message: Message) -> Answer:
        return dataclasses.replace(ask(message), seconds=next(seconds))

    monkeypatch.setattr(target, "ask", slow)
    assert campaign.run(target, [READ], 1).problems(of_memory=False) == []
    assert campaign.run(target, [READ], 1).problems(of_memory=False) == [
        "read: it cost 300 ms of CPU"
    ]


def test_what_is_stored_is_noticed(tmp_path: Path) -> None:
    upload = next(each for each in generator.calls() if each.name == "UploadResource")
    new = re.sub(rb"<guid>.*?</guid>", b"", upload.body)
    stored = Message("upload", new, typed(), upload.service)
    with house.furnished(tmp_path) as one:
        report = campaign.run(one, [stored], 1)
    assert "resource" in "".join(report.stored)
    assert report.problems(of_memory=False) != []


def test_memory_that_grows_is_noticed() -> None:
    report = campaign.Report(memory_early=100, memory_late=106)
    assert report.problems() == ["memory grew by 6.0% after the first quarter"]
    assert campaign.Report(memory_early=100, memory_late=105).problems() == []


def test_an_error_in_the_log_counts_for_the_message_that_caused_it(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = target.house.app

    def grumble(*given: Any) -> Iterable[bytes]:
        logging.getLogger("gateway.test").error("on purpose")
        return app(*given)

    monkeypatch.setattr(target.house, "app", grumble)
    ((message, problems),) = campaign.run(target, [READ], 1).failures
    assert message is READ
    assert "on purpose" in "".join(problems)
    assert S11 in READ.body.decode()
