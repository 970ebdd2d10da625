# SPDX-License-Identifier: BSD-3-Clause
"""ping and bench against a real PostgreSQL: what they say, what they refuse, and that no password is ever seen."""
import json
import os
import re
import signal
import socket
import time
import unittest

from command import CommandTest, main
from server import Server

SECRET = "xyzzy-secret"  # in no output, whatever goes wrong
HBA = "local all guarded scram-sha-256\nhost all guarded 127.0.0.1/32 scram-sha-256\n"
RESETS = ("none", "rollback", "smart", "full")
STEP = re.compile(r"  (\w+) +[\d.]+ (?:ns|us|ms|s)  ok(?:, (.*))?")
server = None


def setUpModule():
    global server
    server = Server(HBA)
    server.sql(f"CREATE ROLE guarded LOGIN PASSWORD '{SECRET}'")
    server.sql("CREATE TABLE t (a int)")
    server.sql('CREATE DATABASE "a@b"')


class PostgresTest(CommandTest):
    def run_command(self, *words, **options):
        result = super().run_command(*words, **options)
        self.assertNotIn("xyzzy", (result.out or "") + (result.err or ""), "a password was shown")
        return result

    def bench(self, url, *options):
        return self.run_command("bench", url, "--count", 40, "--threads", 4, "--capacity", 2, *options)

    def bench_json(self, url, *options):
        result = self.bench(url, *options, "--json", "-")
        self.assert_code(result, 0)
        told = json.loads(result.out)
        self.assertEqual(told["measured"]["failures"], 0)
        return told


class Ping(PostgresTest):
    def assert_answers(self, url, *options, where="127.0.0.1"):
        result = self.run_command("ping", url, *options)
        self.assert_code(result, 0)
        self.assertEqual(result.err, "")
        head, *lines = result.out.splitlines()
        self.assertRegex(head, r"^postgres(ql)?://.* \(libpq [\d.]+\)$")
        steps = [STEP.fullmatch(line).groups() for line in lines]
        self.assertEqual([name for name, _ in steps], ["open", "check", "read", "close"])
        said = dict(steps)
        self.assertIn(where, said["open"])
        self.assertIn(str(server.port), said["open"])
        self.assertRegex(said["read"], r"^PostgreSQL \d+")
        return said

    def test_by_tcp_and_by_a_unix_socket(self):
        self.assertRegex(self.assert_answers(server.tcp())["open"], r"^pid \d+ at ")
        self.assert_answers(server.unix(), where=server.folder)

    def test_with_a_password(self):
        self.assert_answers(server.tcp(user=f"guarded:{SECRET}"))
        self.assert_answers(server.tcp(user="guarded", query=f"?password={SECRET}"))
        self.environment["PGPASSWORD"] = SECRET
        self.assert_answers(server.unix(user="guarded"), where=server.folder)

    def test_with_a_password_from_a_file(self):
        path = self.folder / "pgpass"
        path.write_text(f"127.0.0.1:{server.port}:*:guarded:{SECRET}\n")
        path.chmod(0o600)
        self.environment["PGPASSFILE"] = str(path)
        self.assert_answers(server.tcp(user="guarded"))

    def test_the_second_host_is_named(self):
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            port = nobody.getsockname()[1]
            hosts = f"127.0.0.1:{port},127.0.0.1:{server.port}"
            self.assert_answers(f"postgresql://postgres@{hosts}/postgres")

    def test_the_environment_of_libpq_fills_in(self):
        self.environment.update(PGHOST=server.folder, PGPORT=str(server.port), PGUSER="postgres")
        self.assert_answers("postgresql:///postgres", where=server.folder)

    def test_options(self):
        for reset in RESETS:
            self.assert_answers(server.tcp(), "--reset", reset)
        self.assertNotIn("pid", self.assert_answers(server.tcp(), "--pooler", "transaction")["open"])
        self.assert_answers(server.tcp(query="?pool_max_size=3&pool_reset=full&pool_open_budget=5s"))
        self.assert_answers(server.tcp(query="?pool_transaction=1&pool_read_only=1"))


class Refuses(PostgresTest):
    def refused(self, url, *mentioned, code=2, options=()):
        for command in ("ping", "bench"):
            with self.subTest(command=command, url=url):
                result = self.run_command(command, url, *options)
                lines = [line for line in result.out.splitlines() if not line.startswith("postgres")]
                self.assertEqual(lines, [])
                self.assert_refused(result, *mentioned, code=code)

    def test_a_wrong_password(self):
        for wrong in (f"{SECRET}-wrong", "xyzzy%2F%40%3F"):
            self.refused(server.tcp(user=f"guarded:{wrong}"), "open", "password", "guarded")
            self.refused(server.unix(user="guarded", query=f"?password={wrong}"), "password", "guarded")
        self.environment["PGPASSWORD"] = "xyzzy-wrong"
        self.refused(server.tcp(user="guarded"), "password", "guarded")

    def test_no_password(self):
        result = self.run_command("ping", server.tcp(user="guarded"))
        self.assertIn("password", result.err)
        self.assertEqual(result.code, 2)

    def test_an_unknown_database_or_user(self):
        self.refused(server.tcp(database="nowhere"), "open", '"nowhere"')
        self.refused(server.tcp(user="nobody-here"), "open", '"nobody-here"')

    def test_a_port_where_nobody_listens(self):
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            port = nobody.getsockname()[1]
            self.refused(f"postgresql://me:{SECRET}@127.0.0.1:{port}/db", "open", str(port), code=1)

    def test_the_budget_of_the_url_holds_for_the_first_look(self):
        slow = "?options=-c%20post_auth_delay%3D1&pool_open_budget="  # it takes a second to connect
        self.refused(server.tcp(query=f"{slow}1ms"), "open failed", code=1)
        self.assert_code(self.run_command("ping", server.tcp(query=f"{slow}1min")), 0)

    def test_urls_that_are_written_wrong(self):
        for rest in (f"me:{SECRET}/x@127.0.0.1/db", f"me:7/{SECRET}@127.0.0.1/db",
                     f"me:{SECRET}@127.0.0.1:54x2/db", f"me:{SECRET}@[::1/db",
                     f"me:{SECRET}@h/db?nonsense=1", f"me:{SECRET}@h/db?user", f"me:%zz{SECRET}@h/db",
                     f"me:{SECRET}?x=1@127.0.0.1:1x/db", f"m@e:{SECRET}@h:x/db", f"me:1{SECRET}:2@h:x/db",
                     f"h/db?password={SECRET}@;x&sslmode=perhaps", f"h/db?p%61ssword={SECRET}&sslmode=perhaps",
                     f"h/db?password={SECRET}&password=%zz"):
            for scheme in ("postgresql", "postgres"):
                self.refused(f"{scheme}://{rest}", f"{scheme}://")
        self.refused("postgresql:host=h", "slashes")
        self.refused(f"postgres:password={SECRET}", "slashes")

    def test_words_of_the_pool(self):
        for word in ("pool_max_size=70000", "pool_max_size=x", "pool_reset=half", "pool_nonsense=1",
                     "pool_pooler=session"):
            self.refused(server.tcp(query=f"?{word}"), word.split("=")[0])
        self.assert_refused(self.bench(server.tcp(), "--pooler", "transaction", "--reset", "full"), "reset")
        result = self.run_command("bench", server.tcp(query="?pool_max_size=0"), "--count", 1)
        self.assert_refused(result, "pool_max_size=0")


class Bench(PostgresTest):
    def test_each_reset(self):
        for reset in RESETS:
            with self.subTest(reset=reset):
                told = self.bench_json(server.tcp(), "--reset", reset)
                self.assertEqual(told["measured"]["requests"], 40)
                self.assertLessEqual(told["measured"]["open_peak"], 2)
                self.assertEqual(told["asked"]["kind"], "postgresql")
                self.assertEqual(told["asked"]["reset"], reset)
                self.assertIsNone(told["asked"]["pooler"])
                self.assertEqual(told["asked"]["sql"], "SELECT 1")
                self.assertTrue(told["client"].startswith("libpq "))
                self.assertTrue(told["server"].startswith("PostgreSQL "))

    def test_through_a_pooler(self):
        told = self.bench_json(server.unix(), "--pooler", "transaction", "--sql", "BEGIN; SELECT 1; COMMIT")
        self.assertEqual(told["asked"]["pooler"], "transaction")

    def test_without_a_pool_each_request_opens(self):
        told = self.bench_json(server.tcp(), "--no-pool")
        self.assertFalse(told["asked"]["pool"])
        self.assertIsNone(told["asked"]["capacity"])
        self.assertEqual(told["measured"]["opens"], 40)

    def test_the_command_line_wins_over_the_url_over_the_default(self):
        def capacity(query, *options):
            result = self.run_command("bench", server.tcp(query=query), "--count", 20, "--threads", 2, "--json", "-",
                                      *options)
            self.assert_code(result, 0)
            return json.loads(result.out)["asked"]["capacity"]

        self.assertEqual(capacity(""), 8)
        self.assertEqual(capacity("?pool_max_size=3"), 3)
        self.assertEqual(capacity("?pool_max_size=3", "--capacity", 5), 5)
        # full resets are impossible behind a pooler, so each of these fails where the URL wins
        self.bench_json(server.tcp(query="?pool_pooler=transaction"), "--pooler", "none", "--reset", "full")
        query = "?sslmode=prefer&pool_reset=full&pool_reset=full&connect_timeout=5"
        self.bench_json(server.tcp(query=query), "--reset", "rollback", "--pooler", "transaction")
        self.assert_refused(self.bench(server.tcp(query="?pool_reset=full"), "--pooler", "transaction"), "reset")

    def test_several_statements(self):
        server.sql("TRUNCATE t")
        sql = "INSERT INTO t VALUES (1); SELECT ';', $$;$$ FROM t; -- and\n /* ; */ DELETE FROM t WHERE a = 5;"
        self.bench_json(server.tcp(), "--sql", sql)
        self.assertEqual(server.sql("SELECT count(*) FROM t"), "40")
        (self.folder / "in.sql").write_text("INSERT INTO t VALUES (3);\n")
        self.bench_json(server.tcp(), "--sql-file", "in.sql")
        self.assertEqual(server.sql("SELECT count(*) FROM t"), "80")

    def test_a_transaction_left_open_is_rolled_back(self):
        server.sql("TRUNCATE t")
        self.bench_json(server.tcp(), "--sql", "BEGIN; INSERT INTO t VALUES (9)")
        self.assertEqual(server.sql("SELECT count(*) FROM t"), "0")

    def test_sql_that_is_no_good(self):
        def refused(sql, *mentioned):
            with self.subTest(sql=sql):
                server.sql("TRUNCATE t")
                self.assert_refused(self.bench(server.tcp(), "--sql", sql), "--sql", *mentioned)
                self.assertEqual(server.sql("SELECT count(*) FROM t"), "0")

        for sql in ("", " \n ", "-- no", "/* /* */ ; */ ;;"):
            refused(sql, "no statement")
        refused("SELEC 1", "SELEC", "42601")
        refused("SELECT 1;\n\nSELECT '\u00e4',\nnowhere;\n", "line 4", "nowhere", "42703")
        refused("INSERT INTO t VALUES (1);\nSELECT * FROM nowhere", "line 2", "nowhere", "42P01")
        refused("SELECT $1::int", "parameters")
        refused("SELECT 'unfinished; SELECT 1", "unterminated")
        (self.folder / "bad.sql").write_text("SELECT 1;\n\n\tSELEC 2;\n")
        self.assert_refused(self.bench(server.tcp(), "--sql-file", "bad.sql"), "bad.sql", "line 3", "SELEC")

    def test_what_is_not_the_sql_s_fault_is_not_its_mistake(self):
        with server.holding("LOCK TABLE t"):
            result = self.bench(server.tcp(query="?pool_lock_timeout=1ms"), "--sql", "SELECT 1;\nSELECT * FROM t")
        self.assert_refused(result, "prepare failed", "55P03", code=1)

    def test_requests_that_fail_are_counted_and_the_first_is_told(self):
        result = self.bench(server.tcp(), "--sql", "SELECT 1 / count(*) FROM t WHERE a = -1", "--json", "f")
        self.assert_code(result, 1)
        self.assertEqual(result.err.count("division by zero"), 1)
        self.assertIn("40 of 40 requests failed", result.err)
        told = json.loads((self.folder / "f").read_text())["measured"]
        self.assertEqual(told["failures"], 40)
        self.assertEqual(told["first_failure"]["native"], "22012")
        self.assertLessEqual(told["opens"], 2, "the connections were as good as before")

    def test_copy_is_not_run(self):
        for sql in ("COPY t TO STDOUT", "COPY t FROM STDIN"):
            result = self.bench(server.tcp(), "--sql", sql)
            self.assert_code(result, 1)
            self.assertIn("COPY", result.err)

    def test_the_password_is_in_no_figure(self):
        told = self.bench_json(server.tcp(user=f"guarded:{SECRET}"))
        self.assertIn("guarded:*", told["asked"]["url"])

    def test_a_database_with_an_at_sign(self):
        self.assertIn("/a%40b", self.bench_json(server.tcp(database="a%40b"))["asked"]["url"])


class Stops(PostgresTest):
    def await_sleepers(self, count, application):
        deadline = time.monotonic() + 60
        question = ("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'"
                    f" AND application_name = '{application}'")
        while server.sql(question) != str(count):
            self.assertLess(time.monotonic(), deadline)

    def test_statements_that_do_not_end_are_cancelled(self):
        result = self.run_command("bench", server.tcp(), "--seconds", "0.5", "--threads", 4, "--capacity", 2,
                                  "--sql", "SELECT pg_sleep(3600)")
        self.assert_code(result, 0)
        self.assertRegex(result.out, r"cut short at the end +[1-4]\n")
        self.await_sleepers(0, "queuepool")

    def test_rows_that_do_not_end_are_cancelled(self):
        sql = "SELECT generate_series(1, 100000000), repeat('x', 9000), pg_sleep(0.001)"
        result = self.run_command("bench", server.tcp(), "--seconds", "0.1", "--threads", 1, "--sql", sql)
        self.assert_code(result, 0)
        self.assertRegex(result.out, r"cut short at the end +1\n")

    def test_by_a_signal_and_the_server_is_told(self):
        url = server.tcp(query="?application_name=stopped")
        process = self.start("bench", url, "--seconds", "1h", "--threads", 2, "--sql", "SELECT pg_sleep(3600)")
        self.await_sleepers(2, "stopped")
        process.send_signal(signal.SIGINT)
        result = self.finish(process)
        self.assert_code(result, 130)
        self.await_sleepers(0, "stopped")

    def test_a_killed_backend_costs_one_request(self):
        url = server.tcp(query="?application_name=killed")
        process = self.start("bench", url, "--count", 2, "--threads", 1, "--sql", "SELECT pg_sleep(1)")
        self.await_sleepers(1, "killed")
        server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'killed'")
        result = self.finish(process)
        self.assert_code(result, 1)
        self.assertIn("1 of 2 requests failed", result.err)


if __name__ == "__main__":
    if "PGHOST" not in os.environ:
        raise SystemExit("no server: pg_run of the adapters' tests goes around this")
    main()
