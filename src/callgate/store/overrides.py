"""What operators have set of models and accounts, in SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Engine, delete, insert, select, update

from callgate.core.override import Kind, Override
from callgate.store.sql import bump, reading, shut_out, writing
from callgate.store.tables import overrides

_COLUMNS = tuple(overrides.c[field] for field in Override.__struct_fields__)


class SqlOverrides:
    """`store.base.Overrides` over a SQL database, under the version that keys have."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self) -> Sequence[Override]:
        """Every override, ordered by kind and name."""
        with reading(self._engine) as connection:
            return _all(connection)

    def change(
        self, kind: Kind, name: str, edit: Callable[[Sequence[Override]], str | None], at: int
    ) -> None:
        """Set what `edit` makes of all there are as the settings of this one, in one step."""
        mine = (overrides.c.kind == kind, overrides.c.name == name)
        with writing(self._engine) as connection:
            shut_out(connection)
            found = _all(connection)
            settings = edit(found)
            present = next((one for one in found if (one.kind, one.name) == (kind, name)), None)
            if settings == (None if present is None else present.settings):
                return
            if settings is None:
                connection.execute(delete(overrides).where(*mine))
            elif present is None:
                row = {"kind": kind, "name": name, "settings": settings, "changed": at}
                connection.execute(insert(overrides).values(row))
            else:
                row = {"settings": settings, "changed": at}
                connection.execute(update(overrides).where(*mine).values(row))
            bump(connection)


def _all(connection: Connection) -> list[Override]:
    rows = connection.execute(select(*_COLUMNS)).all()
    found = [Override(kind=row[0], name=row[1], settings=row[2], changed=row[3]) for row in rows]
    return sorted(found, key=lambda one: (one.kind, one.name))  # by no database's collation
