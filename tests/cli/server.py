# SPDX-License-Identifier: BSD-3-Clause
"""server: the PostgreSQL that pg_run (tests/adapters) has started around a test program, on a unix socket and
on a port of 127.0.0.1, as its URLs and its answers to SQL.  It asks the server and never starts or ends one."""
import contextlib
import os
import pathlib
import subprocess
import time

PATIENCE = 60  # seconds


class Server:
    """Superuser postgres, trusted where `hba` (lines of pg_hba.conf) does not say otherwise."""

    def __init__(self, hba):
        self.folder = os.environ["PGHOST"]
        self.port = int(os.environ["PGPORT"])
        began = self.sql("SELECT pg_conf_load_time()")
        rules = pathlib.Path(self.sql("SHOW hba_file"))
        rules.write_text(hba + rules.read_text(encoding="utf-8"), encoding="utf-8")
        self.sql("SELECT pg_reload_conf()")
        deadline = time.monotonic() + PATIENCE
        while self.sql("SELECT pg_conf_load_time()") == began:  # a new session each time: as of the reload
            if time.monotonic() > deadline:
                raise OSError("PostgreSQL does not read its configuration again")

    def psql(self, *words):
        """The words of a command."""
        return ("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-p", str(self.port),
                "-U", "postgres", "-d", "postgres", *words)

    def sql(self, text):
        """The first column of the answer, a line a row."""
        done = subprocess.run(self.psql("-c", text), stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout.strip()

    @contextlib.contextmanager
    def holding(self, text):
        """A session in a transaction that has run this."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(self.psql(), **pipes) as session:
            session.stdin.write(f"BEGIN; {text}; SELECT 'done';\n")
            session.stdin.flush()
            if session.stdout.readline() != "done\n":
                raise OSError(f"{text}: it failed")
            yield
            session.stdin.close()

    def tcp(self, user="postgres", database="postgres", query=""):
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}{query}"

    def unix(self, user="postgres", database="postgres", query=""):
        folder = self.folder.replace("/", "%2F")
        return f"postgres://{user}@{folder}:{self.port}/{database}{query}"
