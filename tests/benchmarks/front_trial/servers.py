"""Serve one small Flask application with one of the candidates (see README.md)."""

from __future__ import annotations

import argparse
import asyncio
import concurrent.futures
import importlib
import io
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask

THREADS = 8
POLL_SECONDS = 60
HOST = "127.0.0.1"


def flask_application() -> flask.Flask:
    """Return the application; it remembers which bodies it was given."""
    app = flask.Flask("trial")
    seen: list[int] = []

    @app.get("/")
    def hello() -> dict[str, str]:
        return {"hello": "world"}

    @app.post("/echo")
    def echo() -> str:
        seen.append(len(flask.request.get_data()))
        return str(seen[-1])

    @app.get("/seen")
    def bodies() -> list[int]:
        return seen

    @app.get("/raw/<path:_rest>")
    def raw(_rest: str) -> str:
        environ = flask.request.environ
        return str(environ.get("REQUEST_URI") or environ.get("RAW_URI") or environ["PATH_INFO"])

    @app.post("/locked")
    def locked() -> tuple[str, int, dict[str, str]]:
        return "no", 401, {"WWW-Authenticate": "Basic realm=trial"}

    @app.get("/stream")
    def stream() -> flask.Response:
        return flask.Response(str(number) for number in range(3))

    @app.get("/poll")
    def poll() -> str:
        time.sleep(POLL_SECONDS)
        return "nothing"

    return app


class Adapter:
    """ASGI around the WSGI application: whole bodies, few threads, polls without a thread."""

    def __init__(self, application: flask.Flask) -> None:
        self._application = application
        self._threads = concurrent.futures.ThreadPoolExecutor(THREADS)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/poll":
            await asyncio.sleep(POLL_SECONDS)
        # Who may not is told so before the body is asked for, as the gateway will do.
        body = b"" if scope["path"] == "/locked" else await self._body(receive)
        if body is None:
            return
        loop = asyncio.get_running_loop()
        environ = self._environ(scope, body)
        status, headers, blocks = await loop.run_in_executor(self._threads, self._run, environ)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for block in blocks:
            await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _body(self, receive: Any) -> bytes | None:
        data, more = b"", True
        while more:
            event = await receive()
            if event["type"] != "http.request":
                return None
            data += event.get("body", b"")
            more = event.get("more_body", False)
        return data

    def _environ(self, scope: Any, body: bytes) -> dict[str, Any]:
        raw = scope.get("raw_path") or scope["path"].encode()
        environ = {
            "REQUEST_METHOD": scope["method"],
            "SCRIPT_NAME": "",
            "PATH_INFO": scope["path"],
            "REQUEST_URI": raw.decode("latin-1"),
            "QUERY_STRING": scope["query_string"].decode("latin-1"),
            "SERVER_NAME": HOST,
            "SERVER_PORT": "0",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": scope["scheme"],
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.input_terminated": True,
        }
        for name, value in scope["headers"]:
            key = name.decode().upper().replace("-", "_")
            prefix = "" if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_"
            environ[prefix + key] = value.decode("latin-1")
        return environ

    def _run(self, environ: dict[str, Any]) -> tuple[int, list[tuple[bytes, bytes]], list[bytes]]:
        started: list[Any] = []

        def start_response(*start: Any) -> Callable[[bytes], object]:
            started.extend(start)
            return started.append

        blocks = list(self._application(environ, start_response))
        headers = [(name.encode(), value.encode()) for name, value in started[1]]
        return int(started[0][:3]), headers, blocks


class Files:
    """The certificates that ``trial.py`` made in a folder."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key, self.ca = (
            folder / name for name in ("server.pem", "server.key", "ca.pem")
        )


def uvicorn(ports: list[int], files: Files | None) -> None:
    import ssl

    import uvicorn

    adapter = Adapter(flask_application())
    common: dict[str, Any] = {
        "http": "httptools",
        "loop": "asyncio",
        "ws": "none",
        "lifespan": "off",
        "log_level": "warning",
    }
    configs = [uvicorn.Config(adapter, host=HOST, port=port, **common) for port in ports]
    if files:
        configs[1] = uvicorn.Config(
            adapter,
            host=HOST,
            port=ports[1],
            ssl_certfile=files.certificate,
            ssl_keyfile=files.key,
            ssl_ca_certs=str(files.ca),
            ssl_cert_reqs=ssl.CERT_REQUIRED,
            **common,
        )

    async def main() -> None:
        await asyncio.gather(*(uvicorn.Server(config)._serve() for config in configs))

    asyncio.run(main())


def hypercorn(ports: list[int], files: Files | None) -> None:
    import ssl

    runner: Any = importlib.import_module("hypercorn.asyncio")
    settings: Any = importlib.import_module("hypercorn.config")

    adapter = Adapter(flask_application())

    def config(port: int) -> Any:
        made = settings.Config()
        made.bind = [f"{HOST}:{port}"]
        if files and port == ports[1]:
            made.certfile, made.keyfile = str(files.certificate), str(files.key)
            made.ca_certs, made.verify_mode = str(files.ca), ssl.CERT_REQUIRED
        return made

    async def main() -> None:
        never = asyncio.Event()
        await asyncio.gather(
            *(
                runner.serve(adapter, config(port), shutdown_trigger=never.wait, mode="asgi")
                for port in ports
            )
        )

    asyncio.run(main())


def granian_asgi(ports: list[int], files: Files | None) -> None:
    constants: Any = importlib.import_module("granian.constants")
    embed: Any = importlib.import_module("granian.server.embed")

    adapter = Adapter(flask_application())
    common: dict[str, Any] = {
        "address": HOST,
        "interface": constants.Interfaces.ASGINL,
        "log_enabled": False,
        "backlog": 2048,
        "backpressure": 4096,
    }
    secured: dict[str, Any] = {}
    if files:
        secured = {
            "ssl_cert": files.certificate,
            "ssl_key": files.key,
            "ssl_ca": files.ca,
            "ssl_client_verify": True,
            "ssl_protocol_min": constants.SSLProtocols.tls12,
        }

    async def main() -> None:
        servers = [embed.Server(adapter, port=ports[0], **common)]
        servers.append(embed.Server(adapter, port=ports[1], **common, **secured))
        await asyncio.gather(*(server.serve() for server in servers))

    asyncio.run(main())


def waitress(ports: list[int], files: Files | None) -> None:
    waitress: Any = importlib.import_module("waitress")

    if files:
        raise SystemExit("waitress has no TLS")
    listen = " ".join(f"{HOST}:{port}" for port in ports)
    many: Any = {"connection_limit": 4096, "asyncore_use_poll": True}
    waitress.serve(flask_application(), listen=listen, threads=THREADS, **many)


application = None
if __name__ != "__main__":
    application = flask_application()  # granian's worker imports this module


def granian_wsgi(ports: list[int], files: Files | None) -> None:
    granian: Any = importlib.import_module("granian")
    constants: Any = importlib.import_module("granian.constants")

    sys.path.insert(0, str(Path(__file__).parent))
    if files:
        raise SystemExit("a granian server has one listener")
    granian.Granian(
        "servers:application",
        address=HOST,
        port=ports[0],
        interface=constants.Interfaces.WSGI,
        workers=1,
        blocking_threads=THREADS,
        backlog=2048,
        log_enabled=False,
    ).serve()


def front(ports: list[int], files: Files | None) -> None:
    sys.path.insert(0, str(Path(__file__).parents[3]))
    from gateway.front import gate, limits, listeners, server

    tls = listeners.Tls(files.certificate, files.key, files.ca, True) if files else None
    at = [listeners.Listener(HOST, ports[0]), listeners.Listener(HOST, ports[1], tls)]

    async def poll(_scope: Any, _receive: Any, send: Any) -> None:
        await asyncio.sleep(POLL_SECONDS)
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"nothing"})

    serving = server.Front(
        flask_application(),
        at,
        limits.Limits(),
        gate.Gate(2),
        threads=THREADS,
        native={"/poll": poll},
    )
    serving.start()
    while serving.alive:
        time.sleep(1)


CANDIDATES: dict[str, Callable[[list[int], Files | None], None]] = {
    "uvicorn": uvicorn,
    "hypercorn": hypercorn,
    "granian-asgi": granian_asgi,
    "waitress": waitress,
    "granian-wsgi": granian_wsgi,
    "front": front,
}


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("candidate", choices=CANDIDATES)
    parser.add_argument("ports", type=int, nargs=2)
    parser.add_argument("--tls", type=Path)
    arguments = parser.parse_args()
    files = Files(arguments.tls) if arguments.tls else None
    CANDIDATES[arguments.candidate](arguments.ports, files)


if __name__ == "__main__":
    main()
