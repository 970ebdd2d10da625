# SPDX-License-Identifier: BSD-3-Clause
"""server: a real PostgreSQL for one test program, on a unix socket in a folder of its own and on a port of
127.0.0.1.  The keeper of the adapters' tests (tests/adapters/pg_keeper.c) is its parent, so server and folder
are gone when the program is, however that ended."""
import glob
import os
import shutil
import signal
import socket
import subprocess
import time

KEEPER = os.environ.get("QUEUEPOOL_PG_KEEPER")
READY = 60  # seconds
CONF = """
listen_addresses = '127.0.0.1'
unix_socket_directories = '{folder}'
port = {port}
shared_buffers = 16MB
fsync = off
autovacuum = off
jit = off
dynamic_shared_memory_type = mmap
"""
TRUST = "local all all trust\nhost all all 127.0.0.1/32 trust\n"


def find(program):
    """Where Debian keeps it, or wherever PATH says."""
    places = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{program}"))
    path = places[-1] if places else shutil.which(program)
    if path is None:
        raise FileNotFoundError(f"{program} is not installed; it comes with postgresql")
    return path


class Server:
    """Ready when made; superuser postgres, trusted where `hba` (lines of pg_hba.conf) does not say otherwise."""

    def __init__(self, hba=""):
        self.reserve = socket.socket()  # bound and not listening: nobody else is given the port
        self.reserve.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.reserve.bind(("127.0.0.1", 0))
        self.port = self.reserve.getsockname()[1]
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = [KEEPER, str(os.getpid()), "/tmp", str(int(signal.SIGQUIT))]
        action = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 3)]
        self.keeper = os.posix_spawn(KEEPER, words, os.environ, file_actions=action)
        theirs.close()
        said = self.answer()
        if not said.startswith("+"):
            raise OSError(said)
        self.folder = said[1:]
        try:
            self.launch(hba)
        except BaseException:
            self.end()
            raise

    def answer(self):
        return self.ours.recv(4096).rstrip(b"\0").decode()

    def wish(self, letter, *words):
        self.ours.send(letter.encode() + b"".join(word.encode() + b"\0" for word in words))
        return self.answer()

    def launch(self, hba):
        data = f"{self.folder}/data"
        initdb = (find("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8",
                  "--locale", "C", "--no-instructions")
        if self.wish("R", *initdb) != "0":
            raise OSError(f"initdb failed: {self.log()}")
        with open(f"{data}/postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(CONF.format(folder=self.folder, port=self.port))
        with open(f"{data}/pg_hba.conf", "w", encoding="utf-8") as rules:
            rules.write(hba + TRUST)
        self.wish("L", find("postgres"), "-D", data)
        deadline = time.monotonic() + READY
        while subprocess.call([find("pg_isready"), "-q", "-h", self.folder, "-p", str(self.port)]) != 0:
            if self.wish("A") != "1" or time.monotonic() > deadline:
                raise OSError(f"PostgreSQL does not start: {self.log()}")

    def log(self):
        with open(f"{self.folder}/log", encoding="utf-8") as log:
            return log.read()[-4000:]

    def end(self):
        self.wish("E")
        os.waitpid(self.keeper, 0)
        self.ours.close()
        self.reserve.close()

    def sql(self, text, database="postgres"):
        """The first column of the answer, a line a row."""
        words = [find("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.folder,
                 "-p", str(self.port), "-U", "postgres", "-d", database, "-c", text]
        return subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()

    def tcp(self, user="postgres", database="postgres", query=""):
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}{query}"

    def unix(self, user="postgres", database="postgres", query=""):
        folder = self.folder.replace("/", "%2F")
        return f"postgres://{user}@{folder}:{self.port}/{database}{query}"
