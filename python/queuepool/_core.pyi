# SPDX-License-Identifier: BSD-3-Clause
# The types of queuepool._core, the engine in C: what a program reaches through Pool, and what pool.py stands on.
from typing import Any

class Line:
    _maxIdleTime: float | None
    _maxOpenTime: float | None
    _maxUsageCount: float | None
    def take(self, *, timeout: float | None = ...) -> Any: ...
    def acquire(self, *, timeout: float | None = ...) -> Any: ...
    def put(self, r: Any) -> None: ...

library: str

def pin(obj: object, /) -> None: ...
