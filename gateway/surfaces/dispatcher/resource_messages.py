"""The messages of the resource service: ours, for only one header of it is known.

That is ``Filename`` (Dispatcher contract 3, rows 19 and 20).
"""

import datetime
import uuid

from gateway.wire.messages import Message, member
from gateway.wire.scalars import BOOLEAN, DATETIME, GUID, INTEGER, LONG, TEXT

NAMESPACE = "urn:dispatcher-gateway:resource:1"
"""Of all elements and types, in REST answers, SOAP bodies and the WSDL. Our choice."""


class Resource(Message):
    """A resource in its current version: what upload and delete answer."""

    ID: uuid.UUID | None = member(GUID, "Its id, for the header Guid of an edit.")
    Name: str | None = member(TEXT, "Its name, for people and tasks.", sample="Printer driver")
    Filename: str | None = member(TEXT, "The name of the file.", sample="driver.msi")
    Folder: str | None = member(
        TEXT, "The path of its folder; empty at the top.", sample="Drivers/Printers"
    )
    Description: str | None = member(TEXT, "What it is.", sample="For the second floor")
    Version: str | None = member(TEXT, "The name of the version.", sample="1.0.0")
    VersionNumber: int | None = member(INTEGER, "The number of the version, from 1.")
    VersionDateTime: datetime.datetime | None = member(DATETIME, "When this version was stored.")
    ParseContent: bool | None = member(
        BOOLEAN, "Parameters in the content are replaced when a task fetches it.", sample=False
    )
    SkipEnvironmentVariables: bool | None = member(
        BOOLEAN, "Environment variables in the content are left alone.", sample=False
    )
    Size: int | None = member(LONG, "The length of the content in bytes.", sample=1048576)
    Sha256: str | None = member(
        TEXT, "The SHA-256 of the content, 64 hexadecimal digits.", sample="e3b0c442" + 56 * "0"
    )
