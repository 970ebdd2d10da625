# SPDX-License-Identifier: BSD-3-Clause
# The types of queuepool.psycopg2cm_tests: a try-out that a program may call.
from typing import Any

TASKS: int
ROUNDS: int

def logg(*args: object, **kwargs: Any) -> None: ...
def test1(host: str, dbname: str, user: str, password: str) -> None: ...
