"""HTTP to the server: what is sent, what counts as its answer, and what does not.

urllib3 is used for what it does beside HTTP: it compares a pinned fingerprint before anything is
sent, goes through proxies, notices answers that were cut, and costs a fifth of httpx's memory.
Nothing is tried twice here: who calls knows whether and when.
"""

import contextlib
import io
import json
import socket
import ssl
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, TypeVar

import pydantic
import urllib3
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError, SSLError
from urllib3.util import Timeout, make_headers

from gateway.agents.desk import SessionOver
from gateway.agents.messages import ROOT, Document, Problem
from gateway.agents.refusals import (
    AgentRefused,
    NotTrusted,
    RequestRefused,
    SecondAgent,
    ServerUnreachable,
    Unauthenticated,
)
from gateway.agents.trust import Trust

CONNECT_SECONDS = 10.0
# Between two packets of an answer, beyond what the server was asked to wait.
ANSWER_SECONDS = 30.0
MOST_ANSWER_BYTES = 64 * 1024 * 1024
_PIECE_BYTES = 256 * 1024
_MOST_PROBLEM_BYTES = 64 * 1024
_CONNECTIONS = 16
# A connection whose other end has vanished shows it by these within half a minute: seconds until
# the first question, between two, and how many may stay unanswered; milliseconds that what was sent
# may stay unconfirmed.
_KEEPALIVE = (
    *(("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4)),
    ("TCP_USER_TIMEOUT", 20_000),
)

A = TypeVar("A", bound=Document)
Query = Mapping[str, str]


class Bearer(Protocol):
    """The agent's tokens."""

    @property
    def token(self) -> str:
        """The present one."""

    def instead_of(self, token: str) -> str | None:
        """One that may count although this one does not."""


class ServerClient:
    """Speaks to one server; used by several threads at once. Raises AgentRefused for an address or
    files that are no use.
    """

    def __init__(self, server: str, trust: Trust, bearer: Bearer | None = None) -> None:
        self._root = server_address(server) + ROOT
        self._bearer = bearer
        self._pool = _pool(self._root, trust)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._pool.clear()

    def post(
        self, path: str, message: Document, answer: type[A], patience: float = ANSWER_SECONDS
    ) -> A:
        """Send a message; the server's answer. ``patience`` is in seconds of silence.

        Raises ServerUnreachable, Unauthenticated, SessionOver, SecondAgent, RequestRefused.
        """
        body = message.model_dump_json(exclude_none=True).encode()
        with self._open("POST", path, body=body, patience=patience) as response:
            return _read(response, answer)

    def get(self, path: str, answer: type[A], query: Query | None = None) -> A:
        """Ask for something; raises as ``post``."""
        with self._open("GET", path, query) as response:
            return _read(response, answer)

    def stream(self, path: str, query: Query, start: int) -> Iterator[bytes]:
        """Bytes from the one counted ``start``, in pieces; raises as ``post``, also half way."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        with self._open("GET", path, query, headers=headers) as response, _explained():
            skip = 0 if response.status == _PARTIAL else start
            for piece in response.stream(_PIECE_BYTES):
                yield piece[skip:]
                skip = max(0, skip - len(piece))

    @contextlib.contextmanager
    def _open(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        patience: float = ANSWER_SECONDS,
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """An answer that is a success, its body yet to be read."""
        url = self._root + path + (f"?{urllib.parse.urlencode(query)}" if query else "")
        token = self._bearer.token if self._bearer else None
        while True:
            given = _headers(token, body) | dict(headers or {})
            with _explained():
                response = self._pool.request(
                    method,
                    url,
                    # In small pieces: each may take as long as a connection, however slow the link.
                    body=None if body is None else io.BytesIO(body),
                    headers=given,
                    timeout=Timeout(connect=CONNECT_SECONDS, read=patience),
                    retries=False,
                    redirect=False,
                    preload_content=False,
                    decode_content=False,
                )
            try:
                if response.status == _UNAUTHORIZED and token and self._bearer:
                    # It may have been rotated while this was on its way.
                    token = self._bearer.instead_of(token)
                    if token is not None:
                        continue
                if response.status >= _REDIRECTS:
                    raise _refusal(response)
                yield response
                return
            finally:
                _finish(response)


_PARTIAL = 206
_REDIRECTS = 300
_ERRORS = 400
_UNAUTHORIZED = 401
_TOO_MANY = 429
_SERVER_ERRORS = 500


def server_address(text: str) -> str:
    """The address without a slash at its end. Raises AgentRefused for what is none."""
    parts = urllib.parse.urlsplit(text.strip())
    with contextlib.suppress(ValueError):
        usual = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        if usual and not (parts.query or parts.fragment or parts.username or parts.password):
            return urllib.parse.urlunsplit(
                (parts.scheme, parts.netloc, parts.path.rstrip("/"), "", "")
            )
    raise AgentRefused(
        f"{_without_login(text)!r} is no address of a server: it is written https://HOST[:PORT]"
    )


def _without_login(text: str) -> str:
    head, _, tail = text.rpartition("@")
    return tail if head else text


def _pool(url: str, trust: Trust) -> urllib3.PoolManager:
    host = urllib.parse.urlsplit(url)
    options: dict[str, Any] = {
        "num_pools": 2,
        "maxsize": _CONNECTIONS,
        "socket_options": [*HTTPConnection.default_socket_options, *_keepalive()],
    }
    if host.scheme == "https":
        options["ssl_context"] = trust.context()
        if trust.pin is not None:
            options["assert_fingerprint"] = trust.pin.removeprefix("sha256:")
    elif trust != Trust():
        raise AgentRefused(f"certificates are given, but {url.removesuffix(ROOT)} is no https")
    proxy = None if urllib.request.proxy_bypass(host.netloc) else _proxies().get(host.scheme)
    if proxy is None:
        return urllib3.PoolManager(**options)
    return _through(proxy, options)


def _proxies() -> dict[str, str]:
    return urllib.request.getproxies()


def _through(proxy: str, options: dict[str, Any]) -> urllib3.PoolManager:
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    parts = urllib.parse.urlsplit(proxy)
    shown = _without_login(parts.netloc)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AgentRefused(f"the proxy {shown!r} of the environment is none by HTTP")
    headers = None
    if parts.username is not None:
        login = urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or "")
        headers = make_headers(proxy_basic_auth=":".join(login))
    return urllib3.ProxyManager(f"{parts.scheme}://{shown}", proxy_headers=headers, **options)


def _keepalive() -> Iterator[tuple[int, int, int]]:
    yield socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):
            yield socket.IPPROTO_TCP, getattr(socket, name), value


def _headers(token: str | None, body: bytes | None) -> dict[str, str]:
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if body is not None:
        headers["Content-Type"] = "application/json"
        headers["Content-Length"] = str(len(body))
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return headers


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Say in one sentence why there is no answer."""
    try:
        yield
    except SSLError as error:
        raise NotTrusted(f"the server is not trusted: {_reason(error)}") from None
    except (HTTPError, OSError, ssl.SSLError) as error:
        raise ServerUnreachable(f"the server cannot be reached: {_reason(error)}") from None


def _reason(error: BaseException) -> str:
    inner = error
    for _ in range(4):
        following = getattr(inner, "original_error", None) or getattr(inner, "reason", None)
        if not isinstance(following, BaseException):
            break
        inner = following
    text = str(inner)
    # urllib3 puts the connection's own repr before what it says.
    return text.split(">: ", 1)[-1].split("): ", 1)[-1] or type(inner).__name__


def _read(response: urllib3.BaseHTTPResponse, answer: type[A]) -> A:
    data = bytearray()
    with _explained():
        for piece in response.stream(_PIECE_BYTES):
            data += piece
            if len(data) > MOST_ANSWER_BYTES:
                raise ServerUnreachable(f"an answer has more than {MOST_ANSWER_BYTES} bytes")
    try:
        return answer.model_validate_json(bytes(data))
    except pydantic.ValidationError as error:
        kind = response.headers.get("Content-Type", "no type")
        where = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
        raise ServerUnreachable(
            f"an answer ({kind}) is none of the gateway's{f': {where}' if where else ''}; "
            "is the address the gateway's own, and no proxy's page?"
        ) from None


def _refusal(response: urllib3.BaseHTTPResponse) -> Exception:
    """The error that an answer without success stands for."""
    with _explained():
        data = response.read(_MOST_PROBLEM_BYTES)
    try:
        problem = Problem.model_validate(json.loads(data))
    except (ValueError, pydantic.ValidationError):
        return ServerUnreachable(_not_its_own(response))
    match problem.code:
        case "unauthenticated":
            return Unauthenticated(problem.message)
        case "session_over":
            return SessionOver(problem.message)
        case "second_agent":
            return SecondAgent(problem.message)
    if _ERRORS <= response.status < _SERVER_ERRORS and response.status != _TOO_MANY:
        return RequestRefused(problem.code, problem.message)
    return ServerUnreachable(f"the server answers {response.status}: {problem.message}")


def _not_its_own(response: urllib3.BaseHTTPResponse) -> str:
    if response.status < _ERRORS:
        place = response.headers.get("Location", "elsewhere")
        return f"the server sends to {place}: give that address, redirects are not followed"
    return f"status {response.status} was answered, by no gateway as it seems: is a proxy between?"


def _finish(response: urllib3.BaseHTTPResponse) -> None:
    """Keep the connection if all of the answer was read (then it is back already), else close."""
    with contextlib.suppress(HTTPError, OSError):
        if response.status < _REDIRECTS or response.read(1):
            response.close()
