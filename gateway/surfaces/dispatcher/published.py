"""The published files of the SOAP contract: written by one command, served as they are.

``python -m gateway.surfaces.dispatcher.published`` writes them to ``wsdl/``; a test fails when the
code and the files part ways. Only the address is put in when they are served.
"""

import functools
from collections.abc import Mapping
from pathlib import Path

from gateway.surfaces.dispatcher import soap_samples, soap_service, wsdl
from gateway.surfaces.dispatcher.service import SERVICES, Service

FOLDER = Path(__file__).parents[3] / "wsdl"


def requested(service: Service, query: Mapping[str, str], address: str) -> bytes | None:
    """The document of a service that a query (names in lower case) asks for, with its address.

    ``?wsdl``, ``?wsdl=1.2``, ``?wsdl=all``, ``?singleWsdl``, ``?xsd``; None for anything else.
    """
    if "xsd" in query:
        return read(service.schema)
    for name in ("wsdl", "singlewsdl"):
        if name in query:
            document = service.documents.get(query[name].lower())
            if document is None:
                return None
            return wsdl.with_address(read(document), service.name, address)
    return None


@functools.cache
def read(name: str) -> bytes:
    """The content of a published file."""
    return (FOLDER / name).read_bytes()


def documents() -> dict[str, bytes]:
    """What the files must hold, made from the tables of operations."""
    made: dict[str, bytes] = {}
    for service in SERVICES:
        soap = soap_service.build(service)
        for form, name in service.documents.items():
            made[name] = wsdl.published_wsdl(soap, wsdl.FORMS[form])
        made[service.schema] = wsdl.published_xsd(soap)
        made.update(soap_samples.documents(service))
    return made


def main() -> None:
    """Write the files."""
    (FOLDER / "samples").mkdir(parents=True, exist_ok=True)
    for name, content in documents().items():
        (FOLDER / name).write_bytes(content)


if __name__ == "__main__":
    main()
