# SPDX-License-Identifier: BSD-3-Clause
"""pytest's: starts the program again with a clock that can be stepped, and gives the tests that clock.

The library of clock/step.c is compiled with cc for each session, into a folder that goes with it.  No test ever
sleeps: what takes time is either stepped, or waited for.
"""
import atexit
import ctypes
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

HERE = pathlib.Path(__file__).resolve().parent
MARK = "QUEUEPOOL_TEST_CLOCK"  # the library's path, in the program that was started again
sys.path.insert(0, str(HERE))
pytest.register_assert_rewrite("helpers", "pg_kit", "pg_queries", "pg_rows")


def compiled(folder):
    library = pathlib.Path(folder, "step.so")
    flags = ["-std=c17", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC"]
    subprocess.run(["cc", *flags, "-o", library, HERE / "clock" / "step.c"], check=True)
    return str(library)


def pytest_cmdline_main(config):
    """The same command in the same process, with the clock: the loader reads LD_PRELOAD at the start only."""
    if step_clock is not None:
        return
    folder = tempfile.mkdtemp(prefix="queuepool-clock-")
    try:
        library = compiled(folder)
        before = os.environ.get("LD_PRELOAD", "")
        # Behind what is preloaded already: a sanitizer wants to be the first.
        again = dict(os.environ, LD_PRELOAD=f"{before} {library}".strip(), **{MARK: library, MARK + "_BEFORE": before})
        capture = config.pluginmanager.getplugin("capturemanager")
        if capture is not None:
            capture.suspend_global_capture(in_=True)
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(sys.executable, sys.orig_argv, again)
    finally:  # only if it failed
        shutil.rmtree(folder)


def loaded_clock():
    """step_clock; what the tests start has neither the clock nor the mark."""
    library = os.environ.pop(MARK, None)
    if library is None:
        return None
    before = os.environ.pop(MARK + "_BEFORE")
    os.environ["LD_PRELOAD"] = before
    if not before:
        del os.environ["LD_PRELOAD"]
    atexit.register(shutil.rmtree, os.path.dirname(library), ignore_errors=True)
    step = ctypes.CDLL(library).step_clock
    step.argtypes = [ctypes.c_int64]
    step.restype = None
    return step


step_clock = loaded_clock()


@pytest.fixture(scope="session")
def clock():
    """clock(seconds) steps the clock since boot, for the whole process; never back."""
    return lambda seconds: step_clock(int(seconds * 1e9))
