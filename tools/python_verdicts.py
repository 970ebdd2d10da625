#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""python_verdicts: the table of what is the same as in queuepool 1.3.2, fixed or added, as Markdown.

    python_verdicts                print it
    python_verdicts --check FILE   does FILE have it, between <!-- verdicts --> and <!-- /verdicts -->?
    python_verdicts --write FILE   put it there

It reads the `@verdict(word, text)` of python/tests/*.py and runs none of them.  `make lint` comes in here.
"""
import ast
import pathlib
import re
import sys

TESTS = pathlib.Path(__file__).resolve().parent.parent / "python" / "tests"
WORDS = ("same", "fixed", "added")
BEGIN, END = "<!-- verdicts -->", "<!-- /verdicts -->"


def verdicts(path):
    """(word, text, where) of each test in a file that has one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        for mark in getattr(node, "decorator_list", ()):
            if isinstance(mark, ast.Call) and getattr(mark.func, "id", None) == "verdict":
                yield (*arguments(mark, path), f"{path.name}::{node.name}")


def arguments(mark, path):
    try:
        word, text = (ast.literal_eval(each) for each in mark.args)
    except ValueError:
        sys.exit(f"{path}:{mark.lineno}: a verdict has two plain texts, the word and what it is about")
    if word not in WORDS:
        sys.exit(f"{path}:{mark.lineno}: the verdict is {word!r}; it must be one of {', '.join(WORDS)}")
    return word, text


def order(row):
    """Numbered defects by their numbers, P and S after the others; then what has no number."""
    word, text, where = row
    number = re.match(r"([A-Z]?)(\d+)", text)
    if number is None:
        return (1, WORDS.index(word), 0, where)
    return (0, number[1], int(number[2]), where)


def table():
    rows = [row for path in sorted(TESTS.glob("*.py")) for row in verdicts(path)]
    lines = ["| verdict | what | its test in `python/tests/` |", "|---|---|---|"]
    for word, text, where in sorted(rows, key=order):
        lines.append(f"| {word} | {text.replace('|', chr(92) + '|')} | `{where}` |")
    return "\n".join(lines) + "\n"


def split(path):
    """What is before the table, the table, and what is after it."""
    try:
        whole = pathlib.Path(path).read_text(encoding="utf-8")
    except OSError as error:
        sys.exit(f"python_verdicts: {error}")
    before, begin, rest = whole.partition(BEGIN + "\n")
    now, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"{path}: there is no {BEGIN} with a {END} after it, each on its own line")
    return before + begin, now, end + after


def main(words):
    if not words:
        print(table(), end="")
        return
    if len(words) != 2 or words[0] not in ("--check", "--write"):
        sys.exit("usage: python_verdicts [--check FILE | --write FILE]")
    before, now, after = split(words[1])
    if now == table():
        return
    if words[0] == "--check":
        sys.exit(f"{words[1]}: the verdicts are not those of the tests; tools/python_verdicts.py --write {words[1]}")
    pathlib.Path(words[1]).write_text(before + table() + after, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
