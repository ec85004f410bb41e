"""The page on SOAP names every fault, and no other."""

import pathlib
import re

from gateway.surfaces.dispatcher import errors
from gateway.surfaces.dispatcher.service import SERVICES

ROOT = pathlib.Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "soap.md").read_text(encoding="utf-8")
SOURCES = "\n".join(
    each.read_text(encoding="utf-8")
    for each in (ROOT / "gateway" / "surfaces" / "dispatcher").glob("*.py")
)


def test_every_fault_is_documented() -> None:
    table = PAGE.partition("| Code |")[2].partition("\n\n")[0]
    documented = {word for line in table.splitlines() for word in re.findall(r"`([A-Z]\w+)`", line)}
    own = {"MustUnderstand", "VersionMismatch"}
    raised = set(re.findall(r'FaultCode\.\w+,\s*"(\w+)"', SOURCES))
    raised |= set(re.findall(r'_refused\(\s*"(\w+)"', SOURCES))
    raised |= {word for _, _, word in errors._TABLE}
    assert own <= raised
    assert all(f"`{word}`" in PAGE for word in own)
    assert raised - own <= documented
    assert all(f'"{word}"' in SOURCES for word in documented)


def test_every_published_document_is_named() -> None:
    for service in SERVICES:
        for name in (*service.documents.values(), service.schema):
            assert f"`{name}`" in PAGE
