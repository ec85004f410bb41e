"""Numbered migrations, forward only; applied by ``storage.schema``."""
