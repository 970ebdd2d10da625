# SPDX-License-Identifier: BSD-3-Clause
"""test_goals: what the Makefile's goals stand on tells the truth: set-up, configuration, counts, fuzzing, CI.

tools/selftest comes in; nothing is installed, built or measured here.
"""
import json
import os
import pathlib
import pty
import shutil
import stat
import subprocess
import unittest

from case import TOOLS, Case


class Setup(Case):
    """tools/setup on machines made of commands that only say what they were asked."""

    def machine(self, installed, user, os_release="ID=debian\n", ask=""):
        says = "#!/bin/sh\necho \"$(basename $0) $*\" >>%s/said\n" % self.root
        listing = "".join(f"installed {name}\n" for name in installed)
        self.write({"os-release": os_release, "listing": listing})
        self.write(
            {
                "bin/dpkg-query": f"#!/bin/sh\ncat {self.root}/listing\nexit 1\n",
                "bin/id": f"#!/bin/sh\necho {user}\n",
                "bin/apt-get": says,
                "bin/sudo": says,
            },
            0o755,
        )
        for name in ("bash", "sh", "cat", "basename", "env"):
            link = self.root / "bin" / name
            if not link.exists():
                link.symlink_to(shutil.which(name))
        environment = {"PATH": str(self.root / "bin"), "QUEUEPOOL_OS_RELEASE": str(self.root / "os-release")}
        command = [str(TOOLS / "setup"), "run"]
        if not ask:
            run = subprocess.run(
                command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
            )
            status, said = run.returncode, run.stderr
        else:
            status, said = self.at_terminal(command, environment, ask)
        log = self.root / "said"
        return status, said, log.read_text() if log.exists() else ""

    def at_terminal(self, command, environment, ask):
        """Run with a terminal on all three, and type this."""
        try:
            ours, theirs = pty.openpty()
        except OSError as error:
            self.skipTest(f"this machine has no terminals to give: {error}")
        os.write(ours, ask.encode())
        child = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        said = b""
        try:
            while piece := os.read(ours, 4096):
                said += piece
        except OSError:
            pass  # what Linux says at the end of a terminal
        os.close(ours)
        return child.wait(), said.decode()

    ALL = "make gcc libc6-dev meson ninja-build pkgconf python3 libsqlite3-dev libpq-dev".split()
    ALL += "libcurl4-openssl-dev libhiredis-dev libjansson-dev".split()
    LACKING = [name for name in ALL if name not in ("meson", "pkgconf")]

    def test_nothing_missing(self):
        self.assertEqual(self.machine(self.ALL, 1000), (0, "", ""))

    def test_root(self):
        status, said, asked = self.machine(self.LACKING, 0)
        self.assertEqual(status, 0, said)
        self.assertIn("installing: meson pkgconf\n", said)
        update, install = asked.splitlines()
        self.assertRegex(update, r"^apt-get .*update$")
        self.assertRegex(install, r"^apt-get .*install -y --no-install-recommends meson pkgconf$")

    LINE = "sudo apt-get install --no-install-recommends meson pkgconf"

    def test_no_terminal(self):
        status, said, asked = self.machine(self.LACKING, 1000)
        self.assertEqual((status, asked), (1, ""))
        self.assertIn(f"    {self.LINE}\n", said)

    def test_terminal_yes(self):
        status, said, asked = self.machine(self.LACKING, 1000, ask="y\n")
        self.assertEqual((status, asked), (0, self.LINE + "\n"), said)

    def test_terminal_no(self):
        status, said, asked = self.machine(self.LACKING, 1000, ask="\n")
        self.assertEqual((status, asked), (1, ""), said)
        self.assertIn(self.LINE, said)

    def test_kin(self):
        status, said, _ = self.machine(self.LACKING, 1000, 'ID=mint\nID_LIKE="ubuntu debian"\n')
        self.assertEqual(status, 1)
        self.assertIn(self.LINE, said)

    def test_elsewhere(self):
        status, said, asked = self.machine([], 0, "ID=fedora\n")
        self.assertEqual((status, asked), (1, ""))
        self.assertIn("nothing was installed", said)
        self.assertIn("    meson (meson)\n", said)
        self.assertIn("    libsqlite3-dev (sqlite3)\n", said)

    def test_install_fails(self):
        self.machine(self.ALL, 0)
        says = "#!/bin/sh\necho E: no network >&2\nexit 100\n"
        (self.root / "bin" / "apt-get").write_text(says)
        (self.root / "listing").write_text("")
        run = self.run_tool(
            "setup", "run",
            env={"PATH": str(self.root / "bin"), "QUEUEPOOL_OS_RELEASE": str(self.root / "os-release")},
        )
        self.assertEqual(run.returncode, 1)
        self.assertIn("could not install: make gcc", run.stderr)

    def test_rivals_come_one_by_one(self):
        self.machine(self.ALL, 0)
        says = f"#!/bin/sh\necho $* >>{self.root}/said\ncase $* in *libzdb-dev*) exit 100;; esac\n"
        (self.root / "bin" / "apt-get").write_text(says)
        run = self.run_tool(
            "setup", "rivals",
            env={"PATH": str(self.root / "bin"), "QUEUEPOOL_OS_RELEASE": str(self.root / "os-release")},
        )
        self.assertEqual(run.returncode, 1)
        self.assertIn("these rivals stay away: libzdb-dev\n", run.stderr)
        self.assertIn("install -y --no-install-recommends golang-go\n", (self.root / "said").read_text())

    def test_usage(self):
        for arguments in ([], ["everything"], ["run", "test"]):
            run = self.run_tool("setup", *arguments)
            self.assertEqual(run.returncode, 2)
            self.assertIn("usage:", run.stderr)


class Configure(Case):
    """tools/configure with a meson that only says what it was asked and makes what meson makes."""

    def setUp(self):
        super().setUp()
        meson = (
            f'#!/bin/sh\necho "$*" >>{self.root}/said\n[ -e {self.root}/break ] && exit 1\n'
            'for last; do case $last in */build) dir=$last;; esac; done\n'
            "mkdir -p $dir/meson-private; : >$dir/build.ninja\n"
        )
        self.write({"bin/meson": meson}, 0o755)
        self.build = self.root / "build"

    def configure(self, *options):
        path = f"{self.root / 'bin'}:{os.environ['PATH']}"
        run = self.run_tool("configure", str(self.build), *options, env={**os.environ, "PATH": path})
        log = self.root / "said"
        said = log.read_text() if log.exists() else ""
        log.unlink(missing_ok=True)
        return run.returncode, said, run.stderr

    def test_once(self):
        status, said, _ = self.configure("-Da=1")
        self.assertEqual((status, said), (0, f"setup {self.build} {TOOLS.parent} -Da=1\n"))
        self.assertEqual(self.configure("-Da=1"), (0, "", ""))

    def test_option_added(self):
        self.configure("-Da=1")
        _, said, _ = self.configure("-Da=1", "-Db=2")
        self.assertEqual(said, f"setup --reconfigure {self.build} {TOOLS.parent} -Db=2\n")
        self.assertEqual(self.configure("-Da=1"), (0, "", ""))

    def test_option_changed(self):
        self.configure("-Da=1", "-Db=1")
        for value in "2", "1":
            _, said, _ = self.configure(f"-Da={value}", "-Db=1")
            self.assertEqual(said, f"setup --reconfigure {self.build} {TOOLS.parent} -Da={value}\n")
        self.assertEqual(self.configure("-Da=1", "-Db=1"), (0, "", ""))

    def test_interrupted(self):
        self.write({"break": ""})
        self.assertEqual(self.configure("-Da=1")[0], 1)
        (self.root / "break").unlink()
        status, said, errors = self.configure("-Da=1")
        self.assertEqual((status, said), (0, f"setup {self.build} {TOOLS.parent} -Da=1\n"))
        self.assertIn("half made", errors)

    def test_no_ninja_file(self):
        self.configure()
        (self.build / "build.ninja").unlink()
        self.assertIn("setup", self.configure()[1])

    def test_other_checkout(self):
        self.configure()
        (self.build / ".asked").write_text("/elsewhere\n")
        self.assertIn("another checkout", self.configure()[2])

    def test_not_ours(self):
        self.write({"build/letter.txt": "dear"})
        status, said, errors = self.configure()
        self.assertEqual((status, said), (1, ""))
        self.assertIn("no build folder", errors)
        self.assertTrue((self.build / "letter.txt").exists())

    def test_made_by_hand(self):
        self.write({"build/build.ninja": "", "build/meson-private/x": ""})
        self.assertEqual(self.configure(), (0, "", ""))
        self.assertIn("--reconfigure", self.configure("-Da=1")[1])
        self.assertEqual(self.configure("-Da=1"), (0, "", ""))


class Counts(Case):
    """tools/runtests on builds that break, and on tests that fail."""

    def count(self, ninja=0, meson=0, log=None):
        path = f"{self.root / 'bin'}:{os.environ['PATH']}"
        write = f"cat >{self.root}/meson-logs/testlog.json <<'EOT'\n{log}EOT\n" if log is not None else ""
        self.write({"meson-logs/testlog.json": '{"name": "old", "result": "OK"}\n'})
        self.write(
            {"bin/ninja": f"#!/bin/sh\nexit {ninja}\n", "bin/meson": f"#!/bin/sh\n{write}exit {meson}\n"}, 0o755
        )
        run = self.run_tool("runtests", str(self.root), "test", env={**os.environ, "PATH": path})
        self.said = run.stdout.splitlines()
        return run.returncode, self.said[-1]

    @staticmethod
    def log(*results, said=None):
        more = "" if said is None else f', "stdout": {json.dumps(said)}'
        return "".join('{"name": "t", "result": "%s"%s}\n' % (r, more) for r in results)

    def says_last(self, said):
        self.count(meson=1, log=self.log("FAIL", said=said))
        return self.said[self.said.index("test: failed: t (FAIL)") + 1:-1]

    def test_says_why(self):
        shown = self.says_last("begun\nnoise\nFAIL: test_a\n  File x\nAssertionError: 1 != 2\nRan 3\n")
        self.assertEqual(shown, ["    FAIL: test_a", "    AssertionError: 1 != 2"])
        shown = self.says_last("[ RUN ] a\n[  ERROR   ] --- 0x7\n[   LINE   ] --- x.c:8: error: Failure!\n")
        self.assertEqual(shown, ["    [  ERROR   ] --- 0x7", "    [   LINE   ] --- x.c:8: error: Failure!"])
        self.assertEqual(self.says_last("\n".join(map(str, range(9)))), [f"    {n}" for n in range(4, 9)])

    def test_counts(self):
        self.assertEqual(self.count(log=self.log("OK", "SKIP", "OK")), (0, "test: 2 passed, 0 failed, 1 skipped"))
        found = self.count(meson=1, log=self.log("OK", "FAIL", "TIMEOUT", "ERROR", "UNEXPECTEDPASS"))
        self.assertEqual(found, (1, "test: 1 passed, 4 failed, 0 skipped"))

    def test_broken(self):
        self.assertEqual(self.count(ninja=1), (1, "test: 0 passed, 1 failed, 0 skipped"))
        self.assertEqual(self.count(meson=2), (1, "test: 0 passed, 1 failed, 0 skipped"))
        self.assertEqual(self.count(meson=1, log=self.log("OK")), (1, "test: 1 passed, 1 failed, 0 skipped"))
        self.assertEqual(self.count(log=""), (1, "test: 0 passed, 1 failed, 0 skipped"))


class Wheel(Case):
    """tools/wheel where it cannot work; that it can, the tests of the package say, which use what it made."""

    def test_usage(self):
        for arguments in ([], ["--sanitize"], ["one", "two"], ["one", "--fast"]):
            run = self.run_tool("wheel", *arguments)
            self.assertEqual(run.returncode, 2)
            self.assertIn("usage:", run.stderr)

    def test_no_interpreter(self):
        run = self.run_tool("wheel", str(self.root / "made"), env={**os.environ, "PYTHON": "/no/such/python3"})
        self.assertEqual(run.returncode, 1)
        self.assertIn("/no/such/python3", run.stderr)
        self.assertFalse((self.root / "made").exists())

    def test_pip_fails(self):
        python = "#!/bin/sh\ncase $* in *-VV*) echo 3;; *) echo no setuptools; exit 3;; esac\n"
        self.write({"python": python}, 0o755)
        run = self.run_tool("wheel", str(self.root / "made"), env={**os.environ, "PYTHON": str(self.root / "python")})
        self.assertEqual(run.returncode, 1)
        self.assertIn("exit status 3\nno setuptools\n", run.stderr)
        self.assertFalse((self.root / "made" / "made").exists())


class Fuzz(Case):
    """tools/fuzz on targets that only say how they end."""

    def fuzz(self, *targets, ninja=0, budget="1"):
        self.write({"bin/ninja": f"#!/bin/sh\nexit {ninja}\n"}, 0o755)
        self.write({f"fuzz/fuzz_{i}": f"#!/bin/sh\nexit {status}\n" for i, status in enumerate(targets)}, 0o755)
        path = f"{self.root / 'bin'}:{os.environ['PATH']}"
        run = self.run_tool("fuzz", str(self.root), budget, env={**os.environ, "PATH": path})
        return run.returncode, (run.stdout.splitlines() or [""])[-1]

    def test_counts(self):
        self.assertEqual(self.fuzz(0, 0), (0, "fuzz: 2 passed, 0 failed, 0 skipped"))
        self.assertEqual(self.fuzz(0, 77), (1, "fuzz: 1 passed, 1 failed, 0 skipped"))

    def test_broken(self):
        self.assertEqual(self.fuzz(), (1, "fuzz: 0 passed, 1 failed, 0 skipped"))
        self.assertEqual(self.fuzz(0, ninja=1)[0], 1)
        for budget in ("", "0", "soon"):
            self.assertEqual(self.fuzz(0, budget=budget)[0], 2)


class Ci(Case):
    """.ci/run adds up what a make says that builds nothing."""

    def ci(self, **says):
        cases = "".join(f"{goal}) {text};;\n" for goal, text in says.items())
        rest = "*) echo $1: 2 passed, 0 failed, 1 skipped;;"
        self.write({"bin/make": f"#!/bin/sh\ncase $1 in\n{cases}{rest}\nesac\n"}, 0o755)
        path = f"{self.root / 'bin'}:{os.environ['PATH']}"
        command = [str(TOOLS.parent / ".ci" / "run")]
        run = subprocess.run(
            command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
        )
        self.report = run.stdout.split("\nall stages: ")[1]
        return run.returncode, run.stdout.splitlines()[-1]

    def test_adds_up(self):
        self.assertEqual(self.ci(), (0, "14 passed, 0 failed, 7 skipped"))

    def test_failures(self):
        bad = "echo 'lint: 5 passed, 3 failed, 0 skipped'; exit 1"
        self.assertEqual(self.ci(lint=bad), (1, "17 passed, 3 failed, 6 skipped"))
        self.assertEqual(self.ci(test="exit 2", tsan="exit 1"), (1, "10 passed, 2 failed, 5 skipped"))
        liar = "echo 'asan: 5 passed, 0 failed, 0 skipped'; exit 1"
        self.assertEqual(self.ci(asan=liar), (1, "17 passed, 1 failed, 6 skipped"))
        self.assertEqual(self.ci(asan="true"), (1, "12 passed, 1 failed, 6 skipped"))

    def test_says_again(self):
        self.ci(lint="echo 'lint: this one: FAILED'; echo 'lint: 5 passed, 3 failed, 0 skipped'; exit 1")
        self.assertRegex(self.report, r"==== make tsan: ok in \d+ s \(2 passed, 0 failed, 1 skipped\)\n")
        self.assertRegex(self.report, r"---- the end of make lint\nlint: this one: FAILED\n")
        self.assertRegex(self.report, r"==== make deb: ok in .*\nlint: this one: FAILED\n17 passed, 3 failed, ")

    def test_says_last_what_was_wrong(self):
        lines = "".join(f"echo line {i};" for i in range(9))
        self.ci(test=f"echo before; echo 'test: failed: one (FAIL)'; {lines} echo 'test: 1 passed, 1 failed, 0 skipped'")
        last = self.report.splitlines()[-7:]
        self.assertEqual(last[:-1], ["test: failed: one (FAIL)"] + [f"line {i}" for i in range(5)])
        self.ci(plain=f"{lines} exit 1")
        self.assertEqual(self.report.splitlines()[-7:-1], [f"line {i}" for i in range(3, 9)])


class House(unittest.TestCase):
    def test_every_check_is_tested(self):
        here = pathlib.Path(__file__).parent
        text = "".join(path.read_text(encoding="utf-8") for path in here.glob("test_*.py"))
        for check in TOOLS.glob("check_*.py"):
            self.assertIn(f'"{check.name}"', text)

    def test_every_tool_can_be_run(self):
        for tool in TOOLS.iterdir():
            if tool.is_file() and tool.read_bytes().startswith(b"#!"):
                self.assertTrue(tool.stat().st_mode & stat.S_IXUSR, tool.name)
