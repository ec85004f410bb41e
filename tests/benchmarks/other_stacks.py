"""SOAP stacks of other languages that serve the published WSDL: whether they are here, and how.

Each is one process, keeps one job in memory, stores nothing, and compares a Basic login with a
constant.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lxml import etree

from gateway.surfaces.dispatcher.service import SCHEDULING
from tests.benchmarks.bodies import LOGIN
from tests.benchmarks.figures import Unmeasurable

_ROOT = Path(__file__).parents[2]
_SOURCES = Path(__file__).with_name("stacks")
_WSDL = _ROOT / "wsdl" / "scheduling.wsdl"
_BUILD = _ROOT / "build"
NODE_MODULES = _BUILD / "interop" / "node_modules"
_MEASURED = frozenset({"GetJob", "ScheduleJob"})


@dataclass(frozen=True)
class StoredJob:
    """The job that GetJob answers, in files of each form that a stack reads."""

    xml: Path
    json: Path


@dataclass(frozen=True)
class Stack:
    """How a server is started: it says on which port it listens."""

    command: Sequence[str]
    environment: Mapping[str, str]


def keep(job: etree._Element, folder: Path) -> StoredJob:
    """Write a job, as the gateway has answered it, for the others to answer."""
    kept = StoredJob(folder / "job.xml", folder / "job.json")
    # Its own name, not that of the result.
    named = etree.Element(etree.QName(job, "Job"), nsmap={None: etree.QName(job).namespace})
    named.extend(list(job))
    kept.xml.write_bytes(etree.tostring(named))
    kept.json.write_text(json.dumps(_plain(named)))
    return kept


_TRUTH = {"true": True, "false": False}
_ITEMS = frozenset({"JobWhat", "JobWho", "ParameterSet", "Parameter"})


def _plain(element: etree._Element) -> Any:
    """Members by their names, the items of lists in a list."""
    if not len(element):
        text = element.text or ""
        return _TRUTH.get(text, text)
    found: dict[str, Any] = {}
    for child in element:
        name, value = etree.QName(child).localname, _plain(child)
        if name in _ITEMS:
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    return found


def node(job: StoredJob) -> Stack:
    """The npm package ``soap``. Raises Unmeasurable."""
    program = _program("node", "nodejs")
    folders = [str(NODE_MODULES), *os.environ.get("NODE_PATH", "").split(os.pathsep)]
    if not any((Path(folder) / "soap").is_dir() for folder in folders if folder):
        raise Unmeasurable(f"there is no npm package soap in {NODE_MODULES} or NODE_PATH")
    command = [program, str(_SOURCES / "server.js"), str(_WSDL), str(job.json)]
    return Stack(command, _LOGIN | {"NODE_PATH": os.pathsep.join(folders)})


def php(job: StoredJob) -> Stack:
    """PHP's SoapServer under its built-in server. Raises Unmeasurable."""
    program = _program("php", "php-cli php-soap")
    modules = subprocess.run([program, "-m"], capture_output=True, text=True, check=False)
    if "soap" not in modules.stdout.split():
        raise Unmeasurable("PHP has no extension soap: apt-get install php-soap")
    command = ["sh", "-c", _AS_ONE, program, "-q", "-d", "opcache.validate_timestamps=0"]
    command += ["-S", "127.0.0.1:0", str(_SOURCES / "server.php")]
    environment = {"MEASURED_JOB": str(job.json), "MEASURED_WSDL": str(_WSDL)}
    return Stack(command, _LOGIN | environment)


# As one process; and where it listens it says among its errors.
_AS_ONE = 'unset PHP_CLI_SERVER_WORKERS; exec "$0" "$@" 2>&1'


def gsoap(job: StoredJob) -> Stack:
    """A C++ server from gSOAP's tools. Raises Unmeasurable."""
    return Stack([str(_compiled()), str(job.xml)], _LOGIN)


STACKS: Mapping[str, Callable[[StoredJob], Stack]] = {
    "node soap": node,
    "PHP SoapServer": php,
    "gSOAP": gsoap,
}

_LOGIN = dict(zip(("MEASURED_NAME", "MEASURED_PASSWORD"), LOGIN, strict=True))


def _program(name: str, packages: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Unmeasurable(f"there is no {name}: apt-get install {packages}")
    return found


def _compiled() -> Path:
    """The server in C++, made once from what it is made of: that takes a quarter of a minute."""
    packages = "g++ gsoap libgsoap-dev"
    tools = [_program(name, packages) for name in ("wsdl2h", "soapcpp2", "g++")]
    source = _SOURCES / "server.cpp"
    made_of = hashlib.sha256(_WSDL.read_bytes() + source.read_bytes()).hexdigest()
    program = _BUILD / f"gsoap-server-{made_of[:16]}"
    if not program.exists():
        with tempfile.TemporaryDirectory(prefix="gsoap-", dir=_BUILD) as folder:
            _compile(Path(folder), source, *tools).replace(program)
    return program


def _compile(folder: Path, source: Path, wsdl2h: str, soapcpp2: str, compiler: str) -> Path:
    others = sorted(each.name for each in SCHEDULING.operations if each.name not in _MEASURED)
    absent = " ".join(f"NOT_MEASURED({name})" for name in others)
    imports = Path(wsdl2h).parents[1] / "share" / "gsoap" / "import"
    for command in (
        [wsdl2h, "-o", "scheduling.h", str(_WSDL)],
        [soapcpp2, "-S", "-L", "-x", "-w", "-c++11", f"-I{imports}", "scheduling.h"],
        [
            compiler, "-std=c++11", "-O2", f"-DNOT_MEASURED_OPERATIONS={absent}", "-I.",
            "-o", "server", str(source), "soapC.cpp", "soapServer.cpp", "-lgsoap++", "-pthread",
        ],
    ):  # fmt: skip
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            complaint = re.sub(r"\s+", " ", done.stdout + done.stderr)[-1000:]
            raise Unmeasurable(f"{Path(command[0]).name} failed: {complaint}")
    return folder / "server"
