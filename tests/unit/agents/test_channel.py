import io
import itertools
import os
import struct
import threading
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.agents import channel, protocol
from gateway.agents.channel import ChannelError, Decoder, encode
from gateway.jobs.states import JobStatus
from tests.unit.agents.memory_desk import condition, order, sh

RUN = uuid.UUID(int=7)
IDENTITY = protocol.ProcessIdentity(12, 1_700_000_000_123_456, "boot")
MESSAGES: list[channel.Message] = [
    order(
        sh("ä", conditions=(condition(subject="platform", operator="equals", value="x"),)),
        parameters=(protocol.ParameterValue("p", value="v", secret=True),),
    ),
    protocol.TaskStarted(RUN, 1, 0, 5, IDENTITY),
    protocol.LogChunk(RUN, 1, 0, 3, b"\x00\xff{}", truncated=True),
    protocol.LogChunk(RUN, 1, 0, 4, b""),
    protocol.TaskFinished(RUN, 1, 0, 6, 5, JobStatus.FAILED, -9, "why", {"a": "b"}),
    protocol.RunFinished(
        RUN, 1, 7, JobStatus.FAILED_HALTED, "", (protocol.FinalValue(2, RUN, "p", "v"),)
    ),
    channel.AbortRun(RUN, 1, "reason"),
    channel.Finish(1.5),
    channel.Ready(),
    channel.ResourceWanted(1, RUN, "name"),
    channel.ResourceTaken(1),
    channel.ResourceDone(1),
    channel.ResourceFound(1, "name", 10, "0" * 64),
    channel.ResourcePiece(1, b"\n" * 100),
    channel.ResourceRefused(1, "no"),
]
STREAM = b"".join(map(encode, MESSAGES))


@given(st.lists(st.integers(min_value=0, max_value=len(STREAM)), max_size=20))
def test_messages_come_whole_however_the_stream_is_cut(cuts: list[int]) -> None:
    decoder = Decoder()
    edges = [0, *sorted(cuts), len(STREAM)]
    found = [
        message
        for start, stop in itertools.pairwise(edges)
        for message in decoder.feed(STREAM[start:stop])
    ]
    assert found == MESSAGES
    assert decoder.complete


@given(st.binary(max_size=200))
def test_a_damaged_stream_is_noticed_or_waited_for(data: bytes) -> None:
    try:
        messages = Decoder().feed(data)
    except ChannelError:
        return
    assert messages == []


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">II", channel.MAX_HEADER + 1, 0),
        struct.pack(">II", 0, channel.MAX_PAYLOAD + 1),
        struct.pack(">II", 2, 0) + b"{}",
        struct.pack(">II", 18, 0) + b'{"kind": "unknown"}'[:18],
    ],
)
def test_what_is_no_frame_is_refused_at_once(data: bytes) -> None:
    with pytest.raises(ChannelError):
        Decoder().feed(data)


def test_too_much_for_a_frame_is_refused() -> None:
    with pytest.raises(ChannelError, match="too large"):
        encode(channel.ResourcePiece(1, bytes(channel.MAX_PAYLOAD + 1)))


def test_many_senders_on_a_narrow_pipe() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", 0) as source, os.fdopen(writing, "wb", 0) as drain:
        sender = channel.Sender(drain)
        piece = channel.ResourcePiece(1, bytes(300_000))
        threads = [threading.Thread(target=sender.send, args=([piece] * 5,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        receiver = channel.Receiver(source)
        received: list[channel.Message] = []
        while len(received) < 20:
            received += receiver.receive()
        for thread in threads:
            thread.join()
        sender.close()
        assert receiver.receive() == []
    assert received == [piece] * 20


def test_documents_for_json() -> None:
    for message in MESSAGES[:6]:
        assert isinstance(message, protocol.RunOrder | protocol.Report)
        assert protocol.from_document(protocol.to_document(message)) == message


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({}, "kind"),
        ({"kind": "log_chunk", "run": str(RUN), "attempt": 1}, "seq"),
        (
            {"kind": "log_chunk", "run": str(RUN), "attempt": 1, "seq": 0, "index": 0, "data": "?"},
            "Base64",
        ),
        ([], "Input"),
    ],
)
def test_documents_that_are_none(document: object, sentence: str) -> None:
    with pytest.raises(protocol.ProtocolError, match=sentence):
        protocol.from_document(document)


def test_a_stream_that_ends_within_a_frame_has_no_message() -> None:
    stream = io.BytesIO(STREAM[:10])
    assert channel.Receiver(stream).receive() == []  # type: ignore[arg-type]  # it reads alike
