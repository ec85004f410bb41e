"""The operations of the scheduling service, declared once.

REST routes, the SOAP service, its WSDL and the help page are all made from this table.
"""

from gateway.surfaces.dispatcher.job_operations import JOB_OPERATIONS
from gateway.surfaces.dispatcher.report_operations import REPORT_OPERATIONS
from gateway.surfaces.dispatcher.what_operations import WHAT_OPERATIONS
from gateway.surfaces.dispatcher.who_operations import WHO_OPERATIONS

OPERATIONS = (*JOB_OPERATIONS, *WHAT_OPERATIONS, *WHO_OPERATIONS, *REPORT_OPERATIONS)
