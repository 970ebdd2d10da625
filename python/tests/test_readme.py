# SPDX-License-Identifier: BSD-3-Clause
"""test_readme: the Python that our texts show is Python that runs.

Each block is run as a reader does who copies it into a file and starts that in an empty folder.  python/tests/run
comes in; it does not judge what a block prints, only that it ends well and warns of nothing.
"""
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXTS = ("README.md", "python/README.md")


def blocks():
    for text in TEXTS:
        found = re.findall(r"^```python\n(.*?)^```$", (ROOT / text).read_text(encoding="utf-8"), re.M | re.S)
        for number, block in enumerate(found, 1):
            yield pytest.param(block, id=f"{text}-{number}")


def test_the_readme_shows_python():
    assert any(param.id.startswith("README.md") for param in blocks())


@pytest.mark.parametrize("block", blocks())
def test_it_runs(block, tmp_path):
    (tmp_path / "program.py").write_text(block, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
