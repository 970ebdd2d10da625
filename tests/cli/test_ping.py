# SPDX-License-Identifier: BSD-3-Clause
"""ping answers step by step, and leaves the database as it found it; help and version are where one looks."""
import re
import sqlite3
import subprocess
import unittest

from command import CommandTest, PROGRAM, main


class Ping(CommandTest):
    def assert_answers(self, url):
        with self.subTest(url=url):
            result = self.run_command("ping", url)
            self.assert_code(result, 0)
            self.assertEqual(result.err, "")
            head, *steps = result.out.splitlines()
            self.assertTrue(head.startswith(url), str(result))
            names = [re.fullmatch(r"  (\w+) +[\d.]+ (?:ns|us|ms|s)  ok", line).group(1) for line in steps]
            self.assertEqual(names, ["open", "check", "read", "close"])

    def test_forms_of_the_url(self):
        url = self.database()
        self.assert_answers(url)
        self.assert_answers("sqlite::memory:")
        self.assert_answers(f"sqlite:file:{self.folder}/good.db?mode=ro")
        self.assert_answers(f"sqlite:file://{self.folder}/good.db")
        self.assert_answers(f"sqlite:file:{self.folder}/g%6fod.db")
        self.assert_answers("sqlite:good.db")
        self.assert_answers("sqlite:file:any?mode=memory")

    def test_the_scheme_is_read_in_any_case(self):
        self.database()
        self.assert_code(self.run_command("ping", "SQLite:good.db"), 0)

    def test_an_empty_file_is_an_empty_database(self):
        (self.folder / "empty.db").touch()
        self.assert_answers("sqlite:empty.db")

    def test_a_file_that_may_only_be_read(self):
        self.database()
        (self.folder / "good.db").chmod(0o444)
        self.assert_answers("sqlite:good.db")

    def test_nothing_is_changed(self):
        self.database()
        before = (self.folder / "good.db").read_bytes()
        self.assert_answers("sqlite:good.db")
        self.assertEqual((self.folder / "good.db").read_bytes(), before)
        self.assertEqual(
            sorted(path.name for path in self.folder.iterdir()), ["good.db", "tmp"], "files beside it"
        )
        connection = sqlite3.connect(self.folder / "good.db")
        self.assertEqual(connection.execute("PRAGMA journal_mode").fetchone(), ("delete",))
        connection.close()

    def test_what_failed_is_said_after_what_worked(self):
        (self.folder / "bad.db").write_text("no database " * 100)
        result = self.run_command("ping", "sqlite:bad.db")
        self.assert_refused(result, "open", "bad.db", "not a database")


class Help(CommandTest):
    def test_help(self):
        listed = self.run_command("--help")
        self.assert_code(listed, 0)
        self.assertEqual(listed.out, self.run_command("help").out)
        self.assertEqual(listed.out, self.run_command("-h").out)
        for command in ("demo", "bench", "ping"):
            self.assertIn(command, listed.out)
            told = self.run_command("help", command)
            self.assert_code(told, 0)
            self.assertTrue(told.out.startswith(f"usage: queuepool {command}"))
            self.assertEqual(told.out, self.run_command(command, "--help").out)
            self.assertEqual(told.out, self.run_command(command, "-h").out)
            self.assertTrue(all(len(line) <= 80 for line in told.out.splitlines()))

    def test_version(self):
        result = self.run_command("--version")
        self.assert_code(result, 0)
        clients = r"SQLite 3\.[\d.]+(, libpq [\d.]+)?(, libcurl [\d.]+)?(, hiredis [\d.]+)?"
        self.assertRegex(result.out, rf"^queuepool \d+\.\d+\.\d+ \(library \d+\.\d+\.\d+, {clients}\)\n$")
        self.assertEqual(result.out, self.run_command("-V").out)


class Streams(CommandTest):
    """What cannot be written is a failure, said on stderr, and never a crash."""

    def test_a_full_device(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            result = self.run_command("--help", stdout=full)
        self.assert_refused(result, "standard output", code=1)

    def test_a_closed_stdout(self):
        for words in (["--help"], ["ping", "sqlite::memory:"]):
            shell = 'exec "$0" "$@" >&-'
            done = subprocess.run(["sh", "-c", shell, PROGRAM, *words], stderr=subprocess.PIPE, text=True,
                                  env=self.environment, timeout=100, check=False)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("standard output", done.stderr)

    def test_closed_streams_are_not_taken_by_files_of_its_own(self):
        self.database()
        for closed in ("<&- >&-", "<&- >&- 2>&-"):
            for words in (["ping", "sqlite:good.db"], ["bench", "sqlite:good.db", "--count", "5"],
                          ["demo", "--seconds", "20ms", "--threads", "2"]):
                with self.subTest(closed=closed, words=words):
                    done = subprocess.run(["sh", "-c", f'exec "$0" "$@" {closed}', PROGRAM, *words],
                                          cwd=self.folder, env=self.environment, timeout=100,
                                          stderr=subprocess.PIPE, check=False)
                    self.assertEqual(done.returncode, 1)
        connection = sqlite3.connect(self.folder / "good.db")
        self.assertEqual(connection.execute("PRAGMA integrity_check").fetchone(), ("ok",))
        connection.close()

    def test_a_reader_that_went_away(self):
        process = self.start("help", "bench")
        process.stdout.close()
        process.stdout = None
        result = self.finish(process)
        # it may have written before the reader went
        self.assertIn(result.code, (0, 1))


if __name__ == "__main__":
    main()
