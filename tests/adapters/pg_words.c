/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_words: what libpq is told, from the conninfo, a service file and the environment: words, and
 * places to connect to.  What is refused, and how it is said.
 */
#include "pg_source_kit.h"

#include <stdlib.h>

/* That libpq comes through here when it does connect: else the other tests would prove nothing. */
static void
the_guard_sees_libpq(void **state)
{
	(void)state;
	PQfinish(PQconnectStart("hostaddr=127.0.0.1"));
	assert_int_equal(source_kit_opened(), 1);
	PQfinish(PQconnectStart("host=localhost"));
	assert_int_not_equal(source_kit_opened(), 0);
}

/* Places as "host|hostaddr|port,". */
static void
goes_to(const char *conninfo, const char *expected)
{
	qp_pg_source *source = made(conninfo, NULL);
	char seen[512] = "";

	for (size_t i = 0; i < source->host_count; i++)
		(void)snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s|%s|%s,",
		    source->hosts[i].host != NULL ? source->hosts[i].host : "",
		    source->hosts[i].hostaddr != NULL ? source->hosts[i].hostaddr : "",
		    source->hosts[i].port != NULL ? source->hosts[i].port : "");
	assert_string_equal(seen, expected);
	has(source, "host", NULL);
	has(source, "hostaddr", NULL);
	has(source, "port", NULL);
	qp_pg_source_free(source);
}

/* ---- words ---- */

static void
defaults(void **state)
{
	qp_pg_source *source = made("", NULL);

	(void)state;
	has(source, "user", "me");
	has(source, "dbname", NULL); /* so that it follows the user that credentials may name */
	has(source, "password", NULL);
	has(source, "options", NULL);
	has(source, "application_name", NULL);
	has(source, "fallback_application_name", "queuepool");
	has(source, "keepalives", "1");
	has(source, "keepalives_idle", "30");
	has(source, "keepalives_interval", "10");
	has(source, "keepalives_count", "3");
	has(source, "tcp_user_timeout", "15000");
	has(source, "target_session_attrs", "any");
	assert_string_equal(source->database, "me");
	assert_string_equal(source->begin, "BEGIN");
	assert_null(source->options_word);
	assert_int_equal(source->host_count, 1);
	assert_int_equal(source->hosts[0].host[0], '/');
	assert_string_equal(source->hosts[0].port, "5432");
	assert_false(source->prefers_standby);
	assert_int_equal(source->connect_timeout, QPOOL_FOREVER);
	assert_int_equal(source->call_timeout, QPOOL_FOREVER);
	assert_non_null(source->resolver);
	qp_pg_source_free(source);
	qp_pg_source_free(NULL);
}

static void
words_of_the_conninfo(void **state)
{
	qp_pg_source *source =
	    made("host=h port=6 dbname='my db' user=u password='S3cret \\'x' "
		 "keepalives_idle=7 tcp_user_timeout=0 application_name=app "
		 "fallback_application_name=fall sslmode=disable pool_max_size=2",
		NULL);

	(void)state;
	has(source, "user", "u");
	has(source, "password", "S3cret 'x");
	has(source, "dbname", "my db");
	has(source, "keepalives_idle", "7");
	has(source, "keepalives_count", "3");
	has(source, "tcp_user_timeout", "0");
	has(source, "application_name", "app");
	has(source, "fallback_application_name", "fall");
	has(source, "sslmode", "disable");
	has(source, "pool_max_size", NULL);
	assert_string_equal(source->database, "my db");
	qp_pg_source_free(source);
}

static void
words_of_a_uri(void **state)
{
	qp_pg_source *source =
	    made("postgresql://u:S3%40cret@h:6/d%20b?sslmode=disable&pool_max_size=2&"
		 "keepalives=0",
		NULL);

	(void)state;
	has(source, "user", "u");
	has(source, "password", "S3@cret");
	has(source, "dbname", "d b");
	has(source, "sslmode", "disable");
	has(source, "keepalives", "0");
	assert_string_equal(source->hosts[0].host, "h");
	assert_string_equal(source->hosts[0].port, "6");
	qp_pg_source_free(source);
	source = made("postgres://h?ssl=true&requiressl=1", NULL);
	has(source, "sslmode", "require");
	qp_pg_source_free(source);
}

static void
words_of_the_environment(void **state)
{
	qp_pg_source *source;

	(void)state;
	(void)setenv("PGHOST", "eh", 1);
	(void)setenv("PGPORT", "7", 1);
	(void)setenv("PGDATABASE", "ed", 1);
	(void)setenv("PGPASSWORD", SECRET, 1);
	(void)setenv("PGAPPNAME", "eapp", 1);
	(void)setenv("PGOPTIONS", "-c geqo=off", 1);
	(void)setenv("PGCONNECT_TIMEOUT", "9", 1);
	(void)setenv("PGTARGETSESSIONATTRS", "read-write", 1);
	source = made("dbname=cd", NULL);
	has(source, "user", "me");
	has(source, "password", SECRET);
	has(source, "dbname", "cd");
	has(source, "application_name", "eapp");
	has(source, "options", "-c geqo=off");
	has(source, "target_session_attrs", "read-write");
	assert_string_equal(source->options_word, "-c geqo=off");
	assert_string_equal(source->hosts[0].host, "eh");
	assert_string_equal(source->hosts[0].port, "7");
	assert_int_equal(source->connect_timeout, QPOOL_SEC(9));
	qp_pg_source_free(source);
	source = made("", NULL);
	has(source, "dbname", "ed");
	qp_pg_source_free(source);
}

static void
words_of_a_service(void **state)
{
	qp_pg_source *source;

	(void)state;
	(void)setenv("PGSERVICEFILE",
	    source_kit_file(
		"[one]\nhost=sh\nport=8\nuser=su\npassword=S3cret\n[two]\nhost=th\ndbname=td\n"),
	    1);
	source = made("service=one user=cu pool_max_size=2", NULL);
	has(source, "user", "cu");
	has(source, "password", SECRET);
	has(source, "service", NULL); /* it would be read again at each connect */
	assert_string_equal(source->hosts[0].host, "sh");
	assert_string_equal(source->hosts[0].port, "8");
	qp_pg_source_free(source);
	(void)setenv("PGSERVICE", "two", 1);
	source = made("postgresql:///?pool_max_size=2", NULL);
	has(source, "dbname", "td");
	assert_string_equal(source->hosts[0].host, "th");
	qp_pg_source_free(source);
	refused("service=three", NULL, QPOOL_EINVAL,
	    "libpq refuses the conninfo: definition of service \"three\" not found; mend it, its "
	    "service file or the PG* variable");
	refused("service='S3cret x'", NULL, QPOOL_EINVAL,
	    "libpq refuses the conninfo: a value, not shown");
	(void)setenv("PGSERVICEFILE", "/nowhere/pg_service.conf", 1);
	refused("service=one", NULL, QPOOL_EINVAL, "libpq refuses the conninfo: ");
	(void)setenv("PGSERVICEFILE", source_kit_file("[one]\nhost=sh\nS3cret\n"), 1);
	refused("service=one", NULL, QPOOL_EINVAL, "libpq refuses the conninfo: syntax error");
}

static void
password_files_are_left_to_the_connect(void **state)
{
	char conninfo[160];
	qp_pg_source *source;

	(void)state;
	(void)snprintf(
	    conninfo, sizeof conninfo, "host=h passfile=%s", source_kit_file("*:*:*:*:S3cret\n"));
	source = made(conninfo, NULL);
	has(source, "password", NULL);
	has(source, "passfile", conninfo + strlen("host=h passfile="));
	qp_pg_source_free(source);
}

static void
places(void **state)
{
	(void)state;
	goes_to("host=a", "a||5432,");
	goes_to("host=a port=6", "a||6,");
	goes_to("host=a,b port=6", "a||6,b||6,");
	goes_to("host=a,b port=6,7", "a||6,b||7,");
	goes_to("host=a,b port=6,", "a||6,b||5432,");
	goes_to("host=a,b hostaddr=1.2.3.4,::1 port=,7", "a|1.2.3.4|5432,b|::1|7,");
	goes_to("host=a, hostaddr=,1.2.3.4", "a||5432,|1.2.3.4|5432,");
	goes_to("hostaddr=1.2.3.4", "|1.2.3.4|5432,");
	goes_to("host=/tmp,@abstract", "/tmp||5432,@abstract||5432,");
	goes_to("postgresql://a:6,[::1]:7,b/d", "a||6,::1||7,b||5432,");
	goes_to("postgresql://%2Ftmp/d?port=6", "/tmp||6,");
	(void)setenv("PGHOST", "e,f", 1);
	goes_to("", "e||5432,f||5432,");
	goes_to("postgresql:///d", "e||5432,f||5432,");
	goes_to("host=a,b,c", "a||5432,b||5432,c||5432,");
}

/* libpq's own place is written down, so that a later PGHOST cannot change it. */
static void
a_place_without_a_name(void **state)
{
	qp_pg_source *source;

	(void)state;
	(void)setenv("PGHOST", "e", 1);
	source = made("host=''", NULL);
	assert_int_equal(source->host_count, 1);
	assert_int_equal(source->hosts[0].host[0], '/');
	qp_pg_source_free(source);
	source = made("host=a,", NULL);
	assert_int_equal(source->host_count, 2);
	assert_int_equal(source->hosts[1].host[0], '/');
	qp_pg_source_free(source);
}

static void
places_that_are_refused(void **state)
{
	(void)state;
	refused("host=a,b port=1,2,3", NULL, QPOOL_EINVAL,
	    "libpq refuses the conninfo: could not match 3 port numbers to 2 hosts");
	refused("host=a,b hostaddr=1.2.3.4", NULL, QPOOL_EINVAL, "could not match 2 host names");
	refused("host=a port=x", NULL, QPOOL_EINVAL,
	    "port number 1 is not understood; it must be 1 to 65535, and in a URI user:password "
	    "must be followed by @host");
	refused(
	    "host=a,b port=5,0", NULL, QPOOL_EINVAL, "port number 2 is 0; it must be 1 to 65535");
	refused("port=65536", NULL, QPOOL_EINVAL, "port number 1 is 65536; ");
	refused("port=-1", NULL, QPOOL_EINVAL, "port number 1 is not understood");
	refused("port=99999999999999999999", NULL, QPOOL_EINVAL, "port number 1 is not underst");
	refused("postgresql://u:S3cret", NULL, QPOOL_EINVAL, "port number 1 is not understood");
	refused("host=S3cret@h", NULL, QPOOL_EINVAL, "host number 1 has letters that none can");
	refused("host='a,S3cret h'", NULL, QPOOL_EINVAL, "host number 2 has letters ");
	refused("hostaddr=u@S3cret", NULL, QPOOL_EINVAL, "hostaddr number 1 has letters ");
	refused("host=@S3cret@h", NULL, QPOOL_EINVAL, "host number 1 has letters ");
}

static void
connect_timeouts(void **state)
{
	static const struct {
		const char *conninfo;
		qpool_nsec span;
	} rows[] = {{"connect_timeout=0", QPOOL_FOREVER}, {"connect_timeout=-3", QPOOL_FOREVER},
	    {"connect_timeout=1", QPOOL_SEC(2)}, {"connect_timeout=2", QPOOL_SEC(2)},
	    {"connect_timeout='7 '", QPOOL_SEC(7)},
	    {"connect_timeout=2147483647", QPOOL_SEC(2147483647)}, {"", QPOOL_FOREVER}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		qp_pg_source *source = made(rows[i].conninfo, NULL);
		assert_int_equal(source->connect_timeout, rows[i].span);
		qp_pg_source_free(source);
	}
	refused("connect_timeout=1s", NULL, QPOOL_EINVAL,
	    "connect_timeout is '1s'; it must be a whole number (it comes from the conninfo, its "
	    "service file or a PG* variable)");
	refused("connect_timeout=2147483648", NULL, QPOOL_EINVAL, "connect_timeout is '21474836");
	refused("keepalives='S3cret!'", NULL, QPOOL_EINVAL, "keepalives is not understood; it m");
	refused("keepalives_idle=x", NULL, QPOOL_EINVAL, "keepalives_idle is 'x'; ");
	refused("keepalives_interval=x", NULL, QPOOL_EINVAL, "keepalives_interval is 'x'; ");
	refused("keepalives_count=x", NULL, QPOOL_EINVAL, "keepalives_count is 'x'; ");
	refused("tcp_user_timeout=x", NULL, QPOOL_EINVAL, "tcp_user_timeout is 'x'; ");
}

static void
session_attrs(void **state)
{
	static const char *const known[] = {"any", "read-write", "read-only", "primary", "standby"};
	char conninfo[64];
	qp_pg_source *source;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(known); i++) {
		(void)snprintf(conninfo, sizeof conninfo, "target_session_attrs=%s", known[i]);
		source = made(conninfo, NULL);
		has(source, "target_session_attrs", known[i]);
		assert_false(source->prefers_standby);
		qp_pg_source_free(source);
	}
	source = made("host=a,b target_session_attrs=prefer-standby", NULL);
	has(source, "target_session_attrs", NULL);
	assert_true(source->prefers_standby);
	qp_pg_source_free(source);
	refused("target_session_attrs=writable", NULL, QPOOL_EINVAL,
	    "target_session_attrs is 'writable'; it must be any, read-write, read-only, primary, "
	    "standby or prefer-standby");
}

static void
words_that_libpq_refuses(void **state)
{
	(void)state;
	refused(NULL, NULL, QPOOL_EINVAL, "conninfo is NULL; it must be words, a URI, or \"\"");
	refused("bank", NULL, QPOOL_EINVAL, "word 1 of the conninfo has no =");
	refused("host=a sslmod=x", NULL, QPOOL_EINVAL,
	    "word 2 of the conninfo is no option of libpq: do you mean sslmode; it must be one, or");
	refused(
	    "postgresql://h/d?hots=b", NULL, QPOOL_EINVAL, "no option of libpq: do you mean host;");
	refused("tcp_usertimeout=1", NULL, QPOOL_EINVAL, "do you mean tcp_user_timeout;");
	refused("entirely_else=x", NULL, QPOOL_EINVAL,
	    "word 1 of the conninfo is no option of libpq; it must be one, or begin with pool_");
	refused("HOST=a", NULL, QPOOL_EINVAL, "word 1 of the conninfo, HOST, is no option of this");
	refused("load_balance_hosts=random", NULL, QPOOL_EINVAL,
	    "word 1 of the conninfo, load_balance_hosts, is no option of this libpq (1");
	refused("sslmode=x", NULL, QPOOL_EINVAL,
	    "libpq refuses the conninfo: invalid sslmode value: \"x\"");
	refused("gssencmode=x", NULL, QPOOL_EINVAL, "invalid gssencmode value: \"x\"");
	refused("channel_binding=x", NULL, QPOOL_EINVAL, "invalid channel_binding value: \"x\"");
	refused("ssl_min_protocol_version=x", NULL, QPOOL_EINVAL, "invalid ssl_min_protocol_");
	refused("ssl=true", NULL, QPOOL_EINVAL, "word 1 of the conninfo, ssl, is no option");
	refused("postgresql://h?ssl=false", NULL, QPOOL_EINVAL, "libpq cannot read the conninfo");
	refused("postgresql://[h", NULL, QPOOL_EINVAL, "libpq cannot read the conninfo");
	refused("postgresql://u%zz@h", NULL, QPOOL_EINVAL, "libpq cannot read the conninfo");
	(void)setenv("PGSSLMODE", "ex", 1);
	refused("", NULL, QPOOL_EINVAL, "invalid sslmode value: \"ex\"");
}

static void
libpq_is_not_quoted_with_a_secret(void **state)
{
	static const char *const rows[] = {"sslmode=prefer&password=S3cret",
	    "host=a sslmode='u:S3cret@h'", "service='u:S3cret@h'", "host=a password=x S3cret=1",
	    "host=a password=x S3cret", "S3cret=1", "postgresql://u:S3cret@h?x=1",
	    "postgresql://u:S3cret@h?sslmode=S3cret%20x", "postgresql://h?S3cret=1",
	    "postgresql://u:S3%cret@h", "postgresql://u:%S3cret@h", "postgresql://u:a@S3cret@h",
	    "postgresql://u:a/S3cret@h", "postgresql://u:S3cret/h", "postgresql://u:[S3cret",
	    "postgresql://u:S3cret[@[h", "host=a port=S3cret", "pool_max_size=S3cret!",
	    "pool_S3cret!=1", "pool_reset=S3cret!", "pool_statement_timeout=S3cret!",
	    "pool_read_only=S3cret!", "password=S3cret sslmode=S3cret", "connect_timeout=S3cret!",
	    "target_session_attrs=S3cret!", "port=1,S3cret"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		refused(rows[i], NULL, QPOOL_EINVAL, "");
}

/* What passes for a database, but may be the rest of a password. */
static void
odd_databases_are_not_shown(void **state)
{
	static const char *const rows[] = {"dbname='u:S3cret@h/d'", "dbname=postgresql://S3cret",
	    "postgresql://h/a%40S3cret", "postgresql://h/a:S3cret", "password=''dbname=S3cret'"};
	qp_pg_source *source;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		source = made(rows[i], NULL);
		assert_string_equal(source->database, "****");
		qp_pg_source_free(source);
	}
	source = made("dbname='a\nb\x01'", NULL);
	assert_string_equal(source->database, "a;b?");
	qp_pg_source_free(source);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    SOURCE_TEST(the_guard_sees_libpq),
	    SOURCE_TEST(defaults),
	    SOURCE_TEST(words_of_the_conninfo),
	    SOURCE_TEST(words_of_a_uri),
	    SOURCE_TEST(words_of_the_environment),
	    SOURCE_TEST(words_of_a_service),
	    SOURCE_TEST(password_files_are_left_to_the_connect),
	    SOURCE_TEST(places),
	    SOURCE_TEST(a_place_without_a_name),
	    SOURCE_TEST(places_that_are_refused),
	    SOURCE_TEST(connect_timeouts),
	    SOURCE_TEST(session_attrs),
	    SOURCE_TEST(words_that_libpq_refuses),
	    SOURCE_TEST(libpq_is_not_quoted_with_a_secret),
	    SOURCE_TEST(odd_databases_are_not_shown),
	};

	return cmocka_run_group_tests_name("pg_words", tests, NULL, NULL);
}
