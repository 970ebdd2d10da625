# SPDX-License-Identifier: BSD-3-Clause
"""queuepool: a pool that lends costly resources to threads.

    pool = queuepool.Pool("bank", capacity=10)
    for i in range(pool.capacity):
        pool.put(ConnectionManager(f"bank-{i}", dbname="bank"))  # of queuepool.psycopg2cm
    with pool.take() as cm:
        cm.resource.cursor()...

Importing this imports no database driver: `queuepool.psycopg2cm`, `queuepool.psycopgcm` and `queuepool.smtpcm`
are imported by those who use them.
"""
from queuepool import pool
from queuepool._errors import PoolBusy, PoolClosed, PoolError, PoolTimeout
from queuepool.pool import Event, Pool, ResourceManager

name = "queuepool"
__version__ = "2.0.0"

__all__ = [
    "Event",
    "Pool",
    "PoolBusy",
    "PoolClosed",
    "PoolError",
    "PoolTimeout",
    "ResourceManager",
    "name",
    "pool",
]
