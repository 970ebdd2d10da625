# SPDX-License-Identifier: BSD-3-Clause
"""bench measures what it says, writes the keys it documents, and stops when told to."""
import json
import os
import pathlib
import re
import resource
import signal
import sqlite3
import unittest

from command import CommandTest, main

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "COMMAND.md"
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def keys(value, prefix=""):
    """Every key of a JSON text by its path: measured.wait_ns.p50"""
    for key, inner in value.items():
        yield prefix + key
        if isinstance(inner, dict):
            yield from keys(inner, f"{prefix}{key}.")


class Bench(CommandTest):
    def setUp(self):
        super().setUp()
        self.url = self.database()

    def bench(self, *options, **run):
        return self.run_command("bench", self.url, *options, **run)

    def bench_json(self, *options):
        result = self.bench(*options, "--json", "-")
        self.assert_code(result, 0)
        return json.loads(result.out)

    def rows(self):
        connection = sqlite3.connect(self.folder / "good.db")
        count = connection.execute("SELECT count(*) FROM t").fetchone()[0]
        connection.close()
        return count


class Measures(Bench):
    def test_a_count_is_kept_to_the_request(self):
        before = self.rows()
        told = self.bench_json("--count", 100, "--threads", 8, "--capacity", 1, "--sql", "INSERT INTO t VALUES (7)")
        self.assertEqual(told["measured"]["requests"], 100)
        self.assertEqual(told["measured"]["failures"], 0)
        self.assertEqual(self.rows() - before, 100)

    def test_the_pool_is_no_larger_than_asked(self):
        told = self.bench_json("--count", 500, "--threads", 8, "--capacity", 3, "--sql", "SELECT * FROM t")
        self.assertEqual(told["measured"]["requests"], 500)
        self.assertLessEqual(told["measured"]["open_peak"], 3)
        self.assertLessEqual(told["measured"]["opens"], 3)

    def test_time_is_kept(self):
        told = self.bench_json("--seconds", "0.2", "--threads", 4)
        self.assertGreaterEqual(told["measured"]["elapsed_ns"], 200_000_000)
        self.assertGreater(told["measured"]["requests"], 0)
        self.assertEqual(told["asked"]["duration_ns"], 200_000_000)
        self.assertIsNone(told["asked"]["count"])

    def test_without_a_pool_each_request_opens(self):
        told = self.bench_json("--count", 50, "--threads", 4, "--no-pool")
        self.assertFalse(told["asked"]["pool"])
        self.assertIsNone(told["asked"]["capacity"])
        self.assertEqual(told["measured"]["opens"], 50)

    def test_several_statements(self):
        sql = "INSERT INTO t VALUES (1); SELECT count(*) FROM t; -- and\n DELETE FROM t WHERE a = 5"
        before = self.rows()
        told = self.bench_json("--count", 20, "--threads", 2, "--capacity", 1, "--sql", sql)
        self.assertEqual(told["measured"]["requests"], 20)
        self.assertEqual(self.rows() - before, 20)

    def test_sql_from_a_file_and_from_a_pipe(self):
        (self.folder / "in.sql").write_text("INSERT INTO t VALUES (3);\n")
        before = self.rows()
        self.assert_code(self.bench("--count", 10, "--threads", 2, "--capacity", 1, "--sql-file", "in.sql"), 0)
        self.assertEqual(self.rows() - before, 10)
        ours, theirs = os.pipe()
        os.write(theirs, b"INSERT INTO t VALUES (4)")
        os.close(theirs)
        pipe = ["--sql-file", f"/dev/fd/{ours}"]
        result = self.bench("--count", 10, "--threads", 2, "--capacity", 1, *pipe, pass_fds=[ours])
        os.close(ours)
        self.assert_code(result, 0)
        self.assertEqual(self.rows() - before, 20)

    def test_a_transaction_left_open_is_rolled_back(self):
        before = self.rows()
        sql = "BEGIN; INSERT INTO t VALUES (9)"
        told = self.bench_json("--count", 20, "--threads", 2, "--capacity", 1, "--sql", sql)
        self.assertEqual(told["measured"]["failures"], 0)
        self.assertEqual(self.rows(), before)

    def test_hold_keeps_the_connection(self):
        told = self.bench_json("--count", 6, "--threads", 3, "--capacity", 1, "--hold", "5ms")
        self.assertGreaterEqual(told["measured"]["elapsed_ns"], 30_000_000)
        self.assertGreaterEqual(told["measured"]["request_ns"]["p50"], 5_000_000)

    def test_the_journal_mode_stays(self):
        self.assert_code(self.bench("--count", 5, "--capacity", 1, "--sql", "INSERT INTO t VALUES (1)"), 0)
        connection = sqlite3.connect(self.folder / "good.db")
        self.assertEqual(connection.execute("PRAGMA journal_mode").fetchone(), ("delete",))
        connection.close()

    def test_the_largest_pool(self):
        told = self.bench_json("--capacity", 65535, "--threads", 2, "--count", 10)
        self.assertEqual(told["asked"]["capacity"], 65535)

    def test_the_summary(self):
        result = self.bench("--count", 100, "--threads", 4)
        self.assert_code(result, 0)
        for text in ("100 in ", "per second", "wait for a connection", "connections opened", "least / most"):
            self.assertIn(text, result.out)


class Fails(Bench):
    def test_requests_that_fail_are_counted_and_the_first_is_told(self):
        result = self.bench("--count", 40, "--threads", 8, "--sql", "SELECT abs(-9223372036854775808)", "--json", "f")
        self.assert_code(result, 1)
        self.assertEqual(result.err.count("overflow"), 1, "one line, not one for each thread")
        self.assertIn("40 of 40 requests failed", result.err)
        told = json.loads((self.folder / "f").read_text())
        self.assertEqual(told["measured"]["failures"], 40)
        self.assertEqual(told["measured"]["first_failure"]["native"], "1")
        self.assertIn("overflow", told["measured"]["first_failure"]["message"])

    def test_threads_the_system_does_not_give(self):
        def narrow():
            resource.setrlimit(resource.RLIMIT_AS, (500 << 20, 500 << 20))

        if self.run_command("--version", preexec_fn=narrow).code != 0:
            self.skipTest("this build needs more address space than that to say its version")
        result = self.bench("--threads", 10000, "--count", 1, preexec_fn=narrow)
        self.assert_code(result, 1)
        self.assertRegex(result.err, r"the system gives \d+ threads, not 10000")

    def test_statements_that_do_not_end_are_cut_short(self):
        result = self.bench("--seconds", "0.5", "--threads", 4, "--capacity", 2, "--sql", ENDLESS)
        self.assert_code(result, 0)
        self.assertRegex(result.out, r"cut short at the end +[1-4]\n")


class Json(Bench):
    def test_the_keys_are_those_of_the_document(self):
        told = set(keys(self.bench_json("--count", 5)))
        result = self.bench("--count", 5, "--sql", "SELECT abs(-9223372036854775808)", "--json", "-")
        told |= set(keys(json.loads(result.out)))
        table = DOCUMENT.read_text(encoding="utf-8").split("## The JSON")[1].split("\n## ")[0]
        documented = set(re.findall(r"^\| `([\w.]+)` \|", table, re.M))
        self.assertEqual(told, documented)

    def test_figures_hang_together(self):
        told = self.bench_json("--count", 300, "--threads", 5, "--capacity", 2)
        self.assertEqual(told["format"], "queuepool-bench-1")
        self.assertEqual(told["interrupted"], False)
        measured = told["measured"]
        for name in ("wait_ns", "request_ns"):
            times = measured[name]
            order = [times[key] for key in ("p50", "p90", "p99", "p999", "max")]
            self.assertEqual(order, sorted(order))
        self.assertLessEqual(measured["least_served"], 300 / 5)
        self.assertGreaterEqual(measured["most_served"], 300 / 5)
        rate = measured["requests"] * 1e9 / measured["elapsed_ns"]
        self.assertAlmostEqual(measured["requests_per_second"] / rate, 1, places=6)

    def test_the_text_of_the_sql_survives(self):
        sql = 'SELECT "a" || \'\u00e4\\\' FROM t -- tab\there'
        self.assertEqual(self.bench_json("--count", 1, "--sql", sql)["asked"]["sql"], sql)

    def test_secrets_are_blotted_out(self):
        self.url = f"sqlite:file:{self.folder}/good.db?password=hush"
        result = self.bench("--count", 1, "--json", "-")
        self.assert_code(result, 0)
        self.assertNotIn("hush", result.out + result.err)

    def test_stdout_has_the_json_and_nothing_else(self):
        result = self.bench("--count", 1, "--json", "-")
        json.loads(result.out)
        self.assertIn("per second", result.err)

    def test_a_file_is_replaced_whole(self):
        path = self.folder / "out.json"
        path.write_text("old")
        path.chmod(0o640)
        link = self.folder / "link.json"
        link.symlink_to("out.json")
        self.assert_code(self.bench("--count", 1, "--json", "link.json"), 0)
        self.assertTrue(link.is_symlink())
        json.loads(path.read_text())
        self.assertEqual(path.stat().st_mode & 0o777, 0o640)
        names = sorted(p.name for p in self.folder.iterdir())
        self.assertEqual(names, ["good.db", "link.json", "out.json", "tmp"])

    def test_what_is_no_file_is_written_to_and_not_replaced(self):
        pipe = self.folder / "fifo"
        os.mkfifo(pipe)
        ours = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, ours)
        self.assert_code(self.bench("--count", 1, "--json", "fifo"), 0)
        self.assertTrue(pipe.is_fifo())
        self.assertEqual(json.loads(os.read(ours, 65536))["measured"]["requests"], 1)

    def test_a_pipe_that_nobody_reads_is_not_waited_for(self):
        os.mkfifo(self.folder / "fifo")
        result = self.bench("--count", 1, "--json", "fifo")
        self.assert_code(result, 1)
        self.assertIn("fifo", result.err)

    def test_a_file_that_cannot_be_finished_leaves_the_old_one(self):
        path = self.folder / "out.json"
        path.write_text("old")

        def narrow():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

        result = self.bench("--count", 1, "--json", "out.json", preexec_fn=narrow, restore_signals=False)
        self.assert_code(result, 1)
        self.assertIn("out.json", result.err)
        self.assertEqual(path.read_text(), "old")
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["good.db", "out.json", "tmp"])


class Stops(Bench):
    def stopped_by(self, number, *options):
        process = self.start("bench", self.url, "--seconds", "1h", "--threads", 4, "--json", "out.json", *options)
        self.wait_for(process, "bench: 4 threads")
        process.send_signal(number)
        return self.finish(process)

    def test_by_signals_with_what_was_measured(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(signal=number):
                result = self.stopped_by(number)
                self.assert_code(result, 128 + number)
                self.assertIn("stopped early", result.out)
                self.assertTrue(json.loads((self.folder / "out.json").read_text())["interrupted"])

    def test_in_the_middle_of_what_would_not_end(self):
        for options in (["--sql", ENDLESS], ["--hold", "1h"], ["--hold", "1h", "--capacity", 1]):
            with self.subTest(options=options):
                self.assert_code(self.stopped_by(signal.SIGINT, *options), 130)

    def test_at_once_by_a_second_signal(self):
        process = self.start("bench", self.url, "--seconds", "1h", "--threads", 4)
        self.wait_for(process, "bench: 4 threads")
        self.signal_all_at_once(process, signal.SIGINT, signal.SIGTERM)
        result = self.finish(process)
        self.assertIn(result.code, (-signal.SIGINT, -signal.SIGTERM), str(result))
        self.assertEqual(result.out, "")

    def test_nohup_is_respected(self):
        def ignore():
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

        process = self.start("bench", self.url, "--count", 200, "--threads", 2, "--hold", "1ms", preexec_fn=ignore)
        self.wait_for(process, "bench: 2 threads")
        process.send_signal(signal.SIGHUP)
        self.assert_code(self.finish(process), 0)


if __name__ == "__main__":
    main()
