# SPDX-License-Identifier: BSD-3-Clause
"""The package once per engine, in one process: `load("c").Pool` and `load("py").Pool` are two classes.

Tests that compare come in here.  `sys.modules` is afterwards as it was.
"""
import functools
import importlib
import importlib.util
import os
import sys


def _ours():
    return [each for each in sys.modules if each.partition(".")[0] == "queuepool"]


@functools.lru_cache(None)
def load(engine):
    """The module queuepool.pool on that engine."""
    kept = {each: sys.modules.pop(each) for each in _ours()}
    before = os.environ.get("QUEUEPOOL_ENGINE")
    os.environ["QUEUEPOOL_ENGINE"] = engine
    try:
        return importlib.import_module("queuepool.pool")
    finally:
        for each in _ours():
            del sys.modules[each]
        sys.modules.update(kept)
        if before is None:
            del os.environ["QUEUEPOOL_ENGINE"]
        else:
            os.environ["QUEUEPOOL_ENGINE"] = before


def both():
    """The two engines' names; twice the one in Python where the one in C has not been built."""
    py = load("py")
    folder = os.path.dirname(py.__file__)
    built = any(each.startswith("_core.") and each.endswith(".so") for each in os.listdir(folder))
    return ("c" if built else "py", "py")
