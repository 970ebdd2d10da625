# SPDX-License-Identifier: BSD-3-Clause
# The types of queuepool._pyline: the engine in Python has the face of the one in C, and stubtest holds it to that.
from queuepool._core import Line as Line

def pin(thing: object) -> None: ...
