"""What can go wrong with the store, in words that an operator can act on."""


class StoreError(Exception):
    """Base of all errors of the store."""


class StoreUnavailable(StoreError):
    """The store cannot take writes at present (disk full, database gone); nothing was stored."""


class NewerStore(StoreError):
    """The store was written by a newer version of this program."""


class StoreHeld(StoreError):
    """Another process holds the data folder."""


class DamagedStore(StoreError):
    """The store failed its check and is not opened."""
