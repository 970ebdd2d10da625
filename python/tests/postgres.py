# SPDX-License-Identifier: BSD-3-Clause
"""postgres: a PostgreSQL of the tests' own, in a temporary folder, reached by a unix socket and a port of 127.0.0.1.

Tests that kill sessions and restart servers come in, by the fixture `cluster`.  It ends with the test process, also
when that is killed, and it never touches a server that it did not start.
"""
import collections
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

import pytest

ACCOUNT = "postgres"  # the server's, where the tests are root's: it refuses to run as root
PATIENCE = 60  # seconds
SETTINGS = (
    "listen_addresses=127.0.0.1",
    "fsync=off",
    "shared_buffers=16MB",
    "max_connections=40",
    "max_prepared_transactions=4",
    "lc_messages=C",
)


def _program(name):
    found = shutil.which(name)
    if found is None:
        places = sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
        found = str(places[-1]) if places else None
    if found is None:
        pytest.fail(f"{name} is not installed: install postgresql")
    return found


def _as_server():
    """The start of a command's words: by the server's account, to be ended with the thread that started it."""
    words = ["setpriv", "--pdeathsig", "QUIT"]
    if os.geteuid() == 0:
        words += ["--reuid", ACCOUNT, "--regid", str(pwd.getpwnam(ACCOUNT).pw_gid), "--clear-groups"]
    return words


def _environment():
    """Without what is meant for the test program alone: the server's account may not read it."""
    return {name: value for name, value in os.environ.items() if name != "LD_PRELOAD" and not name.startswith("PG")}


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cluster:
    """Superuser `postgres`, who needs no password."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="queuepool-pg-")
        self.port = None
        self.process = None
        self.log = collections.deque(maxlen=200)
        if os.geteuid() == 0:
            shutil.chown(self.folder, ACCOUNT)
        self.data = os.path.join(self.folder, "data")
        words = ["-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        subprocess.run(
            [*_as_server(), _program("initdb"), *words],
            check=True,
            cwd=self.folder,
            env=_environment(),
            stdout=subprocess.DEVNULL,
        )

    def start(self):
        self.port = self.port or _free_port()  # as late as can be: it is nobody's until the server has it
        words = [_program("postgres"), "-D", self.data, "-k", self.folder, "-p", str(self.port)]
        for each in SETTINGS:
            words += ["-c", each]
        self.process = subprocess.Popen(
            [*_as_server(), *words],
            cwd=self.folder,
            env=_environment(),
            text=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        ready = threading.Event()
        threading.Thread(target=self._listen, args=(self.process.stderr, ready), daemon=True).start()
        if not ready.wait(PATIENCE) or self.process.poll() is not None:
            pytest.fail("PostgreSQL does not start:\n" + "".join(self.log))

    def _listen(self, pipe, ready):
        for line in pipe:
            self.log.append(line)
            if "ready to accept connections" in line:
                ready.set()
        pipe.close()
        ready.set()

    def secure(self):
        """Start again, with TLS on offer, by a certificate that nobody knows."""
        key, certificate = (os.path.join(self.data, "server." + end) for end in ("key", "crt"))
        words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        words += ["-subj", "/CN=localhost", "-keyout", key, "-out", certificate]
        subprocess.run([*_as_server(), _program("openssl"), *words], check=True, capture_output=True)
        self.sql("ALTER SYSTEM SET ssl = on")
        self.restart()

    def stop(self):
        """At once; sessions are told."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def restart(self):
        self.stop()
        self.start()

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- asking ----

    def params(self, **more):
        return dict(dict(host=self.folder, port=self.port, user="postgres", dbname="postgres"), **more)

    def sql(self, *texts):
        """By a session of its own, each in its own transaction: the answers, a line a row."""
        words = [_program("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.folder]
        words += ["-p", str(self.port), "-U", "postgres", "-d", "postgres"]
        for text in texts:
            words += ["-c", text]
        return subprocess.run(words, check=True, env=_environment(), stdout=subprocess.PIPE, text=True).stdout.strip()

    def kill(self, pid):
        """End one session; it has ended when this returns."""
        assert self.sql(f"SELECT pg_terminate_backend({pid}, {PATIENCE * 1000})") == "t"

    def alive(self, pid):
        return self.sql(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}") == "1"

    def until(self, condition):
        """Wait, on the server, until a condition is true there."""
        self.sql(
            "DO $$ DECLARE began timestamptz := clock_timestamp(); BEGIN "
            f"WHILE NOT ({condition}) LOOP "
            f"IF clock_timestamp() > began + interval '{PATIENCE} s' THEN RAISE 'it never came true'; END IF; "
            "PERFORM pg_sleep(0.01); PERFORM pg_stat_clear_snapshot(); END LOOP; END $$"
        )


@pytest.fixture(scope="module")
def cluster():
    server = Cluster()
    try:
        server.start()
        yield server
    finally:
        server.remove()
