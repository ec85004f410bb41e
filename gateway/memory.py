"""How a serving process uses memory: few heaps, and garbage that is looked for seldom.

Python looks for unreachable cycles whenever so many more objects were made than freed, and now and
then through all that there are. A server whose modules, models and compiled messages make a hundred
thousand objects that never go pays for that with a tenth of its time and with its longest pauses;
what a request makes is freed by counting, without any looking.
"""

import ctypes
import gc
import sys

# Objects made and not freed before the young ones are looked through (Python's own: 700), and how
# often that comes before the older ones are looked through, too: with two thousand parked polls
# that takes a fifth of a second, and finds nothing.
_YOUNG = 20_000
_MIDDLE = 100
_OLD = 20

_M_ARENA_MAX = -8
_HEAPS = 2


def share_heaps() -> None:
    """Have all threads share two heaps, where the C library would make one for each.

    Threads come and go here, and what is freed in one heap is of no use to the others: memory
    would grow for long. Python lets one thread compute at a time, so none waits for another's heap.
    Called before there are threads; does nothing where the C library is not glibc.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_ARENA_MAX, _HEAPS)


def settle() -> None:
    """Leave what is there now out of every later collection; called once all is set up."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
