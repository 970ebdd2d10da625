#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""check_includes: who may include whom; arrows run downwards only.

include/queuepool.h stands on C alone, an adapter's header on it and on its client library.
src/platform knows nothing of pools; src/core knows src/platform and the public header; adapters, the
command, the Python package, examples and benchmarks live on the public headers, which is the proof that these suffice
(these may also name the client library of an adapter that is there: its header hands out their types).
Inside src/core the small rooms do not know the pool.  Every header compiles when included alone, the
public ones as C99 and as C++17 too.  It looks at #include lines; what a room calls is check_wall's.
"""
import os
import re
import subprocess
import tempfile

import source

C_STANDARD = set(
    """assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal
    stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads
    time uchar wchar wctype""".split()
)
# C headers that do nothing to the world: all that the core may name besides the platform.
C_HARMLESS = set("stddef stdint stdbool stdarg stdio string errno limits inttypes float".split())
# Of the C library beyond the standard.
LIBC = set(
    """aio alloca cpio dirent dlfcn endian err error execinfo fcntl fnmatch ftw getopt glob grp
    ifaddrs langinfo libgen link malloc mqueue netdb poll pthread pwd regex resolv sched search
    semaphore spawn strings sysexits syslog termios ucontext unistd utime wordexp""".split()
)
LIBC_FOLDERS = ("arpa/", "asm/", "linux/", "net/", "netinet/", "sys/")
# Each adapter's client library.
CLIENT = {
    "sqlite": {"sqlite3.h"},
    "postgres": {"libpq-fe.h"},
    "smtp": {"curl/curl.h"},
    "redis": {"hiredis/hiredis.h"},
}
# Libraries that are nobody's client and that only one folder needs.
OWN = {"cli": {"jansson.h"}, "python": {"Python.h", "structmember.h"}}
# Rooms that the pool is built of; none of their headers may look up at it, nor at what is above it.
SMALL_ROOMS = set("abi backoff chunk error expiry hist idle intern options slot tally version waitq".split())
POOL_WORDS = {"qpool", "queuepool", "slot", "slots", "lease", "leases"}


def is_standard(name, allowed=frozenset(C_STANDARD)):
    return name.endswith(".h") and name[:-2] in allowed


def is_libc(name):
    return is_standard(name) or is_standard(name, LIBC) or name.startswith(LIBC_FOLDERS)


def is_public(name):
    return name == "queuepool.h" or re.fullmatch(r"queuepool/\w+\.h", name) is not None


def resolve(tree, path, name):
    """The file of ours that a quoted name means, as a path in the tree, or None."""
    home = path.split("/")[0]
    for folder in (os.path.dirname(path), "src", "include", home):
        candidate = os.path.normpath(os.path.join(folder, name))
        if candidate in tree.known:
            return candidate
    if home in ("tests", "bench"):  # they are given the folders of what they test, and of the harness
        return next((known for known in tree.paths if known.endswith("/" + name)), None)
    return None


def judge_public(tree, path, name, quoted):
    if quoted:
        return "a public header includes by <>, as those who include it do"
    if is_standard(name):
        return None
    if path == "include/queuepool.h":
        return f"the front door stands on standard C headers only, not on <{name}>"
    adapter = os.path.basename(path)[:-2]
    if name == "queuepool.h" or name in CLIENT.get(adapter, ()):
        return None
    return f"the {adapter} adapter's header may name <queuepool.h> and its client library, not <{name}>"


def judge_platform(tree, path, name, quoted):
    if is_public(name):
        return "the platform knows nothing of pools; it may not include their header"
    if quoted and not tree.target(path, name).startswith("src/platform/"):
        return f'the platform may include only its own headers, not "{name}"'
    return None


def judge_core(tree, path, name, quoted):
    if not quoted:
        if name == "queuepool.h" or is_standard(name, C_HARMLESS):
            return None
        return f"the core may not include <{name}>: what it does to the world goes through platform/"
    target = tree.target(path, name)
    if not target.startswith(("src/platform/", "src/core/")):
        return f'the core knows platform/ and itself, not "{name}"'
    room = os.path.basename(path)[:-2]
    above = os.path.basename(target)[:-2]
    if path.endswith(".h") and room in SMALL_ROOMS and target.startswith("src/core/"):
        if above not in SMALL_ROOMS:
            return f"{room}.h is a room the pool is built of; it may not look up at {above}.h"
    return None


def judge_outside(tree, path, name, quoted):
    """Adapters, command, examples, benchmarks: public headers, libc, their own folder."""
    parts = path.split("/")
    if quoted:
        home = "/".join(parts[:3]) if parts[0] == "src" else parts[0]
        target = tree.target(path, name)
        if target.startswith(home + "/") or (home == "bench" and target.startswith("tests/adapters/")):
            return None  # benchmarks start servers as the tests do
        return f'{home} lives on the public headers and on itself, not on "{name}"'
    if is_public(name) or is_libc(name):
        if parts[0] == "python" and name.startswith("queuepool/"):
            return f"the Python package knows <queuepool.h> alone, no adapter: not <{name}>"
        if parts[0] == "src" and name.startswith("queuepool/") and name != f"queuepool/{parts[2]}.h":
            return f"an adapter knows its own public header, not <{name}>"
        return None
    adapters = [parts[2]] if parts[0] == "src" else [
        a for a in CLIENT if f"include/queuepool/{a}.h" in tree.known and parts[0] != "python"
    ]
    if any(name in CLIENT.get(adapter, ()) for adapter in adapters) or name in OWN.get(parts[0], ()):
        return None
    if parts[0] == "bench":
        return None  # it measures rivals by their own headers
    return f"{'/'.join(parts[:-1])} lives on the public headers and libc, not on <{name}>"


RULES = (
    ("include/", judge_public),
    ("src/platform/", judge_platform),
    ("src/core/", judge_core),
    ("src/adapters/", judge_outside),
    ("cli/", judge_outside),
    ("examples/", judge_outside),
    ("bench/", judge_outside),
    ("python/", judge_outside),
)


def check_arrows(tree):
    for path in tree.under(*source.C_FOLDERS):
        judge = next((rule for start, rule in RULES if path.startswith(start)), None)
        for line, name, quoted in source.includes(tree.read(path)):
            if quoted and not tree.target(path, name):
                tree.complain(path, line, f'there is no "{name}" in this tree')
            elif judge and (message := judge(tree, path, name, quoted)):
                tree.complain(path, line, message)


def check_cycles(tree):
    """Headers that include each other, by whatever way round."""
    arrows = {}
    for path in tree.under(*source.C_FOLDERS, ending=".h"):
        named = [n for _, n, quoted in source.includes(tree.read(path)) if quoted]
        arrows[path] = [t for t in (tree.target(path, n) for n in named) if t in tree.known]
    done = set()

    def walk(path, way):
        if path in way:
            round_trip = " -> ".join(way[way.index(path):] + [path])
            tree.complain(path, 0, f"headers include each other: {round_trip}")
        elif path not in done:
            for target in arrows.get(path, ()):
                walk(target, way + [path])
            done.add(path)

    for path in arrows:
        walk(path, [])


def check_words(tree):
    """The platform has no word for what is built on it."""
    for path in tree.under("src/platform"):
        text = re.sub(r"^[ \t]*#[ \t]*include[^\n]*", "", source.code(tree.read(path)), flags=re.M)
        for match in re.finditer(r"[A-Za-z_]\w*", text):
            if POOL_WORDS & set(match.group().lower().split("_")):
                line = source.line_of(text, match.start())
                tree.complain(path, line, f"a pool's word in the platform: {match.group()}")


def client_flags(package):
    """Where client libraries, and Python, keep their headers, if not where every compiler looks."""
    found = subprocess.run(["pkg-config", "--cflags", package], capture_output=True, text=True, check=False)
    return found.stdout.split()


def compiles(tree, path, command):
    """Compile a file that includes this header and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        alone = os.path.join(folder, "alone.c")
        with open(alone, "w", encoding="utf-8") as file:
            # The declaration keeps ISO C from complaining of an empty file.
            file.write(f'#include "{os.path.abspath(tree.path(path))}"\nextern int alone;\n')
        flags = ["-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Wundef", "-Werror"]
        run = subprocess.run(
            command + flags + ["-I" + tree.path("include"), *tree.client_flags, alone], capture_output=True, text=True
        )
    if run.returncode:
        said = next((x for x in run.stderr.splitlines() if "error" in x), run.stderr.strip())
        tree.complain(path, 0, f"does not compile alone ({' '.join(command[:2])}): {said}")


def check_alone(tree):
    tree.client_flags = client_flags("libpq")
    inside = ["gcc", "-std=c17", "-D_GNU_SOURCE", "-I" + tree.path("src")]
    testing = inside + ["-DQP_TESTING=1", "-DQP_DEBUG=1", "-I" + tree.path("tests/harness")]
    for path in tree.under("src", "cli", "bench", "examples", ending=".h"):
        compiles(tree, path, inside)
    for path in tree.under("src", "tests", "fuzz", ending=".h"):
        compiles(tree, path, testing)
    limited = inside + ["-DPy_LIMITED_API=0x030b0000", *client_flags("python3")]
    for path in tree.under("python", ending=".h"):
        compiles(tree, path, limited)
    for path in tree.under("include", ending=".h"):
        compiles(tree, path, ["gcc", "-std=c99"])
        compiles(tree, path, ["g++", "-std=c++17", "-x", "c++"])


def check(tree, options):
    tree.known = set(tree.paths)
    tree.target = lambda path, name: resolve(tree, path, name) or ""
    check_arrows(tree)
    check_cycles(tree)
    check_words(tree)
    if not options.no_compile:
        check_alone(tree)


def extra(parser):
    parser.add_argument("--no-compile", action="store_true", help="look at the lines only")


if __name__ == "__main__":
    source.main(check, __doc__, extra)
