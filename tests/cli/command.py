# SPDX-License-Identifier: BSD-3-Clause
"""command: how the tests meet the program: as a person does, by its words, its output and its exit code.

Every run has a time limit, so a hang is a failure.  A test works in a folder of its own and with an
environment of its own: no variable of the machine changes what is seen.
"""
import os
import pathlib
import pty
import select
import shutil
import signal
import sqlite3
import struct
import subprocess
import tempfile
import termios
import time
import unittest

PROGRAM = os.environ["QUEUEPOOL"]
LIMIT = 100  # seconds; sanitizers are slow
# What a sanitizer is told by the one who runs the tests must get through.
PASSED_ON = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS", "PATH", "LD_LIBRARY_PATH")


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __str__(self):
        return f"exit code {self.code}\nstdout: {self.out}\nstderr: {self.err}"


class CommandTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="queuepool-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.temporary = self.folder / "tmp"
        self.temporary.mkdir()
        self.environment = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
        self.environment.update(TMPDIR=str(self.temporary), LANG="C.UTF-8", TERM="xterm")

    def database(self, name="good.db", sql="CREATE TABLE t (a); INSERT INTO t VALUES (1)"):
        path = self.folder / name
        connection = sqlite3.connect(path)
        connection.executescript(sql)
        connection.close()
        return f"sqlite:{path}"

    def start(self, *words, **options):
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        process = subprocess.Popen(
            [*options.pop("prefix", []), PROGRAM, *map(str, words)],
            stdin=subprocess.DEVNULL,
            cwd=self.folder,
            env=self.environment,
            text=True,
            **options,
        )
        self.addCleanup(self._end, process)
        return process

    @staticmethod
    def _end(process):
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()

    def finish(self, process):
        out, err = process.communicate(timeout=LIMIT)
        return Result(process.returncode, out, err)

    def run_command(self, *words, **options):
        return self.finish(self.start(*words, **options))

    def assert_code(self, result, code):
        self.assertEqual(result.code, code, str(result))
        self.assertNotIn("Sanitizer", result.err or "")

    def assert_refused(self, result, *mentioned, code=2):
        """One or two clear lines on stderr that name what was wrong, nothing on stdout."""
        self.assert_code(result, code)
        lines = result.err.splitlines()
        self.assertIn(len(lines), (1, 2), str(result))
        self.assertTrue(lines[0].startswith("queuepool: "), str(result))
        self.assertTrue(len(lines) == 1 or lines[1].startswith("  try: "), str(result))
        for text in mentioned:
            self.assertIn(text, lines[0], str(result))

    def wait_for(self, process, text):
        """Read stderr up to a line with this text in it."""
        for line in process.stderr:
            if text in line:
                return
        self.fail(f"stderr ended without {text!r}")

    @staticmethod
    def signal_all_at_once(process, *numbers):
        """All are pending before it sees the first of them."""
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        for number in numbers:
            process.send_signal(number)
        process.send_signal(signal.SIGCONT)

    def run_on_terminal(self, *words, columns=80, lines=40, until=None, then=None):
        """Both streams on one terminal.  Returns what it showed, and the exit code."""
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        termios.tcsetwinsize(theirs, (lines, columns)) if hasattr(termios, "tcsetwinsize") else _set_size(
            theirs, lines, columns
        )
        process = self.start(*words, stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown = b""
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], deadline - time.monotonic())[0]:
                break
            try:
                data = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not data:
                break
            shown += data
            if until is not None and until.encode() in shown:
                then(process)
                until = None
        process.wait(timeout=LIMIT)
        return shown.decode(), process.returncode


def _set_size(fd, lines, columns):
    import fcntl

    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


def main():
    # A caller that ignores these would make the program ignore them too.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    unittest.main(verbosity=2)
