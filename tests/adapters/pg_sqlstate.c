/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_sqlstate: the code that is found in what libpq says of a failed connect, what is left of the text, and
 * how the code counts.  The messages are libpq's, in its verbose form and several languages; no server is
 * asked.
 */
#include "adapters/postgres/sqlstate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct sample {
	const char *message, *code, *left;
} sample;

static void
must_read(const sample *samples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char message[1024], code[6] = "?????";

		(void)snprintf(message, sizeof message, "%s", samples[i].message);
		qp_pg_sqlstate_take(message, code);
		assert_string_equal(message, samples[i].left);
		assert_string_equal(code, samples[i].code);
	}
}

#define MUST_READ(samples) must_read(samples, sizeof(samples) / sizeof(samples)[0])

#define AT "connection to server at \"127.0.0.1\", port 5432 failed: "
#define ON "connection to server on socket \"/run/postgresql/.s.PGSQL.5432\" failed: "

/* ---- the code ------------------------------------------------------------------------ */

static void
one_error(void **state)
{
	static const sample samples[] = {
	    {AT "FATAL:  28P01: password authentication failed for user \"me\"\n"
		"LOCATION:  auth_failed, auth.c:335\n",
		"28P01", AT "FATAL: password authentication failed for user \"me\""},
	    {ON "FATAL:  3D000: database \"no\" does not exist\n"
		"LOCATION:  InitPostgres, postinit.c:885\n",
		"3D000", ON "FATAL: database \"no\" does not exist"},
	    {"FATAL:  53300: sorry, too many clients already\nLOCATION:  InitProcess, proc.c:354",
		"53300", "FATAL: sorry, too many clients already"},
	};

	(void)state;
	MUST_READ(samples);
}

/* What stands between PostgreSQL and us sends no location. */
static void
no_location(void **state)
{
	static const sample samples[] = {
	    {AT "FATAL:  08P01: no such database: no\n", "08P01", AT "FATAL: no such database: no"},
	    {AT "FATAL:  08P01: one\n" AT "FATAL:  28P01: two\n", "28P01",
		AT "FATAL: one\n" AT "FATAL: two"},
	};

	(void)state;
	MUST_READ(samples);
}

static void
the_last_try_counts(void **state)
{
	static const sample samples[] = {
	    {AT "FATAL:  28000: no pg_hba.conf entry for host \"127.0.0.1\", SSL encryption\n"
		"LOCATION:  ClientAuthentication, auth.c:513\n" AT
		"FATAL:  28P01: password authentication failed for user \"me\"\n"
		"LOCATION:  auth_failed, auth.c:335\n",
		"28P01",
		AT "FATAL: no pg_hba.conf entry for host \"127.0.0.1\", SSL encryption\n" AT
		   "FATAL: password authentication failed for user \"me\""},
	    {AT "SSL error: certificate verify failed\n" AT "FATAL:  57P03: starting up\n"
		"LOCATION:  ProcessStartupPacket, postmaster.c:2358\n",
		"57P03", AT "SSL error: certificate verify failed\n" AT "FATAL: starting up"},
	    {AT "FATAL:  28000: no\nLOCATION:  ClientAuthentication, auth.c:513\n" AT
		"server closed the connection unexpectedly\n",
		"28000", AT "FATAL: no\n" AT "server closed the connection unexpectedly"},
	};

	(void)state;
	MUST_READ(samples);
}

static void
more_lines_stay(void **state)
{
	static const sample samples[] = {
	    {AT "FATAL:  42501: permission denied for database \"d\"\n"
		"DETAIL:  User does not have CONNECT privilege.\n"
		"HINT:  Ask somebody, or read manual.c:12.\n"
		"LOCATION:  CheckMyDatabase, postinit.c:392\n",
		"42501",
		AT "FATAL: permission denied for database \"d\"\n"
		   "DETAIL:  User does not have CONNECT privilege.\n"
		   "HINT:  Ask somebody, or read manual.c:12."},
	    {"FATAL:  22023: no\nDETAIL:  one\n\ntwo\nLOCATION:  f_2, a_b.c:1\n", "22023",
		"FATAL: no\nDETAIL:  one\n\ntwo"},
	};

	(void)state;
	MUST_READ(samples);
}

/* ---- languages ----------------------------------------------------------------------- */

static void
languages(void **state)
{
	static const sample samples[] = {
	    {"Verbindung zum Server auf »127.0.0.1«, Port 5432 fehlgeschlagen: FATAL:  28P01: "
	     "Passwort-Authentifizierung für Benutzer »me« fehlgeschlagen\nTIP:  Hilfe\n"
	     "ORT:  auth_failed, auth.c:335\n",
		"28P01",
		"Verbindung zum Server auf »127.0.0.1«, Port 5432 fehlgeschlagen: FATAL: "
		"Passwort-Authentifizierung für Benutzer »me« fehlgeschlagen\nTIP:  Hilfe"},
	    {"la connexion au serveur sur « 127.0.0.1 », port 5432 a échoué : FATAL:  3D000: "
	     "la base de données « no » n'existe pas\nASTUCE : aide\n"
	     "EMPLACEMENT : InitPostgres, postinit.c : 885\n",
		"3D000",
		"la connexion au serveur sur « 127.0.0.1 », port 5432 a échoué : FATAL: "
		"la base de données « no » n'existe pas\nASTUCE : aide"},
	    {"FATAL:  3D000: x\nEMPLACEMENT : InitPostgres, postinit.c\u00a0:\u00a0885\n", "3D000",
		"FATAL: x"},
	    {"连接到\"127.0.0.1\"上的服务器，端口5432失败：致命错误:  53300: "
	     "对不起, 已经有太多的客户\n位置:  InitProcess, proc.c:354\n",
		"53300",
		"连接到\"127.0.0.1\"上的服务器，端口5432失败：致命错误: "
		"对不起, 已经有太多的客户"},
	    {"\"127.0.0.1\"、ポート5432のサーバーへの接続に失敗しました: FATAL:  3D000: "
	     "データベース\"no\"は存在しません\nLOCATION:  InitPostgres, postinit.c:885\n",
		"3D000",
		"\"127.0.0.1\"、ポート5432のサーバーへの接続に失敗しました: FATAL: "
		"データベース\"no\"は存在しません"},
	    {"подключиться к серверу \"127.0.0.1\", порту 5432 не удалось: ВАЖНО:  28P01: "
	     "пользователь \"me\" не прошёл проверку подлинности (по паролю)\n"
	     "ПОДРОБНОСТИ:  нет\nПОЛОЖЕНИЕ:  auth_failed, auth.c:335\n",
		"28P01",
		"подключиться к серверу \"127.0.0.1\", порту 5432 не удалось: ВАЖНО: "
		"пользователь \"me\" не прошёл проверку подлинности (по паролю)\n"
		"ПОДРОБНОСТИ:  нет"},
	    {"σύνδεση απέτυχε: FATAL:  28000: όχι\nLOCATION:  f, auth.c: 335\n", "28000",
		"σύνδεση απέτυχε: FATAL: όχι"},
	};

	(void)state;
	MUST_READ(samples);
}

/* ---- what is no code ----------------------------------------------------------------- */

/* Names are the client's, so anything may stand in them. */
static void
texts_like_a_code(void **state)
{
	static const sample samples[] = {
	    {"FATAL:  3D000: database \"a:  28P01: b\" does not exist\n"
	     "LOCATION:  InitPostgres, postinit.c:885\n",
		"3D000", "FATAL: database \"a:  28P01: b\" does not exist"},
	    {"FATAL:  3D000: database \"a\nFATAL:  28P01: b\" does not exist\n"
	     "DETAIL:  53300: no\nLOCATION:  InitPostgres, postinit.c:885\n",
		"3D000",
		"FATAL: database \"a\nFATAL:  28P01: b\" does not exist\nDETAIL:  53300: no"},
	    {"FATAL:  08P01: no such database: a:  28P01: b\n", "08P01",
		"FATAL: no such database: a:  28P01: b"},
	    {"FATAL: 28P01: one space\n", "", "FATAL: 28P01: one space"},
	    {"FATAL:  28p01: small\n", "", "FATAL:  28p01: small"},
	    {"FATAL:  28P0: short\n", "", "FATAL:  28P0: short"},
	    {"FATAL:  28P012: long\n", "", "FATAL:  28P012: long"},
	    {"FATAL:  28P01:tight", "", "FATAL:  28P01:tight"},
	    {"FATAL:  28P01", "", "FATAL:  28P01"},
	    {"FATAL:  28P01:", "", "FATAL:  28P01:"},
	    {"FATAL:  ", "", "FATAL:  "},
	};

	(void)state;
	MUST_READ(samples);
}

static void
no_code(void **state)
{
	static const sample samples[] = {
	    {AT "Connection refused\n\tIs the server running on that host and accepting TCP/IP "
		"connections?\n",
		"",
		AT "Connection refused\n\tIs the server running on that host and accepting TCP/IP "
		   "connections?"},
	    {ON "No such file or directory\n\tIs the server running locally?\n", "",
		ON "No such file or directory\n\tIs the server running locally?"},
	    {"timeout expired\n", "", "timeout expired"},
	    {AT "fe_sendauth: no password supplied\n", "", AT "fe_sendauth: no password supplied"},
	    {AT "session is read-only\n\n", "", AT "session is read-only"},
	    {"", "", ""},
	    {"\n", "", ""},
	    {":  ", "", ":  "},
	};

	(void)state;
	MUST_READ(samples);
}

/* Only a location goes: words that end in the name of a file are a line like any other. */
static void
not_a_location(void **state)
{
	static const sample samples[] = {
	    {"see auth.c:335\n", "", "see auth.c:335"},
	    {"f, auth.c:\n", "", "f, auth.c:"},
	    {"f, auth.h:3\n", "", "f, auth.h:3"},
	    {"f, .c:335x\n", "", "f, .c:335x"},
	    {"335\n.c:335\nc:1\n:1\n", "", "335\n.c:335\nc:1\n:1"},
	};

	(void)state;
	MUST_READ(samples);
}

/* ---- how it counts ------------------------------------------------------------------- */

static void
outcomes(void **state)
{
	static const char *const others[] = {"", "08001", "08006", "08P01", "3F000", "42501",
	    "53000", "53400", "55000", "57P01", "57P03", "0L000", "22023", "XX000"};

	(void)state;
	assert_int_equal(qp_pg_sqlstate_of_connect("28000"), QPOOL_EDENIED);
	assert_int_equal(qp_pg_sqlstate_of_connect("28P01"), QPOOL_EDENIED);
	assert_int_equal(qp_pg_sqlstate_of_connect("3D000"), QPOOL_EDENIED);
	assert_int_equal(qp_pg_sqlstate_of_connect("53300"), QPOOL_EFULL);
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		assert_int_equal(qp_pg_sqlstate_of_connect(others[i]), QPOOL_EOPEN);
}

static void
classes(void **state)
{
	(void)state;
	assert_true(qp_pg_sqlstate_is("28P01", "28"));
	assert_true(qp_pg_sqlstate_is("28P01", "28P01"));
	assert_false(qp_pg_sqlstate_is("28P01", "28000"));
	assert_false(qp_pg_sqlstate_is("2", "28"));
	assert_false(qp_pg_sqlstate_is("", "28"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_error),
	    cmocka_unit_test(no_location),
	    cmocka_unit_test(the_last_try_counts),
	    cmocka_unit_test(more_lines_stay),
	    cmocka_unit_test(languages),
	    cmocka_unit_test(texts_like_a_code),
	    cmocka_unit_test(no_code),
	    cmocka_unit_test(not_a_location),
	    cmocka_unit_test(outcomes),
	    cmocka_unit_test(classes),
	};

	return cmocka_run_group_tests_name("pg_sqlstate", tests, NULL, NULL);
}
