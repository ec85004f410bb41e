"""How a command reaches the gateway: through the server that runs, or by opening the store."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from gateway.administration import Administration
from gateway.control import CommandFailed, ControlClient
from gateway.datafolder import DataFolder
from gateway.settings import Settings
from storage.errors import StoreHeld


class Session(Protocol):
    """Where operations are carried out. Errors are those of ``gateway.failures``."""

    def call(self, command: str, arguments: Mapping[str, Any]) -> Any:
        """Carry out an operation that answers one value."""

    def stream(self, command: str, arguments: Mapping[str, Any]) -> Iterator[Any]:
        """Carry out an operation that answers values one by one."""


class LocalSession:
    """Operations on a store that this process holds."""

    def __init__(self, commands: Mapping[str, Callable[..., Any]]) -> None:
        self._commands = commands

    def call(self, command: str, arguments: Mapping[str, Any]) -> Any:
        """See Session.call."""
        return self._commands[command](**arguments)

    def stream(self, command: str, arguments: Mapping[str, Any]) -> Iterator[Any]:
        """See Session.stream."""
        return (item for item in self._commands[command](**arguments) if item is not None)


@contextlib.contextmanager
def connect(settings: Settings, *, create: bool = False) -> Iterator[Session]:
    """A session for the length of a block.

    ``create`` makes a data folder that does not exist; otherwise that is an error.
    """
    folder = DataFolder(settings.data)
    _prepare(folder, create=create)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(folder.hold())
        except StoreHeld:
            yield ControlClient(folder.path)
            return
        yield LocalSession(held.enter_context(_opened(settings, folder)).commands())


@contextlib.contextmanager
def _opened(settings: Settings, folder: DataFolder) -> Iterator[Administration]:
    # Imported when needed: the whole program takes its time, and most commands ask a server.
    from gateway import application  # noqa: PLC0415

    gateway = application.build(settings, folder)
    try:
        yield Administration(gateway)
    finally:
        gateway.store.close()


def _prepare(folder: DataFolder, *, create: bool) -> None:
    if create:
        folder.create()
    elif not folder.lock.exists():
        raise CommandFailed(
            "no_gateway",
            f"there is no gateway in the data folder {folder.path}: name another with --data, or "
            "start with 'gateway init' or 'gateway serve'",
        )
