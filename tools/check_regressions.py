#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""check_regressions: the table of regressions and the tests it speaks of agree.

Every `file:function` in docs/REGRESSIONS.md is a test that its file defines and runs; every test that
tests/regress/ defines is run, and stands in the table; every file there is built.  Every row has a
test or says why it has none, and no number is left out or used twice.
"""
import re

import source

TABLE = "docs/REGRESSIONS.md"
FOLDER = "tests/regress"
NAMED = re.compile(r"`([\w/]+\.c):(\w+)`")
# What a row without a test may say.
REASONS = ("not in this version", "Python only", "none: ")


def tests_in(code):
    """Names of the functions that have the form of a cmocka test."""
    return set(re.findall(r"^(\w+)\(void \*\*state\)\s*\{", code, re.M))


def run_in(code):
    """Names that main hands to cmocka, by whatever macro."""
    found = set()
    for table in re.findall(r"struct CMUnitTest \w+\[\] = \{(.*?)\};", code, re.S):
        found |= set(re.findall(r"\b\w+\(\s*(\w+)\s*[,)]", table))
    return found


def rows_of(text):
    """(section, line number, cells) of each row of the tables, without their heads."""
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("## "):
            section = line[3:]
        elif line.startswith("|") and not re.match(r"\|[-\s|]+$|\| # ", line):
            yield section, number, [cell.strip() for cell in line.strip("|").split("|")]


def numbers_of(cell):
    """The row numbers a cell names: "10, 44" two, "79a" one, "–" and "P1 to P20" none."""
    return [int(n) for n in re.findall(r"\b(\d+)[a-z]?\b", cell) if not re.search("[PS]\\d", cell)]


def path_of(name):
    return name if "/" in name else f"{FOLDER}/{name}"


def check_numbers(tree, rows):
    """One list runs through the lettered sections and SQLite, one through each of the others."""
    lists = {}
    for section, line, cells in rows:
        one_list = section if section.startswith(("queuepool", "Our own")) else "others"
        for number in numbers_of(cells[0]):
            again = number in lists.setdefault(one_list, {}) and not cells[0][-1].isalpha()
            if again:
                tree.complain(TABLE, line, f"row {number} stands twice")
            lists[one_list][number] = line
    for name, seen in lists.items():
        # Row 41 of the package's list was withdrawn.
        missing = set(range(1, max(seen) + 1)) - set(seen) - ({41} if "queuepool" in name else set())
        for number in sorted(missing):
            tree.complain(TABLE, 0, f"row {number} is missing ({name})")


def check_rows(tree, rows, code):
    """What the table says of the tests; returns (path, function) of those it names."""
    named = set()
    for _, line, cells in rows:
        tests = NAMED.findall(cells[-1])
        if not tests and not any(reason in cells[-1] for reason in REASONS):
            tree.complain(TABLE, line, f"neither a test nor a reason: {cells[-1]}")
        for file, function in tests:
            path = path_of(file)
            named.add((path, function))
            if path not in code:
                tree.complain(TABLE, line, f"no file {path}")
            elif function not in tests_in(code[path]):
                tree.complain(TABLE, line, f"{path} has no test {function}")
            elif function not in run_in(code[path]):
                tree.complain(TABLE, line, f"{path} does not run {function}")
    return named


def check_tests(tree, named, code):
    """What is in the folder and not in the table, or not run, or not built."""
    build = tree.read(f"{FOLDER}/meson.build")
    for path in tree.under(FOLDER, ending=".c"):
        short = re.sub(r".*/test_regress_(\w+)\.c", r"\1", path)
        if not re.search(rf"'{short}'", build):
            tree.complain(path, 0, f"{FOLDER}/meson.build does not name '{short}'")
        for function in sorted(tests_in(code[path])):
            if function not in run_in(code[path]):
                tree.complain(path, 0, f"{function} is not run")
            if (path, function) not in named:
                tree.complain(path, 0, f"{function} is not in {TABLE}")


def check(tree, _options):
    if TABLE not in tree.paths:
        return  # nothing is promised
    code = {path: source.code(tree.read(path)) for path in tree.under("tests", ending=".c")}
    rows = list(rows_of(tree.read(TABLE)))
    named = check_rows(tree, rows, code)
    check_numbers(tree, rows)
    if f"{FOLDER}/meson.build" in tree.paths:
        check_tests(tree, named, code)


if __name__ == "__main__":
    source.main(check, __doc__)
