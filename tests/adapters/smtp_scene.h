/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smtp_scene: what the tests with a fake server have in common: the fake, the way to it (in the clear, or with TLS
 * before it), pools of one session, and one mail.  What fails in here fails the test.
 */
#ifndef SMTP_SCENE_H
#define SMTP_SCENE_H

#include "smtp_kit.h"

#include "smtp_fake.h"

extern smtp_fake *fake;
extern qpool_error said;

/* A good server's words, and those before TLS. */
extern const char greeting[], ehlo[], ok[], go_on[], taken[], bye[], starttls[], go[];
extern const char *const good[8];

#define SAYS(...)                 \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}
#define SMTP_SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, scene_begin, scene_end)

int scene_begin(void **state);
int scene_end(void **state);
/* From now on pools go through TLS, "starttls" or "implicit", which a front before the fake speaks. */
void scene_secure(const char *how);

void script(const char *const *says, size_t cut_out, size_t cut_in);
/* Pools of one session.  login: "user:password@" or ""; query: words of the URL. */
qpool *pool_with(const char *login, const char *query, qpool_nsec open_budget);
qpool *pool_of(void);
/* One mail over a pool of its own: what acquire said, or what the mail came to. */
qpool_err one_mail(const qpool_smtp_message *message, qpool_smtp_reply *replies, bool *opened);
size_t length_of(const char *const *says, size_t count);

#endif
