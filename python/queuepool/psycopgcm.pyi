# SPDX-License-Identifier: BSD-3-Clause
# The types of queuepool.psycopgcm.  The driver's own are Any: a program that has its stubs may say more.
import json as json
from typing import Any

from queuepool import _pgcm
from queuepool import pool as pool

__all__ = ["ConnectionManager", "ConnectionManagerExtended", "json", "logg", "pg", "pgsql", "pool"]

pg: Any
pgsql: Any

def logg(*args: object, **kwargs: Any) -> None: ...

class ConnectionManager(_pgcm.Manager): ...
class ConnectionManagerExtended(_pgcm.Queries, ConnectionManager): ...
