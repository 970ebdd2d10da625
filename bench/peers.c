/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peers: who takes part, in the order of every round and table.
 */
#include "peer.h"

const peer *const peers[] = {
    &peer_none,
    &peer_mutex,
    &peer_mutex_clocks,
    &peer_queuepool,
    &peer_queuepool_unlimited,
};
const unsigned peer_count = sizeof peers / sizeof peers[0];
