"""Task type ``download_resource``: puts a stored resource into a file of the agent's machine."""

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Annotated

import pydantic

from gateway.jobs.states import JobStatus
from gateway.tasks import parsing, programs
from gateway.tasks.base import (
    Cancellation,
    ResourceContent,
    TaskContext,
    TaskFailed,
    TaskOutcome,
    TaskSettings,
    TaskType,
)

_MODE = re.compile(r"0?[0-7]{3}")


def _octal(mode: str) -> str:
    if not _MODE.fullmatch(mode):
        raise ValueError("must be three octal digits such as '640'")
    return mode


class DownloadResourceSettings(TaskSettings):
    """``resource`` is its GUID or name; ``target`` the file, relative to the run's own folder.

    ``mode`` are the file's permissions in octal; ``overwrite`` says whether it may be there.
    ``parse`` says whether placeholders in the file are replaced (``gateway.tasks.parsing``); left
    out, the resource itself says so.
    """

    resource: Annotated[str, pydantic.Field(min_length=1)]
    target: Annotated[programs.Text, pydantic.Field(min_length=1)]
    mode: Annotated[str, pydantic.AfterValidator(_octal)] = "600"
    overwrite: bool = True
    parse: bool | None = None


class DownloadResourceTask(TaskType[DownloadResourceSettings]):
    """Fetches the resource; the file appears whole and checked, or not at all."""

    name = "download_resource"
    Settings = DownloadResourceSettings

    def run(self, context: TaskContext[DownloadResourceSettings]) -> TaskOutcome:
        """Fetch it."""
        settings = context.settings
        target = context.folder / settings.target
        if target.exists() and (target.is_dir() or not settings.overwrite):
            raise TaskFailed(f"The file {str(target)!r} is there already.")
        try:
            with context.resources.open(settings.resource) as content:
                parse = content.parse_content if settings.parse is None else settings.parse
                treat = _parser(content, context) if parse else None
                _save(content, target, int(settings.mode, 8), context.cancellation, treat)
        except OSError as error:
            raise TaskFailed(f"The file {str(target)!r} cannot be written: {error}.") from error
        context.log.line(f"{content.name}: {content.size} bytes, SHA-256 {content.sha256}")
        return TaskOutcome(JobStatus.COMPLETED, outputs={"sha256": content.sha256})


def _parser(
    content: ResourceContent, context: TaskContext[DownloadResourceSettings]
) -> Callable[[bytes], bytes]:
    """Replaces the placeholders in the content. Raises TaskFailed for one that is too large."""
    if content.size > parsing.MOST_BYTES:
        raise TaskFailed(
            f"The resource {content.name!r} has {content.size} bytes; placeholders are replaced"
            f" in files up to {parsing.MOST_BYTES} bytes. Set 'parse' to false to have it as it is."
        )
    environment = {} if content.skip_environment else context.environment
    return lambda data: parsing.parse(content.name, data, context.parameters, environment)


def _save(
    content: ResourceContent,
    target: Path,
    mode: int,
    cancellation: Cancellation,
    treat: Callable[[bytes], bytes] | None,
) -> None:
    """Write the content, or what ``treat`` makes of it, once it is known to be undamaged."""
    with _temporary(target.parent) as (stream, name):
        digest, size = _copy(content, stream, cancellation)
        if (digest, size) != (content.sha256, content.size):
            raise TaskFailed(
                f"The resource {content.name!r} arrived damaged: {size} bytes with SHA-256"
                f" {digest}; {content.size} with {content.sha256} were announced."
            )
        if treat is not None:
            _rewrite(stream, treat)
        stream.flush()
        os.fsync(stream.fileno())
        stream.close()
        name.chmod(mode)
        name.replace(target)


def _copy(
    content: ResourceContent, stream: IO[bytes], cancellation: Cancellation
) -> tuple[str, int]:
    digest = hashlib.sha256()
    size = 0
    for chunk in content.chunks:
        cancellation.check()
        stream.write(chunk)
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def _rewrite(stream: IO[bytes], treat: Callable[[bytes], bytes]) -> None:
    stream.seek(0)
    data = treat(stream.read())
    stream.seek(0)
    stream.truncate()
    stream.write(data)


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """A new private file in the target's own folder, so that the rename is one step."""
    descriptor, name = tempfile.mkstemp(prefix=".download-", dir=folder)
    path = Path(name)
    try:
        with os.fdopen(descriptor, "w+b") as stream:
            yield stream, path
    finally:
        path.unlink(missing_ok=True)
