# SPDX-License-Identifier: BSD-3-Clause
"""The numbers that a `Line` in Python is given: its three limits, and timeouts.

`_pyline` comes in here.  It refuses what cannot be meant, by name, and keeps beside what was set the number that the
clock is compared with.  It knows no member and no clock.
"""
import math
import threading

LOOK_EVERY = 0.05  # seconds


def number_of(what, value):
    """As a float; inf where it is too large for one."""
    kind = type(value)
    if isinstance(value, bool) or not (hasattr(kind, "__float__") or hasattr(kind, "__index__")):
        raise TypeError(f"{what} is {value!r}; it must be a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    if math.isnan(number):
        raise ValueError(f"{what} is {value!r}; it must be a number")
    return number


def timeout_of(value):
    if value is None:
        return None
    number = number_of("timeout", value)
    if number < 0:
        raise ValueError(f"timeout is {value!r}; it must be 0 or more seconds, or None to wait for ever")
    return None if number == math.inf else number


def at_a_stretch(left):
    """How long of those seconds to wait at once; None and -1 are for ever, as they are for what waits.

    Handlers of signals run on the main thread, and a lock wakes it only for those that were given to it: so it looks
    at the others now and then.
    """
    if threading.get_ident() != threading.main_thread().ident:
        return left
    return LOOK_EVERY if left is None or left < 0 else min(left, LOOK_EVERY)


class Limit:
    """A property; the number is kept beside what was set."""

    def __init__(self, name, scale):
        self.name = name
        self.place = "_Line__set" + name
        self.scale = scale

    def __get__(self, line, owner=None):
        if line is None:
            return self
        line._books  # raises where there are none
        return line.__dict__.get(self.place, (None, None))[0]

    def __set__(self, line, value):
        line._books
        number = None if value is None else number_of(self.name, value) * self.scale
        line.__dict__[self.place] = (value, None if number == math.inf else number)

    def of(self, line):
        return line.__dict__.get(self.place, (None, None))[1]
