"""Points in time and identifiers that grow with it.

Times are UTC epoch microseconds throughout: they sort in every database and need no zone.
"""

import datetime
import time
import uuid

import uuid_utils.compat

SECOND = 1_000_000
DAY = 24 * 3600 * SECOND
# What can be asked for, a day within what a datetime can say in any zone.
EARLIEST = 24 * 3600 * SECOND
LATEST = 253_402_214_400 * SECOND
# Before every present: what waits until then is due, however the wall clock is set meanwhile.
AT_ONCE = 0
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


def now() -> int:
    """The present moment."""
    return time.time_ns() // 1000


def to_datetime(moment: int) -> datetime.datetime:
    """The moment as an aware datetime in UTC."""
    return _EPOCH + moment * _MICROSECOND


def from_datetime(value: datetime.datetime) -> int:
    """The moment of an aware datetime; ValueError for a naive one."""
    if value.tzinfo is None:
        raise ValueError("a point in time needs a zone")
    return (value - _EPOCH) // _MICROSECOND


def new_guid() -> uuid.UUID:
    """A new GUID that sorts by time, so that indexes over millions of rows stay local."""
    return uuid_utils.compat.uuid7()
