# SPDX-License-Identifier: BSD-3-Clause
"""What a pool raises of its own; exceptions of a manager's hooks pass through as they are."""


class PoolError(Exception):
    """The pool cannot do what was asked: the text says what was wrong, and what to do."""


class PoolTimeout(PoolError, TimeoutError):
    """No manager came free in time, or not all came back in time."""


class PoolBusy(PoolError):
    """The line of those who wait is full (`max_waiters`)."""


class PoolClosed(PoolError):
    """The pool is closing or closed."""


# So that a traceback names what a program can catch.
for _each in (PoolError, PoolTimeout, PoolBusy, PoolClosed):
    _each.__module__ = "queuepool"
