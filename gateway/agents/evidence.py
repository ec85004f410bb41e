"""What a task has left when it has ended: what captures and evaluators look at."""

import dataclasses

from gateway.catalog.definitions import Capture, CaptureKind, Evaluator
from gateway.catalog.definitions import Evidence as Subject
from gateway.jobs.states import JobStatus
from gateway.tasks.base import Kept

# Of what a task writes, and of the body of an HTTP answer, in bytes.
MOST_OUTPUT = 1024 * 1024
MOST_ANSWER = 4 * 1024 * 1024

_QUERIES = frozenset({CaptureKind.JSON_PATH, CaptureKind.XPATH})


@dataclasses.dataclass(frozen=True)
class Evidence:
    """How a task, a module or a run has ended so far, and what of a task there is to look at."""

    status: JobStatus
    exit_code: int | None = None
    output: Kept = dataclasses.field(default_factory=Kept, repr=False)
    answer: Kept | None = dataclasses.field(default=None, repr=False)

    @property
    def document(self) -> Kept:
        """What JSON paths and XPaths are asked of: the answer, or else the output."""
        return self.output if self.answer is None else self.answer


class Tail:
    """Keeps the end of a stream of bytes. Fed by one thread at a time."""

    def __init__(self, most: int = MOST_OUTPUT) -> None:
        self._most = most
        self._data = bytearray()
        self._whole = True

    def feed(self, data: bytes) -> None:
        """Add bytes."""
        self._data += data
        # Twice as much may gather, so that not every piece moves all that is kept.
        if len(self._data) > 2 * self._most:
            self._cut()

    def kept(self) -> Kept:
        """The last bytes."""
        if len(self._data) > self._most:
            self._cut()
        return Kept(bytes(self._data), self._whole)

    def _cut(self) -> None:
        del self._data[: -self._most]
        self._whole = False


def need_output(captures: tuple[Capture, ...], evaluators: tuple[Evaluator, ...]) -> bool:
    """Whether what the task writes will be looked at."""
    captured = any(one.kind is CaptureKind.OUTPUT or one.kind in _QUERIES for one in captures)
    return captured or any(one.subject is Subject.OUTPUT for one in evaluators)


def need_answer(captures: tuple[Capture, ...], evaluators: tuple[Evaluator, ...]) -> bool:
    """Whether the body of an HTTP answer will be looked at."""
    captured = any(one.kind in _QUERIES for one in captures)
    return captured or any(one.subject is Subject.ANSWER for one in evaluators)
