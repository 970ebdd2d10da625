# SPDX-License-Identifier: BSD-3-Clause
"""demo proves what it shows, and leaves nothing behind, however it ends."""
import re
import signal
import subprocess
import unittest

from command import CommandTest, PROGRAM, main

PHASES = ["pooled", "no pool", "unfair", "failing"]
FACTS = ["none lost", "none doubled", "money kept", "no half seen", "nothing leaks", "all served", "no slot lost",
         "all usable", "counts true", "none left open"]


class Demo(CommandTest):
    def assert_clean(self):
        self.assertEqual(list(self.temporary.iterdir()), [], "the temporary folder is still there")

    def row(self, result, label):
        line = next(line for line in result.out.splitlines() if line.startswith(label + "  "))
        return re.split(r" {2,}", line)[1:]


class Whole(Demo):
    def test_a_short_run_proves_everything(self):
        result = self.run_command("demo", "--seconds", "0.3", "--threads", 16, "--capacity", 4)
        self.assert_code(result, 0)
        self.assert_clean()
        for fact in FACTS:
            self.assertRegex(result.out, rf"  ok      {fact} ", str(result))
        self.assertNotIn("FAILED", result.out)
        heading = next(line for line in result.out.splitlines() if "unfair" in line)
        self.assertEqual(re.split(r" {2,}", heading.strip()), PHASES)
        self.assertLessEqual(int(self.row(result, "connections opened")[0]), 4)
        self.assertLessEqual(max(int(n) for n in (self.row(result, "open at once, at most")[i] for i in (0, 2, 3))), 4)
        self.assertRegex(result.out, r"none lost +[1-9][\d,]* transfers acknowledged")
        self.assertTrue(all(len(line) <= 80 for line in result.out.splitlines()), str(result))
        lines = result.err.splitlines()
        self.assertEqual([line.split(":")[0] for line in lines], [name for name in PHASES for _ in (0, 1)])

    def test_callbacks_do_fail_and_are_survived(self):
        result = self.run_command("demo", "--seconds", "1", "--threads", 16, "--capacity", 4)
        self.assert_code(result, 0)
        failed = int(self.row(result, "callbacks that failed")[3].replace(",", ""))
        self.assertGreater(failed, 0)
        self.assertEqual(self.row(result, "requests that failed")[3], "0")
        self.assertRegex(result.out, r"Failures: [1-9]")

    def test_the_smallest_and_an_odd_one(self):
        for options in (["--threads", 1, "--capacity", 1], ["--threads", 3, "--capacity", 50]):
            with self.subTest(options=options):
                result = self.run_command("demo", "--seconds", "50ms", *options)
                self.assert_code(result, 0)
                self.assert_clean()


class Stopped(Demo):
    def stop(self, phase, *signals):
        process = self.start("demo", "--seconds", "1h" if phase == PHASES[0] else "600ms", "--threads", 8)
        self.wait_for(process, f"{phase}: ")
        self.assertEqual(len(list(self.temporary.iterdir())), 1)
        self.signal_all_at_once(process, *signals)
        return self.finish(process)

    def test_by_signals_in_the_first_phase(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(signal=number):
                result = self.stop(PHASES[0], number)
                self.assert_code(result, 128 + number)
                self.assert_clean()
                self.assertIn("requests per second", result.out)
                self.assertRegex(result.out, r"  ok      none lost ")
                self.assertNotIn("FAILED", result.out)

    def test_in_a_later_phase(self):
        result = self.stop(PHASES[2], signal.SIGINT)
        self.assert_code(result, 130)
        self.assert_clean()

    def test_at_once_by_a_second_signal(self):
        result = self.stop(PHASES[0], signal.SIGINT, signal.SIGTERM)
        self.assertIn(result.code, (-signal.SIGINT, -signal.SIGTERM), str(result))
        self.assert_clean()
        self.assertNotIn("proof", result.out)
        self.assertNotIn("queuepool: ", result.err)

    def test_by_a_reader_that_went_away(self):
        process = self.start("demo", "--seconds", "50ms", "--threads", 4)
        process.stdout.close()
        process.stdout = None
        result = self.finish(process)
        self.assert_code(result, 1)
        self.assertIn("standard output", result.err)
        self.assert_clean()

    def test_by_a_closed_stdout(self):
        done = subprocess.run(["sh", "-c", 'exec "$0" "$@" >&-', PROGRAM, "demo", "--seconds", "50ms"],
                              stderr=subprocess.PIPE, text=True, env=self.environment, timeout=100, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assert_clean()

    def test_by_a_full_disk(self):
        import resource

        def narrow():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))

        result = self.run_command("demo", "--seconds", "50ms", preexec_fn=narrow, restore_signals=False)
        self.assert_code(result, 1)
        self.assert_clean()


if __name__ == "__main__":
    main()
