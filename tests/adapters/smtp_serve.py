# SPDX-License-Identifier: BSD-3-Clause
"""smtp_serve: a real mail server for the C tests: the aiosmtpd of python/tests/smtp_server.py, under orders.

    smtp_serve CONTROL-PORT none|starttls|implicit 0|1 FOLDER

Connects to the test's control port and says where it listens; then each line is an order, answered by one line:
fault VERB ANSWER, clear, drop, verbs (of all connections), connections, quits, mails, mail N (its bytes in hex), envelope N.
Ends when the control connection does.  With certificates, which it makes in FOLDER, it speaks TLS; with 1 it wants a
login.  It never sends a mail anywhere.
"""
import logging
import pathlib
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python" / "tests"))

import smtp_server  # noqa: E402

logging.disable(logging.WARNING)  # aiosmtpd's, of each login


class Orders:
    def __init__(self, server):
        self.server = server

    def fault(self, verb, *answer):
        self.server.faults[verb] = " ".join(answer)
        return "ok"

    def clear(self):
        self.server.faults.clear()
        return "ok"

    def drop(self):
        self.server.drop()
        return "ok"

    def verbs(self):
        return " ".join(verb for connection in self.server.connections for verb in connection.verbs)

    def quits(self):
        """Where the last bytes were a QUIT: aiosmtpd may drop the line when the connection closes right behind it."""
        return str(sum(connection.received.endswith(b"QUIT\r\n") for connection in self.server.connections))

    def connections(self):
        return str(len(self.server.connections))

    def mails(self):
        return str(len(self.server.mails))

    def mail(self, number):
        return self.server.mails[int(number)][2].hex()

    def envelope(self, number):
        sender, recipients, _ = self.server.mails[int(number)]
        return " ".join([sender or "<>", *recipients])


def main(control, tls, auth, folder):
    certificates = smtp_server.Certificates(folder) if tls != "none" else None
    with socket.create_connection(("127.0.0.1", int(control))) as channel, channel.makefile("rw") as lines:
        with smtp_server.Server(certificates, None if tls == "none" else tls, auth == "1") as server:
            print(server.port, file=lines, flush=True)
            orders = Orders(server)
            for line in lines:
                verb, *words = line.split()
                print(getattr(orders, verb)(*words), file=lines, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
