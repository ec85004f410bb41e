"""Names as keys: the one way in which names are compared without regard to case."""

import unicodedata


def key(name: str) -> str:
    """The form of a name that is stored and looked up for comparison.

    Folded in Python, since SQLite folds ASCII letters only.
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
