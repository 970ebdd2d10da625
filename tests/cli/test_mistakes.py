# SPDX-License-Identifier: BSD-3-Clause
"""Whatever is typed wrong is refused in one or two lines, before anything is done."""
import os
import shutil
import sqlite3
import subprocess
import unittest

from command import CommandTest, main


class Words(CommandTest):
    def refused(self, words, *mentioned):
        with self.subTest(words=words):
            result = self.run_command(*words)
            self.assert_refused(result, *mentioned)
            self.assertEqual(result.out, "")
            self.assertEqual(list(self.temporary.iterdir()), [])

    def test_commands(self):
        self.refused([], "no command")
        self.refused(["benhc"], '"benhc"')
        self.refused([""], '""')
        self.refused(["--nonsense"], "--nonsense")
        self.refused(["help", "nonsense"], '"nonsense"')
        self.refused(["help", "bench", "ping"], '"ping"')
        self.refused(["--version", "now"], '"now"')

    def test_options(self):
        for command in ("demo", "bench", "ping"):
            self.refused([command, "--nonsense"], command, "--nonsense")
            self.refused([command, "--nonsense=hush"], "--nonsense")
            self.refused([command, "-x"], "-x")
            self.refused([command, "--help=x"], "--help")
        self.refused(["bench", "sqlite:x", "--no-pool=1"], "--no-pool")
        self.refused(["bench", "sqlite:x", "--threads"], "--threads", "value")
        self.refused(["bench", "sqlite:x", "--s", "1"], "--s")  # several begin like this

    def test_trailing_words(self):
        self.refused(["demo", "extra"], '"extra"')
        self.refused(["bench", "sqlite:x", "extra"], '"extra"')
        self.refused(["ping", "sqlite:x", "extra"], '"extra"')

    def test_numbers(self):
        for text in ("0", "-5", "+5", "", " ", "5k", "0x5", "1e3", "5.0", "nan", "9" * 30, "10001", "5 "):
            self.refused(["bench", "sqlite:x", "--threads", text], "--threads", text, "1 to 10,000")
        for text in ("0", "-1", "65536", "18446744073709551617", "many"):
            self.refused(["bench", "sqlite:x", "--capacity", text], "--capacity", text, "1 to 65,535")
        for text in ("0", "-1", "x", "9" * 40):
            self.refused(["bench", "sqlite:x", "--count", text], "--count", text)
        self.refused(["demo", "--threads", "1001"], "--threads", "1 to 1,000")
        self.refused(["demo", "--capacity", "0"], "--capacity", "1 to 1,000")

    def test_durations(self):
        for text in ("abc", "", "-1", "1e3", "5 s", "5sec", "inf", "9" * 30, "0x1s", "1..2"):
            for command in (["bench", "sqlite:x"], ["demo"]):
                self.refused([*command, "--seconds", text], "--seconds", text)
        self.refused(["bench", "sqlite:x", "--seconds", "0"], "--seconds", "1ms to 24h")
        self.refused(["bench", "sqlite:x", "--seconds", "25h"], "--seconds", "1ms to 24h")
        self.refused(["demo", "--seconds", "61min"], "--seconds", "1ms to 1h")
        self.refused(["bench", "sqlite:x", "--hold", "5"], "--hold", "unit")
        self.refused(["bench", "sqlite:x", "--hold", "-5ms"], "--hold")
        self.refused(["bench", "sqlite:x", "--hold", "2h"], "--hold", "0 to 1h")

    def test_options_that_exclude_each_other(self):
        self.refused(["bench", "sqlite:x", "--sql", "SELECT 1", "--sql-file", "f"], "--sql", "--sql-file")
        self.refused(["bench", "sqlite:x", "--seconds", "1", "--count", "5"], "--seconds", "--count")

    def test_words_for_sessions(self):
        for command in ("ping", "bench"):
            self.refused([command, "sqlite::memory:", "--reset", "full"], command, "--reset", "PostgreSQL", "sqlite:")
            self.refused([command, "sqlite::memory:", "--pooler", "none"], command, "--pooler", "PostgreSQL")
            for text in ("", "half", "FULL", "full "):
                self.refused([command, "sqlite::memory:", "--reset", text], f'"{text}"', "none, rollback, smart or full")
            self.refused([command, "sqlite::memory:", "--pooler", "session"], '"session"', "none or transaction")

    def test_control_characters_do_not_reach_the_terminal(self):
        text = "\x1b[31m\x07\nqueuepool: all is well"
        for words in ([text], ["ping", f"sqlite:{text}"], ["ping", text], ["demo", "--seconds", text], ["demo", text],
                      ["bench", "sqlite::memory:", "--sql", text], ["bench", "x", "--" + text]):
            with self.subTest(words=words):
                result = self.run_command(*words)
                self.assert_refused(result)
                self.assertNotIn("\x1b", result.err)
                self.assertNotIn("\x07", result.err)


class Urls(CommandTest):
    def refused(self, url, *mentioned):
        for command in ("ping", "bench"):
            with self.subTest(command=command, url=url):
                before = sorted(self.folder.iterdir())
                self.assert_refused(self.run_command(command, url), *mentioned)
                self.assertEqual(sorted(self.folder.iterdir()), before, "a file was made")

    def test_no_url(self):
        for command in ("ping", "bench"):
            self.assert_refused(self.run_command(command), "no URL")

    def test_forms(self):
        self.refused("", "empty")
        self.refused("good.db", '"good.db"')
        self.refused("./a:b", '"./a:b"')
        self.refused(":memory:", '":memory:"')
        self.refused("oracle:x", '"oracle:"', "sqlite:")
        self.refused("sqlite:", "no file")
        self.refused("sqlite://host/db", "no hosts")

    def test_secrets_are_not_shown(self):
        for url in ("oracle://me:hush@host/db", "me:hush@host", "user=me password=hush",
                    "sqlite:file:none.db?key=hush", "sqlite:file:none.db?mode=ro&hexkey=hush"):
            for command in ("ping", "bench"):
                with self.subTest(command=command, url=url):
                    result = self.run_command(command, url)
                    self.assert_refused(result)
                    self.assertNotIn("hush", result.err)

    def test_missing_file(self):
        self.refused("sqlite:none.db", "none.db", "no such file")
        self.refused("sqlite:no/such/folder/x.db", "no such file")
        self.refused("sqlite:file:none.db", "no such file")
        self.refused("sqlite:file:none.db?mode=rwc", "no such file")
        self.refused("sqlite:file:no%6ee.db", "no such file")
        self.refused("sqlite:file:none.db?note=mode=memory", "none.db")

    def test_what_is_no_database(self):
        (self.folder / "folder").mkdir()
        (self.folder / "bad.db").write_bytes(b"this was never a database, " * 100)
        self.database()
        whole = (self.folder / "good.db").read_bytes()
        (self.folder / "cut.db").write_bytes(whole[:300])
        (self.folder / "mangled.db").write_bytes(whole[:100] + b"\xff" * (len(whole) - 100))
        os.mkfifo(self.folder / "fifo")  # not a device of the machine, which a mistake of ours could damage
        self.refused("sqlite:folder", "folder", "irectory")
        self.refused("sqlite:bad.db", "bad.db", "not a database")
        self.refused("sqlite:cut.db", "cut.db", "malformed")
        self.refused("sqlite:mangled.db", "mangled.db", "malformed")
        self.refused("sqlite:fifo", "fifo")
        self.refused("sqlite:good.db/x", "good.db/x", "Not a directory")

    def test_unreadable_file(self):
        self.database()
        path = self.folder / "good.db"
        prefix = []
        if os.geteuid() == 0:
            # Root may read anything; a root without that capability may not.
            prefix = ["setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search"]
            if not shutil.which("setpriv") or subprocess.call([*prefix, "true"]) != 0:
                self.skipTest("cannot give up the right to read anything")
            os.chown(path, 65534, 65534)
            path.chmod(0o600)
        else:
            path.chmod(0)
        for command in ("ping", "bench"):
            result = self.run_command(command, f"sqlite:{path}", prefix=prefix)
            self.assert_refused(result, "good.db", "ermission")


class Sql(CommandTest):
    def refused(self, *options, mentioned=()):
        with self.subTest(options=options):
            before = (self.folder / "good.db").read_bytes()
            result = self.run_command("bench", "sqlite:good.db", *options)
            self.assert_refused(result, *mentioned)
            self.assertEqual((self.folder / "good.db").read_bytes(), before, "the database was changed")

    def setUp(self):
        super().setUp()
        self.database()

    def test_text(self):
        for sql in ("", "  \n ", "-- only a comment", "/* */ ;;"):
            self.refused("--sql", sql, mentioned=["--sql", "no statement"])
        self.refused("--sql", "SELEC 1", mentioned=["--sql", "SELEC"])
        self.refused("--sql", "SELECT * FROM nowhere", mentioned=["nowhere"])
        self.refused("--sql", "SELECT ?", mentioned=["parameters"])
        self.refused("--sql", "INSERT INTO t VALUES (2); SELEC 1", mentioned=["SELEC"])
        self.refused("--sql", "SELECT 'unfinished", mentioned=["--sql"])

    def test_file(self):
        (self.folder / "folder").mkdir()
        (self.folder / "empty.sql").write_text("")
        (self.folder / "comment.sql").write_text("-- nothing\n")
        (self.folder / "bad.sql").write_text("SELECT 1;\n\nSELEC 2;\n")
        (self.folder / "nul.sql").write_bytes(b"SELECT 1;\0 SELECT 2")
        (self.folder / "long.sql").write_bytes(b"SELECT 1;" + b" " * 2**20)
        self.refused("--sql-file", "none.sql", mentioned=["--sql-file", "none.sql", "No such file"])
        self.refused("--sql-file", "", mentioned=["--sql-file"])
        self.refused("--sql-file", "folder", mentioned=["folder", "directory"])
        self.refused("--sql-file", "empty.sql", mentioned=["empty.sql", "no statement"])
        self.refused("--sql-file", "comment.sql", mentioned=["comment.sql", "no statement"])
        self.refused("--sql-file", "bad.sql", mentioned=["bad.sql", "line 3", "SELEC"])
        self.refused("--sql-file", "nul.sql", mentioned=["nul.sql", "NUL"])
        self.refused("--sql-file", "long.sql", mentioned=["long.sql", "longer"])
        self.refused("--sql-file", "/dev/zero", mentioned=["/dev/zero"])


class Json(CommandTest):
    def test_what_cannot_be_written_is_refused_before_the_work(self):
        self.database()
        (self.folder / "folder").mkdir()
        for path in ("", "folder", "no/such/folder/x.json", "good.db/x.json"):
            with self.subTest(path=path):
                before = sorted(self.folder.iterdir())
                result = self.run_command("bench", "sqlite:good.db", "--seconds", "1h", "--json", path)
                self.assert_refused(result, "--json", path)
                self.assertEqual(sorted(self.folder.iterdir()), before)


class Moment(CommandTest):
    def test_a_locked_database_is_not_the_caller_s_mistake(self):
        self.database()
        holder = sqlite3.connect(self.folder / "good.db", isolation_level=None)
        self.addCleanup(holder.close)
        holder.execute("BEGIN EXCLUSIVE")
        result = self.run_command("ping", "sqlite:good.db")
        self.assert_refused(result, "good.db", "locked", code=1)

    def test_a_temporary_folder_that_is_not_there(self):
        self.environment["TMPDIR"] = str(self.folder / "none")
        result = self.run_command("demo", "--seconds", "1ms")
        self.assert_refused(result, str(self.folder / "none"))
        self.environment["TMPDIR"] = "/" + "x" * 5000
        self.assert_refused(self.run_command("demo", "--seconds", "1ms"), "temporary folder")


if __name__ == "__main__":
    main()
