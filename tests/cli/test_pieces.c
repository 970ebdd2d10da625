/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_pieces: a text of PostgreSQL's SQL falls into its statements, whatever hides a semicolon.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "pieces.h"

/* The pieces, each with a bar behind it. */
static void
assert_pieces(const char *sql, const char *expected)
{
	char got[512] = "";
	struct piece piece;
	const char *at = sql;
	while (pieces_next(&at, &piece)) {
		size_t used = strlen(got);
		assert_true(piece.length > 0);
		assert_true(piece.text >= sql && piece.text + piece.length <= sql + strlen(sql));
		snprintf(got + used, sizeof got - used, "%.*s|", (int)piece.length, piece.text);
	}
	assert_string_equal(got, expected);
	assert_true(*at == '\0');
}

static void
semicolons_part_statements(void **state)
{
	(void)state;
	assert_pieces("SELECT 1", "SELECT 1|");
	assert_pieces(" SELECT 1 ;\n SELECT 2;;", "SELECT 1|SELECT 2|");
	assert_pieces("a;b;c", "a|b|c|");
	assert_pieces(";;a", "a|");
}

static void
blanks_and_comments_are_no_statements(void **state)
{
	(void)state;
	assert_pieces("", "");
	assert_pieces(" \t\r\n\f ; ;", "");
	assert_pieces("-- a; b", "");
	assert_pieces("/* a; /* b; */ c; */ ; -- d", "");
	assert_pieces("/* open; /* a */ b;", "");
	assert_pieces("-- a;\nb -- c;\n; /* d; */ e /* f; */", "b|e|");
	assert_pieces("a /* ; */ + -- ;\n b; c", "a /* ; */ + -- ;\n b|c|");
	assert_pieces("a - - b; a-b; a/b*c", "a - - b|a-b|a/b*c|");
	assert_pieces("/**/a/***/;b", "a|b|");
}

static void
quotes_hide_semicolons(void **state)
{
	(void)state;
	assert_pieces("a ';' b; c", "a ';' b|c|");
	assert_pieces("'it''s; one'; 2", "'it''s; one'|2|");
	assert_pieces("\"a;\"\"b;\"; 2", "\"a;\"\"b;\"|2|");
	assert_pieces("'--'; '/*'; 2", "'--'|'/*'|2|");
	assert_pieces("'\"'; '\"'; 2", "'\"'|'\"'|2|");
	assert_pieces("'a\\'; 2", "'a\\'|2|");
	assert_pieces("E'a\\'; 2'; 3", "E'a\\'; 2'|3|");
	assert_pieces("e'\\\\'; 2; e'''; 3'; 4", "e'\\\\'|2|e'''; 3'|4|");
	assert_pieces("name'a\\'; 2", "name'a\\'|2|");
	assert_pieces("U&'\\0041\\'; B'0;1'; 2", "U&'\\0041\\'|B'0;1'|2|");
	assert_pieces("'open; 2", "'open; 2|");
	assert_pieces("E'open\\", "E'open\\|");
}

static void
dollars_hide_semicolons(void **state)
{
	(void)state;
	assert_pieces("$$a;b$$; 2", "$$a;b$$|2|");
	assert_pieces("$t$a; $$ $T$ $t t$; $t$; 2", "$t$a; $$ $T$ $t t$; $t$|2|");
	assert_pieces("$_1$;'$_1$; 2", "$_1$;'$_1$|2|");
	assert_pieces("$\xc3\xa4$;$\xc3\xa4$; 2", "$\xc3\xa4$;$\xc3\xa4$|2|");
	assert_pieces("$$ $a$ ; $$; $a$ $$ ; $a$", "$$ $a$ ; $$|$a$ $$ ; $a$|");
	assert_pieces("$1; $2$3; 4", "$1|$2$3|4|");
	assert_pieces("a$b$; c$$; d", "a$b$|c$$|d|");
	assert_pieces("$open$ a; b", "$open$ a; b|");
	assert_pieces("$; 2", "$|2|");
	assert_pieces("$t$$t$; 2; $$$$; 3", "$t$$t$|2|$$$$|3|");
}

static void
bodies_hide_semicolons(void **state)
{
	(void)state;
	assert_pieces("CREATE RULE r AS DO (a; b); c", "CREATE RULE r AS DO (a; b)|c|");
	assert_pieces("a); b", "a)|b|");
	assert_pieces("CREATE FUNCTION f() BEGIN ATOMIC a; b; END; c",
	    "CREATE FUNCTION f() BEGIN ATOMIC a; b; END|c|");
	assert_pieces(
	    "create or replace procedure p() begin atomic case a when 1 then 2 end; end; c",
	    "create or replace procedure p() begin atomic case a when 1 then 2 end; end|c|");
	assert_pieces(
	    "CREATE FUNCTION f() RETURN CASE 1 END; c", "CREATE FUNCTION f() RETURN CASE 1 END|c|");
	assert_pieces("BEGIN; a; END; c", "BEGIN|a|END|c|");
	assert_pieces("CREATE TABLE begin (a); c", "CREATE TABLE begin (a)|c|");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(semicolons_part_statements),
	    cmocka_unit_test(blanks_and_comments_are_no_statements),
	    cmocka_unit_test(quotes_hide_semicolons),
	    cmocka_unit_test(dollars_hide_semicolons),
	    cmocka_unit_test(bodies_hide_semicolons),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
