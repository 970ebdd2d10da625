# SPDX-License-Identifier: BSD-3-Clause
# The types of queuepool._engine: both engines give what the one in C gives.
from queuepool._core import Line as Line
from queuepool._core import pin as pin
from queuepool._core import wire as wire

chosen: str
QUIET: int
READABLE: int
GONE: int
__all__ = ["GONE", "QUIET", "READABLE", "Line", "chosen", "pin", "wire"]
