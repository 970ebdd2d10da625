#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""check_quotes: what our texts quote from a source is what stands there.

In Markdown, `<!-- examples/a.c: open -->` above a fenced block says that the block is the part of that file
between `/* [part: open] */` and `/* [end] */`; `<!-- examples/a.c: 99 lines of code at most -->` is a
claim about the file's size without comments and blank lines.  A part that nobody quotes is a leftover.
`--write` puts the parts into the texts instead of complaining.
"""
import os
import re

import source

PART = re.compile(r"^/\* \[part: ([\w-]+)\] \*/\n(.*?)\n/\* \[end\] \*/$", re.M | re.S)
QUOTE = re.compile(r"^<!-- (\S+\.[ch]): ([\w-]+) -->\n(```c\n(.*?)\n```)?", re.M | re.S)
SIZE = re.compile(r"^<!-- (\S+\.[ch]): (\d+) lines of code at most -->$", re.M)


def parts_of(text):
    return dict(PART.findall(text))


def check_size(tree, path, text):
    for match in SIZE.finditer(text):
        name, most = match.group(1), int(match.group(2))
        plain = source.code(tree.read(name)) if name in tree.paths else ""
        lines = sum(1 for line in plain.splitlines() if line.strip())
        if not 0 < lines <= most:
            line = source.line_of(text, match.start())
            tree.complain(path, line, f"{name} has {lines} lines of code, not {most} at most")


def check_text(tree, path, text, parts):
    """Complain of each quote that is not its part; returns the text as it should be, and what it quotes."""
    quoted = set()

    def replace(match):
        name, part, block, shown = match.groups()
        line = source.line_of(text, match.start())
        quoted.add((name, part))
        if part not in parts.get(name, {}):
            tree.complain(path, line, f"{name} has no part [{part}]")
            return match.group()
        if block is None:
            tree.complain(path, line, f"no ```c block below the mark for [{part}]")
        elif shown != parts[name][part]:
            tree.complain(path, line, f"not what {name} has as [{part}]; tools/check_quotes.py --write")
        return f"<!-- {name}: {part} -->\n```c\n{parts[name][part]}\n```"

    return QUOTE.sub(replace, text), quoted


def check(tree, options):
    parts = {path: parts_of(tree.read(path)) for path in tree.under("examples")}
    quoted = set()
    for path in tree.paths:
        if not path.endswith(".md"):
            continue
        text = tree.read(path)
        check_size(tree, path, text)
        right, found = check_text(tree, path, text, parts)
        quoted |= found
        if options.write and right != text:
            with open(os.path.join(tree.root, path), "w", encoding="utf-8") as file:
                file.write(right)
    for path, names in parts.items():
        for name in names:
            if (path, name) not in quoted:
                tree.complain(path, 0, f"nobody quotes its part [{name}]")


def extra(parser):
    parser.add_argument("--write", action="store_true", help="put the parts into the texts")


if __name__ == "__main__":
    source.main(check, __doc__, extra)
