"""A service of the Dispatcher as a value: its routes, SOAP, WSDL and help are made from it."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.jobs.explaining import Right
from gateway.surfaces.dispatcher import messages, resource_messages
from gateway.surfaces.dispatcher.operation import Operation
from gateway.surfaces.dispatcher.operations import OPERATIONS
from gateway.surfaces.dispatcher.resource_operations import RESOURCE_OPERATIONS

SURFACE = "dispatcher"
ROOT = "Dispatcher"


@dataclass(frozen=True)
class Service:
    """One service: ``name`` in its address and WSDL, ``stem`` in its published files.

    ``namespace`` is that of all its elements and types. ``prefix`` tells its pages from those of
    the other service where Flask and the figures name them; operations have names of their own.
    """

    name: str
    namespace: str
    stem: str
    operations: tuple[Operation, ...]
    prefix: str = ""

    @property
    def path(self) -> str:
        """The path of its address (Dispatcher contract 1.1)."""
        return f"/{ROOT}/{self.name}"

    @property
    def rules(self) -> str:
        """The path in the one spelling of the routes."""
        return self.path.lower()

    @property
    def documents(self) -> Mapping[str, str]:
        """The published file for what ``?wsdl=`` asks for.

        Plain ``?wsdl`` has one port only: Axis 1 fails on a contract with two.
        """
        return {
            "": f"{self.stem}.wsdl",
            "1.1": f"{self.stem}.wsdl",
            "1.2": f"{self.stem}.soap12.wsdl",
            "all": f"{self.stem}.all.wsdl",
        }

    @property
    def schema(self) -> str:
        """The published file of the schema."""
        return f"{self.stem}.xsd"


SCHEDULING = Service("SchedulingService", messages.NAMESPACE, "scheduling", OPERATIONS)
RESOURCES = Service(
    "ResourceService", resource_messages.NAMESPACE, "resource", RESOURCE_OPERATIONS, "resource_"
)
SERVICES = (SCHEDULING, RESOURCES)

RIGHTS = {
    one.name: Right(
        one.node,
        one.access,
        one.node_of is not None,
        one.verb,
        one.template,
        one.or_node,
        one.besides,
    )
    for service in SERVICES
    for one in service.operations
}
"""What each operation needs, by its name: for ``permission explain``."""


def of_path(path: str) -> Service | None:
    """The service that a path in lower case belongs to."""
    found = (each for each in SERVICES if f"{path}/".startswith(f"{each.rules}/"))
    return next(found, None)
