#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""mutate: a source file of the core with one mistake put in, for a test that must find the mistake.

    mutate.py MUTANT SOURCE OUTPUT

A mutant file says in a comment what is wrong, and then, between lines of dashes, a text of the source and what takes
its place.  The text must be there exactly once: a mutant that has lost its place is an error and no silence.
"""
import sys

RULE = "-" * 20


def main(arguments):
    mutant, source, output = arguments
    with open(mutant, encoding="utf-8") as file:
        parts = file.read().split(RULE + "\n")
    if len(parts) != 4:
        print(f"{mutant}: wanted a comment, a text, another text and an end, each ended by {RULE}", file=sys.stderr)
        return 1
    _, right, wrong, _ = parts
    with open(source, encoding="utf-8") as file:
        text = file.read()
    if text.count(right) != 1:
        print(f"{mutant}: its text is in {source} {text.count(right)} times, not once; put it right", file=sys.stderr)
        return 1
    with open(output, "w", encoding="utf-8") as file:
        file.write(text.replace(right, wrong))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
