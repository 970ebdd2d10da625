# SPDX-License-Identifier: BSD-3-Clause
"""What the managers of `psycopg2cm` and `psycopgcm` share: when a connection is opened, looked at, cleaned and ended.

What the two drivers do differently is asked of the subclass (`_connect`, `_configure`, `_status`, `_REST`,
`_settings`, `_putBack`, `_settled`, `_rollBack`, `_leave`, `_discard`, `_onlyNews`, `_TUPLES`).  Exceptions of the
driver reach the caller as they are, save where a connection is closed all the same.  This imports no driver and starts
no query of its own but those of a reset, and no hook touches a connection that another process opened.
"""
import contextlib
import decimal
import functools
import json
import numbers
import operator
import os
import queue
import socket
import threading
import time
from os import getpid

from queuepool import pool
from queuepool._engine import GONE, QUIET, pin, wire
from queuepool._errors import PoolError

RESETS = ("rollback", "none", "full")
CONNECT_TIMEOUT = 10  # seconds, where nobody says otherwise
CANCEL_WITHIN = 2.0  # seconds, for a server to hear that a query shall end
RESET_WITHIN = 10.0  # seconds, for all that a reset asks of a server
NEWS = 16  # looks at a socket that does not fall silent

# libpq's numbers, which both drivers keep.
IDLE, ACTIVE, UNKNOWN = 0, 1, 4


# ---- a socket --------------------------------------------------------------------------------------------------------


def _cancel(conn):
    # It connects anew, and the driver knows of no bound for that: hence a thread of its own.
    with contextlib.suppress(Exception):
        conn.cancel()


def _cut(conn):
    """End what the server runs for `conn`, and the wait of whichever thread waits for it, within a bound."""
    asking = threading.Thread(target=_cancel, args=(conn,), name="queuepool cancel", daemon=True)
    with contextlib.suppress(RuntimeError):  # no thread starts while the interpreter ends
        asking.start()
        asking.join(CANCEL_WITHIN)
    # Closing alone would wait for that thread, or leave it to wait on a descriptor that is somebody else's by then.
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(conn.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)


class _Watch:
    """Cuts the connections whose server lets a reset wait for longer than RESET_WITHIN; no driver knows of a bound.

    One daemon thread for all of them, which the first begins.  Nothing here waits for a lock: a finaliser may put a
    manager at any moment.
    """

    def __init__(self):
        self._due = {}  # by a key of each reset: when, and a descriptor of its own; whoever pops it has that to close
        self._thread = None
        self._starting = threading.Lock()
        self._sleeps = False
        self._bell = queue.SimpleQueue()

    @contextlib.contextmanager
    def over(self, conn):
        key = object()
        with contextlib.suppress(OSError):  # no descriptor is left: then there is no bound either
            self._due[key] = (time.monotonic() + RESET_WITHIN, os.dup(conn.fileno()))
            self._wake()
        try:
            yield
        finally:
            _, fd = self._due.pop(key, (None, None))
            if fd is not None:
                os.close(fd)

    def _wake(self):
        if self._thread is None and self._starting.acquire(blocking=False):
            try:
                thread = threading.Thread(target=self._run, name="queuepool resets", daemon=True)
                with contextlib.suppress(RuntimeError):  # no thread starts while the interpreter ends
                    thread.start()
                    self._thread = thread
            finally:
                self._starting.release()
        elif self._sleeps:
            self._sleeps = False
            self._bell.put(None)

    def _run(self):
        while True:
            self._sleeps = True  # before the look: who comes after it rings
            first = min((due for due, _ in list(self._due.values())), default=None)
            self._sleeps = first is None  # else there is no need to: whoever comes is due later
            with contextlib.suppress(queue.Empty):
                self._bell.get(timeout=None if first is None else max(0.0, first - time.monotonic()))
            for key, (due, _) in list(self._due.items()):
                if due <= time.monotonic():
                    self._end(key)

    def _end(self, key):
        _, fd = self._due.pop(key, (None, None))
        if fd is not None:
            with contextlib.suppress(OSError), socket.socket(fileno=fd) as end:
                end.shutdown(socket.SHUT_RDWR)


_watch = _Watch()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_watch.__init__)


def _isLeft(conn):
    """Is no other thread inside the driver with it?  psycopg 3 would free it under that one's feet; psycopg2 waits."""
    lock = getattr(conn, "lock", None)
    if lock is None:
        return True
    if not lock.acquire(timeout=CANCEL_WITHIN):
        return False
    lock.release()
    return True


# ---- arguments -------------------------------------------------------------------------------------------------------


def _isDsn(text):
    """No isolation level has one of these in its name."""
    return isinstance(text, str) and ("=" in text or "://" in text)


def bounded(kwargs, said):
    """The keywords of a connect; what `said` (the DSN, as a dict) and they leave out, connect_timeout, is set."""
    named = {**said, **kwargs}
    if named.get("connect_timeout") is not None or named.get("service") or os.environ.get("PGSERVICE"):
        return kwargs  # a service file may say it, and what is given here would win over it
    return {**kwargs, "connect_timeout": os.environ.get("PGCONNECT_TIMEOUT") or CONNECT_TIMEOUT}


# ---- the manager -----------------------------------------------------------------------------------------------------


class Manager(pool.ResourceManager):
    """One connection: `resource`, while the manager is open.

    `isolation_level`, `readonly`, `deferrable` and `autocommit` are those of the session, None for the server's
    default; what follows them goes to the driver's connect().  A DSN may also stand right after the name.

    `reset` is what is done to a connection that comes back:
    "rollback": an open transaction is rolled back, and the session's settings that the driver keeps (those four, and
        its factories) are put back.  What SQL left stays: SET, temporary tables, advisory locks, LISTEN.
    "full": and DISCARD ALL, which leaves nothing of that.  What is to survive it belongs into the DSN's `options`.
        Not behind a pooler that gives a session's transactions to several servers.
    "none": nothing is sent; a transaction stays open for the next holder.

    A connection that is closed, broken, in use by another thread, or that cannot be reset is closed, and the next
    holder gets a new one.  A transaction that is prepared (two-phase) stays prepared: only its coordinator knows.
    """

    def __init__(
        self,
        name,
        isolation_level=None,
        readonly=None,
        deferrable=None,
        autocommit=None,
        *args,
        reset="rollback",
        **kwargs,
    ):
        if reset not in RESETS:
            raise ValueError(f"manager {name!r}: reset is {reset!r}; it must be one of {', '.join(RESETS)}")
        super().__init__(name)
        if _isDsn(isolation_level):
            isolation_level, args = None, (isolation_level, *args)
        self.autocommit = autocommit
        self.isolation_level = isolation_level
        self.readonly = readonly
        self.deferrable = deferrable
        self.reset = reset
        self._args = args
        self._kwargs = kwargs
        self._pid = None
        self._asOpened = self._atRest = self._look = None

    def __init_subclass__(cls, **kwargs):
        """A subclass's open() may change the session's settings: what is put back later is as it left them."""
        super().__init_subclass__(**kwargs)
        opening = cls.open  # its own, or that of a class beside ours that comes first
        if hasattr(opening, "_remembers"):
            return

        @functools.wraps(opening)
        def opened(self, *args, **kwargs):
            result = opening(self, *args, **kwargs)
            self._remember()
            return result

        opened._remembers = True
        cls.open = opened

    def __repr__(self):
        # Never the arguments of connect: a password is among them.
        return str(
            dict(
                autocommit=self.autocommit,
                isolation_level=self.isolation_level,
                readonly=self.readonly,
                deferrable=self.deferrable,
                ResourceManager=super().__repr__(),
            )
        )

    def open(self):
        """Connect.  Where the session's settings are refused, the connection is closed and the refusal raised."""
        self._end(self._let())
        conn = self._connect()
        try:
            self._configure(conn)
        except BaseException:
            self._end(conn)
            raise
        self.resource = conn
        super().open()
        self._remember()

    open._remembers = True

    def close(self):
        """End the connection, if there is one.  That of a dead server, or of the parent process, is let go."""
        try:
            self._end(self._let())
        finally:
            super().close()

    def takeRepair(self):
        """Close a connection that has ended while it was idle, so that it is opened anew.  Nothing is sent."""
        if self._isOpen and not self._alive(self.resource):
            self.close()
        super().takeRepair()

    def putRepair(self):
        """As `repair`.  Whom it finds as it was opened, as most are, it costs one look: other threads wait for it."""
        if self._isOpen and not self._isAtRest(self.resource):
            self.repair()
        super().putRepair()

    def repair(self):
        """Make the connection fit for the next holder, as `reset` says, or close it."""
        if not self._isOpen:
            return
        conn = self.resource
        if not self._isUsable(conn) or (self.reset != "none" and not self._clean(conn)):
            self.close()

    # ---- the steps ----

    def _remember(self):
        """It has just been opened, by this process."""
        conn, self._pid = self.resource, getpid()
        if conn is not None and not conn.closed:
            self._asOpened = settings = self._settings(conn)
            self._look = operator.attrgetter(*self._REST, *settings)
            self._atRest = (*self._REST.values(), *settings.values())

    def _let(self):
        """The connection, no longer the manager's; None if there is none, or if it is the parent process's."""
        conn, self.resource = self.resource, None
        if conn is not None and self._pid not in (None, os.getpid()):
            pin(conn)
            return None
        return conn

    def _end(self, conn):
        if conn is None:
            return
        with contextlib.suppress(self._pg.Error):
            if self._status(conn) == ACTIVE:
                _cut(conn)
            if _isLeft(conn):  # else it is closed when that thread drops it
                conn.close()

    def _sound(self, conn):
        """As far as the driver has noticed."""
        is_own = self._pid == getpid() or self._pid is None
        return is_own and conn is not None and not conn.closed and self._status(conn) != UNKNOWN

    def _isUsable(self, conn):
        try:
            return self._sound(conn) and self._status(conn) != ACTIVE
        except self._pg.Error:
            return False  # another thread has closed it meanwhile

    def _alive(self, conn):
        """As far as the driver has noticed and the socket tells."""
        try:
            return self._sound(conn) and (wire(conn) == QUIET or self._onlyNewsCame(conn))
        except self._pg.Error:
            return False

    def _onlyNewsCame(self, conn):
        for _ in range(NEWS):
            seen = wire(conn)
            if seen == GONE:
                return False
            if seen == QUIET or self._status(conn) == ACTIVE:
                break
            # To a session that asks for nothing, a server sends notifications and changed parameters; an error,
            # or any notice, is how it takes its leave.
            if not self._onlyNews(conn):
                return False
        return True

    def _isAtRest(self, conn):
        """Is nothing to be done to it, whatever `reset` says but "full"?"""
        try:
            return self._pid == getpid() and self._look(conn) == self._atRest and self.reset != "full"
        except (self._pg.Error, AttributeError, TypeError):
            return False

    def _clean(self, conn):
        """True if it is now as it was when it was opened, as far as `reset` goes."""
        try:
            with _watch.over(conn):
                return self._undo(conn)
        except self._pg.Error:
            return False

    @staticmethod
    def _leave(conn):
        """What a driver has for open `with` blocks, and says nowhere."""

    def _undo(self, conn):
        self._leave(conn)
        if not self._settled(conn):
            self._rollBack(conn)
            if not self._settled(conn):
                return False
        if self.reset == "full":
            self._discard(conn)
        if self._asOpened is not None and self._settings(conn) != self._asOpened:
            self._putBack(conn, self._asOpened)
            if self._settings(conn) != self._asOpened:
                return False
            return self._settled(conn)
        return self.reset != "full" or self._settled(conn)


# ---- queries ---------------------------------------------------------------------------------------------------------


def _record(names, row):
    """Of columns of one name the last counts; `querys` gives them all."""
    return dict(row) if hasattr(row, "keys") else dict(zip(names, row))


class Queries:
    """Queries in the holder's transaction: nothing here commits or rolls back."""

    _PLAIN = False  # for query(): rows as they are, or as the driver's own cursor gives them

    def now_expr(self, t=0):
        """SQL for the milliseconds since 1970, as the server's clock says, in `t` seconds."""
        if isinstance(t, bool) or not isinstance(t, (numbers.Real, decimal.Decimal)):
            raise TypeError(f"now_expr: t is {t!r}; it must be a number of seconds")
        if t != t or t in (float("inf"), float("-inf")):
            raise ValueError(f"now_expr: t is {t!r}; it must be a finite number of seconds")
        return f"((extract(epoch from now())+{t})*1000)::bigint"

    def query(self, query, args=None):
        """The rows, each a dict by column name; [] also where the statement gives no rows."""
        rows, columns = self._rows(query, args, plain=self._PLAIN)
        names = [column[0] for column in columns or ()]
        return [_record(names, row) for row in rows]

    def querys(self, query, args=None):
        """(rows, description), as the cursor gives them; ([], None) where the statement gives no rows."""
        return self._rows(query, args)

    def query1(self, query, args=None):
        """The row as a dict, or None if there is none.  ValueError if there are more."""
        rows = self.query(query, args)
        if len(rows) > 1:
            raise ValueError(
                f"query1: {len(rows)} rows came, where one or none is expected: "
                "narrow the query, add LIMIT 1, or use query()"
            )
        return rows[0] if rows else None

    def qexec(self, query, args=None):
        """Execute, and give nothing."""
        with self._cursor() as cursor:
            cursor.execute(query, args)

    def geojson(self, geomColumn, attrColumns=None, selectQuery=None, args=None, prec=5):
        """A FeatureCollection (a dict) of `selectQuery`, text or a composed one: the geometries of one column, to
        `prec` decimals (it takes PostGIS), and the columns named by `attrColumns`, if any, as properties."""
        if selectQuery is None:
            raise TypeError("geojson: selectQuery is missing: geojson(geomColumn, attrColumns, selectQuery)")
        names = list(attrColumns or ())
        asked = self._featureQuery(geomColumn, names, selectQuery, args is not None, int(prec))
        rows, _ = self._rows(asked, args, plain=True)
        features = [
            dict(
                type="Feature",
                geometry=None if row[0] is None else json.loads(row[0]),
                properties=dict(zip(names, row[1:])),
            )
            for row in rows
        ]
        return dict(type="FeatureCollection", features=features)

    def _cursor(self, plain=False):
        if self.resource is None:
            raise PoolError(f"manager {self.name!r} is not open: take it from its pool to query")
        return self.resource.cursor(**(self._TUPLES if plain else {}))

    def _rows(self, query, args, plain=False):
        with self._cursor(plain) as cursor:
            cursor.execute(query, args)
            if cursor.description is None:
                return [], None
            return cursor.fetchall(), cursor.description

    def _featureQuery(self, geomColumn, names, selectQuery, formatted, prec):
        sql = self._sql

        def column(name):
            # Where arguments are filled in, a % of a name would be taken for a placeholder.
            return sql.Identifier(name.replace("%", "%%") if formatted else name)

        if isinstance(selectQuery, str):
            selectQuery = sql.SQL(selectQuery.rstrip().rstrip(";"))
        geometry = sql.SQL("ST_AsGeoJSON({}, {})").format(column(geomColumn), sql.Literal(prec))
        wanted = sql.SQL(", ").join([geometry, *map(column, names)])
        # The line ends before the parenthesis: the query may end in a comment.
        return sql.SQL("WITH x AS (") + selectQuery + sql.SQL("\n) SELECT ") + wanted + sql.SQL(" FROM x")
