"""The SOAP path fuzzed by coverage: ``python -m tests.hostile.guided -runs=N [FOLDER | FILE]``.

Arguments are libFuzzer's. An input is a line with the service's number and the Content-Type, then
the body. With a file it is that one input again; ``python -m tests.hostile --coverage`` gives the
rest.
"""

import logging
import random
import sys
import time
from pathlib import Path
from typing import Any

import atheris

_ROOT = Path(__file__).parents[2]
_GUIDING = ("gateway.wire", "gateway.surfaces.dispatcher")


def _others() -> list[str]:
    """The other modules of the package: atheris takes the whole of one of which it is given a part.

    Their branches would guide, too, and it takes seconds to prepare them.
    """
    files = (_ROOT / "gateway").rglob("*.py")
    names = (".".join(each.relative_to(_ROOT).with_suffix("").parts) for each in files)
    modules = (name.removesuffix(".__init__") for name in names)
    return [name for name in modules if not f"{name}.".startswith(tuple(f"{g}." for g in _GUIDING))]


with atheris.instrument_imports(include=["gateway"], exclude=_others()):
    from gateway.surfaces.dispatcher import soap_service
    from gateway.surfaces.dispatcher.operation import BadArgument, Operation
    from gateway.surfaces.dispatcher.service import SERVICES
    from gateway.wire import negotiation, samples
    from gateway.wire.messages import ListOf
    from gateway.wire.scalars import Scalar
    from tests.contract.conftest import SessionLog
    from tests.hostile import corpus, generator, rules
    from tests.hostile.house import Answer
    from tests.hostile.messages import Login, Message

LONGEST = 16 * 1024
"""Longer inputs only make it slower: what length does is the generator's matter."""

_MUTATED_BY_BYTES = 0.4


def written(message: Message) -> bytes:
    """A message as an input."""
    kind = message.header("Content-Type") or ""
    return f"{SERVICES.index(message.service)}{kind}\n".encode("latin-1") + message.body


def read(data: bytes) -> Message:
    """An input as a message."""
    line, _, body = data.partition(b"\n")
    kind = line[1:].decode("latin-1")
    service = SERVICES[line[:1] == b"1"]
    return Message("input", body, (("Content-Type", kind), *Login.READER.header), service)


def write_seeds(folder: Path) -> None:
    """Fill a folder with inputs to begin with."""
    for number, message in enumerate((*generator.calls(), *corpus.small(LONGEST // 4))):
        (folder / str(number)).write_bytes(written(message))


def _handle(operation: Operation, _context: object, *_values: Any) -> Any:
    """Nothing is done; who asks gets a sample."""
    content = operation.answer
    if operation.verb != "GET":
        raise BadArgument("nothing is changed here")
    if isinstance(content, ListOf):
        return (_sample(content.content),)
    return None if content is None else _sample(content)


def _sample(content: Scalar[Any] | type[Any]) -> Any:
    return content.sample if isinstance(content, Scalar) else samples.sample(content)


class Target:
    """What is called for each input; raises for what must not be."""

    def __init__(self) -> None:
        self._services = {each: soap_service.build(each, _handle) for each in SERVICES}
        self._log = SessionLog()
        logging.getLogger().addHandler(self._log)

    def __call__(self, data: bytes) -> None:
        message = read(data)
        kind = message.header("Content-Type")
        negotiation.answer_dialect(kind, kind)
        negotiation.body_dialect(kind, message.body)
        answer = self._answer(message)
        problems = rules.broken(message, answer)
        if min(answer.seconds, *self._again(message, answer)) > rules.MOST_SECONDS:
            problems.append(f"it cost {answer.seconds * 1000:.0f} ms of CPU")
        if problems:
            raise AssertionError("; ".join(problems))

    def _again(self, message: Message, answer: Answer) -> list[float]:
        times = 3 if answer.seconds > rules.MOST_SECONDS else 1
        return [self._answer(message).seconds for _ in range(times - 1)] or [answer.seconds]

    def _answer(self, message: Message) -> Answer:
        before, started = len(self._log.failures), time.process_time()
        made = self._services[message.service].call(
            message.body, message.header("Content-Type"), None
        )
        body = made.body if made.pieces is None else b"".join(made.pieces)
        seconds = time.process_time() - started
        headers = {"Content-Type": made.content_type}
        return Answer(made.status, headers, body, seconds, tuple(self._log.failures[before:]))


def mutated(data: bytes, most: int, seed: int) -> bytes:
    """Another input: by libFuzzer's own ways, or by those that know what XML is."""
    rng = random.Random(seed)
    if rng.random() < _MUTATED_BY_BYTES:
        return bytes(atheris.Mutate(data, most))
    return written(generator.spoilt(rng, read(data)))[:most]


def main() -> None:
    """Run until the count that was asked for is reached; an empty folder gets the seeds."""
    folder = Path(sys.argv[-1])
    if folder.is_dir() and not any(folder.iterdir()):
        write_seeds(folder)
    atheris.Setup(
        [sys.argv[0], f"-max_len={LONGEST}", *sys.argv[1:]], Target(), custom_mutator=mutated
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
