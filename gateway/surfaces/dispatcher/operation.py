"""What an operation of a service is: its addresses, arguments, rights and handler."""

import datetime
import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from gateway.catalog.catalog import Catalog, DefinitionKind
from gateway.catalog.checks import Fault, Refused
from gateway.catalog.resources import Resources
from gateway.fleet.membership import Memberships
from gateway.fleet.removal import AgentRemoval
from gateway.identity import permissions
from gateway.identity.permissions import Access, Node, Reach
from gateway.identity.principals import Caller
from gateway.jobs.orders import WhoKind
from gateway.jobs.places import Places
from gateway.jobs.service import Jobs
from gateway.web.authentication import MissingRight
from gateway.wire.messages import ListOf, Message
from gateway.wire.scalars import Scalar
from storage.database import Store

DEFINITION_NODES = {
    DefinitionKind.MODULE: Node.MODULES,
    DefinitionKind.PROJECT: Node.PROJECTS,
    DefinitionKind.RUN_BOOK: Node.RUN_BOOKS,
}
WHO_NODES = {WhoKind.AGENT: Node.AGENTS, WhoKind.TEAM: Node.TEAMS}

T = TypeVar("T")
Where = Callable[[Places, T], permissions.Place]
"""Where a thing lies: ``Places.definition``, ``Places.agent``, ``Places.team``, ``Places.job``."""


class BadArgument(ValueError):
    """An argument of an operation cannot be used; the message names it.

    ``of`` is its name in the handler: where that is given, the name that the client knows it by is
    put in front of the message (``Operation.call``).
    """

    def __init__(self, sentence: str, of: str = "") -> None:
        super().__init__(sentence)
        self.of = of


class Place(enum.Enum):
    """Where REST carries an argument."""

    PATH = "path"
    QUERY = "query"
    BODY = "body"
    HEADER = "header"
    CONTENT = "content"
    """The body is a file's content, as it is; in SOAP Base64."""


@dataclass(frozen=True)
class Received:
    """A file's content that has arrived: its length in bytes, and its bytes, to be read once."""

    length: int
    pieces: Iterable[bytes]


class Content(Protocol):
    """A file's content on its way here."""

    def announced(self) -> int:
        """How many bytes the client has announced; 0 if it has not. Refuses too many."""

    def receive(self) -> Received:
        """Have it sent and stored for the moment.

        What comes before this may happen twice, so it must have no effect.
        """


@dataclass(frozen=True)
class Sent:
    """Content that came within a message."""

    data: bytes

    def announced(self) -> int:
        """Its length."""
        return len(self.data)

    def receive(self) -> Received:
        """It is here."""
        return Received(len(self.data), (self.data,))


@dataclass(frozen=True)
class Argument:
    """An argument: its name in the handler, in REST and in SOAP, its content and meaning.

    ``also`` are other names of a header; ``sample`` is for samples of messages.
    """

    name: str
    rest_name: str
    soap_name: str
    place: Place
    content: Scalar[Any] | type[Message]
    meaning: str
    also: tuple[str, ...] = ()
    sample: Any = None

    @property
    def required(self) -> bool:
        """Whether a call means nothing without it; queries and headers may be left out."""
        return self.place in (Place.PATH, Place.BODY)


@dataclass(frozen=True)
class Services:
    """The parts of the domain that the operations use.

    ``zone`` is that of local times; ``jobs_on_hold`` says whether new jobs wait to be let go.
    ``give_way`` lets others compute first, for what takes long.
    """

    store: Store
    catalog: Catalog
    resources: Resources
    jobs: Jobs
    memberships: Memberships
    removal: AgentRemoval
    now: Callable[[], int]
    offline_after: int
    zone: datetime.tzinfo = datetime.UTC
    jobs_on_hold: bool = False
    give_way: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Call:
    """One call: by whom, of which services.

    ``reach`` tells how far the caller's right to a node reaches. Objects are asked for one by one
    only where that is not everywhere. ``hold`` has the answer wait for an outcome; a call that is
    made again because that was a ``failure`` does nothing but to raise it. ``by_soap`` tells by
    which names the client knows the arguments. ``idempotency_key`` is that of the request, if any.
    """

    caller: Caller
    services: Services
    reach: Callable[[Node, Access], Reach]
    hold: Callable[[Future[Any]], None]
    failure: Exception | None = None
    by_soap: bool = False
    idempotency_key: Callable[[], str | None] = lambda: None

    def check(self, node: Node, access: Access) -> Reach:
        """The caller's reach, if it reaches anything at all. Raises MissingRight."""
        reach = self.reach(node, access)
        if not reach.anywhere:
            raise MissingRight(self.caller, node, access)
        return reach

    def readable(self, node: Node, things: Iterable[T], where: Where[T]) -> list[T]:
        """Those of the things that the caller may read, in their order: lists hold no others."""
        reach = self.reach(node, Access.READ)
        if reach.everywhere:
            return list(things)
        with self.services.store.reading() as session:
            places = Places(session)
            return [thing for thing in things if reach.covers(where(places, thing))]

    def find(self, node: Node, thing: T, where: Where[T], missing: Exception) -> T:
        """The thing, if the caller may read it; else raises what tells that there is none."""
        if not self._covers(node, Access.READ, thing, where):
            raise missing
        return thing

    def may_change(self, node: Node, thing: T, where: Where[T], what: str) -> None:
        """Raise MissingRight unless the caller may modify a thing that he may read.

        ``what`` names it in the refusal: "the job 12...".
        """
        if not self._covers(node, Access.MODIFY, thing, where):
            raise MissingRight(self.caller, node, Access.MODIFY, what)

    def _covers(self, node: Node, access: Access, thing: T, where: Where[T]) -> bool:
        reach = self.reach(node, access)
        if reach.everywhere:
            return True
        with self.services.store.reading() as session:
            return reach.covers(where(Places(session), thing))


@dataclass(frozen=True)
class Operation:
    """One operation of the service. ``answer`` is None where nothing comes back.

    ``node`` and ``access`` are the right that the caller needs, checked before a body is read;
    where the address tells what kind of thing is asked for, ``node_of`` names the node instead. The
    right to ``or_node`` will do as well: of a list that holds both kinds. Something of the nodes
    ``besides`` must be readable, too; that is checked when the operation is called.
    ``without_right`` is what somebody without it is answered where that is no error: lists hold
    what the caller may read (Dispatcher contract 1.3).
    """

    name: str
    verb: str
    template: str
    meaning: str
    node: Node
    access: Access
    arguments: tuple[Argument, ...]
    answer: type[Message] | ListOf
    handler: Callable[..., Any]
    without_right: Callable[[Mapping[str, Any]], Any] | None = None
    node_of: Callable[[Mapping[str, Any]], Node] | None = None
    or_node: Node | None = None
    besides: tuple[Node, ...] = ()

    def admit(
        self, check: Callable[[Node, Access], Caller], arguments: Mapping[str, Any]
    ) -> Caller:
        """Who calls, if he has the right. Raises what ``check`` raises, and BadArgument."""
        try:
            return check(self.about(arguments), self.access)
        except MissingRight:
            if self.or_node is None:
                raise
            return check(self.or_node, self.access)

    def about(self, arguments: Mapping[str, Any]) -> Node:
        """The node whose right a call needs. Raises BadArgument for a kind that is none."""
        return self.node if self.node_of is None else self.node_of(arguments)

    def call(self, call: Call, arguments: Mapping[str, Any]) -> Any:
        """Do it; arguments that were not sent are None. Raises BadArgument and the handler's.

        A list that is too long to be kept comes as an iterator, begun: its first item was read.
        """
        if call.failure is not None:
            raise call.failure
        values = {argument.name: arguments.get(argument.name) for argument in self.arguments}
        for argument in self.arguments:
            if argument.required and values[argument.name] is None:
                raise BadArgument(f"{argument.soap_name}: is missing")
        for node in self.besides:
            if self.without_right is not None and not call.reach(node, Access.READ).anywhere:
                return self.without_right(arguments)
            call.check(node, Access.READ)
        try:
            answer = self.handler(call, **values)
        except BadArgument as error:
            if not error.of:
                raise
            raise BadArgument(f"{self._spelled(error.of, call.by_soap)}: {error}") from None
        except Refused as error:
            # Of what is to be stored the members are named like the arguments.
            raise Refused(
                Fault((self._spelled(str(fault.path[0]), call.by_soap),), fault.sentence)
                for fault in error.faults
            ) from None
        return _begun(answer) if isinstance(answer, Iterator) else answer

    def _spelled(self, name: str, by_soap: bool) -> str:
        """What a client calls an argument that has this name in the handler."""
        spelled = {one.name: one.soap_name if by_soap else one.rest_name for one in self.arguments}
        return spelled.get(name, name)


def _begun(items: Iterator[T]) -> Iterator[T]:
    """The same items, the first of them read: what goes wrong at once is raised here."""
    for first in items:
        return _joined(first, items)
    return iter(())


def _joined(first: T, others: Iterator[T]) -> Iterator[T]:
    yield first
    yield from others


def query(
    name: str,
    content: Scalar[Any],
    meaning: str,
    soap_name: str | None = None,
    *,
    sample: Any = None,
) -> Argument:
    """An argument of the query; its name in SOAP where that is another."""
    return Argument(name, name, soap_name or name, Place.QUERY, content, meaning, sample=sample)


def header(
    name: str,
    rest_name: str,
    content: Scalar[Any],
    meaning: str,
    *also: str,
    sample: Any = None,
) -> Argument:
    """An argument of a header, which may have other names, too; in SOAP it begins in lower case."""
    soap_name = rest_name[0].lower() + rest_name[1:]
    return Argument(name, rest_name, soap_name, Place.HEADER, content, meaning, also, sample)
