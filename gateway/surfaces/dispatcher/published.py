"""The published files of the SOAP contract: written by one command, served as they are.

``python -m gateway.surfaces.dispatcher.published`` writes them to ``wsdl/``; a test fails when the
code and the files part ways. Only the address is put in when they are served.
"""

import functools
from collections.abc import Mapping
from pathlib import Path

from gateway.surfaces.dispatcher import soap_service, wsdl

FOLDER = Path(__file__).parents[3] / "wsdl"
SCHEMA = "scheduling.xsd"

# What ?wsdl= asks for. Plain ?wsdl has one port only: Axis 1 fails on a contract with two.
DOCUMENTS = {
    "": "scheduling.wsdl",
    "1.1": "scheduling.wsdl",
    "1.2": "scheduling.soap12.wsdl",
    "all": "scheduling.all.wsdl",
}


def requested(query: Mapping[str, str], address: str) -> bytes | None:
    """The document that a query (names in lower case) asks for, with the service's address.

    ``?wsdl``, ``?wsdl=1.2``, ``?wsdl=all``, ``?singleWsdl``, ``?xsd``; None for anything else.
    """
    if "xsd" in query:
        return _read(SCHEMA)
    for name in ("wsdl", "singlewsdl"):
        if name in query:
            document = DOCUMENTS.get(query[name].lower())
            return None if document is None else wsdl.with_address(_read(document), address)
    return None


@functools.cache
def _read(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def documents() -> dict[str, bytes]:
    """What the files must hold, made from the table of operations."""
    service = soap_service.build()
    made = {
        name: wsdl.published_wsdl(service, wsdl.FORMS[form]) for form, name in DOCUMENTS.items()
    }
    return made | {SCHEMA: wsdl.published_xsd(service)}


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, content in documents().items():
        (FOLDER / name).write_bytes(content)


if __name__ == "__main__":
    main()
