# SPDX-License-Identifier: BSD-3-Clause
"""case: what the tests of the tools share: a folder of their own, and a small tree that is right.

Every test_*.py beside it comes in; it says nothing about any tool.
"""
import pathlib
import subprocess
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"

HEAD = "/* SPDX-License-Identifier: BSD-3-Clause */\n"
OPENING = HEAD + "/*\n * room: what this room is, who comes in, and what it never does.\n */\n"
PUBLIC = OPENING + "#ifndef Q_H\n#define Q_H\n#include <stddef.h>\nQPOOL_API int qpool_go(size_t n);\n#endif\n"
PUBLIC = PUBLIC.replace("QPOOL_API int", "#define QPOOL_API\nQPOOL_API int")
MAP = "Q_0.1 {\nglobal:\n\tqpool_go;\nlocal:\n\t*;\n};\n"
SLOT = OPENING + "#pragma once\n#include <stdint.h>\nstruct slot {\n\tuint32_t state;\n};\n"
POOL = OPENING + '#pragma once\n#include "core/slot.h"\nstruct pool {\n\tstruct slot one;\n};\n'

GOOD = {
    "include/queuepool.h": PUBLIC,
    "packaging/queuepool.map": MAP,
    "src/platform/alloc.h": OPENING + "#pragma once\n#include <stdlib.h>\nvoid *qp_alloc(size_t n);\n",
    "src/core/slot.h": SLOT,
    "src/core/pool.h": POOL,
    "src/core/pool.c": OPENING + '#include "core/pool.h"\n#include "platform/alloc.h"\n#include <string.h>\n',
    "README.md": "# Title\n\nSee [the header](include/queuepool.h) and [above](#title).\n",
}
ATOMICS = {
    "src/core/slot.h": SLOT.replace("uint32_t state", "qp_atomic_u32 state, *other"),
    "docs/CONCURRENCY.md": "| atomic | pairs with |\n|---|---|\n| `slot.state` | itself |\n",
}


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)

    def write(self, files, mode=0o644):
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            path.chmod(mode)

    def run_tool(self, tool, *arguments, **more):
        return subprocess.run(
            [str(TOOLS / tool), *arguments], capture_output=True, text=True, check=False, **more
        )


class Checks(Case):
    """say(tool, expected, change): on the good tree with this change, the tool's complaint."""

    def say(self, tool, expected, change, *arguments):
        self.write({**GOOD, **change})
        run = self.run_tool(tool, "--root", str(self.root), *arguments)
        if expected is None:
            self.assertEqual((run.returncode, run.stderr), (0, ""))
        else:
            self.assertEqual(run.returncode, 1, run.stderr)
            self.assertIn(expected, run.stderr)
            self.assertEqual(run.stderr.count("\n"), 1, f"one complaint, not more: {run.stderr}")

    def add(self, name, text):
        return {name: GOOD.get(name, OPENING) + text}
