"""How many files the process may have open: each connection is one."""

import contextlib


def raise_limit() -> None:
    """Raise the soft limit to the hard one, as far as the system lets the process."""
    try:
        import resource  # noqa: PLC0415  (there is none on Windows, which has no such limit)
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
