/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis_resolve: a resolver that does not answer costs an open its budget and no more, and the lookup
 * that goes on owns what it needs, also when the pool is gone; several addresses share the time.  The
 * library finds this program's getaddrinfo.
 */
#include "redis_kit.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pg_keep.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool hangs;
static unsigned inside, done;
static unsigned ports[2]; /* of the addresses it finds; 0: none */

static struct addrinfo *
address(unsigned port, struct addrinfo *next)
{
	struct addrinfo *a = calloc(1, sizeof *a + sizeof(struct sockaddr_in));
	struct sockaddr_in *at = (struct sockaddr_in *)(a + 1);

	at->sin_family = AF_INET;
	at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	at->sin_port = htons((uint16_t)port);
	a->ai_family = AF_INET;
	a->ai_addr = (struct sockaddr *)at;
	a->ai_addrlen = sizeof *at;
	a->ai_next = next;
	return a;
}

/* Under libc's names, whose declarations are in the way. */
#define FOUND __attribute__((visibility("default")))
FOUND int our_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
    struct addrinfo **out) __asm__("getaddrinfo");
FOUND void our_freeaddrinfo(struct addrinfo *list) __asm__("freeaddrinfo");

int
our_getaddrinfo(
    const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **out)
{
	bool none;

	(void)port;
	if ((hints->ai_flags & AI_NUMERICHOST) != 0)
		return EAI_NONAME;
	pthread_mutex_lock(&mutex);
	inside++;
	pthread_cond_broadcast(&changed);
	while (hangs)
		pthread_cond_wait(&changed, &mutex);
	assert_string_equal(host, "cache"); /* still there to be read */
	inside--;
	done++;
	pthread_cond_broadcast(&changed);
	none = ports[0] == 0;
	if (!none)
		*out = address(ports[0], ports[1] == 0 ? NULL : address(ports[1], NULL));
	pthread_mutex_unlock(&mutex);
	return none ? EAI_AGAIN : 0;
}

void
our_freeaddrinfo(struct addrinfo *list)
{
	while (list != NULL) {
		struct addrinfo *next = list->ai_next;
		free(list);
		list = next;
	}
}

static void
set(bool value)
{
	pthread_mutex_lock(&mutex);
	hangs = value;
	done = 0;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

static void
test_hangs(void **state)
{
	void *session;
	int64_t start;
	kit k;

	(void)state;
	set(true);
	kit_begin(&k, "redis://cache", NULL);
	start = kit_now();
	assert_int_equal(kit_open(&k, QPOOL_MSEC(50), &session), QPOOL_EOPEN);
	assert_in_range(kit_now() - start, QPOOL_MSEC(50), QPOOL_SEC(2));
	kit_says(&k.error, "not found in time");
	kit_end(&k);
	/* The pool is gone; the lookup ends by itself. */
	set(false);
	pthread_mutex_lock(&mutex);
	while (done < 1)
		pthread_cond_wait(&changed, &mutex);
	pthread_mutex_unlock(&mutex);
}

static void
test_fails(void **state)
{
	void *session;
	kit k;

	(void)state;
	set(false);
	ports[0] = 0;
	kit_begin(&k, "redis://cache", NULL);
	assert_int_equal(kit_open(&k, QPOOL_SEC(5), &session), QPOOL_EOPEN);
	kit_says(&k.error, "has no address");
	kit_end(&k);
}

/* Nobody is at the first address. */
static void
test_second_address(void **state)
{
	redis_server *server = redis_server_start(NULL);
	int port, reserve = pg_keep_port(&port);
	void *session;
	kit k;

	(void)state;
	ports[0] = (unsigned)port;
	ports[1] = (unsigned)redis_server_port(server);
	kit_begin(&k, "redis://cache", NULL);
	assert_int_equal(kit_open(&k, QPOOL_SEC(5), &session), QPOOL_OK);
	kit_close(&k, session);
	kit_end(&k);
	(void)close(reserve);
	redis_server_end(server);
}

/* Somebody is at the first address, and does not answer: the second has its share of the time. */
static void
test_silent_address(void **state)
{
	redis_server *server = redis_server_start(NULL);
	int port, listener = pg_keep_port(&port), crowd[8];
	struct sockaddr_in at = {.sin_family = AF_INET};
	void *session;
	kit k;

	(void)state;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	at.sin_port = htons((uint16_t)port);
	assert_int_equal(listen(listener, 0), 0);
	for (unsigned i = 0; i < 8; i++) {
		crowd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(crowd[i], (struct sockaddr *)&at, sizeof at);
	}
	ports[0] = (unsigned)port;
	ports[1] = (unsigned)redis_server_port(server);
	kit_begin(&k, "redis://cache", NULL);
	assert_int_equal(kit_open(&k, QPOOL_MSEC(600), &session), QPOOL_OK);
	kit_close(&k, session);
	kit_end(&k);
	for (unsigned i = 0; i < 8; i++)
		(void)close(crowd[i]);
	(void)close(listener);
	redis_server_end(server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hangs),
	    cmocka_unit_test(test_fails),
	    cmocka_unit_test(test_second_address),
	    cmocka_unit_test(test_silent_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
