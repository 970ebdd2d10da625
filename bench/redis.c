/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis: what a pool of Redis sessions is good for, and what it costs, on a Redis of its own: commands per second
 * beside a connect for each command, and the pool's share of a round trip.  Ratios are taken within a round, and
 * the median of the rounds counts.  It stands on the public header, and on the tests' harness for the server.
 *
 *     bench_redis [--quick] [--check]
 */
#include <queuepool/redis.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "ratio.h"
#include "redis_server.h"

enum { THREADS = 8, ROUNDS_MOST = 64 };

static int rounds = 21, trips = 20000; /* of one thread in a round */
static redis_server *server;
static qpool *pool;

static void
fail(const char *what, const char *why)
{
	fprintf(stderr, "bench_redis: %s: %s\n", what, why);
	redis_server_end(server);
	exit(1);
}

/* ---- one command, three ways -------------------------------------------------------- */

static void
by_lease(qpool_lease *lease)
{
	qpool_error error;
	redisReply *reply;

	if (qpool_redis_command(lease, &reply, &error, "GET key") != QPOOL_OK)
		fail("GET", error.message);
	freeReplyObject(reply);
}

static void
take(qpool_lease *lease)
{
	qpool_error error;

	if (qpool_acquire(pool, QPOOL_DEFAULT, lease, &error) != QPOOL_OK)
		fail("acquire", error.message);
}

static void
by_pool(void)
{
	qpool_lease lease;

	take(&lease);
	by_lease(&lease);
	qpool_release(&lease);
}

static void
by_context(redisContext *context)
{
	redisReply *reply = redisCommand(context, "GET key");

	if (reply == NULL)
		fail("GET", context->errstr);
	freeReplyObject(reply);
}

static void
by_connect(void)
{
	redisContext *context = redisConnect("127.0.0.1", redis_server_port(server));

	if (context == NULL || context->err != 0)
		fail("connect", context == NULL ? "no memory" : context->errstr);
	by_context(context);
	redisFree(context);
}

/* ---- one thread --------------------------------------------------------------------- */

/* Seconds for a round trip. */
static double
held_trip(void)
{
	qpool_lease lease;
	double start;

	take(&lease);
	start = ratio_now();
	for (int i = 0; i < trips; i++)
		by_lease(&lease);
	start = (ratio_now() - start) / trips;
	qpool_release(&lease);
	return start;
}

static double
pooled_trip(void)
{
	double start = ratio_now();

	for (int i = 0; i < trips; i++)
		by_pool();
	return (ratio_now() - start) / trips;
}

static double
hiredis_trip(bool is_tcp)
{
	redisContext *context = is_tcp ? redisConnect("127.0.0.1", redis_server_port(server))
	                               : redisConnectUnix(redis_server_socket(server));
	double start = ratio_now();

	for (int i = 0; i < trips; i++)
		by_context(context);
	start = (ratio_now() - start) / trips;
	redisFree(context);
	return start;
}

/* ---- rounds ------------------------------------------------------------------------- */

static void
make_pool(const char *url)
{
	qpool_options options = qpool_options_init();
	qpool_error error;

	options.max_size = THREADS;
	if (qpool_redis_create(&pool, url, NULL, &options, &error) != QPOOL_OK ||
	    qpool_wait_ready(pool, THREADS, QPOOL_SEC(10), &error) != QPOOL_OK)
		fail(url, error.message);
}

static double
measure_rates(void)
{
	double pooled[ROUNDS_MOST], connected[ROUNDS_MOST], ratios[ROUNDS_MOST], ratio;

	make_pool(redis_server_url(server));
	for (int i = 0; i < rounds; i++) {
		pooled[i] = ratio_rate(THREADS, by_pool, trips / THREADS);
		connected[i] = ratio_rate(THREADS, by_connect, trips / THREADS / 8);
		ratios[i] = pooled[i] / connected[i];
	}
	ratio = ratio_median(rounds, ratios);
	qpool_free(pool);
	printf(
	    "commands per second, %d threads over TCP: %.0f by a pool of %d, %.0f with a connect for "
	    "each: %.1f times as many\n",
	    THREADS, ratio_median(rounds, pooled), THREADS, ratio_median(rounds, connected), ratio);
	return ratio;
}

static double
measure_share(bool is_tcp)
{
	double pooled[ROUNDS_MOST], held[ROUNDS_MOST], plain[ROUNDS_MOST];
	double shares[ROUNDS_MOST], beside[ROUNDS_MOST], share;

	make_pool(is_tcp ? redis_server_url(server) : redis_server_unix(server));
	for (int i = 0; i < rounds; i++) {
		plain[i] = hiredis_trip(is_tcp);
		held[i] = held_trip();
		pooled[i] = pooled_trip();
		shares[i] = (pooled[i] - held[i]) / held[i];
		beside[i] = (pooled[i] - plain[i]) / plain[i];
	}
	share = ratio_median(rounds, shares);
	qpool_free(pool);
	printf(
	    "a round trip over %s: %.2f us by hiredis alone, %.2f us by a lease that is kept, %.2f us "
	    "with a lease for each: the pool's share is %.1f %% (beside hiredis %+.1f %%)\n",
	    is_tcp ? "TCP" : "a Unix socket", ratio_median(rounds, plain) * 1e6,
	    ratio_median(rounds, held) * 1e6, ratio_median(rounds, pooled) * 1e6, share * 100,
	    ratio_median(rounds, beside) * 100);
	return share;
}

int
main(int argc, char **argv)
{
	bool checks = false, good;
	double ratio, by_tcp, by_socket;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0)
			rounds = 3, trips = 2000;
		else if (strcmp(argv[i], "--check") == 0)
			checks = true;
		else
			return fprintf(stderr, "usage: bench_redis [--quick] [--check]\n"), 2;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* hiredis alone would raise it */
	server = redis_server_start(NULL);
	redis_do(server, "SET key value");
	ratio = measure_rates();
	by_tcp = measure_share(true);
	by_socket = measure_share(false);
	redis_server_end(server);
	good = ratio >= 3 && by_tcp <= 0.02 && by_socket <= 0.02;
	printf(
	    "wanted: at least 3 times as many: %s; a share of at most 2 %%: by TCP %s, by a Unix socket "
	    "%s\n",
	    ratio >= 3 ? "met" : "not met", by_tcp <= 0.02 ? "met" : "not met",
	    by_socket <= 0.02 ? "met" : "not met");
	return checks && !good;
}
