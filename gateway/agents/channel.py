"""Messages between the server and its child supervisor, as frames on two pipes.

A frame is two unsigned 32-bit lengths in network order, a header (JSON) and a payload (raw bytes:
log data, pieces of resources). Both lengths are bounded, so a damaged stream is noticed instead of
being waited for.
"""

import dataclasses
import io
import struct
import threading
from collections.abc import Iterable
from typing import Annotated, Literal
from uuid import UUID

import pydantic

from gateway.agents import protocol

MAX_HEADER = 32 * 1024 * 1024
MAX_PAYLOAD = 1024 * 1024
_READ_SIZE = 256 * 1024
_LENGTHS = struct.Struct(">II")


class ChannelError(Exception):
    """The other side sent what is no frame, or a message is too large for one."""


@dataclasses.dataclass(frozen=True, slots=True)
class AbortRun:
    """To the supervisor: stop a run."""

    run: UUID
    attempt: int
    reason: str
    kind: Literal["abort_run"] = "abort_run"


@dataclasses.dataclass(frozen=True, slots=True)
class Finish:
    """To the supervisor: let the runs end for ``grace`` seconds, abort the rest, and exit."""

    grace: float
    kind: Literal["finish"] = "finish"


@dataclasses.dataclass(frozen=True, slots=True)
class Ready:
    """From the supervisor: it takes runs."""

    kind: Literal["ready"] = "ready"


@dataclasses.dataclass(frozen=True, slots=True)
class ResourceWanted:
    """From the supervisor: begin to send a resource under this number."""

    transfer: int
    run: UUID
    reference: str
    kind: Literal["resource_wanted"] = "resource_wanted"


@dataclasses.dataclass(frozen=True, slots=True)
class ResourceTaken:
    """From the supervisor: one piece was used up, so one more may be sent."""

    transfer: int
    kind: Literal["resource_taken"] = "resource_taken"


@dataclasses.dataclass(frozen=True, slots=True)
class ResourceDone:
    """From the supervisor: no more of this transfer is wanted."""

    transfer: int
    kind: Literal["resource_done"] = "resource_done"


@dataclasses.dataclass(frozen=True, slots=True)
class ResourceFound:
    """To the supervisor: what is known of the resource; its pieces follow."""

    transfer: int
    name: str
    size: int
    sha256: str
    parse_content: bool = False
    skip_environment: bool = False
    kind: Literal["resource_found"] = "resource_found"


@dataclasses.dataclass(frozen=True, slots=True)
class ResourcePiece:
    """To the supervisor: some bytes of the resource; none at its end."""

    transfer: int
    data: protocol.Bytes
    kind: Literal["resource_piece"] = "resource_piece"


@dataclasses.dataclass(frozen=True, slots=True)
class ResourceRefused:
    """To the supervisor: why the resource cannot be sent."""

    transfer: int
    reason: str
    kind: Literal["resource_refused"] = "resource_refused"


ResourceAnswer = ResourceFound | ResourcePiece | ResourceRefused
ResourceDemand = ResourceWanted | ResourceTaken | ResourceDone
Message = protocol.Message | AbortRun | Finish | Ready | ResourceDemand | ResourceAnswer

_ADAPTER: pydantic.TypeAdapter[Message] = pydantic.TypeAdapter(
    Annotated[Message, pydantic.Field(discriminator="kind")]
)


def encode(message: Message) -> bytes:
    """The message as a frame; ChannelError if it is too large."""
    payload = b""
    if isinstance(message, protocol.LogChunk | ResourcePiece):
        payload, message = message.data, dataclasses.replace(message, data=b"")
    header = _ADAPTER.dump_json(message)
    if len(header) > MAX_HEADER or len(payload) > MAX_PAYLOAD:
        raise ChannelError(
            f"a message of {len(header)} and {len(payload)} bytes is too large:"
            f" {MAX_HEADER} and {MAX_PAYLOAD} are allowed"
        )
    return _LENGTHS.pack(len(header), len(payload)) + header + payload


def _decode(header: bytes, payload: bytes) -> Message:
    try:
        message = _ADAPTER.validate_json(header)
    except pydantic.ValidationError as error:
        raise ChannelError(f"no message: {protocol.first_fault(error)}") from None
    if isinstance(message, protocol.LogChunk | ResourcePiece):
        return dataclasses.replace(message, data=payload)
    return message


class Decoder:
    """Puts frames together from bytes that come in pieces of any size."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def complete(self) -> bool:
        """Whether nothing of a further frame has come."""
        return not self._buffer

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete with these bytes; ChannelError for what is no frame."""
        self._buffer += data
        messages: list[Message] = []
        start = 0
        while (end := self._frame_end(start)) is not None:
            messages.append(self._message(start, end))
            start = end
        del self._buffer[:start]
        return messages

    def _lengths(self, start: int) -> tuple[int, int]:
        header, payload = _LENGTHS.unpack_from(self._buffer, start)
        if header > MAX_HEADER or payload > MAX_PAYLOAD:
            raise ChannelError(f"a frame announces {header} and {payload} bytes, which is too much")
        return header, payload

    def _frame_end(self, start: int) -> int | None:
        if len(self._buffer) - start < _LENGTHS.size:
            return None
        end = start + _LENGTHS.size + sum(self._lengths(start))
        return end if end <= len(self._buffer) else None

    def _message(self, start: int, end: int) -> Message:
        header_length, _ = self._lengths(start)
        header = start + _LENGTHS.size
        payload = header + header_length
        return _decode(bytes(self._buffer[header:payload]), bytes(self._buffer[payload:end]))


class Receiver:
    """Reads messages from a pipe (an unbuffered binary stream)."""

    def __init__(self, stream: io.RawIOBase) -> None:
        self._stream = stream
        self._decoder = Decoder()

    def receive(self) -> list[Message]:
        """Wait for messages; an empty list says that the other side has closed the pipe.

        Raises ChannelError for what is no frame.
        """
        while data := self._stream.read(_READ_SIZE):
            if messages := self._decoder.feed(data):
                return messages
        return []


class Sender:
    """Writes messages to a pipe (an unbuffered binary stream), from several threads."""

    def __init__(self, stream: io.RawIOBase) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, messages: Iterable[Message]) -> None:
        """Send messages in one go; OSError when the other side is gone."""
        self.send_frames([encode(message) for message in messages])

    def send_frames(self, frames: Iterable[bytes]) -> None:
        """Send frames that ``encode`` made."""
        data = memoryview(b"".join(frames))
        with self._lock:
            while data:
                data = data[self._stream.write(data) or 0 :]

    def close(self) -> None:
        """Close the pipe; the other side reads its end."""
        with self._lock:
            self._stream.close()
