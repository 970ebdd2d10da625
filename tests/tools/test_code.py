# SPDX-License-Identifier: BSD-3-Clause
"""test_code: the checks that read C can fail: arrows, the wall, symbols, the compiled interface, shape, atomics.

tools/selftest comes in.
"""
import stat
import subprocess

from case import HEAD, OPENING, PUBLIC, MAP, GOOD, ATOMICS, Checks


class Includes(Checks):
    def test_good(self):
        self.say("check_includes.py", None, {})

    def arrow(self, expected, name, include):
        self.say("check_includes.py", expected, self.add(name, f"#include {include}\n"), "--no-compile")

    def test_arrows(self):
        for expected, name, include in (
            ("stands on standard C", "include/queuepool.h", "<pthread.h>"),
            ("includes by <>", "include/queuepool/sqlite.h", '"queuepool.h"'),
            ("not <libpq-fe.h>", "include/queuepool/sqlite.h", "<libpq-fe.h>"),
            ("knows nothing of pools", "src/platform/alloc.h", "<queuepool.h>"),
            ("only its own headers", "src/platform/alloc.h", '"core/slot.h"'),
            ("through platform/", "src/core/pool.c", "<pthread.h>"),
            ("through platform/", "src/core/pool.c", "<stdlib.h>"),
            ("may not look up at pool.h", "src/core/waitq.h", '"pool.h"'),
            ("lives on the public headers", "src/adapters/sqlite/a.c", '"core/slot.h"'),
            ("lives on the public headers", "src/adapters/sqlite/a.c", "<libpq-fe.h>"),
            ("its own public header", "src/adapters/sqlite/a.c", "<queuepool/redis.h>"),
            ("lives on the public headers", "cli/main.c", '"platform/alloc.h"'),
            ("lives on the public headers", "cli/main.c", '"core/pool.h"'),
            ("lives on the public headers", "cli/main.c", "<sqlite3.h>"),
            ("lives on the public headers", "examples/a.c", "<glib.h>"),
            ("lives on the public headers", "bench/a.c", '"core/pool.h"'),
            ("lives on the public headers", "src/adapters/postgres/a.c", "<sqlite3.h>"),
            ("its own public header", "src/adapters/postgres/a.c", "<queuepool/sqlite.h>"),
            ("not <sqlite3.h>", "include/queuepool/postgres.h", "<sqlite3.h>"),
            ("lives on the public headers", "python/src/a.c", '"core/pool.h"'),
            ("<queuepool.h> alone", "python/src/a.c", "<queuepool/sqlite.h>"),
            ("lives on the public headers", "python/src/a.c", "<sqlite3.h>"),
            ('there is no "gone.h"', "tests/a.c", '"gone.h"'),
        ):
            with self.subTest(name=name, include=include):
                self.setUp()
                self.arrow(expected, name, include)

    def test_allowed(self):
        for name, include in (
            ("include/queuepool/sqlite.h", "<sqlite3.h>"),
            ("src/adapters/sqlite/a.c", "<sqlite3.h>"),
            ("src/adapters/sqlite/a.c", "<sys/stat.h>"),
            ("cli/main.c", "<queuepool/sqlite.h>"),
            ("include/queuepool/postgres.h", "<libpq-fe.h>"),
            ("src/adapters/postgres/a.c", "<libpq-fe.h>"),
            ("cli/main.c", "<jansson.h>"),
            ("python/src/a.c", "<Python.h>"),
            ("python/src/a.c", "<queuepool.h>"),
            ("tests/unit/a.c", '"slot.h"'),
            ("bench/a.c", "<glib.h>"),
            ("tests/a.c", '"core/pool.h"'),
        ):
            with self.subTest(name=name, include=include):
                self.setUp()
                self.arrow(None, name, include)

    def test_client_of_an_adapter_that_is_there(self):
        change = self.add("cli/main.c", "#include <sqlite3.h>\n")
        change["include/queuepool/sqlite.h"] = OPENING
        self.say("check_includes.py", None, change, "--no-compile")

    def test_benchmarks_start_servers_as_tests_do(self):
        change = self.add("bench/a.c", '#include "pg_server.h"\n')
        change["tests/adapters/pg_server.h"] = OPENING
        self.say("check_includes.py", None, change, "--no-compile")
        change = self.add("cli/a.c", '#include "../tests/adapters/pg_server.h"\n')
        change["tests/adapters/pg_server.h"] = OPENING
        self.say("check_includes.py", "cli lives on the public headers", change, "--no-compile")

    def test_no_include_in_comment(self):
        self.say("check_includes.py", None, self.add("src/core/pool.c", "/*\n#include <time.h>\n*/\n"))

    def test_cycle(self):
        change = self.add("src/core/a.h", '#pragma once\n#include "b.h"\n')
        change |= self.add("src/core/b.h", '#pragma once\n#include "core/a.h"\n')
        self.say("check_includes.py", "a.h -> src/core/b.h -> src/core/a.h", change, "--no-compile")

    def test_pool_word(self):
        change = self.add("src/platform/alloc.h", "int qp_lease_size(void); /* lease */\n")
        self.say("check_includes.py", "qp_lease_size", change, "--no-compile")
        change = self.add("src/platform/alloc.h", "int qp_store_release(void); /* lease */\n")
        self.say("check_includes.py", None, change, "--no-compile")

    def test_alone(self):
        change = self.add("src/core/x.h", "size_t qp_x(void);\n")
        self.say("check_includes.py", "src/core/x.h: does not compile alone (gcc", change)

    def test_public_is_c99(self):
        change = self.add("include/queuepool.h", '_Static_assert(1, "");\nstruct s { int new; };\n')
        self.write({**GOOD, **change})
        run = self.run_tool("check_includes.py", "--root", str(self.root))
        self.assertIn("does not compile alone (gcc -std=c99)", run.stderr)
        self.assertIn("does not compile alone (g++ -std=c++17)", run.stderr)


class Wall(Checks):
    def test_good(self):
        prose = '/* malloc( time( pthread_create */\nstatic const char *t = "free(x); nanosleep";\n'
        prose += "static int f(struct s *s) { return s->free(s) + s->time(1) + retime(2) + time; }\n"
        self.say("check_wall.py", None, self.add("src/core/pool.c", prose))

    def test_bad(self):
        for text in (
            "_Atomic int a;",
            "int a = __atomic_load_n(&b, 0);",
            "int a = __sync_fetch_and_add(&b, 1);",
            "static _Thread_local int a;",
            "static __thread int a;",
            "void *(*f)(size_t) = malloc;",
            "void f(void *p) { free (p); }",
            "char *f(char *s) { return strdup(s); }",
            "void f(void) { clock_gettime(0, 0); }",
            "long f(void) { return time(0); }",
            "void f(void) { usleep(1); }",
            "void f(void) { sleep(1); }",
            "pthread_t a;",
            "void f(void) { sched_yield(); }",
            "void f(void) { syscall(1); }",
            "void f(void) { abort(); }",
            'void f(void) { printf("x"); }',
            "int qp_x(void) {\n\treturn clock_gettime(1, 2); }",
        ):
            with self.subTest(text=text):
                self.say("check_wall.py", "src/core/pool.c:", self.add("src/core/pool.c", text + "\n"))

    def test_objects(self):
        """A macro hides the call from who reads the text; the object tells."""
        folder = self.root / "build" / "src" / "libqueuepool.so.0.p"
        folder.mkdir(parents=True)

        def build(text):
            (folder / "a.c").write_text(text)
            subprocess.run(["gcc", "-w", "-c", "-o", folder / "core_pool.c.o", folder / "a.c"], check=True)
            return str(self.root / "build")

        tool = "check_wall.py"
        good = "int f(char *a) { qp_alloc_free(a); return memcmp(a, a, 9); }"
        self.say(tool, None, {}, "--build", build(good))
        hidden = "#define CAT(a, b) a ## b\nvoid *f(void) { return CAT(mal, loc)(1); }"
        self.say(tool, "src/core/pool.c: once compiled, it needs malloc", {}, "--build", build(hidden))
        self.say(tool, "none of its objects", {}, "--build", str(self.root / "nothing"))

    def test_platform_may(self):
        self.say("check_wall.py", None, self.add("src/platform/a.c", "_Atomic int a;\n"))


class Symbols(Checks):
    def test_good(self):
        self.say("check_symbols.py", None, {})

    def test_header_and_map(self):
        tool = "check_symbols.py"
        more = PUBLIC.replace("#endif", "QPOOL_API QPOOL_CHECKED void *\nqpool_more(int (*f)(void));\n#endif")
        self.say(tool, "qpool_more is QPOOL_API but not in", {"include/queuepool.h": more})
        self.say(tool, "qpool_old is not declared", {"packaging/queuepool.map": MAP.replace("local", "qpool_old;\nlocal")})
        self.say(tool, "has no packaging/queuepool-x.map", {"include/queuepool/x.h": OPENING})

    def test_map_alone(self):
        self.say("check_symbols.py", "no public header goes with", {"packaging/queuepool-y.map": MAP})

    def build(self, functions, version="Q_0.1"):
        folder = self.root / "build" / "src"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "a.c").write_text("".join(f"int {f}(void) {{ return 0; }}\n" for f in functions))
        (folder / "a.map").write_text(f"{version} {{ global: {' '.join(f + ';' for f in functions)} local: *; }};")
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-o", folder / "libqueuepool.so", folder / "a.c",
             f"-Wl,--version-script={folder / 'a.map'}"], check=True)
        return str(self.root / "build")

    def test_library(self):
        tool = "check_symbols.py"
        self.say(tool, None, {}, "--build", self.build(["qpool_go"]))
        self.say(tool, "exports extra", {}, "--build", self.build(["qpool_go", "extra"]))
        self.say(tool, "version Q_0.1 here, Q_0.2 in", {}, "--build", self.build(["qpool_go"], "Q_0.2"))

    def test_library_lacks(self):
        change = {
            "packaging/queuepool.map": MAP.replace("local", "qpool_b;\nlocal"),
            "include/queuepool.h": PUBLIC.replace("#endif", "QPOOL_API int qpool_b(void);\n#endif"),
        }
        self.say("check_symbols.py", "qpool_b is not exported", change, "--build", self.build(["qpool_go"]))

    def test_no_library(self):
        build = str(self.root / "nothing")
        self.say("check_symbols.py", "libqueuepool.so is not in", {}, "--build", build)
        self.say("check_symbols.py", None, {}, "--build", build, "--without", "queuepool")


class Abi(Checks):
    """A library with a baseline, and the same one after a change."""

    HEADER = PUBLIC.replace(
        "QPOOL_API int qpool_go(size_t n);",
        "typedef struct q_grows {\n\tsize_t size;\n\tlong one;\n\tint last;\n} q_grows;\n"
        "typedef struct q_frozen {\n\tlong one;\n} q_frozen;\n"
        "typedef enum {\n\tQ_ONE = 1, Q_TWO\n} q_kind;\n"
        "QPOOL_API long qpool_go(const q_grows *grows, const q_frozen *frozen, q_kind kind);",
    )
    CODE = '#include "queuepool.h"\nlong qpool_go(const q_grows *g, const q_frozen *f, q_kind k)\n{\n\treturn g->one + f->one + k;\n}\n'

    def setUp(self):
        super().setUp()
        self.build(self.HEADER, self.CODE)
        self.assertEqual(self.abi("--renew"), (0, ""))

    def build(self, header, code, *options):
        self.write({**GOOD, "include/queuepool.h": header, "build/a.c": code})
        command = ["gcc", "-g", "-shared", "-fPIC", "-I", self.root / "include", "-o", self.root / "build" / "libqueuepool.so"]
        subprocess.run([*command, *options, self.root / "build" / "a.c"], check=True)

    def abi(self, *options):
        run = self.run_tool("check_abi.py", "--root", str(self.root), "--build", str(self.root / "build"), *options)
        return run.returncode, run.stderr

    def changed(self, expected, old, new, code=""):
        self.build(self.HEADER.replace(old, new), self.CODE + code)
        status, said = self.abi()
        if expected is None:
            self.assertEqual((status, said), (0, ""))
        else:
            self.assertEqual(status, 1)
            self.assertIn(expected, said)

    GROWS = "size_t size;\n\tlong one;\n\tint last;"

    def test_may(self):
        self.changed(None, "", "")
        self.changed(None, "#endif", "#endif\n", "int qpool_more(void);\nint qpool_more(void)\n{\n\treturn 0;\n}\n")
        self.changed(None, self.GROWS, self.GROWS + "\n\tlong two;")
        self.changed(None, "Q_TWO", "Q_TWO, Q_THREE")

    def test_may_not(self):
        self.changed("'struct q_grows' changed", self.GROWS, "size_t size;\n\tlong two;\n\tlong one;\n\tint last;")
        self.changed("struct q_grows: a member was", self.GROWS, "size_t size;\n\tdouble one;\n\tint last;")
        self.changed("two lies where", self.GROWS, self.GROWS + "\n\tint two;")
        self.changed("struct q_frozen: two is new", "{\n\tlong one;", "{\n\tlong one, two;")
        self.changed("'struct q_frozen' changed", "{\n\tlong one;", "{\n\tlong one, two;")
        self.changed("enumerator change", "Q_TWO", "Q_THREE, Q_TWO")
        self.changed("enumerator deletion", ", Q_TWO", "")
        self.build(self.HEADER.replace("API long", "API char"), self.CODE.replace("long", "char"))
        self.assertIn("would break", self.abi()[1])
        self.build(self.HEADER.replace("qpool_go", "qpool_gone"), self.CODE.replace("qpool_go", "qpool_gone"))
        self.assertIn("1 Removed", self.abi()[1])
        self.build(self.HEADER, self.CODE, "-Wl,-soname,libqueuepool.so.7")
        self.assertIn("SONAME changed", self.abi()[1])

    def test_cannot(self):
        self.build(self.HEADER, self.CODE, "-g0")
        self.assertIn("no debug information", self.abi()[1])
        (self.root / "packaging" / "abi" / "queuepool-gone.abi").write_text("<abi-corpus/>")
        self.build(self.HEADER, self.CODE)
        self.assertIn("no library goes with this baseline", self.abi()[1])
        (self.root / "packaging" / "abi" / "queuepool-gone.abi").unlink()
        (self.root / "packaging" / "abi" / "queuepool.abi").write_text("<abi")
        self.build(self.HEADER, self.CODE)
        self.assertIn("could not compare", self.abi()[1])
        (self.root / "packaging" / "abi" / "queuepool.abi").unlink()
        self.assertIn("there is no such baseline", self.abi()[1])
        (self.root / "build" / "libqueuepool.so").unlink()
        self.assertIn("libqueuepool.so is not in", self.abi()[1])


class Shape(Checks):
    def test_good(self):
        body = "\tint a;\n" * 68
        text = f'int\nf(void)\n{{\n{body}}}\nconst char *a = "// x"; /* strcpy( // */\n'
        self.say("check_shape.py", None, self.add("src/core/pool.c", text))

    def test_bad(self):
        unfinished = "TO" + "DO"
        for expected, name, text in (
            ("over 600", "src/core/pool.c", "int a;\n" * 600),
            ("over 70", "src/core/pool.c", "int\nf(void)\n{\n" + "\tint a;\n" * 69 + "}\n"),
            ("a // comment", "cli/main.c", "int a; // why\n"),
            ("space at the end", "src/core/pool.c", "int a; \n"),
            ("space at the end", "README.md", "word \n"),
            (unfinished, "src/core/pool.c", f"/* {unfinished}: more */\n"),
            ("no newline at the end", "src/core/pool.c", "int a;"),
            ("empty lines at the end", "src/core/pool.c", "int a;\n\n"),
            ("strcpy: not used", "bench/a.c", "void f(void) { strcpy(a, b); }\n"),
            ("sprintf: not used", "tests/a.c", "void f(void) { sprintf(a, b); }\n"),
            ("usleep: tests wait", "tests/a.c", "void f(void) { usleep(1); }\n"),
            ("NOLINT(check): reason", "src/core/pool.c", "int a; /* NOLINT */\n"),
            ("NOLINTNEXTLINE(check): reason", "src/core/pool.c", "/* NOLINTNEXTLINE(x) */\nint a;\n"),
            ("cppcheck-suppress id ; reason", "src/core/pool.c", "/* cppcheck-suppress x */\nint a;\n"),
        ):
            with self.subTest(expected=expected, name=name):
                self.setUp()
                self.say("check_shape.py", expected, self.add(name, text))

    def test_allowed(self):
        text = "int a; /* NOLINT(misc-x): it is so */\n/* cppcheck-suppress x ; it is so */\n"
        text += "void f(void) { g->strcpy(a, b); snprintf(a, 1, b); sleep(1); }\n"
        self.say("check_shape.py", None, self.add("cli/main.c", text))

    def test_opening(self):
        short = HEAD + "/* room: a list. */\n"
        self.say("check_shape.py", None, {"src/core/slot.c": short})  # its header has the paragraph
        self.say("check_shape.py", "no paragraph below it", {"src/core/only.c": short})
        self.setUp()
        self.say("check_shape.py", "the first line is not", {"cli/a.c": OPENING.replace("BSD-3", "MIT-3")})
        self.say("check_shape.py", "no paragraph below it", {"cli/a.c": HEAD + "/* a */\n"})
        self.say("check_shape.py", "no paragraph below it", {"cli/a.c": HEAD + "#include <stdio.h>\n"})

    def test_script(self):
        line = HEAD.replace("/*", "#").replace(" */", "")
        good = "#!/bin/sh\n" + line + "# a: what this small script is, and what it does.\n"
        self.say("check_shape.py", None, {"tools/a": good})
        self.say("check_shape.py", "no line '# SPDX", {"tools/a": good.replace("BSD", "MIT")})
        self.say("check_shape.py", "no paragraph", {"tools/a": "#!/bin/sh\n" + line + "exit 0\n"})
        self.say("check_shape.py", "over 600", {"tools/a": good + "true\n" * 600})


class Atomics(Checks):
    tool = "check_atomics.py"

    def test_good(self):
        self.say(self.tool, None, ATOMICS)

    def test_forms(self):
        """Named, nested, unnamed, aligned, static; locals, parameters and pointers are none."""
        text = (
            "struct a {\n\tstruct {\n\t\tqp_atomic_u32 x;\n\t} hot;\n\tqp_atomic_ptr p[2], q;\n};\n"
            "typedef struct {\n\tqp_atomic_u64 *no;\n\tqp_atomic_u64 n;\n} b;\n"
            "struct __attribute__((aligned(64))) c {\n\t_Alignas(64) qp_atomic_u32 y;\n};\n"
            "static qp_atomic_u32 once = 0;\n"
            "static void\nf(qp_atomic_u32 *w, qp_atomic_u32 v)\n{\n\tqp_atomic_u32 local;\n}\n"
            "#define M qp_atomic_u32 m;\n"
        )
        names = "a.hot.x a.p a.q b.n c.y once".split()
        rows = "".join(f"| `{n}` | . |\n" for n in names)
        change = dict(ATOMICS) | self.add("src/core/pool.c", text)
        change["docs/CONCURRENCY.md"] += rows
        self.say(self.tool, None, change)
        for name in names:
            with self.subTest(name=name):
                less = dict(change)
                less["docs/CONCURRENCY.md"] = change["docs/CONCURRENCY.md"].replace(f"| `{name}` | . |\n", "")
                self.say(self.tool, f"the atomic {name} is not in", less)

    def test_too_many(self):
        change = dict(ATOMICS)
        change["docs/CONCURRENCY.md"] += "| `slot.gone` | . |\n\n| other |\n|---|\n| `slot.none` |\n"
        self.say(self.tool, "there is no atomic slot.gone", change)

    def test_no_document(self):
        self.say(self.tool, "is not there", {})
