"""The operations of the scheduling service, declared once.

REST routes, the SOAP service, its WSDL and the help page are all made from this table.
"""

from gateway.jobs.explaining import Right
from gateway.surfaces.dispatcher.job_operations import JOB_OPERATIONS
from gateway.surfaces.dispatcher.report_operations import REPORT_OPERATIONS
from gateway.surfaces.dispatcher.resource_operations import RESOURCE_OPERATIONS
from gateway.surfaces.dispatcher.what_operations import WHAT_OPERATIONS
from gateway.surfaces.dispatcher.who_operations import WHO_OPERATIONS

OPERATIONS = (*JOB_OPERATIONS, *WHAT_OPERATIONS, *WHO_OPERATIONS, *REPORT_OPERATIONS)

RIGHTS = {
    one.name: Right(one.node, one.access, by_kind=one.node_of is not None)
    for one in (*OPERATIONS, *RESOURCE_OPERATIONS)
}
"""What each operation of both services needs, by its name: for ``permission explain``."""
