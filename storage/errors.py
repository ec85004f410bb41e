"""What can go wrong with the store, in words that an operator can act on."""


class StoreError(Exception):
    """Base of all errors of the store."""


class StoreUnavailable(StoreError):
    """The store cannot take writes at present (disk full, database gone); nothing was stored."""


class OutcomeUnknown(StoreUnavailable):
    """The connection broke while a commit was under way: it may be stored, or not."""

    def __init__(self) -> None:
        super().__init__(
            "the connection to the database broke while this was being stored: it may have been "
            "stored or not; look before you send it again"
        )


class NewerStore(StoreError):
    """The store was written by a newer version of this program."""


class StoreHeld(StoreError):
    """Another process holds the data folder."""


class DamagedStore(StoreError):
    """The store failed its check and is not opened."""
