# SPDX-License-Identifier: BSD-3-Clause
"""smtp_server: aiosmtpd on a free loopback port, with certificates of its own, for test_smtp.

A test sees what each connection said (`said`), which mails arrived (`mails`), and orders faults by verb (`faults`).
`Silent` is a listener that accepts and never says a word.  It never sends a mail anywhere.
"""
import asyncio
import contextlib
import socket
import ssl
import subprocess
import threading
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult

USER, PASSWORD = "postmaster", "not-so-secret"
LONG = 20  # seconds after which a test has failed

# ---- certificates -----------------------------------------------------------------------------------------------


def _openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=LONG)


class Certificates:
    """A CA, another CA, and of the first one a certificate for 127.0.0.1 and one for elsewhere."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.ca = self._authority("ca")
        self.other_ca = self._authority("other")
        self.good = self._certificate("good", "IP:127.0.0.1")
        self.wrong_name = self._certificate("wrong", "DNS:elsewhere.invalid")

    def _path(self, name):
        return str(self.folder / name)

    def _new(self, name, *words):
        key, certificate = self._path(name + ".key"), self._path(name + ".pem")
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}", "-keyout", key, "-out", certificate),
            *words,
        )
        return certificate, key

    def _authority(self, name):
        return self._new(name)[0]

    def _certificate(self, name, subject):
        words = ("-CA", self._path("ca.pem"), "-CAkey", self._path("ca.key"))
        extensions = ("-addext", f"subjectAltName={subject}", "-addext", "basicConstraints=critical,CA:FALSE")
        return self._new(name, *words, *extensions)


def _context(pair):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    return context


# ---- the server -------------------------------------------------------------------------------------------------


class _Connection(SMTP):
    """Notes the verbs and bytes that came, and whether the connection is still there."""

    def __init__(self, owner, **options):
        super().__init__(owner, hostname="test.invalid", loop=owner.loop, **options)
        self.verbs = []
        self.received = b""
        self.gone = threading.Event()
        self.owner = owner

    def connection_made(self, transport):
        super().connection_made(transport)
        if self not in self.owner.connections:  # STARTTLS makes it again
            self.owner.connections.append(self)

    def data_received(self, data):
        self.received += data
        super().data_received(data)

    def connection_lost(self, error):
        super().connection_lost(error)
        self.gone.set()

    async def smtp_AUTH(self, arg):
        self.verbs.append("AUTH")
        await super().smtp_AUTH(arg)


class Server:
    """`tls` is None, "starttls" (which it then requires) or "implicit"; `auth` requires a login.

    faults[verb] is the reply to give instead, or "drop" (hang up), "hang" (say nothing), "half" (half a reply, then
    hang up).  To an EHLO only "drop" and "hang" are possible.
    """

    def __init__(self, certificates=None, tls=None, auth=False, wrong_name=False, port=0):
        self.mails, self.connections, self.faults, self.port = [], [], {}, port
        self.loop = asyncio.new_event_loop()
        self._tls, self._auth, self._context = tls, auth, None
        if tls:
            self._context = _context(certificates.wrong_name if wrong_name else certificates.good)
        self._ready = threading.Event()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="smtp server", daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(LONG)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self._end.set)
        self._thread.join(LONG)
        assert not self._thread.is_alive()

    def _run(self):
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self._serve())
        finally:
            left = asyncio.all_tasks(self.loop)
            for task in left:
                task.cancel()
            self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self.loop.close()

    async def _serve(self):
        secure = self._context if self._tls == "implicit" else None
        server = await self.loop.create_server(self._connection, "127.0.0.1", self.port, ssl=secure)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()
        self._drop_all()

    def _connection(self):
        starttls = self._tls == "starttls"
        return _Connection(
            self,
            tls_context=self._context if starttls else None,
            require_starttls=starttls,
            auth_required=self._auth,
            auth_require_tls=starttls,
            authenticator=self._authenticate,
        )

    @staticmethod
    def _authenticate(server, session, envelope, mechanism, data):
        known = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=known, handled=known)

    # ---- what tests do and see ----

    def _drop_all(self):
        for connection in self.connections:
            if not connection.gone.is_set() and not connection.transport.is_closing():
                connection.transport.abort()

    def drop(self):
        """Hang up on everybody; returns when that is done."""
        self.loop.call_soon_threadsafe(self._drop_all)
        assert all(connection.gone.wait(LONG) for connection in self.connections)

    def said(self, number=-1):
        return list(self.connections[number].verbs)

    # ---- aiosmtpd's handler ----

    async def _note(self, connection, verb, usual):
        connection.verbs.append(verb)
        fault = self.faults.get(verb)
        if fault == "half":
            connection.transport.write(b"250-and so")
            connection.transport.close()
        elif fault == "drop":
            connection.transport.abort()
        elif fault == "hang":
            await self._end.wait()
        else:
            return fault or usual
        raise asyncio.CancelledError

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        await self._note(server, "EHLO", None)
        session.host_name = hostname
        return responses

    async def handle_NOOP(self, server, session, envelope, arg):
        return await self._note(server, "NOOP", "250 OK")

    async def handle_RSET(self, server, session, envelope):
        return await self._note(server, "RSET", "250 OK")

    async def handle_QUIT(self, server, session, envelope):
        return await self._note(server, "QUIT", "221 Bye")

    async def handle_MAIL(self, server, session, envelope, address, options):
        answer = await self._note(server, "MAIL", "250 OK")
        if answer[0] == "2":
            envelope.mail_from = address
        return answer

    async def handle_RCPT(self, server, session, envelope, address, options):
        answer = await self._note(server, "RCPT", "250 OK")
        if address.startswith("nobody"):
            answer = "550 no such user"
        if answer[0] == "2":
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):
        answer = await self._note(server, "DATA", "250 OK")
        if answer[0] == "2":
            self.mails.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.content))
        return answer


class Slow:
    """A way to the server for one client, which rests after each piece of what that says."""

    PIECE, REST = 32768, 0.01

    def __init__(self, port):
        self._server = socket.create_connection(("127.0.0.1", port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.PIECE)  # its clients' as well
        self.port = self._listener.getsockname()[1]
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join(LONG)
        assert not self._thread.is_alive()
        self._listener.close()

    def _run(self):
        client, _ = self._listener.accept()
        with client, self._server:
            back = threading.Thread(target=self._carry, args=(self._server, client, 0), daemon=True)
            back.start()
            self._carry(client, self._server, self.REST)
            back.join(LONG)  # what is closed under a reader does not wake it

    def _carry(self, source, target, rest):
        with contextlib.suppress(OSError):
            while piece := source.recv(self.PIECE):
                target.sendall(piece)
                self._end.wait(rest)
        with contextlib.suppress(OSError):  # also after a reset
            target.shutdown(socket.SHUT_WR)


class Silent:
    """A listener whose backlog takes connections, and which never says a word."""

    def __enter__(self):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        return self

    def __exit__(self, *_):
        self._socket.close()
