#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""check_shape: each file is a room one can take in at a glance.

C files open with one SPDX line and a paragraph that says what room this is; they stay under 600
lines, their functions under 70; comments are /* */; a few functions of the C library are not used; a
warning is silenced by name and with a reason; tests do not sleep.  Scripts open and end likewise, and
are no longer than that.  Text files end in one newline and carry no space at a line's end.
Layout inside a line is clang-format's business, not ours.
"""
import re

import source

FILE_LINES = 600
FUNCTION_LINES = 70
SPDX = "SPDX-License-Identifier: BSD-3-Clause"
PARAGRAPH_WORDS = 8
SENTENCE_WORDS = 3  # enough where the header of the same name has the paragraph

BANNED = re.compile(
    r"(?<![\w.])(?<!->)(strcat|strcpy|sprintf|vsprintf|strtok|gets|alloca)(?=\s*\()"
)
# Assembled, so that this file does not complain of itself.
UNFINISHED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX")) + r")\b")
SLEEPS = re.compile(r"(?<![\w.])(?<!->)(sleep|usleep|nanosleep|clock_nanosleep|thrd_sleep)(?=\s*\()")
# Tests that may sleep, and why.
MAY_SLEEP = {}

SUPPRESSIONS = (
    (re.compile(r"NOLINT(?!NEXTLINE|BEGIN|END)(?!\([\w,. *-]+\): \w)"), "NOLINT(check): reason"),
    (re.compile(r"NOLINTNEXTLINE(?!\([\w,. *-]+\): \w)"), "NOLINTNEXTLINE(check): reason"),
    (re.compile(r"NOLINT(?:BEGIN|END)"), "one line at a time: NOLINTNEXTLINE(check): reason"),
    (re.compile(r"cppcheck-suppress(?! \w+ ; \w)"), "cppcheck-suppress id ; reason"),
)


def check_opening(tree, path, text):
    lines = text.split("\n")
    if lines[0] != f"/* {SPDX} */":
        tree.complain(path, 1, f"the first line is not /* {SPDX} */")
    comment = re.match(r"/\*(.*?)\*/", "\n".join(lines[1:]), re.S)
    words = re.findall(r"[\w'-]+", comment.group(1)) if comment else []
    headed = path.endswith(".c") and path[:-2] + ".h" in tree.paths
    if len(words) < (SENTENCE_WORDS if headed else PARAGRAPH_WORDS):
        tree.complain(path, 2, "no paragraph below it that says what this room is")


def check_length(tree, path, text):
    if (count := text.count("\n")) > FILE_LINES:
        tree.complain(path, FILE_LINES + 1, f"the file has {count} lines, over {FILE_LINES}")


def check_functions(tree, path, text):
    """They are found by their braces, which clang-format puts in the first column."""
    lines = source.code(text).split("\n")
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start:
            if number - start + 1 > FUNCTION_LINES:
                size = number - start + 1
                tree.complain(path, start, f"the function has {size} lines, over {FUNCTION_LINES}")
            start = None


def check_words(tree, path, text):
    plain = source.code(text)
    for match in BANNED.finditer(plain):
        tree.complain(path, source.line_of(text, match.start()), f"{match.group()}: not used here")
    for offset in source.line_comments(text):
        tree.complain(path, source.line_of(text, offset), "a // comment; we write /* */")
    for pattern, form in SUPPRESSIONS:
        for match in pattern.finditer(text):
            tree.complain(path, source.line_of(text, match.start()), f"a warning is silenced so: {form}")
    if path.startswith("tests/") and path not in MAY_SLEEP:
        for match in SLEEPS.finditer(plain):
            line = source.line_of(text, match.start())
            tree.complain(path, line, f"{match.group()}: tests wait by barriers and the virtual clock")


def check_text(tree, path, text):
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            tree.complain(path, number, "space at the end of the line")
        if match := UNFINISHED.search(line):
            tree.complain(path, number, f"{match.group()}: finish it, or say in docs/ what is left out")
    if text and not text.endswith("\n"):
        tree.complain(path, len(lines), "no newline at the end of the file")
    if text.endswith("\n\n"):
        tree.complain(path, len(lines) - 1, "empty lines at the end of the file")


def check_script(tree, path, text):
    """Scripts say who they are, too."""
    lines = text.split("\n")
    first = 1 if lines[0].startswith("#!") else 0
    if len(lines) <= first or lines[first] != f"# {SPDX}":
        tree.complain(path, first + 1, f"no line '# {SPDX}'")
    rest = "\n".join(lines[first + 1 :]).lstrip("\n")
    opening = re.match(r'(?:"""(.*?)"""|((?:#[^\n]*\n)+))', rest, re.S)
    words = re.findall(r"[\w'-]+", opening.group(1) or opening.group(2)) if opening else []
    if len(words) < PARAGRAPH_WORDS:
        tree.complain(path, first + 2, "no paragraph below it that says what this script is")


def check(tree, _options):
    for path in tree.paths:
        try:
            text = tree.read(path)
        except UnicodeDecodeError:
            continue  # no text
        if "\0" in text:
            continue
        check_text(tree, path, text)
        if path.startswith(tuple(f + "/" for f in source.C_FOLDERS)) and path.endswith((".c", ".h")):
            check_opening(tree, path, text)
            check_length(tree, path, text)
            check_functions(tree, path, text)
            check_words(tree, path, text)
        elif path.endswith((".py", ".sh")) or text.startswith("#!"):
            check_script(tree, path, text)
            check_length(tree, path, text)
    for path in sorted(set(MAY_SLEEP) - set(tree.paths)):
        tree.complain(path, 0, "may sleep by check_shape's list, but is not there")


if __name__ == "__main__":
    source.main(check, __doc__)
