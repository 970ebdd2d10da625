/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_languages: a server that refuses in the administrator's language, and a libpq that speaks the user's: the
 * SQLSTATE comes out all the same, and nothing of the source's places is left in the words.  What a refusal
 * comes to in English is pg_open's.
 */
#include "pg_door.h"

#include <glob.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

/* What only a translation says: the server of each refusal, libpq of a connect that failed. */
typedef struct language {
	const char *name;
	const char *password, *database, *full;
	const char *failed;
} language;

static const language spoken[] = {
    {"de_DE", "Passwort-Authentifizierung für Benutzer", "existiert nicht",
	"zu viele Verbindungen von Rolle", "Verbindung zum Server"},
    {"fr_FR", "authentification par mot de passe", "la base de données", "trop de connexions",
	"la connexion au serveur"},
    {"ru_RU", "ВАЖНО: пользователь", "база данных", "слишком много", "подключиться к серверу"},
    {"zh_CN", "致命错误: 用户", "数据库", "致命错误: 由角色", "连接到套接字"},
};

enum { LANGUAGES = sizeof spoken / sizeof spoken[0] };

static pg_server *server;

static int
begin(void **state)
{
	static const char *const names[] = {"de_DE", "fr_FR", "ru_RU", "zh_CN", NULL};
	static const pg_server_options options = {
	    .hba = "local all app scram-sha-256\n",
	    .languages = names,
	};

	(void)state;
	server = pg_server_start(&options);
	pg_do(server, "CREATE ROLE app LOGIN PASSWORD '" DOOR_SECRET "'; CREATE ROLE guest LOGIN;"
		      "CREATE ROLE many LOGIN CONNECTION LIMIT 0");
	assert_int_equal(setenv("LOCPATH", pg_server_folder(server), 1), 0);
	assert_int_equal(unsetenv("LANGUAGE"), 0);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	pg_server_end(server);
	return 0;
}

/* Some systems are installed without any translation. */
static bool
has_translations(const char *domain)
{
	char pattern[128];
	glob_t found;
	bool any;

	(void)snprintf(pattern, sizeof pattern, "/usr/share/locale/de/LC_MESSAGES/%s-*.mo", domain);
	any = glob(pattern, 0, NULL, &found) == 0;
	globfree(&found);
	if (!any)
		print_message("no %s\n", pattern);
	return any;
}

/* Those who connect from now on are answered in it: the postmaster reads its file before it tells its
 * children to. */
static void
server_speaks(const char *name)
{
	char sql[128];

	pg_do(server, "ALTER SYSTEM SET lc_messages = '%s'", name);
	pg_do(server, "SELECT pg_reload_conf()");
	(void)snprintf(sql, sizeof sql, "SELECT current_setting('lc_messages') = '%s'", name);
	pg_await(server, sql);
}

static void
refuses(door *d, const char *who, qpool_err expected, const char *native, const char *words)
{
	char conninfo[256];

	(void)snprintf(conninfo, sizeof conninfo, "host=%s port=%d %s",
	    pg_server_socket_dir(server), pg_server_port(server), who);
	door_refuses(d, conninfo, expected, native, words);
	if (strstr(d->error.message, ".c:") != NULL || strstr(d->error.message, ".c :") != NULL ||
	    strstr(d->error.message, native) != NULL)
		fail_msg("left in: %s", d->error.message);
}

/* NULL: the server speaks English. */
static void
refuses_all(const language *by_server, const char *by_client)
{
	door d = door_init();

	refuses(&d, "user=app dbname=postgres password=" DOOR_SECRET "-wrong", QPOOL_EDENIED,
	    "28P01", by_server != NULL ? by_server->password : "FATAL: password");
	door_must_say(&d, by_client);
	refuses(&d, "user=guest dbname=nowhere", QPOOL_EDENIED, "3D000",
	    by_server != NULL ? by_server->database : "does not exist");
	door_must_say(&d, by_client);
	refuses(&d, "user=many dbname=postgres", QPOOL_EFULL, "53300",
	    by_server != NULL ? by_server->full : "too many connections for role");
	door_must_say(&d, by_client);
}

static void
servers(void **state)
{
	(void)state;
	if (!has_translations("postgres"))
		skip();
	for (size_t i = 0; i < LANGUAGES; i++) {
		char name[32];

		(void)snprintf(name, sizeof name, "%s.UTF-8", spoken[i].name);
		server_speaks(name);
		refuses_all(&spoken[i], "connection to server on socket");
	}
	server_speaks("C");
}

static void
client_speaks(const char *name)
{
	if (setlocale(LC_ALL, name) == NULL)
		fail_msg("no locale %s in %s", name, getenv("LOCPATH"));
}

static void
clients(void **state)
{
	(void)state;
	if (!has_translations("libpq5"))
		skip();
	for (size_t i = 0; i < LANGUAGES; i++) {
		char name[32];

		(void)snprintf(name, sizeof name, "%s.UTF-8", spoken[i].name);
		client_speaks(name);
		refuses_all(NULL, spoken[i].failed);
	}
	client_speaks("C");
}

static void
both(void **state)
{
	(void)state;
	if (!has_translations("postgres") || !has_translations("libpq5"))
		skip();
	for (size_t i = 0; i < LANGUAGES; i++) {
		char name[32];

		(void)snprintf(name, sizeof name, "%s.UTF-8", spoken[i].name);
		server_speaks(name);
		client_speaks(name);
		refuses_all(&spoken[i], spoken[i].failed);
		client_speaks("C");
	}
	server_speaks("C");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(servers),
	    cmocka_unit_test(clients),
	    cmocka_unit_test(both),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("pg_languages", tests, begin, end);
}
