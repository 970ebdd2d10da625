# SPDX-License-Identifier: BSD-3-Clause
"""Which engine keeps the slots, the line, the limits, the clocks and the counters.

`QUEUEPOOL_ENGINE=c` (the default) is the C library, `py` the same in Python: for programs in which gevent or its
kin replaces threads, where a wait in C would stop all of them, and for comparison.  Both give one class, `Line`,
of which `Pool` is made; what it must do is written in `_pyline`.
"""
import os

chosen = os.environ.get("QUEUEPOOL_ENGINE", "") or "c"
if chosen == "c":
    from queuepool._core import Line, pin, wire
elif chosen == "py":
    from queuepool._pyline import Line, pin, wire
else:
    raise ImportError(f"QUEUEPOOL_ENGINE is {chosen!r}; it must be 'c' (the default) or 'py'")

# What `wire` says of a socket or its number, at once and without reading: nothing came, something did, the other side is gone.
QUIET, READABLE, GONE = 0, 1, 2

__all__ = ["GONE", "QUIET", "READABLE", "Line", "chosen", "pin", "wire"]
