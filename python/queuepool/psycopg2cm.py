# SPDX-License-Identifier: BSD-3-Clause
"""psycopg2cm: managers of PostgreSQL connections by psycopg2.

    pool = queuepool.Pool("bank", capacity=10)
    for i in range(pool.capacity):
        pool.put(ConnectionManagerExtended(f"bank-{i}", dbname="bank"))
    with pool.take() as cm:
        with cm.resource:  # a transaction
            cm.query("SELECT ...")

Programs that use psycopg2 come in.  This gives its connections (`resource`) as they are and hides none of its
exceptions.  A `with` of two threads on one connection is beyond it.
"""
import json
import sys

import psycopg2 as pg
from psycopg2 import extensions as _ext
from psycopg2 import sql as pgsql

from queuepool import _pgcm, pool

__all__ = ["ConnectionManager", "ConnectionManagerExtended", "json", "logg", "pg", "pgsql", "pool"]


_SESSION = ("isolation_level", "readonly", "deferrable", "autocommit")


def logg(*args, **kwargs):
    """Print to stderr; for programs that have it from here."""
    print(*args, file=sys.stderr, **kwargs)


def _said(dsn):
    """What a DSN says; nothing, if connect() will refuse it."""
    try:
        return _ext.parse_dsn(dsn) if dsn else {}
    except (TypeError, pg.Error):
        return {}


class ConnectionManager(_pgcm.Manager):
    __doc__ = _pgcm.Manager.__doc__

    _pg = pg
    _sql = pgsql
    _TUPLES = {"cursor_factory": _ext.cursor}
    _REST = {"closed": 0, "info.transaction_status": _pgcm.IDLE, "status": _ext.STATUS_READY}

    def _connect(self):
        dsn = self._args[0] if self._args else self._kwargs.get("dsn")
        return pg.connect(*self._args, **_pgcm.bounded(self._kwargs, _said(dsn)))

    def _configure(self, conn):
        conn.set_session(
            isolation_level=self.isolation_level,
            readonly=self.readonly,
            deferrable=self.deferrable,
            autocommit=self.autocommit,
        )

    def _settings(self, conn):
        return {name: getattr(conn, name) for name in (*_SESSION, "encoding", "cursor_factory")}

    def _putBack(self, conn, settings):
        conn.cursor_factory = settings["cursor_factory"]
        self._session(conn, *map(settings.get, _SESSION))
        conn.set_client_encoding(settings["encoding"])

    @staticmethod
    def _session(conn, isolation_level, readonly, deferrable, autocommit):
        """As set_session, but None is the default, not "as it is"."""

        def said(value):
            return "DEFAULT" if value is None else value

        conn.set_session(said(isolation_level), said(readonly), said(deferrable), autocommit)

    _status = staticmethod(_ext.connection.get_transaction_status)

    def _settled(self, conn):
        # The driver remembers a transaction of its own that SQL has ended, and would not begin the next one.
        return conn.get_transaction_status() == _pgcm.IDLE and conn.status == _ext.STATUS_READY

    def _rollBack(self, conn):
        conn.rollback()
        if not self._settled(conn):
            # SQL began it: the driver, which did not, rolls nothing back.
            with conn.cursor(cursor_factory=_ext.cursor) as cursor:
                cursor.execute("ROLLBACK")
            conn.rollback()

    @staticmethod
    def _leave(conn):
        """Out of a `with` of the connection, which would refuse every other one.

        A `with` that is still open in no transaction stays: to ask would give the GIL up in each put.
        """
        _ext.connection.__exit__(conn, pg.Error, None, None)

    def _discard(self, conn):
        # Outside of a transaction, and with nothing in the driver's memory that it undoes on the server.
        self._session(conn, None, None, None, True)
        with conn.cursor(cursor_factory=_ext.cursor) as cursor:
            cursor.execute("DISCARD ALL")
        conn.notices, conn.notifies = [], []

    def _onlyNews(self, conn):
        """Read what there is; False if the server said more than notifications."""
        kept, conn.notices = conn.notices, []
        try:
            conn.poll()
            return not conn.notices
        finally:
            conn.notices = kept


class ConnectionManagerExtended(_pgcm.Queries, ConnectionManager):
    """A ConnectionManager with queries: query, querys, query1, qexec, geojson."""
