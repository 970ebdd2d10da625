# SPDX-License-Identifier: BSD-3-Clause
"""test_stubs: the .pyi files say what the modules have, and a program written by the book passes mypy.

python/tests/run comes in.  mypy's stubtest imports every module of the installed package and compares; what it is
told to leave alone is in stubs_allowed.txt beside this, with the reason.
"""
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent

PROGRAM = """
from typing import Any
import queuepool
from queuepool.psycopg2cm import ConnectionManagerExtended

class Line(queuepool.ResourceManager):
    def open(self) -> None:
        self.resource = object()
        super().open()

def told(event: queuepool.Event) -> None:
    print(event.type, event.took + 1.0, event.why)

pool = queuepool.Pool("lines", 2, factory=Line, max_waiters=3, on_event=told)
with pool.take(timeout=0.5) as line:
    line.resource
pool.startRecycler(30)
counts: dict[str, Any] = pool.stats()
pool.close(timeout=1)
bank = queuepool.Pool(name="bank", capacity=2, maxIdleTime=None)
bank.put(ConnectionManagerExtended("bank-0", autocommit=True, dbname="bank"))
try:
    bank.take(timeout=0)
except queuepool.PoolTimeout as error:
    isinstance(error, TimeoutError)
"""
WRONG = """
import queuepool
pool = queuepool.Pool("lines", "two")
pool.put(object())
pool.take(timeout="soon")
pool.borrow()
"""


def mypy(folder, text):
    """What it says of a program, without its last line."""
    (folder / "program.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-P", "-m", "mypy", "--strict", "--cache-dir", folder / "cache", "program.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200)
    assert not done.stderr
    return done.stdout.splitlines()[:-1]


def test_stubs_say_what_is_there(tmp_path):
    command = [sys.executable, "-P", "-m", "mypy.stubtest", "queuepool", "--allowlist", HERE / "stubs_allowed.txt"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_program_by_the_book_passes(tmp_path):
    assert mypy(tmp_path, PROGRAM) == []


def test_a_wrong_program_is_told(tmp_path):
    said = mypy(tmp_path, WRONG)
    for line in (3, 4, 5, 6):
        assert any(text.startswith(f"program.py:{line}: error:") for text in said), said
