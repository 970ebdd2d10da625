# SPDX-License-Identifier: BSD-3-Clause
"""test_texts: the checks that read texts can fail: documents, the manual, lists of tests, quotes, what tests cover.

tools/selftest comes in.
"""

from case import OPENING, GOOD, Checks


class Docs(Checks):
    tool = "check_docs.py"

    def test_good(self):
        more = "`[a](b)` [web](https://example.org/x)\n\n```\n[a](b)\n```\n"
        self.say(self.tool, None, {"README.md": GOOD["README.md"] + more})

    def test_bad(self):
        for expected, text in (
            ("gone.md: no such file", "[a](docs/gone.md)"),
            ("no such file", "![a](gone.png)"),
            ("no such file", "[a]: gone.md"),
            ("no such heading", "[a](#nowhere)"),
            ("leads out", "[a](../x)"),
            ("relative", "[a](/README.md)"),
            ("one machine", "cd /" + "work/x"),
        ):
            with self.subTest(text=text):
                self.say(self.tool, expected, {"README.md": f"# Title\n\n{text}\n"})

    def test_paths_in_code(self):
        self.say(self.tool, None, {"a.c": "/* x/" + "work/y */\n"})
        self.say(self.tool, "one machine", {"a.c": "/* /" + "work/y */\n"})


class Man(Checks):
    """A manual of two pages, right, and with one thing wrong."""

    HEADER = OPENING + (
        "#define QPOOL_API\n#define QPOOL_CHECKED\n#define QPOOL_ZERO 0\n"
        '#define QPOOL_ERRORS(X) \\\n\tX(QPOOL_OK, 0, "OK", "fine") \\\n\tX(QPOOL_EBAD, 1, "EBAD", "not fine")\n'
        "typedef struct q_box {\n\tsize_t size;\n\tint (*lid)(void);\n\tint depth[2], room_;\n} q_box;\n"
        "QPOOL_API QPOOL_CHECKED int\nqpool_go(size_t n);\n#endif\n"
    )
    QUOTE = '.\\" from examples/a.c: it\n.Bd -literal\n\\(aq\\e\n.Ed\n'
    PAGE = (
        ".Dd May 1, 2026\n.Dt QPOOL_GO 3\n.Os\n.Sh NAME\n.Nm qpool_go ,\n.Nm qpool_way\n.Nd go\n.Sh SYNOPSIS\n"
        '.Ft int\n.Fo qpool_go\n.Fa "size_t n"\n.Fc\n.Sh DESCRIPTION\n'
        ".Vt q_box\n.Fa size , lid , depth\n.Dv QPOOL_ZERO , QPOOL_ERRORS\n" + QUOTE + ".Sh SEE ALSO\n.Xr qpool_error 3\n"
    )
    ERROR = (
        '.Dd May 1, 2026\n.Dt QPOOL_ERROR 3\n.Os\n.Sh NAME\n.Nm qpool_error\n.Nd errors\n.Sh DESCRIPTION\n.\\" errors\n'
        ".Bl -column a b c\n.It Dv QPOOL_OK Ta 0 Ta fine\n.It Dv QPOOL_EBAD Ta 1 Ta not fine\n.El\n"
    )
    GOOD_MAN = {
        "include/queuepool.h": HEADER,
        "docs/man/qpool_go.3": PAGE,
        "docs/man/qpool_error.3": ERROR,
        "docs/man/ahead": "",
        "docs/man/meson.build": "p = {\n    'qpool_error.3': [],\n    'qpool_go.3': [\n        'qpool_way'\n    ],\n}\n",
        "examples/a.c": OPENING + "/* [man: it] */\n'\\\n/* [end] */\n",
    }

    def man(self, expected, name, old, new):
        text = self.GOOD_MAN[name]
        self.assertIn(old, text)
        self.say("check_man.py", expected, {**self.GOOD_MAN, name: text.replace(old, new)})

    def test_good(self):
        self.say("check_man.py", None, self.GOOD_MAN)

    def test_bad(self):
        page, errors, header = "docs/man/qpool_go.3", "docs/man/qpool_error.3", "include/queuepool.h"
        more = "QPOOL_API int qpool_more(void);\n#endif"
        shown = ".Ft int\n.Fn qpool_more void\n.Sh DESCRIPTION\n"
        for expected, name, old, new in (
            ("qpool_go: the page says", page, "size_t n", "size_t m"),
            ("qpool_go: the page says", page, ".Ft int", ".Ft long"),
            ("no page shows the prototype of qpool_go", page, ".Fo qpool_go\n.Fa \"size_t n\"\n.Fc\n", ""),
            ("qpool_gone is in no header", page, ".Fc\n", ".Fc\n.Ft int\n.Fn qpool_gone void\n"),
            ("QPOOL_GONE is in no header", page, "QPOOL_ZERO ,", "QPOOL_ZERO , QPOOL_GONE ,"),
            ("no page names QPOOL_ZERO", page, "QPOOL_ZERO , ", ""),
            ("no page names QPOOL_NEW", header, "#define QPOOL_ZERO 0", "#define QPOOL_ZERO 0\n#define QPOOL_NEW 1"),
            ("no page names QPOOL_E1", header, "typedef struct", "enum { QPOOL_E1 = 1 };\ntypedef struct"),
            ("member depth of q_box is not named", page, ", depth", ""),
            ("member lid of q_box is not named", page, "lid ,", ""),
            ("no page names struct q_box", page, ".Vt q_box\n", ""),
            ("refers to qpool_lost(3)", page, ".Xr qpool_error 3", ".Xr qpool_error 3 ,\n.Xr qpool_lost 3"),
            ("differs from examples/a.c", page, "(aq", "(aq(aq"),
            ("has no region [man: other]", page, "a.c: it", "a.c: other"),
            ("is announced and not quoted", page, ".Sh SEE", '.\\" from examples/a.c: it\n.Sh SEE'),
            ("has no room for", "examples/a.c", "'\\", "\t" * 10),
            ("its table of errors", errors, "not fine", "not so fine"),
            ("its table of errors", header, '"not fine"', '"not so fine"'),
            ("qpool_go is in the header now", "docs/man/ahead", "", "qpool_go"),
            ("no page names qpool_never", "docs/man/ahead", "", "qpool_never"),
            ("must be listed with the other names", "docs/man/meson.build", "'qpool_way'", "'qpool_why'"),
            ("there is no page qpool_old.3", "docs/man/meson.build", "}", "    'qpool_old.3': [],\n}"),
            ("docs/man/qpool_go.3:21:2: ERROR", page, ".Sh SEE", ".Ed\n.Sh SEE"),
        ):
            with self.subTest(expected=expected, old=old):
                self.setUp()
                self.man(expected, name, old, new)
        change = {**self.GOOD_MAN, header: self.HEADER.replace("#endif", more)}
        change[page] = self.PAGE.replace(".Sh DESCRIPTION\n", shown)
        self.setUp()
        self.say("check_man.py", "no page goes by the name qpool_more", change)

    def test_ahead(self):
        page = self.PAGE.replace(".Fc\n", ".Fc\n.Ft int\n.Fn qpool_soon void\n")
        self.say("check_man.py", None, {**self.GOOD_MAN, "docs/man/qpool_go.3": page, "docs/man/ahead": "qpool_soon\n"})

    def test_command(self):
        page = ".Dd May 1, 2026\n.Dt QUEUEPOOL 1\n.Os\n.Sh NAME\n.Nm queuepool\n.Nd a\n.Sh DESCRIPTION\n.Fl Fl one\n"
        change = {**self.GOOD_MAN, "docs/man/queuepool.1": page, "docs/COMMAND.md": "# a\n\n`--one N`, `--two`\n"}
        change["docs/man/meson.build"] = change["docs/man/meson.build"].replace("}", "    'queuepool.1': [],\n}")
        self.say("check_man.py", "option --two of docs/COMMAND.md", change)

    def test_fill(self):
        self.write({**GOOD, **self.GOOD_MAN, "docs/man/ahead": "qpool_go\n"})
        (self.root / "examples/a.c").write_text(OPENING + "/* [man: it] */\n.\n/* [end] */\n")
        (self.root / "docs/man/qpool_error.3").write_text(self.ERROR.replace("not fine", "what"))
        self.assertEqual(self.run_tool("check_man.py", "--root", str(self.root), "--fill").returncode, 0)
        run = self.run_tool("check_man.py", "--root", str(self.root))
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertIn(".Bd -literal\n\\&.\n.Ed", (self.root / "docs/man/qpool_go.3").read_text())


class Regressions(Checks):
    tool = "check_regressions.py"
    table = "docs/REGRESSIONS.md"
    tests = "tests/regress/test_regress_a.c"
    good = {
        table: "# Bugs\n\n## A. One\n\n| # | reference | wrong | test |\n|---|---|---|---|\n"
        "| 1 | o/n#1 | . | `test_regress_a.c:n_1_is_well` |\n| 2 | o/n#2 | . | fork: not in this version |\n",
        tests: OPENING + "static void\nn_1_is_well(void **state)\n{\n}\nint\nmain(void)\n{\n"
        "\tconst struct CMUnitTest tests[] = {\n\t    IN_TIME(n_1_is_well),\n\t};\n}\n",
        "tests/regress/meson.build": "foreach name : ['a']\n",
    }

    def change(self, name, old, new):
        self.assertIn(old, self.good[name])
        return self.good | {name: self.good[name].replace(old, new)}

    def test_good(self):
        self.say(self.tool, None, self.good)
        self.say(self.tool, None, {})

    def test_bad(self):
        more = "| 2 | o/n#3 | . | Python only |\n"
        for expected, name, old, new in (
            ("has no test n_2_is_well", self.table, "(x)", "`test_regress_a.c:n_2_is_well`"),
            ("no file tests/regress/b.c", self.table, "(x)", "`b.c:f`"),
            ("no file tests/unit/b.c", self.table, "(x)", "`tests/unit/b.c:f`"),
            ("neither a test nor a reason: soon", self.table, "fork: not in this version", "soon"),
            ("row 1 is missing", self.table, "| 1 | o/n#1", "| – | o/n#1"),
            ("row 2 stands twice", self.table, "| 2 |", more + "| 2 |"),
            ("does not name 'a'", "tests/regress/meson.build", "'a'", "'aa'"),
        ):
            with self.subTest(expected=expected):
                self.setUp()
                old, new = ("fork:", f"{new}, fork:") if old == "(x)" else (old, new)
                change = self.change(name, old, new)
                self.say(self.tool, expected, change)

    def test_not_in_the_table(self):
        self.say(self.tool, "n_1_is_well is not in docs", self.change(self.table, "`test_regress_a.c:n_1_is_well`", "none: ."))

    def test_not_run(self):
        change = self.change(self.tests, "IN_TIME(n_1_is_well)", "")
        self.write({**GOOD, **change})
        run = self.run_tool(self.tool, "--root", str(self.root))
        self.assertEqual(run.returncode, 1)
        self.assertIn("does not run n_1_is_well", run.stderr)
        self.assertIn("n_1_is_well is not run", run.stderr)


class Quotes(Checks):
    PARTS = OPENING + "/* [part: one] */\nint one;\n/* [end] */\n\n/* [part: two] */\nint two;\n/* [end] */\n"
    BOTH = "<!-- examples/a.c: one -->\n```c\nint one;\n```\n\n<!-- examples/a.c: two -->\n```c\nint two;\n```\n"

    def quotes(self, expected, text, *arguments):
        self.say("check_quotes.py", expected, {"examples/a.c": self.PARTS, "docs/A.md": text}, *arguments)

    def test_good(self):
        self.quotes(None, self.BOTH + "<!-- examples/a.c: 2 lines of code at most -->\n")

    def test_bad(self):
        for expected, change in (
            ("docs/A.md:6: not what examples/a.c has as [two]", ("int two;", "int  two;")),
            ("has no part [three]", ("```\n\n", "```\n\n<!-- examples/a.c: three -->\n\n")),
            ("no ```c block", ("```c\nint two;\n```", "text")),
            ("nobody quotes its part [two]", ("<!-- examples/a.c: two -->", "")),
            ("examples/a.c has 2 lines of code, not 1", ("int one", "int one")),
        ):
            with self.subTest(expected=expected):
                self.setUp()
                size = "<!-- examples/a.c: 1 lines of code at most -->\n" if "lines of code" in expected else ""
                self.quotes(expected, self.BOTH.replace(*change) + size)

    def test_write(self):
        self.quotes("tools/check_quotes.py --write", self.BOTH.replace("int two", "it"), "--write")
        self.assertEqual((self.root / "docs/A.md").read_text(), self.BOTH)


class Coverage(Checks):
    """check_coverage on a header that has one of each kind."""

    HEADER = (
        OPENING
        + """#ifndef Q_H
#define Q_H
#define QPOOL_API
#define QPOOL_MOST 10 /* QPOOL_NOT_THIS */
#define QPOOL_MSEC(n) (n)
#define QPOOL_ERRORS(X) \\
	X(QPOOL_OK, 0) \\
	X(QPOOL_ELATE, 1)
enum { QPOOL_NEW = 0, QPOOL_OLD = 1, QPOOL_FORCE_INT_ = 9 }; /* order */
typedef struct qpool_ops {
	size_t size;
	int (*open)(void *user, int how);
} qpool_ops;
typedef struct qpool_options {
	size_t size;
	unsigned most, least; /* counts */
	char *text, more[4];
	int own_;
} qpool_options;
QPOOL_INIT_(qpool_options)
QPOOL_API int qpool_go(const qpool_options *options,
    int (*each)(int));
QPOOL_API const char *qpool_say(void);
#define qpool_go(options, each) qpool_go((options), (each))
#endif
"""
    )
    TEST = (
        OPENING
        + """#include "queuepool.h"
static qpool_options
options_of(int n)
{
	qpool_options o = qpool_options_init(), *p = &o;

	o.size = QPOOL_MOST + QPOOL_MSEC(1);
	p->most = QPOOL_OK + QPOOL_NEW + QPOOL_OLD;
	p[0].text = (qpool_say)();
	o.more[n] = QPOOL_ELATE;
	return o;
}
int
main(void)
{
	const qpool_ops ops = {.size = sizeof ops, .open = 0};

	QPOOL_ERRORS(X)
	return options_of(1).least + qpool_go(0, 0) + (qpool_go)(0, 0);
}
"""
    )

    def coverage(self, expected, old="", new="", **others):
        self.assertIn(old, self.TEST)
        test = self.TEST.replace(old, new) if old else self.TEST
        files = {f"tests/{name}.c": OPENING + text for name, text in others.items()}
        self.say("check_coverage.py", expected, {"include/queuepool.h": self.HEADER, "tests/a.c": test, **files})

    def test_good(self):
        self.coverage(None)

    def test_bad(self):
        for expected, old, new in (
            ("no test calls qpool_go", "qpool_go(0, 0) + (qpool_go)", "/* qpool_go(0, 0) */ "),
            ("no test calls the function (qpool_go)", "(qpool_go)", "qpool_go"),
            ("no test calls qpool_say", "(qpool_say)()", '"qpool_say()"'),
            ("no test calls qpool_say", "(qpool_say)()", "0;\n\tconst char *qpool_say(void)"),
            ("no test calls qpool_say", "(qpool_say)()", "0;\n#define qpool_say() 0\n"),
            ("no test calls qpool_say", "(qpool_say)()", "0;\n#if 0\n#if 1\n#endif\nqpool_say();\n#endif\n"),
            ("no test calls qpool_options_init", "qpool_options_init()", "{0}"),
            ("no test calls QPOOL_MSEC", "QPOOL_MSEC(1)", "1"),
            ("no test uses QPOOL_MOST", "QPOOL_MOST", '"QPOOL_MOST"[0]'),
            ("no test uses QPOOL_ELATE", "QPOOL_ELATE", "1"),
            ("no test uses QPOOL_OLD", "QPOOL_OLD", "1"),
            ("no test uses QPOOL_ERRORS", "QPOOL_ERRORS(X)", ""),
            ("no test reaches qpool_ops.open", ".open = 0", ""),
            ("no test reaches qpool_options.most", "p->most", "int most"),
            ("no test reaches qpool_options.least", "options_of(1).least", "other.least"),
            ("no test reaches qpool_options.more", "o.more[n]", "more[n]"),
            ("no test reaches qpool_options.text", "p[0].text", "text"),
        ):
            with self.subTest(expected=expected):
                self.setUp()
                self.coverage(expected, old, new)

    def test_same_name_in_another_file(self):
        self.coverage("no test reaches qpool_options.text", "p[0].text", "text", b="int n = p[0].text;\n")
