# SPDX-License-Identifier: BSD-3-Clause
# The types of queuepool._pgcm, for both drivers.  What a driver makes is Any: neither can be relied on to be there.
from typing import Any

from queuepool import pool

RESETS: tuple[str, ...]
CONNECT_TIMEOUT: int
CANCEL_WITHIN: float
RESET_WITHIN: float
NEWS: int
IDLE: int
ACTIVE: int
UNKNOWN: int

def bounded(kwargs: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]: ...

class Manager(pool.ResourceManager):
    autocommit: bool | None
    isolation_level: Any
    readonly: bool | None
    deferrable: bool | None
    reset: str
    def __init__(
        self,
        name: str,
        isolation_level: Any = ...,
        readonly: bool | None = ...,
        deferrable: bool | None = ...,
        autocommit: bool | None = ...,
        *args: Any,
        reset: str = ...,
        **kwargs: Any,
    ) -> None: ...
    def repair(self) -> None: ...

class Queries:
    def now_expr(self, t: Any = ...) -> str: ...
    def query(self, query: Any, args: Any = ...) -> list[dict[str, Any]]: ...
    def querys(self, query: Any, args: Any = ...) -> tuple[list[Any], Any]: ...
    def query1(self, query: Any, args: Any = ...) -> dict[str, Any] | None: ...
    def qexec(self, query: Any, args: Any = ...) -> None: ...
    def geojson(
        self, geomColumn: str, attrColumns: Any = ..., selectQuery: Any = ..., args: Any = ..., prec: int = ...
    ) -> dict[str, Any]: ...
