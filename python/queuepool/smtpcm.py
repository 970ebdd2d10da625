# SPDX-License-Identifier: BSD-3-Clause
"""smtpcm: sessions with an SMTP server as managers of a pool.

    pool = queuepool.Pool("mail", capacity=4)
    for i in range(pool.capacity):
        pool.put(ConnectionManager(f"mail-{i}", "smtp.example.org", 587, user, password, verify=True))
    with pool.take() as cm:
        refused = cm.sendmail("from@example.org", ["to@example.org"], "Subject: hello\\n\\nHello.\\n")

A session is asked whether it lives before it is lent, and reset when it comes back.  A mail is sent once: nothing
here sends one again, and nothing is ever said on a session that another process opened, or out of turn.
"""
import math
import os
import smtplib
import ssl
import sys

from queuepool import pool
from queuepool._errors import PoolError

__all__ = ["ConnectionManager", "logg"]

TLS_WORDS = ("starttls", "implicit", "optional", "none")
# How long NOOP, RSET and QUIT wait at most, in seconds: a server that needs longer is as good as gone.
COURTESY = 5.0
PIECE = 65536  # bytes


def logg(*args, **kwargs):
    """Print to stderr; to be replaced by programs that log otherwise."""
    print(*args, file=sys.stderr, **kwargs)


# ---- sessions ---------------------------------------------------------------------------------------------------


class _Turns:
    """What smtplib's clients do not know of themselves: whose turn it is to speak, and which process opened them."""

    unanswered = False

    def __init__(self, *args, **kwargs):
        self.process = os.getpid()
        super().__init__(*args, **kwargs)

    def send(self, s):
        if self.process != os.getpid():
            raise PoolError(
                f"this SMTP session was opened by process {self.process}, before a fork: take another from the pool"
            )
        self.unanswered = True
        if isinstance(s, str):
            s = s.encode(self.command_encoding)
        # A socket's timeout is for all that one call sends; ours is for a server that takes nothing.
        for at in range(0, len(s), PIECE):
            super().send(s[at : at + PIECE])

    def getreply(self):
        self.unanswered = True
        code, text = super().getreply()
        # 3xx asks for more; below 200 is no reply of SMTP, and nobody knows what else is to come.
        self.unanswered = code < 200 or 300 <= code < 400
        return code, text


class _Session(_Turns, smtplib.SMTP):
    pass


class _SecureSession(_Turns, smtplib.SMTP_SSL):
    pass


def _sound(session):
    """Can a command be said now?  Not on a parent's session, nor within a dialogue that was cut short."""
    return (
        session.sock is not None
        and getattr(session, "process", os.getpid()) == os.getpid()
        and not getattr(session, "unanswered", False)
    )


def _say(session, verb):
    """The code that the server answers, or 0 if it does not or cannot."""
    try:
        if not _sound(session):
            return 0
        patience = session.sock.gettimeout()
        session.sock.settimeout(COURTESY if patience is None else min(patience, COURTESY))
        code, _ = session.docmd(verb)
        session.sock.settimeout(patience)
        return code
    except OSError:  # smtplib's and ssl's are of this kind
        return 0


# ---- the manager ------------------------------------------------------------------------------------------------


class ConnectionManager(pool.ResourceManager):
    """One session with an SMTP server; `resource` is smtplib's client while it is open.

    `tls` is "starttls" (the default), "implicit" (TLS from the first byte), "none", or "optional": STARTTLS if the
    server offers it; a password is then sent only if it does.
    The server's certificate is verified only if you ask for it, by one of `verify=True` (the system's CAs), `cafile`
    (your own, PEM) or `context` (an ssl.SSLContext, which says by itself what it verifies).  The default encrypts
    but verifies nothing, as it always did: whoever sits between can read all of it.
    `timeout` bounds each wait for the server, in seconds; None waits for ever.  Without a user there is no login.
    `local_hostname` and `source_address` are smtplib's.  Other arguments are ignored, as they always were.
    """

    def __init__(
        self,
        name,
        host="",
        port=0,
        user=None,
        password=None,
        *args,
        tls="starttls",
        context=None,
        cafile=None,
        verify=None,
        timeout=30.0,
        local_hostname=None,
        source_address=None,
        **kwargs,
    ):
        super().__init__(name)
        self.host = host
        self.port = port
        self.user = user
        self.password = password
        self.tls = tls
        self.context = context
        self.cafile = cafile
        self.verify = verify
        self.timeout = timeout
        self.local_hostname = local_hostname
        self.source_address = source_address
        self._check_tls()
        self._check_timeout()

    def __repr__(self):
        return str(
            dict(
                host=self.host,
                port=self.port,
                user=self.user,
                password="xxxxxxx",
                ResourceManager=super().__repr__(),
            )
        )

    # ---- arguments ----

    def _check_tls(self):
        who = f"manager {self.name!r}"
        if self.tls not in TLS_WORDS:
            raise ValueError(f"{who}: tls is {self.tls!r}; it must be one of {', '.join(map(repr, TLS_WORDS))}")
        if self.context is not None and (self.cafile is not None or self.verify is not None):
            raise ValueError(f"{who}: a context says by itself what it verifies; leave out cafile and verify")
        if self.cafile is not None and self.verify is not None and not self.verify:
            raise ValueError(f"{who}: cafile is {self.cafile!r} and verify {self.verify!r}; leave out one of the two")
        if self._verifies() and self.tls not in ("starttls", "implicit"):
            raise ValueError(
                f"{who}: tls is {self.tls!r}, where a session may be without TLS, and then nothing is verified; "
                f"use tls='starttls' or 'implicit'"
            )

    def _check_timeout(self):
        if self.timeout is None:
            return
        who = f"manager {self.name!r}: timeout is {self.timeout!r}"
        if isinstance(self.timeout, bool) or not isinstance(self.timeout, (int, float)):
            raise TypeError(f"{who}; it must be a number of seconds, or None")
        if not 0 < self.timeout < math.inf:
            raise ValueError(f"{who}; it must be more than 0 and finite, or None to wait for ever")

    def _verifies(self):
        return self.context is not None or self.cafile is not None or bool(self.verify)

    def _address(self):
        """Host and port; "host:port" is allowed, as in smtplib, which would then verify the name with the port."""
        if not self.host:
            raise ValueError(f"manager {self.name!r}: host is {self.host!r}; give the SMTP server's name or address")
        host, colon, port = self.host.rpartition(":")
        if colon and not self.port and ":" not in host and port.isdigit():
            return host, int(port)
        return self.host, self.port

    def _tls_context(self):
        """None is smtplib's own, which verifies nothing.  The file is read each time: CAs are renewed."""
        if self.context is not None or not self._verifies():
            return self.context
        try:
            return ssl.create_default_context(cafile=self.cafile)
        except OSError as trouble:
            raise ValueError(
                f"manager {self.name!r}: cafile {self.cafile!r} cannot be read as PEM certificates: {trouble}"
            ) from trouble

    # ---- hooks ----

    def open(self):
        host, port = self._address()
        self._end()
        try:
            session = self._connect(host, port)
            try:
                self._begin_tls(session)
                self._login(session)
            except BaseException:
                session.close()
                raise
        except OSError as trouble:
            trouble.add_note(f"queuepool: manager {self.name!r} opened an SMTP session with {host!r}, port {port}")
            raise
        self.resource = session
        super().open()

    def _connect(self, host, port):
        rest = dict(
            local_hostname=self.local_hostname, timeout=self.timeout, source_address=self.source_address
        )
        if self.tls == "implicit":
            return _SecureSession(host, port, context=self._tls_context(), **rest)
        return _Session(host, port, **rest)

    def _begin_tls(self, session):
        if self.tls == "starttls":
            session.starttls(context=self._tls_context())
        elif self.tls == "optional":
            session.ehlo_or_helo_if_needed()
            if session.has_extn("starttls"):
                session.starttls()
            elif self.user:
                raise smtplib.SMTPNotSupportedError(
                    f"manager {self.name!r}: the server offers no STARTTLS, and tls='optional' sends no password "
                    f"in the clear; leave out the user, or say tls='none'"
                )

    def _login(self, session):
        if not self.user:
            return
        if self.password is None:
            raise ValueError(f"manager {self.name!r}: user is {self.user!r} but there is no password; give both")
        if not (self.user.isascii() and self.password.isascii()):
            # smtplib's own message would show a piece of it.
            raise ValueError(f"manager {self.name!r}: user and password must be ASCII, which smtplib's login needs")
        session.login(self.user, self.password)

    def close(self):
        """QUIT, if the server still listens, and hang up.  May be called at any time, any number of times."""
        try:
            self._end()
        finally:
            super().close()

    def _end(self):
        session, self.resource = self.resource, None
        if session is None:
            return
        try:
            _say(session, "QUIT")
        finally:
            session.close()

    def takeRepair(self):
        """A session that does not answer NOOP is closed: the pool opens another in its place."""
        if self._isOpen and (self.resource is None or _say(self.resource, "NOOP") != 250):
            self.close()
        super().takeRepair()

    def putRepair(self):
        """Whatever mail was begun is forgotten; a session that cannot be reset is closed."""
        if self._isOpen and (self.resource is None or _say(self.resource, "RSET") != 250):
            self.close()
        elif self._isOpen:
            self.resource.command_encoding = "ascii"  # as smtplib's own rset() does
        super().putRepair()

    # ---- mail ----

    def sendmail(self, from_addr, to_addrs, msg, mail_options=(), rcpt_options=()):
        """smtplib's sendmail: the refused recipients of a mail that others got, as a dict; if all are, it raises."""
        if self.resource is None:
            raise PoolError(f"manager {self.name!r} is not open: take it from its pool to send mail")
        return self.resource.sendmail(from_addr, to_addrs, msg, mail_options, rcpt_options)
