# SPDX-License-Identifier: BSD-3-Clause
"""smtp_front: TLS before a fake mail server that has none, byte for byte, until one of both hangs up.

    smtp_front CONTROL-PORT starttls|implicit FAKE-PORT FOLDER

Connects to the test's control port, says where it listens, and ends when that connection does.  With starttls it is
in the clear until the fake has answered STARTTLS by 220.  Of two connections one ends without TLS's goodbye.
"""
import contextlib
import os
import pathlib
import select
import socket
import ssl
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python" / "tests"))

import smtp_server  # noqa: E402


def pump(source, target):
    piece = source.recv(65536)
    if piece:
        target.sendall(piece)
    return piece


def in_the_clear(client, fake):
    """True: both agreed to go on in TLS."""
    asked = False
    while True:
        for source in select.select([client, fake], [], [])[0]:
            piece = pump(source, fake if source is client else client)
            if not piece or (source is fake and asked):
                return piece.startswith(b"220 ") and b"\n" in piece
            asked = asked or piece.endswith(b"STARTTLS\r\n")


def in_tls(client, fake):
    while True:
        ready = [client] if client.pending() else select.select([client, fake], [], [])[0]
        for source in ready:
            if not pump(source, fake if source is client else client):
                return


def serve(client, context, tls, port, says_goodbye):
    with contextlib.suppress(OSError), client, socket.create_connection(("127.0.0.1", port)) as fake:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        fake.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls == "starttls" and not in_the_clear(client, fake):
            return
        with context.wrap_socket(client, server_side=True) as secure:
            in_tls(secure, fake)
            if says_goodbye:
                secure.setblocking(False)
                secure.unwrap()


def main(control, tls, port, folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*smtp_server.Certificates(folder).good)
    with socket.create_connection(("127.0.0.1", int(control))) as channel, channel.makefile("rw") as lines:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=lambda: (lines.read(), os._exit(0)), daemon=True).start()
            print(listener.getsockname()[1], file=lines, flush=True)
            for number in range(sys.maxsize):
                words = listener.accept()[0], context, tls, int(port), number % 2 == 0
                threading.Thread(target=serve, args=words, daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
