# SPDX-License-Identifier: BSD-3-Clause
"""psycopgcm: managers of PostgreSQL connections by psycopg (3), with the methods of `psycopg2cm`.

Programs that use psycopg come in.  This gives its connections (`resource`) as they are and hides none of its
exceptions; asynchronous connections are beyond it.  An isolation level is psycopg.IsolationLevel's or its name, never
a bare number: psycopg2 numbers them otherwise.
"""
import json
import sys

import psycopg as pg
from psycopg import conninfo as _conninfo
from psycopg import rows as _rowfactories
from psycopg import sql as pgsql

from queuepool import _pgcm, pool

__all__ = ["ConnectionManager", "ConnectionManagerExtended", "json", "logg", "pg", "pgsql", "pool"]

# Of a session; those that a version of the driver lacks are left out.
_SETTINGS = (
    "isolation_level",
    "read_only",
    "deferrable",
    "autocommit",
    "row_factory",
    "cursor_factory",
    "server_cursor_factory",
    "prepare_threshold",
    "prepared_max",
)


def logg(*args, **kwargs):
    """Print to stderr; as in psycopg2cm."""
    print(*args, file=sys.stderr, **kwargs)


def _said(dsn):
    """What a DSN says; nothing, if connect() will refuse it."""
    try:
        return _conninfo.conninfo_to_dict(dsn) if dsn else {}
    except (TypeError, pg.Error):
        return {}


def _level(level):
    if level is None or isinstance(level, pg.IsolationLevel):
        return level
    name = level.strip().upper().replace(" ", "_") if isinstance(level, str) else ""
    if name == "DEFAULT":
        return None
    try:
        return pg.IsolationLevel[name]
    except KeyError:
        names = ", ".join(each.name for each in pg.IsolationLevel)
        raise ValueError(f"isolation_level is {level!r}; it must be one of {names}, by name or member") from None


class ConnectionManager(_pgcm.Manager):
    __doc__ = _pgcm.Manager.__doc__

    _pg = pg
    _sql = pgsql
    _TUPLES = {"row_factory": _rowfactories.tuple_row}
    _REST = {"closed": False, "pgconn.transaction_status": _pgcm.IDLE, "pgconn.pipeline_status": 0}

    def _connect(self):
        dsn = self._args[0] if self._args else self._kwargs.get("conninfo")
        return pg.connect(*self._args, **_pgcm.bounded(self._kwargs, _said(dsn)))

    def _configure(self, conn):
        # None leaves what the driver has as it is.
        if self.isolation_level is not None:
            conn.isolation_level = _level(self.isolation_level)
        if self.readonly is not None:
            conn.read_only = self.readonly
        if self.deferrable is not None:
            conn.deferrable = self.deferrable
        if self.autocommit is not None:
            conn.autocommit = self.autocommit

    def _settings(self, conn):
        return {name: getattr(conn, name) for name in _SETTINGS if hasattr(conn, name)}

    def _putBack(self, conn, settings):
        for name, value in settings.items():
            if getattr(conn, name) != value:
                setattr(conn, name, value)

    @staticmethod
    def _status(conn):
        return conn.pgconn.transaction_status

    def _settled(self, conn):
        return conn.pgconn.transaction_status == _pgcm.IDLE and conn.pgconn.pipeline_status == 0

    def _rollBack(self, conn):
        conn.rollback()

    def _discard(self, conn):
        conn.autocommit = True
        with conn.cursor(row_factory=_rowfactories.tuple_row) as cursor:
            # The driver forgets what it has prepared when a transaction is rolled back, not by DISCARD.
            cursor.execute("BEGIN")
            conn.rollback()
            cursor.execute("DISCARD ALL")

    def _onlyNews(self, conn):
        """Read what there is; False if the server said more than notifications.  Those stay with
        libpq, where the driver finds them at the next query."""
        notices = []
        handler, conn.pgconn.notice_handler = conn.pgconn.notice_handler, notices.append
        try:
            conn.pgconn.consume_input()
            conn.pgconn.is_busy()  # it is what makes libpq look at what came
            return not notices
        finally:
            conn.pgconn.notice_handler = handler


class ConnectionManagerExtended(_pgcm.Queries, ConnectionManager):
    """A ConnectionManager with queries: query, querys, query1, qexec, geojson."""

    _PLAIN = True  # a row factory may make anything of a row
