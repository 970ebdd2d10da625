# SPDX-License-Identifier: BSD-3-Clause
"""ping and bench against a real Redis: what they say, what they refuse, and that no password is ever seen."""
import json
import os
import re
import socket
import unittest

from command import CommandTest, main

URL = os.environ["REDIS_URL"]  # redis_run is around this
SOCKET = os.environ["REDIS_SOCKET"]
PORT = URL.rpartition(":")[2]
SECRET = "xyzzy-secret"  # in no output, whatever goes wrong
STEP = re.compile(r"  (\w+) +[\d.]+ (?:ns|us|ms|s)  ok(?:, (.*))?")


def ask(*words):
    """One command on a connection of the test's own; the first line of the answer."""
    text = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    with socket.create_connection(("127.0.0.1", int(PORT)), 10) as server, server.makefile("rb") as answers:
        server.sendall(text.encode())
        return answers.readline().decode().strip()


class RedisTest(CommandTest):
    def run_command(self, *words, **options):
        result = super().run_command(*words, **options)
        self.assertNotIn("xyzzy", (result.out or "") + (result.err or ""), "a password was shown")
        return result

    def bench(self, url, *options):
        return self.run_command("bench", url, "--count", 40, "--threads", 4, "--capacity", 2, *options)


class Ping(RedisTest):
    def assert_answers(self, url, where):
        result = self.run_command("ping", url)
        self.assert_code(result, 0)
        self.assertEqual(result.err, "")
        head, *lines = result.out.splitlines()
        self.assertRegex(head, r"^(redis|unix):.* \(hiredis [\d.]+\)$")
        steps = [STEP.fullmatch(line).groups() for line in lines]
        self.assertEqual([name for name, _ in steps], ["open", "check", "read", "close"])
        self.assertIn(where, dict(steps)["open"])
        self.assertRegex(dict(steps)["read"], r"^Redis \d+")

    def test_answers(self):
        self.assert_answers(URL, f"127.0.0.1:{PORT}/0")
        self.assert_answers(f"{URL}/3?client_name=x&pool_max_size=2", f"127.0.0.1:{PORT}/3")
        self.assert_answers(f"unix:{SOCKET}", SOCKET)
        self.assert_answers(f"unix://{SOCKET}?db=2", "db=2")
        self.assert_answers(f"redis://admin:{SECRET}@127.0.0.1:{PORT}", PORT)
        self.assert_answers(f"unix://admin:{SECRET}@{SOCKET}", SOCKET)

    def test_refused(self):
        self.assert_refused(self.run_command("ping", f"redis://:{SECRET}@127.0.0.1:{PORT}"), "open", "AUTH")
        self.assert_refused(self.run_command("ping", f"redis://no:{SECRET}@127.0.0.1:{PORT}"), "WRONGPASS")
        self.assert_refused(self.run_command("ping", URL + "/99"), "SELECT")
        self.assert_refused(self.run_command("ping", "redis:h"), "two slashes")
        self.assert_refused(self.run_command("ping", "unix:"), "no socket")
        self.assert_refused(self.run_command("ping", f"rediss://:{SECRET}@h"), "TLS")
        self.assert_refused(self.run_command("ping", f"redis://u:{SECRET}"), "port")
        self.assert_refused(self.run_command("ping", f"redis://h?{SECRET}=1"), "word 1")
        self.assert_refused(self.run_command("ping", f"redis://h?password={SECRET}&x=1"), "word 2")
        self.assert_refused(self.run_command("ping", f"redis://{SECRET}@h"), "no ':'")
        self.assert_refused(self.run_command("ping", f"redis://x/{SECRET}@h"), "%2F")
        self.assert_refused(self.run_command("ping", f"redis://me:{SECRET}:h:6379"), "port")
        self.assert_refused(self.run_command("ping", "redis://fe80::1:6379"), "fe80::1:6379")
        self.assert_refused(self.run_command("ping", "redis://[fe80::1]:x"), "//[fe80::1]:*:")
        self.assertNotIn("deadbeef", self.run_command("ping", "redis://:deadbeef").err)
        self.assertNotIn("deadbeef", self.run_command("ping", "redis://me:deadbeef:[::1]").err)
        for text in (f"redis:{SECRET}@h", f"redis:u:{SECRET}@h", f"redis::{SECRET}@h", f"redis:/u:{SECRET}@h"):
            self.assert_refused(self.run_command("ping", text), "two slashes")
        self.assert_refused(self.run_command("ping", f"redis//u:{SECRET}@h"), "no URL")
        self.assert_refused(self.run_command("ping", f"unix:u:{SECRET}@/x"), "'@'")
        self.assert_refused(self.run_command("ping", f"unix:{self.folder}/a@b"), "/a@b", "'@'")
        self.assert_refused(self.run_command("ping", f"redis://h:1?password=x/@{SECRET}"), "'@' after")
        self.assert_refused(self.run_command("ping", f"rediss://:{SECRET}@h"), "TLS")
        self.assert_refused(self.run_command("ping", "redis://[::1]/x"), "[::1]/x", "database")
        self.assert_refused(self.run_command("ping", URL, "--reset", "full"), "--reset", "PostgreSQL")

    def test_nobody_there(self):
        self.assert_refused(self.run_command("ping", f"redis://:{SECRET}@127.0.0.1:1"), "refused", code=1)
        self.assert_refused(self.run_command("ping", f"unix:{self.folder}/none"), "No such file", code=1)


class Bench(RedisTest):
    def test_counts(self):
        for url in (URL, f"unix:{SOCKET}"):
            result = self.bench(url, "--json", "-")
            self.assert_code(result, 0)
            told = json.loads(result.out)
            self.assertEqual(told["asked"]["kind"], url.partition(":")[0])
            self.assertEqual(told["asked"]["sql"], "PING")
            self.assertEqual(told["measured"]["failures"], 0)

    def test_no_pool(self):
        self.assert_code(self.bench(URL, "--no-pool"), 0)

    def test_commands(self):
        ask("DEL", "n")
        script = 'INCR n\n\nMULTI\nINCR n\n  SET k "a b"\nEXEC\n'
        self.assert_code(self.bench(URL, "--sql", script), 0)
        self.assertEqual(ask("INCR", "n"), ":81")

    def test_bad_commands(self):
        self.assert_refused(self.bench(URL, "--sql", "NOSUCH x"), "--sql", "no such command")
        self.assert_refused(self.bench(URL, "--sql", "PING\nGET"), "line 2", "how many words")
        self.assert_refused(self.bench(URL, "--sql", "GET a b"), "how many words")
        self.assert_refused(self.bench(URL, "--sql", "GET a; GET b"), "how many words", "one a line")
        self.assert_refused(self.bench(URL, "--sql", 'GET "a'), "quote")
        self.assert_refused(self.bench(URL, "--sql", " \n "), "no command")

    def test_failing_command(self):
        ask("SET", "text", "x")
        result = self.bench(URL, "--sql", "LPUSH text y")
        self.assert_code(result, 1)
        self.assertIn("WRONGTYPE", result.out + result.err)


class Version(CommandTest):
    def test_client(self):
        self.assertEqual(self.run_command("--version").out.count("hiredis"), 1)


if __name__ == "__main__":
    main()
