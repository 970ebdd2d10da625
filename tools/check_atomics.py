#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""check_atomics: every atomic of the core is in the table of docs/CONCURRENCY.md, and no other.

The table's first column names each as `struct.field`, and a static one by its bare name; the rest of
the row says who writes it, with which order, and what it pairs with.  A pointer to an atomic is none.
Whether the row is right is for the reader and the race tests to say.
"""
import re

import source

DOCUMENT = "docs/CONCURRENCY.md"
_TOKEN = re.compile(r"[A-Za-z_]\w*|[^\s\w]")


def tokens(text):
    """(word, offset) of C text without comments, strings and preprocessor lines."""
    plain = re.sub(
        r"^[ \t]*#(?:[^\n\\]|\\.)*",
        lambda m: re.sub(r"[^\n]", " ", m.group()),
        source.code(text),
        flags=re.M | re.S,
    )
    return [(m.group(), m.start()) for m in _TOKEN.finditer(plain)]


def names_of(words, at):
    """Declared names that follow a type at words[at]: `a, *b, c[4];` gives a and c."""
    pointer = False
    depth = 0
    while at < len(words) and words[at][0] not in (";", "{", ")"):
        word = words[at][0]
        following = words[at + 1][0] if at + 1 < len(words) else ""
        if word == "[":
            depth += 1
        elif word == "]":
            depth -= 1
        elif depth == 0 and word == "*":
            pointer = True
        elif depth == 0 and word == ",":
            pointer = False
        elif depth == 0 and word == "=":
            return  # the initialiser names nothing
        elif depth == 0 and re.match(r"[A-Za-z_]", word) and following in (",", ";", "[", "=", ""):
            if not pointer:
                yield word, words[at][1]
        at += 1


class Scopes:
    """Where in the braces we are: inside which struct, or in a function's body."""

    def __init__(self, words):
        self.words = words
        self.stack = []  # tag of a struct, or None for any other brace

    def open(self, at):
        """The words since the last statement say whether this brace opens a struct, and which."""
        before = []
        depth = 0
        for word, _ in reversed(self.words[:at]):
            if depth == 0 and word in (";", "{", "}"):
                break
            depth += {")": 1, "(": -1}.get(word, 0)
            if depth == 0:
                before.insert(0, word)
        tag = None
        if {"struct", "union"} & set(before) and before[-1] not in ("(", "="):
            tag = before[-1] if before[-1] not in ("struct", "union") else self._name_behind(at)
        self.stack.append(tag)

    def _name_behind(self, at):
        """An unnamed struct is called by what stands behind its closing brace."""
        depth = 0
        for place in range(at, len(self.words)):
            depth += {"{": 1, "}": -1}.get(self.words[place][0], 0)
            if depth == 0:
                follows = self.words[place + 1][0] if place + 1 < len(self.words) else ""
                return follows if re.match(r"[A-Za-z_]", follows) else ""
        return ""

    def close(self):
        if self.stack:
            self.stack.pop()

    def name(self, field):
        """struct.field; None inside a function, where an atomic is nobody else's to name."""
        if any(tag is None for tag in self.stack):
            return None
        return ".".join([tag for tag in self.stack if tag] + [field])


def atomics(text):
    """(name, line) of each atomic declared at file scope or in a struct."""
    words = tokens(text)
    scopes = Scopes(words)
    for at, (word, _) in enumerate(words):
        if word == "{":
            scopes.open(at)
        elif word == "}":
            scopes.close()
        elif re.fullmatch(r"qp_atomic_(?:u?(?:8|16|32|64|ptr|bool|size|int)|i(?:8|16|32|64))", word):
            if at and words[at - 1][0] in ("(", ","):
                continue  # a parameter or a cast
            for field, offset in names_of(words, at + 1):
                if name := scopes.name(field):
                    yield name, source.line_of(text, offset)


def documented(text):
    """{name: line} of the first column of every table whose heading speaks of an atomic."""
    found = {}
    in_table = wanted = False
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("|"):
            in_table = False
            continue
        first = line.strip("|").split("|")[0]
        if not in_table:
            in_table, wanted = True, "atomic" in first.lower() or "field" in first.lower()
        elif wanted:
            for name in re.findall(r"`(\w+(?:\.\w+)*)`", first):
                found[name] = number
    return found


def check(tree, _options):
    if DOCUMENT not in tree.paths:
        tree.complain(DOCUMENT, 0, "is not there; it holds the table of the core's atomics")
        return
    table = documented(tree.read(DOCUMENT))
    if not table:
        tree.complain(DOCUMENT, 0, "has no table whose first column is headed `atomic` or `field`")
    seen = set()
    for path in tree.under("src/core"):
        for name, line in atomics(tree.read(path)):
            seen.add(name)
            if name not in table:
                tree.complain(path, line, f"the atomic {name} is not in the table of {DOCUMENT}")
    for name in sorted(set(table) - seen):
        tree.complain(DOCUMENT, table[name], f"there is no atomic {name} in src/core")


if __name__ == "__main__":
    source.main(check, __doc__)
