# SPDX-License-Identifier: BSD-3-Clause
# The types of queuepool.pool.  What a pool lends is Any: a pool may hold managers of several kinds, so a program that
# wants more says `cm: ConnectionManager = pool.take()`.
import queue
import threading
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple, Protocol, TypeVar

from queuepool._engine import Line
from queuepool._errors import PoolBusy as PoolBusy
from queuepool._errors import PoolClosed as PoolClosed
from queuepool._errors import PoolError as PoolError
from queuepool._errors import PoolTimeout as PoolTimeout

__all__ = ["Event", "Pool", "PoolBusy", "PoolClosed", "PoolError", "PoolTimeout", "ResourceManager", "logg"]

_Self = TypeVar("_Self")

MOST_MANAGERS: int

def logg(*args: object, **kwargs: Any) -> None: ...

class Event(NamedTuple):
    type: str
    why: str | None
    took: float
    message: str | None
    site: str | None

class _Manager(Protocol):
    """What can be put: a ResourceManager, or what has its hooks."""

    _isOpen: bool
    def open(self) -> Any: ...
    def close(self) -> Any: ...
    def takeRepair(self) -> Any: ...
    def putRepair(self) -> Any: ...

class ResourceManager:
    name: str
    resource: Any
    _pool: Pool | None
    _isOpen: bool
    _lastOpened: datetime | None
    _lastUsed: datetime | None
    _usageCount: int | None
    def __init__(self, name: str) -> None: ...
    def open(self) -> None: ...
    def close(self) -> None: ...
    def takeRepair(self) -> None: ...
    def putRepair(self) -> None: ...
    def __enter__(self: _Self) -> _Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool: ...

class Pool(Line):
    name: str
    capacity: int
    closeOnException: bool
    _queue: Any
    _recyclerThread: threading.Thread | None
    _recyclerInterval: float
    max_idle: float | None
    max_age: float | None
    max_uses: float | None
    def __init__(
        self,
        name: str,
        capacity: int,
        maxIdleTime: float | None = ...,
        maxOpenTime: float | None = ...,
        maxUsageCount: float | None = ...,
        closeOnException: bool = ...,
        *,
        factory: Callable[[str], _Manager] | None = ...,
        max_waiters: int | None = ...,
        max_overtake: float | None = ...,
        on_event: Callable[[Event], object] | None = ...,
    ) -> None: ...
    def __enter__(self: _Self) -> _Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool: ...
    @property
    def max_size(self) -> int: ...
    def put(self, r: _Manager) -> None: ...
    def release(self, manager: _Manager) -> None: ...
    def recycle(self) -> None: ...
    def startRecycler(self, interval: float = ...) -> None: ...
    def stopRecycler(self) -> None: ...
    def stats(self) -> dict[str, Any]: ...
    def resize(self, capacity: int) -> None: ...
    def close(self, *, timeout: float | None = ...) -> None: ...
    def _recycle(self, r: ResourceManager) -> None: ...
    def _recyclerLoop(self) -> None: ...
