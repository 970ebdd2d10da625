/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hazard_own: stands in front of src/platform/hazard_own.h.  All actors are one thread of the system, so each has its
 * word in the world.
 */
#ifndef EXPLORE_MODEL_HAZARD_OWN_H
#define EXPLORE_MODEL_HAZARD_OWN_H

#include "platform/hazard.h"

qp_hazard *qp_hazard_own(void);

#endif
