# SPDX-License-Identifier: BSD-3-Clause
"""ping and bench against a real mail server: what they say, what they refuse, what they send, and that neither user nor
password is ever seen."""
import json
import logging
import pathlib
import re
import sys
import tempfile

from command import CommandTest, main

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python" / "tests"))

import smtp_server  # noqa: E402

logging.disable(logging.WARNING)  # aiosmtpd's, of each login
STEP = re.compile(r"  (\w+) +[\d.]+ (?:ns|us|ms|s)  ok(?:, (.*))?")
MAIL = "From: ann@example.org\nTo: Bob <bob@example.org>\nSubject: x\n\nhello\n"


class SmtpTest(CommandTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="queuepool-smtp-")
        self.addCleanup(folder.cleanup)
        self.certificates = smtp_server.Certificates(folder.name)
        self.server = smtp_server.Server(self.certificates, "starttls", True)
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)

    def url(self, password=smtp_server.PASSWORD, query=""):
        login = f"{smtp_server.USER}:{password}"
        return f"smtp://{login}@127.0.0.1:{self.server.port}?ca={self.certificates.ca}{query}"

    def run_command(self, *words, **options):
        result = super().run_command(*words, **options)
        said = (result.out or "") + (result.err or "")
        self.assertNotIn(smtp_server.PASSWORD, said)
        self.assertNotIn(smtp_server.USER, said)
        return result

    def bench(self, *options):
        return self.run_command("bench", self.url(), "--count", 40, "--threads", 4, "--capacity", 2, *options)


class Ping(SmtpTest):
    def test_it_answers(self):
        result = self.run_command("ping", self.url())
        self.assert_code(result, 0)
        self.assertEqual(result.err, "")
        head, *lines = result.out.splitlines()
        self.assertRegex(head, r"^smtp://\*+@127\.0\.0\.1:\d+\?ca=\S+ \(libcurl [\d.]+\)$")
        steps = [STEP.fullmatch(line).groups() for line in lines]
        self.assertEqual([name for name, _ in steps], ["open", "check", "read", "close"])
        self.assertIn(f"127.0.0.1:{self.server.port}", dict(steps)["open"])
        self.assertEqual(self.server.mails, [])

    def test_what_is_wrong_is_said(self):
        self.assert_code(self.run_command("ping", self.url("wrong-" + smtp_server.PASSWORD)), 2)
        self.assert_code(self.run_command("ping", self.url().partition("?")[0]), 2)
        self.assert_code(self.run_command("ping", self.url(query="&tls=optional")), 2)
        self.assert_code(self.run_command("ping", "smtp:mail"), 2)
        self.assert_code(self.run_command("ping", "smtp://127.0.0.1:1"), 1)

    def test_a_password_whose_host_was_forgotten_is_not_shown(self):
        secret = smtp_server.PASSWORD
        for url in (f"smtp://x:{secret}", f"smtps://x:{secret}?tls=none", f"smtp://x:{secret}:h:25"):
            self.assert_refused(self.run_command("ping", url), "port")
        for url in (f"smtp:{smtp_server.USER}:{secret}@h", f"smtp:/x:{secret}@h"):
            self.assert_refused(self.run_command("ping", url), "two slashes")
        self.assert_refused(self.run_command("ping", f"smtp//x:{secret}@h"), "no URL")
        self.assert_refused(self.run_command("ping", "smtp:///?tls=none"), "no host")
        self.assert_refused(self.run_command("ping", f"smtp://x:{secret}@:25"), "no host")
        self.assert_refused(self.run_command("ping", "smtp://:@h"), "user")
        self.assert_refused(self.run_command("ping", f"smtp://h?passwort={secret}"), '"passwort"')
        self.assert_refused(self.run_command("ping", f"smtp://h?{secret}"))

    def test_implicit_tls(self):
        with smtp_server.Server(self.certificates, "implicit") as server:
            url = f"smtps://127.0.0.1:{server.port}?ca={self.certificates.ca}"
            self.assert_code(self.run_command("ping", url), 0)


class Bench(SmtpTest):
    def test_it_sends_no_mail_unless_told(self):
        result = self.bench("--json", "-")
        self.assert_code(result, 0)
        told = json.loads(result.out)
        self.assertEqual((told["asked"]["kind"], told["asked"]["sql"]), ("smtp", "NOOP"))
        self.assertEqual(told["measured"]["failures"], 0)
        self.assertEqual(self.server.mails, [])

    def test_a_mail_for_each_request(self):
        (self.folder / "mail").write_text(MAIL, encoding="utf-8")
        self.assert_code(self.bench("--sql-file", self.folder / "mail"), 0)
        self.assertEqual(len(self.server.mails), 40)
        self.assertEqual(self.server.mails[0], ("ann@example.org", ["bob@example.org"], MAIL.replace("\n", "\r\n").encode()))
        self.assertLessEqual(len(self.server.connections), 3)

    def test_a_connection_for_each_request(self):
        self.assert_code(self.bench("--sql", MAIL, "--no-pool"), 0)
        self.assertEqual(len(self.server.connections), 41)

    def test_noop_as_a_file_has_it(self):
        for text in ("NOOP\n", " noop \r\n"):
            result = self.bench("--sql", text, "--json", "-")
            self.assert_code(result, 0)
            self.assertEqual(json.loads(result.out)["asked"]["sql"], text)
        self.assertEqual(self.server.mails, [])

    def test_what_is_no_mail_is_refused(self):
        for text, said in (
            ("", "neither NOOP nor a mail"),
            ("SELECT 1", "neither NOOP nor a mail"),
            ("From: a@b\n\nTo: c@d\n", "no To:"),
            ("From:\nTo: c@d\n\n", "From:"),
            ("From: a@b\nTo: c@d, e@f\n\n", "To:"),
            ("From: a@b\nTo: c@d\nto: e@f\n\n", "To:"),
            ("From: a@b\nTo: <c@d>, <e@f>\n\n", "To:"),
            ("From: a b@c\nTo: c@d\n\n", "From:"),
            ("To: c@d\n\n", "no From:"),
        ):
            self.assert_refused(self.bench("--sql", text), said)
        self.assertEqual(self.server.mails, [])

    def test_names_with_commas_and_brackets(self):
        result = self.bench("--sql", 'From: "A, B" <a@example.org>\nTo: C <c@example.org>\n\nx\n')
        self.assert_code(result, 0)
        self.assertEqual(self.server.mails[0][:2], ("a@example.org", ["c@example.org"]))

    def test_postgresql_s_options_are_refused(self):
        self.assert_code(self.bench("--reset", "full"), 2)


if __name__ == "__main__":
    main()
