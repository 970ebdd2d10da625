# SPDX-License-Identifier: BSD-3-Clause
"""On a terminal one line is rewritten and figures have colour; elsewhere there are plain lines."""
import re
import signal
import unittest

from command import CommandTest, main

ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Terminal(CommandTest):
    def setUp(self):
        super().setUp()
        self.url = self.database()

    def bench(self, **terminal):
        return self.run_on_terminal("bench", self.url, "--seconds", "0.5", "--threads", 4, **terminal)

    def test_a_line_is_rewritten_in_place(self):
        shown, code = self.bench()
        self.assertEqual(code, 0)
        self.assertRegex(shown, r"\r  bench +.*█")
        self.assertRegex(shown, COLOUR)
        self.assertIn("per second", shown)

    def test_what_is_rewritten_never_wraps(self):
        for columns in (200, 80, 50, 30, 12):
            with self.subTest(columns=columns):
                shown, code = self.bench(columns=columns)
                self.assertEqual(code, 0)
                live = [part for part in ESCAPE.sub("", shown).replace("\r\n", "\n").split("\r") if "\n" not in part]
                self.assertTrue(live)
                self.assertLess(max(map(len, live)), columns)

    def test_no_color(self):
        self.environment["NO_COLOR"] = "1"
        shown, code = self.bench()
        self.assertEqual(code, 0)
        self.assertNotRegex(shown, COLOUR)
        self.assertIn("\r  bench", shown)

    def test_no_color_that_is_empty_asks_for_nothing(self):
        self.environment["NO_COLOR"] = ""
        self.assertRegex(self.bench()[0], COLOUR)

    def test_a_terminal_that_can_do_nothing(self):
        for term in ("dumb", ""):
            self.environment["TERM"] = term
            shown, code = self.bench()
            self.assertEqual(code, 0)
            self.assertNotIn("\x1b", shown)
            self.assertIn("bench: 4 threads", shown)

    def test_a_locale_without_the_block(self):
        self.environment["LANG"] = "C"
        shown, _ = self.bench()
        self.assertRegex(shown, r"\r  bench +(\x1b\[[0-9;]*m)?#*\.")
        self.assertTrue(shown.isascii())

    def test_plain_lines_elsewhere(self):
        result = self.run_command("bench", self.url, "--seconds", "0.3", "--threads", 4)
        self.assert_code(result, 0)
        for text in (result.out, result.err):
            self.assertNotIn("\x1b", text)
            self.assertNotIn("\r", text)
        self.assertEqual(result.err, "bench: 4 threads, 300 ms\n")

    def test_the_demo_on_a_terminal(self):
        shown, code = self.run_on_terminal("demo", "--seconds", "0.3", "--threads", 4)
        self.assertEqual(code, 0)
        for name in ("pooled", "no pool", "unfair", "failing"):
            self.assertIn(f"\r  {name}", shown)
        self.assertRegex(shown, r"\x1b\[32mok")

    def test_ctrl_c(self):
        """While the line is being rewritten."""
        shown, code = self.run_on_terminal(
            "demo", "--seconds", "1h", "--threads", 4, until="requests/s, ",
            then=lambda process: process.send_signal(signal.SIGINT),
        )
        self.assertEqual(code, 130)
        self.assertIn("none lost", shown)
        self.assertEqual(list(self.temporary.iterdir()), [])

    def test_a_mistake_wipes_the_line_first(self):
        shown, code = self.run_on_terminal(
            "bench", self.url, "--seconds", "0.3", "--threads", 2, "--sql", "SELECT abs(-9223372036854775808)"
        )
        self.assertEqual(code, 1)
        before = shown[: shown.index("queuepool: ")]
        self.assertTrue(before.endswith("\n") or before.endswith("\r\x1b[K"), before[-20:])


if __name__ == "__main__":
    main()
