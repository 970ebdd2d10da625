#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""counts: how many instructions an acquire and a release take, compared with those in held.txt.

    tests/counts/counts.py BUILD                       compare; a test of the suite `counts`
    tests/counts/counts.py BUILD --write               make counts: write held.txt, and the page, anew
    tests/counts/counts.py BUILD --lines ENGINE CASE   where they go, by source line and one by one

Each engine is built by meson with the options of the library itself and debug information beside, which changes
no instruction: for the configured engine the test makes sure of that.  pairs.c runs on it under callgrind
for two numbers of turns; the difference is exact, and divides by what one turn in 64 does more.  Only instructions
of our library are compared: what it calls outside (clock_gettime, which is a system call under valgrind, and
__tls_get_addr) depends on the system.  A call through the PLT is two of ours.  An inlined function counts as itself;
the atomics of platform/atomic.h, an instruction each, count where they are used.

Numbers hold for one compiler; with another, or with other options, there is nothing to compare.
"""
import argparse
import collections
import ctypes
import os
import pathlib
import re
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
import callgrind  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
HELD, WORDS = HERE / "held.txt", HERE / "words.txt"
PAGE = HERE.parent.parent / "docs" / "PERFORMANCE.md"
BLOCK = re.compile(r"(<!-- counts: ([\w-]+) -->\n).*?(<!-- end -->)", re.S)
SKIPPED = 77

ENGINES = ("fast", "plain")
CASES = {
    "common": "the common pair: every kind of recycling, statistics and a site (W1)",
    "unlimited": "the same with all limits off",
    "peek": "with a `peek`, its own instructions left out",
    "oldest": "with the oldest first: no shelf, all goes by the lock",
    "refused": "no pair: an acquire with `QPOOL_NOWAIT`, everything is lent",
}
SHOWN = ("fast", "common")  # the one that is held by function
# Turns of the two runs.  What one turn in 64 does more divides both.
FEW, MANY = 1280, 3840
TOLERANCE = 2.0
# A function with less is no row of its own.
LEAST = 0.5
REST = "rest"
WRAPPERS = ("platform/atomic.h", "platform/compiler.h")

HEAD = f"""\
# Instructions of libqueuepool for one acquire and one release; counts.py says how they are counted.
# Written by `make counts`, and only on purpose: a commit that changes a number says why.  The test lets each
# move by {TOLERANCE:g}.  By gcc 12 on x86-64, buildtype release.
#
# engine case  ours  outside (not compared: it depends on the system)
"""
HEAD_FUNCTIONS = f"""\
#
# {SHOWN[0]} {SHOWN[1]}, by function: acquire  release  function  file
"""

Function = collections.namedtuple("Function", "name file")
Case = collections.namedtuple("Case", "ours outside")
Held = collections.namedtuple("Held", "cases functions")  # {(engine, case): Case}, {Function: [acquire, release]}


# ---- counting ----


def paths(build, engine):
    folder = pathlib.Path(build) / "tests" / "counts"
    return str(folder / f"pairs_{engine}"), str(folder / f"libqueuepool-{engine}.so")


def turns(build, engine):
    """Of each case {(object, chain from the verb on, address): instructions a turn}, without the program's own."""
    program, _ = paths(build, engine)
    with tempfile.TemporaryDirectory() as folder:
        few, many = (callgrind.read(callgrind.run(program, times, folder)) for times in (FEW, MANY))
    found = {case: collections.Counter() for case in CASES}
    for (where, chain, address), count in many.items():
        difference = (count - few[where, chain, address]) / (MANY - FEW)
        begun = [at for at, name in enumerate(chain) if name.startswith("counted_")]
        case = [name[5:] for name in chain if name.startswith("case_")]
        if difference and begun and case and os.path.basename(where) != os.path.basename(program):
            found[case[0]][where, chain[: begun[0]], address] += difference
    return found


def is_ours(where):
    return "libqueuepool" in os.path.basename(where)


def case_of(counts):
    ours = sum(count for (where, _, _), count in counts.items() if is_ours(where))
    return Case(ours, sum(counts.values()) - ours)


def place(chain):
    """The function to which an instruction counts, and its line."""
    name, file, line = next((one for one in chain if one[1] not in WRAPPERS), chain[0])
    return Function(name, file), line


def functions_of(build, engine, counts):
    _, library = paths(build, engine)
    ours = {key: count for key, count in counts.items() if is_ours(key[0])}
    where = callgrind.sources(library, sorted({address for _, _, address in ours}))
    found = collections.defaultdict(lambda: [0.0, 0.0])
    for (_, chain, address), count in ours.items():
        found[place(where[address])[0]]["release" in chain[-1]] += count
    rest = [one for one in found if sum(found[one]) < LEAST]
    if rest:
        found[Function(REST, "-")] = [sum(found[one][verb] for one in rest) for verb in (0, 1)]
    return {one: both for one, both in found.items() if one not in rest}


def count(build):
    cases, functions = {}, {}
    for engine in ENGINES:
        for case, counts in turns(build, engine).items():
            cases[engine, case] = case_of(counts)
            if (engine, case) == SHOWN:
                functions = functions_of(build, engine, counts)
    return Held(cases, functions)


# ---- what is held ----


def by_size(functions):
    """The largest first, the rest last."""
    return sorted(functions.items(), key=lambda one: (one[0].name == REST, -sum(one[1]), one[0]))


def as_text(held):
    lines = [f"{engine:5} {case:9} {one.ours:9.2f} {one.outside:6.0f}\n" for (engine, case), one in held.cases.items()]
    rows = [f"{a:7.2f} {r:7.2f}  {one.name} {one.file}\n" for one, (a, r) in by_size(held.functions)]
    return HEAD + "".join(lines) + HEAD_FUNCTIONS + "".join(rows)


def read_held():
    held = Held({}, {})
    for line in HELD.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        one, two, *more = line.split()
        if one in ENGINES:
            held.cases[one, two] = Case(*map(float, more))
        else:
            held.functions[Function(*more)] = [float(one), float(two)]
    return held


def read_words():
    """{function: what it does}, written by people."""
    lines = WORDS.read_text(encoding="utf-8").splitlines()
    return dict(line.split(": ", 1) for line in lines if line and not line.startswith("#"))


def compare(held, now):
    """What differs, a line each."""
    lines = []
    for key in [(engine, case) for engine in ENGINES for case in CASES]:
        before, after = held.cases[key].ours, now.cases[key].ours
        if abs(after - before) > TOLERANCE:
            lines.append(f"{' '.join(key)}: {after:.2f} instructions a turn, held are {before:.2f}")
    nothing = [0.0, 0.0]
    for one in sorted(held.functions.keys() | now.functions.keys()):
        before, after = sum(held.functions.get(one, nothing)), sum(now.functions.get(one, nothing))
        if abs(after - before) > TOLERANCE:
            lines.append(f"{' '.join(SHOWN)}: {one.name}, {one.file}: {after:.2f}, held are {before:.2f}")
    return lines


# ---- the page ----


def table(heads, ruled, lines):
    rows = ["| " + " | ".join(line) + " |\n" for line in [heads, *lines]]
    return "".join([rows[0], "|" + "|".join(ruled) + "|\n", *rows[1:]])


def cases_table(held, _):
    lines = []
    for case, words in CASES.items():
        lines.append([words] + [f"{n:.0f}" for engine in ENGINES for n in held.cases[engine, case]])
    return table(["", "fast engine", "outside", "plain engine", "outside"], ["---"] + ["--:"] * 4, lines)


def functions_table(held, words):
    lines = []
    for one, (acquire, release) in by_size(held.functions):
        name = "what remains" if one.name == REST else f"`{one.name}`"
        file = "" if one.name == REST else f"`src/{one.file}`"
        lines.append([name, file, words.get(one.name, ""), f"{acquire:.1f}", f"{release:.1f}"])
    sums = [sum(both[verb] for both in held.functions.values()) for verb in (0, 1)]
    lines.append(["**all**", "", ""] + [f"**{one:.1f}**" for one in sums])
    return table(["function", "file", "what it does", "acquire", "release"], ["---"] * 3 + ["--:"] * 2, lines)


BLOCKS = {"cases": cases_table, "functions": functions_table}


def filled(page, held, words):
    return BLOCK.sub(lambda match: match[1] + BLOCKS[match[2]](held, words) + match[3], page)


# ---- the ways in ----


def why_not(build, unfit):
    """The reason to count nothing here, or None."""
    if unfit:
        return unfit
    for tool in ("valgrind", "addr2line", "objcopy"):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    # 324 is membarrier on x86-64; 0 asks which there are, and 8 is the one that is wanted.
    if not ctypes.CDLL(None).syscall(324, 0, 0) & 8:
        return "the kernel refuses the membarrier, so the fast engine has no shelf"
    lacking = [path for engine in ENGINES for path in paths(build, engine) if not os.path.exists(path)]
    return f"not built: {', '.join(lacking)}; ninja -C {build} counts-programs" if lacking else None


def check_page():
    page = PAGE.read_text(encoding="utf-8")
    if filled(page, read_held(), read_words()) == page:
        return []
    return [f"{PAGE.name} does not say what {HELD.name} and {WORDS.name} do"]


def check_counts(build, library, engine):
    """The library is the one that is counted, and the counts are those held."""
    trouble = []
    if library and callgrind.code(library) != callgrind.code(paths(build, engine)[1]):
        trouble.append(f"{library} has other instructions than {paths(build, engine)[1]}: count what is shipped")
    return trouble + compare(read_held(), count(build))


def write(build):
    held, words = count(build), read_words()
    HELD.write_text(as_text(held), encoding="utf-8")
    # As it will be read: rounded.
    held = read_held()
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), held, words), encoding="utf-8")
    names = {one.name for one in held.functions} - {REST}
    for name in sorted(names - words.keys()):
        print(f"counts: {WORDS.name} has no words for {name}")
    for name in sorted(words.keys() - names):
        print(f"counts: {WORDS.name} has words for {name}, which is no row any more")
    for (engine, case), one in held.cases.items():
        print(f"counts: {engine} {case}: {one.ours:.2f} ours, {one.outside:.0f} outside")
    print(f"written: {HELD.name} and {PAGE.name}; `git diff` says what changed")


def show_lines(build, engine, case):
    _, library = paths(build, engine)
    counts = {key: n for key, n in turns(build, engine)[case].items() if is_ours(key[0])}
    places = callgrind.sources(library, sorted({address for _, _, address in counts}))
    by_line, by_address = collections.Counter(), collections.Counter()
    for (_, chain, address), n in counts.items():
        by_line[place(places[address])] += n
        by_address[chain[0], address] += n
    texts = {}

    def text(function, line):
        path = HERE.parent.parent / "src" / function.file
        if path not in texts:
            texts[path] = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return texts[path][line - 1].strip() if 0 < line <= len(texts[path]) else ""

    print("By source line:\n")
    for (function, line), n in by_line.most_common():
        print(f"{n:7.2f}  {f'{function.file}:{line}':26} {function.name:24} {text(function, line)}")
    print("\nOne by one, in the order of addresses:")
    assembly, linked = callgrind.assembly(library), None
    for (name, address), n in sorted(by_address.items(), key=lambda one: one[0][1]):
        if name != linked:
            print(f"\n{name}:")
            linked = name
        function, line = place(places[address])
        print(f"{n:7.2f}  {address:6x}  {assembly[address]:52.52}  {function.file}:{line} {function.name}")


def main():
    words = argparse.ArgumentParser(prog="counts.py", description=__doc__.partition("\n")[0])
    words.add_argument("build", help="a build folder")
    words.add_argument("--write", action="store_true", help="write what is held, and the page, anew")
    which = f"engines: {', '.join(ENGINES)}; cases: {', '.join(CASES)}"
    words.add_argument("--lines", nargs=2, metavar=("ENGINE", "CASE"), help=which)
    words.add_argument("--library", help="the library as it is shipped, which is of --engine")
    words.add_argument("--engine", choices=ENGINES)
    words.add_argument("--unfit", default="", help="why this build is not to be compared")
    given = words.parse_args()
    if given.lines and not (given.lines[0] in ENGINES and given.lines[1] in CASES):
        words.error(f"--lines: {which}")
    reason = why_not(given.build, given.unfit)
    try:
        if reason and (given.write or given.lines):
            sys.exit(f"counts: {reason}")
        if given.lines:
            show_lines(given.build, *given.lines)
            return 0
        if given.write:
            write(given.build)
            return 0
        trouble = check_page()
        if not reason:
            trouble += check_counts(given.build, given.library, given.engine)
        if trouble:
            print("\n".join([*trouble, "if that is meant: make counts, and say in the commit why"]))
            return 1
        if reason:
            print(f"counts: skipped: {reason}")
            return SKIPPED
    except (OSError, ValueError, KeyError, callgrind.Broken) as broken:
        sys.exit(f"counts: {type(broken).__name__}: {broken}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
