# SPDX-License-Identifier: BSD-3-Clause
"""test_readme: the Python that our texts show is Python that runs.

Each block is run as a reader does who copies it into a file and starts that in an empty folder, next to a PostgreSQL
with the database that it speaks of.  python/tests/run comes in; it does not judge what a block prints, only that it
ends well and warns of nothing.
"""
import os
import pathlib
import re
import subprocess
import sys

import pytest
from postgres import cluster  # noqa: F401
from smtp_server import PASSWORD, USER, Certificates, Server

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXTS = ("README.md", "docs/PYTHON.md", "python/README.md")
MOST_LINES = 8  # of the README's


def blocks_of(text):
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / text).read_text(encoding="utf-8"), re.M | re.S)


def blocks():
    for text in TEXTS:
        for number, block in enumerate(blocks_of(text), 1):
            yield pytest.param(block, id=f"{text}-{number}")


@pytest.fixture(scope="module")
def bank(cluster):  # noqa: F811
    """Where libpq finds the database."""
    cluster.sql("CREATE DATABASE bank", "\\c bank", "CREATE TABLE account AS SELECT 7 AS id, 100 AS balance")
    return dict(PGHOST=cluster.folder, PGPORT=str(cluster.port), PGUSER="postgres")


def run(folder, block, **environment):
    (folder / "program.py").write_text(block, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "program.py"],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def exchanged(block, *pairs):
    """The block with what there is in place of what it shows, which it has once each."""
    for shown, real in pairs:
        assert block.count(shown) == 1, shown
        block = block.replace(shown, real)
    return block


def test_the_readme_shows_python():
    shown = blocks_of("README.md")
    assert len(shown) == 1 and len(shown[0].splitlines()) <= MOST_LINES
    assert blocks_of("docs/PYTHON.md")


@pytest.mark.parametrize("block", blocks())
def test_it_runs(block, tmp_path, request):
    if "smtpcm" in block:
        with Server(Certificates(tmp_path), "starttls", auth=True) as server:
            block = exchanged(
                block,
                ('"smtp.example.org", 587', f'"127.0.0.1", {server.port}'),
                ('"me", "secret"', f'"{USER}", "{PASSWORD}"'),
            )
            block += '\nassert send("Subject: x\\n\\ny") == {}\npool.close()\n'
            run(tmp_path, block, SSL_CERT_FILE=str(tmp_path / "ca.pem"))
            assert len(server.mails) == 1
    elif "psycopg" in block:
        pytest.importorskip("psycopg2")
        run(tmp_path, block, **request.getfixturevalue("bank"))
    else:
        if "sqlalchemy" in block:
            pytest.importorskip("sqlalchemy")
        run(tmp_path, block)
