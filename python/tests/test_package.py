# SPDX-License-Identifier: BSD-3-Clause
"""test_package: the package as it is installed: what is in it, and what importing it brings along.

python/tests/run comes in; nothing is pooled here.
"""
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import pytest

import queuepool

INSTALLED = pathlib.Path(queuepool.__file__).parent
CHECKOUT = pathlib.Path(__file__).resolve().parents[1] / "queuepool"


def in_new_interpreter(code, **environment):
    """What it prints, as JSON."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_is_tested_is_what_is_installed():
    assert INSTALLED != CHECKOUT
    assert pathlib.Path(sys.prefix) in INSTALLED.parents


def test_every_file_of_the_checkout_is_installed_as_it_is():
    files = [path for path in CHECKOUT.iterdir() if path.suffix in (".py", ".pyi", ".typed")]
    assert {path.name for path in files} >= {"__init__.py", "pool.py", "py.typed", "pool.pyi"}
    for path in files:
        assert (INSTALLED / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_version_is_said_once():
    assert importlib.metadata.version("queuepool") == queuepool.__version__


def test_the_licence_comes_along():
    distribution = importlib.metadata.distribution("queuepool")
    licence = next(path for path in distribution.files if path.name == "LICENSE")
    assert licence.read_text() == (CHECKOUT.parents[1] / "LICENSE").read_text(encoding="utf-8")


def test_the_extension_is_for_every_later_python():
    origin = importlib.util.find_spec("queuepool._core").origin
    assert pathlib.Path(origin).parent == INSTALLED
    assert origin.endswith(".abi3.so")


def test_only_the_entry_of_the_extension_can_be_seen():
    origin = importlib.util.find_spec("queuepool._core").origin
    listed = subprocess.run(["nm", "-D", "--defined-only", origin], capture_output=True, text=True, check=True).stdout
    assert [line.split()[-1] for line in listed.splitlines()] == ["PyInit__core"]


@pytest.mark.parametrize("engine", ["c", "py"])
def test_importing_brings_no_driver_and_one_engine(engine):
    loaded = in_new_interpreter(
        "import json, sys, queuepool; print(json.dumps(sorted(sys.modules)))", QUEUEPOOL_ENGINE=engine
    )
    assert "queuepool.pool" in loaded
    assert not {"psycopg2", "psycopg", "smtplib"} & set(loaded)
    assert ("queuepool._core" in loaded, "queuepool._pyline" in loaded) == (engine == "c", engine == "py")


def test_another_engine_is_refused():
    said = in_new_interpreter(
        "import json\n"
        "try:\n    import queuepool\n"
        "except ImportError as error:\n    print(json.dumps(str(error)))",
        QUEUEPOOL_ENGINE="rust",
    )
    assert "QUEUEPOOL_ENGINE is 'rust'" in said and "'c'" in said and "'py'" in said
