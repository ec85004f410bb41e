"""What all models have in common."""

import peewee


class Table(peewee.Model):
    """A table. Bound to no database: queries are executed through a ``storage.session.Session``."""

    class Meta:
        """Table names are written out, as in the migrations."""

        legacy_table_names = False
