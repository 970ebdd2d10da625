/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peers: who takes part, in the order of every round and table.
 */
#include "peer.h"

const peer *const peers[] = {
    &peer_spin,
    &peer_futex,
    &peer_futex_one_core,
    &peer_none,
    &peer_mutex,
    &peer_mutex_clocks,
#ifdef BENCH_GLIB
    &peer_glib,
#endif
#ifdef BENCH_APR
    &peer_apr,
#endif
#ifdef BENCH_ZDB
    &peer_zdb,
#endif
    &peer_queuepool,
    &peer_queuepool_unlimited,
    &peer_queuepool_unfair,
    &peer_queuepool_described,
#ifdef BENCH_POSTGRES
    &peer_pg_none,
    &peer_pg_mutex,
#ifdef BENCH_ZDB
    &peer_pg_zdb,
    &peer_pg_zdb_100us,
#endif
    &peer_pg_queuepool,
    &peer_pg_queuepool_strict,
    &peer_pg_queuepool_1250us,
    &peer_pg_queuepool_10ms,
#endif
};
const unsigned peer_count = sizeof peers / sizeof peers[0];
