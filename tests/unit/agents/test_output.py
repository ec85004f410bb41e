import threading

from gateway.agents import output
from gateway.agents.masking import Masker
from gateway.agents.output import Flusher, TaskLog, truncation_notice


class Sink:
    def __init__(self) -> None:
        self.pieces: list[tuple[bytes, bool]] = []
        self.came = threading.Event()

    def __call__(self, data: bytes, truncated: bool) -> None:
        self.pieces.append((data, truncated))
        self.came.set()


def log(sink: Sink, limit: int = 10**9, secrets: tuple[str, ...] = ()) -> TaskLog:
    return TaskLog(sink, Masker(secrets), limit, Flusher())


def test_small_output_is_gathered_until_it_is_old() -> None:
    sink = Sink()
    written = log(sink)
    for _ in range(10):
        written.write(b"x")
    assert sink.pieces == []
    assert sink.came.wait(30)
    assert sink.pieces == [(b"x" * 10, False)]


def test_much_output_goes_in_pieces_at_once() -> None:
    sink = Sink()
    written = log(sink)
    written.write(b"x" * (2 * output.PIECE_BYTES + 1))
    written.close()
    assert [len(data) for data, _ in sink.pieces] == [output.PIECE_BYTES, output.PIECE_BYTES, 1]


def test_the_limit_is_visible() -> None:
    sink = Sink()
    written = log(sink, 5)
    written.write(b"123")
    written.write(b"456")
    written.write(b"789")
    written.close()
    assert sink.pieces == [(b"12345", False), (truncation_notice(5), True)]


def test_output_that_just_fits_is_not_truncated() -> None:
    sink = Sink()
    written = log(sink, 6)
    written.write(b"123456")
    written.write(b"")
    written.close()
    written.write(b"late")
    assert sink.pieces == [(b"123456", False)]


def test_a_secret_at_the_end_is_masked_in_time() -> None:
    sink = Sink()
    written = log(sink, 100, ("secret",))
    written.write(b"sec")
    written.write(b"ret")
    written.write(b"sec")
    written.close()
    assert b"".join(data for data, _ in sink.pieces) == b"********sec"
