# SPDX-License-Identifier: BSD-3-Clause
"""tests of tests/counts: that what callgrind wrote is read to the last instruction, and that a difference is named."""
import pathlib
import subprocess
import sys

from case import Case

COUNTS = pathlib.Path(__file__).resolve().parents[1] / "counts"
sys.path.insert(0, str(COUNTS))

import callgrind  # noqa: E402  # it lies beside what it is for
import counts  # noqa: E402

# A loop that calls a(), which calls b(); the names of a chain stand once, then their numbers.
WRITTEN = """\
# callgrind format
positions: instr line
events: Ir
summary: 47

ob=(1) /lib/libqueuepool.so.0
fl=(1) a.c
fn=(1) b.part.0'a'counted_pairs'case_common
0x1a10 7 20
+4 * 10

fn=(2) a'counted_pairs'case_common
0x1a00 3 10
fi=(2) b.h
+2 +1 5
cob=(2) /lib/libc.so.6
cfi=(3) c.c
cfn=(3) c'a'counted_pairs'case_common
calls=5 0x10
* * 2

ob=(2)
fn=(3)
0x10 1 2
"""


class Reading(Case):
    def read(self, text):
        self.write({"out": text})
        return callgrind.read(str(self.root / "out"))

    def test_chains(self):
        ours, a = "/lib/libqueuepool.so.0", ("a", "counted_pairs", "case_common")
        b = ("b", *a)
        expected = {(ours, b, 0x1A10): 20, (ours, b, 0x1A14): 10, (ours, a, 0x1A00): 10, (ours, a, 0x1A02): 5}
        expected["/lib/libc.so.6", ("c", *a), 0x10] = 2
        self.assertEqual(self.read(WRITTEN), expected)

    def test_sum(self):
        with self.assertRaisesRegex(callgrind.Broken, "sum up to 47, callgrind's own sum is 48"):
            self.read(WRITTEN.replace("summary: 47", "summary: 48"))


class Comparing(Case):
    def test_held_is_what_is_written(self):
        held = counts.read_held()
        self.assertEqual(counts.as_text(held), counts.HELD.read_text(encoding="utf-8"))
        self.assertEqual(counts.compare(held, held), [])
        self.assertEqual(counts.check_page(), [])

    def test_more_and_less(self):
        for more in (2.5, -2.5):
            now = counts.read_held()
            ours, outside = now.cases["plain", "peek"]
            now.cases["plain", "peek"] = counts.Case(ours + more, outside)
            (said,) = counts.compare(counts.read_held(), now)
            self.assertRegex(said, r"^plain peek: [\d.]+ instructions a turn, held are [\d.]+$")

    def test_outside_is_not_compared(self):
        now = counts.read_held()
        now.cases["fast", "common"] = now.cases["fast", "common"]._replace(outside=1)
        self.assertEqual(counts.compare(counts.read_held(), now), [])

    def test_moved(self):
        now = counts.read_held()
        one = max(now.functions, key=lambda one: sum(now.functions[one]))
        now.functions[counts.Function("other", one.file)] = now.functions.pop(one)
        gone, come = sorted(counts.compare(counts.read_held(), now), key=lambda said: "other" in said)
        self.assertIn(f"{one.name}, {one.file}: 0.00, held are ", gone)
        self.assertIn(f"other, {one.file}: ", come)

    def test_page(self):
        held, page = counts.read_held(), counts.PAGE.read_text(encoding="utf-8")
        one = next(iter(held.functions))
        held.functions[one] = [held.functions[one][0] + 1, held.functions[one][1]]
        self.assertNotEqual(counts.filled(page, held, counts.read_words()), page)

    def test_skipped(self):
        command = [str(COUNTS / "counts.py"), str(self.root)]
        done = subprocess.run([*command, "--unfit", "another compiler"], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (77, "counts: skipped: another compiler\n"))
        done = subprocess.run([*command, "--write", "--unfit", "another"], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (1, "counts: another\n"))
