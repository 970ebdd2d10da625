#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""smtp_run: run a command beside a real mail server of its own, and end with its status.

    smtp_run COMMAND [ARGUMENT...]

SMTP_URL of its environment leads to the server, which wants STARTTLS and a login, and never sends a mail anywhere.
"""
import logging
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python" / "tests"))

import smtp_server  # noqa: E402

logging.disable(logging.WARNING)  # aiosmtpd's, of each login


def main(command):
    with tempfile.TemporaryDirectory(prefix="queuepool-smtp-") as folder:
        certificates = smtp_server.Certificates(folder)
        with smtp_server.Server(certificates, "starttls", True) as server:
            login = f"{smtp_server.USER}:{smtp_server.PASSWORD}"
            url = f"smtp://{login}@127.0.0.1:{server.port}?ca={certificates.ca}"
            return subprocess.run(command, env={**os.environ, "SMTP_URL": url}, check=False).returncode


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
