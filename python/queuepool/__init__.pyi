# SPDX-License-Identifier: BSD-3-Clause
# The types of queuepool: its names come from the modules that have them.
from queuepool import pool as pool
from queuepool._errors import PoolBusy as PoolBusy
from queuepool._errors import PoolClosed as PoolClosed
from queuepool._errors import PoolError as PoolError
from queuepool._errors import PoolTimeout as PoolTimeout
from queuepool.pool import Event as Event
from queuepool.pool import Pool as Pool
from queuepool.pool import ResourceManager as ResourceManager

name: str
__version__: str
__all__ = ["Event", "Pool", "PoolBusy", "PoolClosed", "PoolError", "PoolTimeout", "ResourceManager", "name", "pool"]
