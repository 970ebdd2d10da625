# SPDX-License-Identifier: BSD-3-Clause
# The types of queuepool._engine: both engines give what the one in C gives.
from queuepool._core import Line as Line
from queuepool._core import pin as pin

chosen: str
__all__ = ["Line", "chosen", "pin"]
