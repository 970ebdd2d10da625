# SPDX-License-Identifier: BSD-3-Clause
"""test_versus: bench/versus.py on benchmarks that only say what they were told to.

tools/selftest comes in; nothing is measured here.
"""
import json
import subprocess

from case import TOOLS, Case


class Versus(Case):
    def build(self, name, ns, status=0):
        """A folder whose benchmark finds these, one after the other."""
        runs = {}
        for i, each in enumerate(ns):
            rows = [{"name": "mutex", "metrics": {"ns": {"median": 1}}}, {"name": "queuepool", "metrics": {
                "ns": {"median": each}, "never": {"median": None}, "early": {"median": 0}}}]
            runs[f"{name}/run.{i}"] = json.dumps({"works": [{"id": "W1", "rows": rows}]})
        self.write(runs)
        script = (
            f'#!/bin/sh\ncd {self.root}/{name}\necho "$*" >>said\n[ {status} = 0 ] || {{ echo no luck >&2; exit {status}; }}\n'
            'for file; do :; done\ni=$(($(wc -l <said) - 1))\ncat run.$i >$file\n'
        )
        self.write({f"{name}/bench/bench": script}, 0o755)
        return str(self.root / name)

    def versus(self, *arguments):
        command = [str(TOOLS.parent / "bench" / "versus.py"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def test_ratios_are_taken_within_pairs(self):
        run = self.versus(self.build("one", [10, 20, 40]), self.build("two", [11, 20, 36]), "W1", "3")
        self.assertEqual(run.returncode, 0, run.stderr)
        head, line = run.stdout.splitlines()
        self.assertIn("other / build", head)
        self.assertRegex(line, r"^W1 ns +20\.000 +20\.000 +1\.000 \[0\.900 - 1\.100\]$")
        self.assertIn("--quick --any-load --only W1 --json", (self.root / "one" / "said").read_text())

    def test_a_folder_beside_itself_is_measured_twice(self):
        same = self.build("same", [10, 12])
        run = self.versus(same, same, "W1", "1")
        self.assertRegex(run.stdout, r"W1 ns +10\.000 +12\.000 +1\.200 ")

    def test_benchmark_fails(self):
        run = self.versus(self.build("one", [10]), self.build("two", [10], status=3), "W1", "1")
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertIn("two/bench/bench ended with 3: no luck", run.stderr)

    def test_usage(self):
        good = self.build("one", [10])
        for arguments in ([], [good], [good, good, "W1", "often"], [good, str(self.root / "none")]):
            run = self.versus(*arguments)
            self.assertEqual(run.returncode, 2, arguments)
            self.assertRegex(run.stderr, "usage:|build it first")
