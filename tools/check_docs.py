#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""check_docs: what our texts point at is there, and nothing points at one person's machine.

Relative links in Markdown name files of this tree, and their #anchors headings of those files.  No
text file names an absolute path of somebody's workplace.  Links to the world are not followed: a
check that needs a network fails for reasons that are not ours.
"""
import os
import posixpath
import re
import urllib.parse

import source

# Assembled, so that this file does not complain of itself.
WORKPLACES = tuple("/" + path for path in ("work/", "tmp/wt", "root/"))


def prose(text):
    """Markdown with fenced and inline code blanked; lines stay."""
    blank = lambda match: re.sub(r"[^\n]", " ", match.group())  # noqa: E731
    text = re.sub(r"^(```|~~~).*?^\1[^\n]*$", blank, text, flags=re.M | re.S)
    return re.sub(r"`[^`\n]+`", blank, text)


def links(text):
    """(target, line) of inline links, images and reference definitions."""
    plain = prose(text)
    pattern = r"\]\(\s*<?([^)\s>]+)>?[^)]*\)|^\s*\[[^\]]+\]:\s*<?(\S+?)>?\s*$"
    for match in re.finditer(pattern, plain, re.M):
        yield match.group(1) or match.group(2), source.line_of(plain, match.start())


def anchors(text):
    """The #names that headings get: lower case, spaces to hyphens, punctuation dropped."""
    fenceless = re.sub(r"^(```|~~~).*?^\1[^\n]*$", "", text, flags=re.M | re.S)
    found = set()
    for heading in re.findall(r"^#{1,6}\s+(.+?)\s*#*$", fenceless, re.M):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        count = 0
        while (name if not count else f"{name}-{count}") in found:
            count += 1
        found.add(name if not count else f"{name}-{count}")
    return found


def check_link(tree, path, line, target):
    if re.match(r"[a-z][a-z0-9+.-]*:", target, re.I):
        return
    name, _, anchor = urllib.parse.unquote(target).partition("#")
    if name.startswith("/"):
        tree.complain(path, line, f"link to {target}: name it relative to this file")
        return
    goal = posixpath.normpath(posixpath.join(posixpath.dirname(path), name)) if name else path
    if goal.startswith(".."):
        tree.complain(path, line, f"link to {target}: leads out of the tree")
    elif not os.path.exists(tree.path(goal)):
        tree.complain(path, line, f"link to {target}: no such file")
    elif anchor and goal.endswith(".md") and anchor not in anchors(tree.read(goal)):
        tree.complain(path, line, f"link to {target}: {goal} has no such heading")


def check(tree, _options):
    for path in tree.paths:
        try:
            text = tree.read(path)
        except UnicodeDecodeError:
            continue  # no text
        for number, line in enumerate(text.splitlines(), 1):
            for prefix in WORKPLACES:
                if re.search(rf"(?<![\w.]){re.escape(prefix)}", line):
                    tree.complain(path, number, f"a path of one machine: {prefix}")
        if path.endswith(".md"):
            for target, line in links(text):
                check_link(tree, path, line, target)


if __name__ == "__main__":
    source.main(check, __doc__)
