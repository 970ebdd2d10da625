/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_kit: cmocka, and what tests against a real PostgreSQL stand on: the server, PgBouncer, a bad network.
 */
#ifndef PG_KIT_H
#define PG_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pg_bouncer.h"
#include "pg_proxy.h"
#include "pg_server.h"

#endif
