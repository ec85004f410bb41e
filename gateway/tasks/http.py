"""Task type ``http``: makes one HTTP request and judges the status of its answer.

httpx is imported when the first such task runs: it costs more than all else that an agent loads.
"""

import asyncio
import functools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import pydantic

from gateway.jobs.states import JobStatus
from gateway.tasks import placeholders
from gateway.tasks.base import (
    Cancelled,
    Kept,
    TaskContext,
    TaskFailed,
    TaskOutcome,
    TaskSettings,
    TaskType,
)

if TYPE_CHECKING:
    import httpx

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_RANGE = re.compile(r"([1-5]\d\d)(?:-([1-5]\d\d))?")
_CONNECT_SECONDS = 30.0
MAX_BODY = 100 * 1024 * 1024


def _token(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ValueError("must be a word without blanks or separators")
    return text


def _header_names(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in headers.items():
        _token(name)
        if any(character in value for character in "\r\n\0"):
            raise ValueError(f"the header {name!r} has a line end or null character in its value")
    return headers


def _web_address(url: str) -> str:
    if not url.lower().startswith(("http://", "https://")) and not placeholders.present(url):
        raise ValueError("must begin with http:// or https://")
    return url


def _status_range(item: str) -> str:
    found = _RANGE.fullmatch(item)
    if found is None or int(found[1]) > int(found[2] or found[1]):
        raise ValueError(f"{item!r} is no status such as '204' and no range such as '200-299'")
    return item


_Status = Annotated[str, pydantic.BeforeValidator(str), pydantic.AfterValidator(_status_range)]


class HttpSettings(TaskSettings):
    """``expected`` lists statuses and ranges of them; ``max_body`` counts bytes that are logged.

    ``user`` and ``password`` are sent as Basic authentication. ``ca_file`` is a PEM file of
    authorities to trust instead of the well-known ones; certificates are always verified.
    """

    method: Annotated[str, pydantic.AfterValidator(_token)] = "GET"
    url: Annotated[str, pydantic.AfterValidator(_web_address)]
    headers: Annotated[dict[str, str], pydantic.AfterValidator(_header_names)] = pydantic.Field(
        default_factory=dict
    )
    body: str | None = None
    expected: Annotated[tuple[_Status, ...], pydantic.Field(min_length=1)] = ("200-299",)
    redirects: bool = False
    max_body: Annotated[int, pydantic.Field(ge=0, le=MAX_BODY)] = 1024 * 1024
    user: str | None = None
    password: str | None = None
    ca_file: str | None = None

    def expects(self, status: int) -> bool:
        """Whether an answer with this status is a success."""
        bounds = (item.partition("-") for item in self.expected)
        return any(int(low) <= status <= int(high or low) for low, _, high in bounds)


class HttpTask(TaskType[HttpSettings]):
    """Makes the request; Completed if the answer's status is an expected one."""

    name = "http"
    Settings = HttpSettings

    def run(self, context: TaskContext[HttpSettings]) -> TaskOutcome:
        """Make the request, its answer going to the log."""
        # A loop of its own: closing it is the one sure way to leave a request half way.
        return asyncio.run(_supervised(context))


async def _supervised(context: TaskContext[HttpSettings]) -> TaskOutcome:
    loop = asyncio.get_running_loop()
    request = asyncio.ensure_future(_exchange(context))
    try:
        with context.cancellation.calling(lambda: _cancel_soon(loop, request)):
            async with asyncio.timeout(context.cancellation.remaining):
                return await request
    except (TimeoutError, asyncio.CancelledError) as stopped:
        context.cancellation.check()
        raise Cancelled from stopped


def _cancel_soon(loop: asyncio.AbstractEventLoop, request: "asyncio.Future[TaskOutcome]") -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(request.cancel)


async def _exchange(context: TaskContext[HttpSettings]) -> TaskOutcome:
    import httpx  # noqa: PLC0415  (an agent that makes no request never pays for it)

    settings = context.settings
    try:
        async with (
            _client(settings) as client,
            client.stream(**_request(settings)) as response,
        ):
            context.log.line(f"HTTP {response.status_code} {response.reason_phrase}")
            answer = await _read_body(response, context)
            return _judge(settings, response.status_code, answer)
    except httpx.HTTPError as error:
        raise TaskFailed(f"The request failed: {_plain(error)}.") from error
    except (httpx.InvalidURL, ValueError) as error:
        raise TaskFailed(f"The request cannot be made: {error}.") from error


def _client(settings: HttpSettings) -> "httpx.AsyncClient":
    import httpx  # noqa: PLC0415  (see above)

    # The machine's proxy variables are not read: a task says itself where it goes.
    return httpx.AsyncClient(
        verify=_trust(settings.ca_file),
        trust_env=False,
        follow_redirects=settings.redirects,
        timeout=httpx.Timeout(None, connect=_CONNECT_SECONDS),
    )


@functools.cache
def usual_authorities() -> Any:
    """An SSL context of the well-known authorities; reading them takes longer than a request."""
    import httpx  # noqa: PLC0415  (see above)

    return httpx.create_ssl_context(trust_env=False)


def _trust(ca_file: str | None) -> Any:
    import ssl  # noqa: PLC0415  (only where a request is made)

    if ca_file is None:
        return usual_authorities()
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise TaskFailed(f"The file of authorities {ca_file!r} cannot be read: {error}.") from error


def _request(settings: HttpSettings) -> dict[str, Any]:
    # Compressed answers are not asked for: a small one can grow to gigabytes.
    headers = {"Accept-Encoding": "identity", **settings.headers}
    content = None if settings.body is None else settings.body.encode()
    auth = None if settings.user is None else (settings.user, settings.password or "")
    return {
        "method": settings.method,
        "url": settings.url,
        "headers": headers,
        "content": content,
        "auth": auth,
    }


async def _read_body(response: "httpx.Response", context: TaskContext[HttpSettings]) -> Kept | None:
    """Have the body logged, and give what is to be kept of it; None if nothing is."""
    left, most = context.settings.max_body, context.keep_answer
    kept = bytearray()
    size, cut = 0, False
    async for chunk in response.aiter_raw():
        size += len(chunk)
        # The log may have to wait for the server; the loop serves this one request only.
        context.log.write(chunk[:left])
        kept += chunk[: max(0, most - len(kept))]
        if len(chunk) > left and not cut:
            context.log.line(f"\n[body cut after {context.settings.max_body} bytes]")
            cut = True
        left -= min(left, len(chunk))
        if cut and size > most:
            break
    return Kept(bytes(kept), size == len(kept)) if most else None


def _judge(settings: HttpSettings, status: int, answer: Kept | None) -> TaskOutcome:
    outputs = {"http_status": str(status)}
    if settings.expects(status):
        return TaskOutcome(JobStatus.COMPLETED, outputs=outputs, answer=answer)
    wanted = ", ".join(settings.expected)
    detail = f"The server answered with status {status}; {wanted} was expected."
    return TaskOutcome(JobStatus.FAILED, detail=detail, outputs=outputs, answer=answer)


def _plain(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__
