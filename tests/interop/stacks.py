"""The SOAP stacks, what each needs to be there, and how its client is built and run.

Each has a folder with its client program; ``run`` in it does all steps and tells what it found
(``reports``), ``build``, where there is one, makes what ``run`` needs from the published WSDL.
"""

import dataclasses
import functools
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.interop import reports
from tests.interop.reports import Report
from tests.interop.site import Site

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
BUILD = ROOT / "build" / "interop"
"""What is built, and what npm installs."""
PATIENCE = 240.0


@dataclasses.dataclass(frozen=True)
class Stack:
    """A stack: ``name`` is its folder, too; ``needs`` are programs, files, or modules of Python.

    ``versions`` are those of SOAP that it speaks. What is lacking is told with ``package``, in
    which it is to be had.
    """

    name: str
    title: str
    versions: tuple[str, ...]
    needs: tuple[str, ...]
    package: str

    @property
    def folder(self) -> Path:
        """Where its client lies."""
        return FOLDER / self.name

    def lacking(self) -> str | None:
        """Why it cannot be tried here; None if it can."""
        for need in self.needs:
            if not _is_there(need):
                return f"{need} is not there: install {self.package} (scripts/install-interop)"
        return None

    def runs(self) -> Iterator[str]:
        """The names of its runs: one for each version."""
        return (f"{self.name}-{version}" for version in self.versions)


@functools.cache
def _is_there(need: str) -> bool:
    kind, colon, name = need.partition(":")
    asked = {
        "python": [sys.executable, "-c", f"import {name}"],
        "perl": ["perl", f"-M{name}", "-e1"],
        "php": ["php", "-r", f"exit(extension_loaded('{name}') ? 0 : 1);"],
    }
    if colon:
        program = asked[kind]
        return (
            shutil.which(program[0]) is not None
            and subprocess.run(program, capture_output=True, check=False).returncode == 0
        )
    if need.startswith("/"):
        return Path(need).exists()
    if need.startswith("node_modules/"):
        return (BUILD / need).is_dir()
    return shutil.which(need) is not None


STACKS = (
    Stack("zeep", "zeep", ("1.1", "1.2"), ("python:zeep",), "zeep"),
    Stack("suds", "suds-community", ("1.1", "1.2"), ("python:suds",), "suds-community"),
    Stack("pysimplesoap", "pysimplesoap", ("1.1", "1.2"), ("python:pysimplesoap",), "pysimplesoap"),
    Stack("node_soap", "node soap", ("1.1", "1.2"), ("node", "node_modules/soap"), "soap"),
    Stack(
        "strong_soap", "node strong-soap", ("1.1", "1.2"), ("node", "node_modules/strong-soap"),
        "strong-soap",
    ),
    Stack("php", "PHP ext-soap", ("1.1", "1.2"), ("php:soap",), "php-soap"),
    Stack("soap_lite", "SOAP::Lite", ("1.1", "1.2"), ("perl:SOAP::Lite",), "libsoap-lite-perl"),
    Stack("soap_wsdl", "SOAP::WSDL", ("1.1",), ("perl:SOAP::WSDL",), "libsoap-wsdl-perl"),
    Stack("gsoap", "gSOAP", ("1.1", "1.2"), ("g++", "wsdl2h", "soapcpp2"), "gsoap"),
    Stack("kdsoap", "KDSoap", ("1.1", "1.2"), ("g++", "kdwsdl2cpp"), "libkdsoap-dev"),
    Stack("mono_asmx", "Mono wsdl (ASMX)", ("1.1", "1.2"), ("mcs", "wsdl2"), "mono-devel"),
    Stack("mono_wcf", "Mono WCF", ("1.1",), ("mcs", "mono"), "mono-devel"),
    Stack("jaxws", "JAX-WS RI", ("1.1", "1.2"), ("javac", "wsimport"), "jaxws"),
    Stack("axis", "Axis 1.4", ("1.1",), ("javac", "/usr/share/java/axis.jar"), "libaxis-java"),
    Stack("curl", "curl", ("1.1", "1.2"), ("curl",), "curl"),
)  # fmt: skip


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """What programs see: text in UTF-8 wherever they run, and where things lie."""
    return {
        **os.environ,
        "LC_ALL": "C.UTF-8",
        "TZ": "Europe/Amsterdam",  # a date that is not taken as what it says comes out wrong
        "NODE_PATH": str(BUILD / "node_modules"),
        "PYTHON": sys.executable,
        "PYTHONIOENCODING": "utf-8",
        **more,
    }


def built(stack: Stack, site: Site) -> Path:
    """The folder in which a stack's client is built, from the WSDL as it is served now."""
    script = stack.folder / "build"
    place = BUILD / stack.name / _state(stack)
    if not script.exists() or (place / "done").exists():
        return place
    shutil.rmtree(place.parent, ignore_errors=True)
    place.mkdir(parents=True)
    given = environment(site.environment(stack.name, "1.1") | {"OUT": str(place)})
    _run([str(script)], place, given)
    (place / "done").touch()
    return place


def _state(stack: Stack) -> str:
    """Of what a client is built: another WSDL or source makes another folder."""
    digest = hashlib.sha256()
    sources = (path for path in stack.folder.rglob("*") if path.is_file())
    for path in sorted((*sources, *(ROOT / "wsdl").glob("*.wsdl"))):
        digest.update(f"{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def report(stack: Stack, version: str, site: Site) -> Report:
    """Let a stack's client do everything; its report."""
    place = built(stack, site)
    place.mkdir(parents=True, exist_ok=True)
    own = site.environment(f"{stack.name}-{version}", version) | {"OUT": str(place)}
    return reports.read(_run([str(stack.folder / "run")], place, environment(own)))


def _run(command: list[str], place: Path, given: Mapping[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=place,
        env=dict(given),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE,
        check=False,
    )
    output = done.stdout.decode("utf-8", "replace")
    if done.returncode and command[0].endswith("build"):
        raise RuntimeError(f"{command[0]} failed:\n{output[-4000:]}")
    return output if not done.returncode else f"{output}\nexit code {done.returncode}"
