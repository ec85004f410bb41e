import threading
from typing import Any

import pytest

from gateway.agents import captures
from gateway.agents.evidence import MOST_OUTPUT, Evidence, Tail, need_answer, need_output
from gateway.agents.parameters import RunParameters
from gateway.agents.protocol import ParameterValue
from gateway.catalog import queries
from gateway.catalog.definitions import Capture, CaptureKind, Evaluator, ParameterType
from gateway.jobs.states import JobStatus
from gateway.tasks.base import Cancellation, Cancelled, Kept, StopReason, TaskFailed


def capture(kind: str, expression: str = "", name: str = "X", required: bool = False) -> Capture:
    return Capture(parameter=name, kind=CaptureKind(kind), expression=expression, required=required)


def evidence(output: bytes = b"", **members: Any) -> Evidence:
    return Evidence(JobStatus.COMPLETED, output=Kept(output), **members)


def apply(
    left: Evidence, *wanted: Capture, cancellation: Cancellation | None = None
) -> dict[str, str]:
    key = ParameterValue("Key", ParameterType.PASSWORD, "old", secret=True)
    parameters = RunParameters([ParameterValue("X", value="kept"), ParameterValue("Y"), key])
    view = parameters.of_part(0)
    shown = dict(captures.apply(wanted, left, view, cancellation or Cancellation(60)))
    return shown | {"now": view.get("X")}


def test_each_kind() -> None:
    left = evidence(b"id=1\nid=22\n", exit_code=3, answer=Kept(b'{"a": [1, 2]}'))
    assert apply(left, capture("output", r"id=(\d+)"))["now"] == "22"
    assert apply(left, capture("exit_code"))["now"] == "3"
    assert apply(left, capture("json_path", "$.a[1]"))["now"] == "2"
    xml = evidence(answer=Kept(b"<a><b>text</b></a>"))
    assert apply(xml, capture("xpath", "/a/b"))["now"] == "text"


def test_without_an_answer_the_output_is_asked() -> None:
    assert apply(evidence(b'{"a": 1}'), capture("json_path", "$.a"))["now"] == "1"


def test_later_captures_see_nothing_of_earlier_ones_and_secrets_are_not_shown() -> None:
    shown = apply(
        evidence(b"token: abc", exit_code=0),
        capture("output", "token: (.*)", "Key"),
        capture("exit_code", name="Y"),
    )
    assert shown == {"Key": "********", "Y": "0", "now": "kept"}


@pytest.mark.parametrize(
    ("wanted", "left", "sentence"),
    [
        (("output", "z"), evidence(b"abc"), "'z' finds nothing in the output"),
        (("exit_code",), evidence(), "no program has ended"),
        (("json_path", "$.z"), evidence(answer=Kept(b"{}")), "finds nothing in the answer"),
        (("json_path", "$.z"), evidence(b"text"), "in the output: it is not JSON"),
        (("xpath", "/z"), evidence(answer=Kept(b"{}")), "in the answer: it is not XML"),
        (("xpath", "/z"), evidence(answer=Kept(b"<z/>", whole=False)), "only a part"),
    ],
)
def test_what_is_not_found(wanted: tuple[str, ...], left: Evidence, sentence: str) -> None:
    assert apply(left, capture(*wanted)) == {"now": "kept"}
    with pytest.raises(TaskFailed, match="No value for 'X'") as failed:
        apply(left, capture(*wanted, required=True))
    assert sentence in str(failed.value)


def test_what_no_text_can_hold_is_replaced() -> None:
    assert apply(evidence(b"a\0b\xff"), capture("output", "(?s).+"))["now"] == "a\ufffdb\ufffd"
    half = evidence(b'["\\ud800\\u0000x"]')
    assert apply(half, capture("json_path", "$[0]"))["now"] == "\ufffd\ufffdx"


def test_a_value_has_a_bound() -> None:
    long = b"x" * (captures.MAX_VALUE + 1)
    with pytest.raises(TaskFailed, match="more than"):
        apply(evidence(long), capture("output", "x+"))


def test_a_parameter_that_is_not_there() -> None:
    with pytest.raises(TaskFailed, match="'Nobody'"):
        apply(evidence(b"x"), capture("output", "x", "Nobody"))


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A question that takes for ever, until the test is over."""
    over = threading.Event()
    asked = threading.Event()

    def ask(expression: str, document: bytes) -> None:
        asked.set()
        over.wait()

    monkeypatch.setattr(queries, "by_xpath", ask)
    yield asked
    over.set()


def test_an_endless_question_is_left_to_itself(
    endless: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captures, "MAX_SECONDS", 0.1)
    with pytest.raises(TaskFailed, match=r"given up after 0\.1 seconds"):
        apply(evidence(b"<a/>"), capture("xpath", "/a"))


def test_an_endless_question_ends_with_the_task(endless: threading.Event) -> None:
    aborted = Cancellation()
    threading.Thread(
        target=lambda: (endless.wait(), aborted.cancel(StopReason.ABORTED)), daemon=True
    ).start()
    for cancellation in (aborted, Cancellation(0.1)):
        with pytest.raises(Cancelled):
            apply(evidence(b"<a/>"), capture("xpath", "/a"), cancellation=cancellation)


def test_of_a_long_output_the_end_is_kept() -> None:
    tail = Tail(10)
    assert tail.kept() == Kept(b"", whole=True)
    tail.feed(b"0123456789")
    assert tail.kept() == Kept(b"0123456789", whole=True)
    for _ in range(5):
        tail.feed(b"abc")
    assert tail.kept() == Kept(b"cabcabcabc", whole=False)
    tail.feed(b"x" * 100)
    assert tail.kept() == Kept(b"x" * 10, whole=False)
    assert MOST_OUTPUT >= 1024 * 1024


def test_only_what_is_looked_at_is_kept() -> None:
    def judging(subject: str) -> Evaluator:
        return Evaluator.model_validate(
            {"subject": subject, "operator": "equals", "value": "1", "verdict": "failed"}
        )

    assert not need_output((), ())
    assert not need_output((capture("exit_code"),), (judging("exit_code"),))
    assert need_output((capture("output", "x"),), ())
    assert need_output((capture("json_path", "$"),), ())
    assert need_output((), (judging("output"),))
    assert not need_answer((capture("output", "x"),), (judging("output"),))
    assert need_answer((capture("xpath", "/a"),), ())
    assert need_answer((), (judging("answer"),))
