#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""check_coverage: every public name is used by a test.

Of each header under include/: functions and function-like macros are called, other macros, enumerators
and error codes are named, and the fields of each struct are reached through something of that type,
somewhere under tests/.  A function that a macro of its name hides is called past it, too: (name)().
Comments, strings, declarations and what stands in #if 0 count for nothing, and a field is reached through
what its own file, or a header, declares.  It proves that nothing public was forgotten, not that it was
tested well; names that end in _ are private and are left alone.
"""
import re

import source

# What the headers put on their own declarations; a program has no need of them.
FOR_HEADERS = {"QPOOL_API", "QPOOL_CHECKED"}

FUNCTION = re.compile(r"QPOOL_API\b[^;{}()]*?\b(qpool_\w*\w)\s*\(")
INIT = re.compile(r"^QPOOL_INIT_\((\w+)\)", re.M)
MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)(\()?", re.M)
CODE = re.compile(r"\bX\((QPOOL_\w+)\s*,")
ENUM = re.compile(r"\benum\b[^{;]*\{([^}]*)\}")
STRUCT = re.compile(r"(?:typedef\s+)?struct\s+(qpool_\w+)\s*\{(.*?)^\}", re.M | re.S)
FUNCTION_POINTER = re.compile(r"\(\s*\*\s*(\w+)\s*\)\s*\([^()]*\)")


def without_macros(text):
    """C text with the lines of #defines blanked, those that go on below too."""
    return re.sub(r"^[ \t]*#(?:[^\n\\]|\\\n|\\)*", lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.M)


def fields_of(body):
    """(name, offset) of what a struct's body declares."""
    offset = 0
    for declaration in body.split(";"):
        pointer = FUNCTION_POINTER.search(declaration)
        if pointer:
            yield pointer.group(1), offset + pointer.start(1)
        else:
            for part in re.finditer(r"(\w+)\s*(?:\[[^\]]*\])?\s*(?=,|$)", declaration.rstrip()):
                yield part.group(1), offset + part.start(1)
        offset += len(declaration) + 1


class Header:
    """What one public header offers: each name with the line it stands on."""

    def __init__(self, text):
        plain = source.code(text)
        flat = without_macros(plain)
        self.called, self.named, self.fields = {}, {}, {}

        def put(into, name, offset):
            if not name.endswith("_"):
                into.setdefault(name, source.line_of(text, offset))

        for match in FUNCTION.finditer(flat):
            put(self.called, match.group(1), match.start(1))
        for match in INIT.finditer(plain):
            put(self.called, match.group(1) + "_init", match.start(1))
        for match in MACRO.finditer(plain):
            name = match.group(1)
            if not name.endswith("_H") and name not in FOR_HEADERS:
                put(self.called if match.group(2) else self.named, name, match.start(1))
        for match in CODE.finditer(plain):
            put(self.named, match.group(1), match.start(1))
        for match in ENUM.finditer(flat):
            for name in re.finditer(r"\bQPOOL_\w+", match.group(1)):
                put(self.named, name.group(), match.start(1) + name.start())
        for match in STRUCT.finditer(flat):
            for name, offset in fields_of(match.group(2)):
                put(self.fields.setdefault(match.group(1), {}), name, match.start(2) + offset)
        # Functions that a macro of the same name hides.
        self.both = {m.group(1) for m in FUNCTION.finditer(flat)} & {
            m.group(1) for m in MACRO.finditer(plain) if m.group(2)
        }
        # A table of X() is a macro only for what it lists.
        tables = [name for name in self.called if re.search(rf"#\s*define\s+{name}\(X\)", plain)]
        for name in tables:
            self.named[name] = self.called.pop(name)


def without_dead(text):
    """C text with what stands in #if 0 blanked, to its #else or #endif."""
    lines, depth = text.split("\n"), 0
    for i, line in enumerate(lines):
        opens = re.match(r"\s*#\s*if", line)
        if depth:
            lines[i] = ""
            if opens:
                depth += 1
            elif re.match(r"\s*#\s*endif", line) or (depth == 1 and re.match(r"\s*#\s*el", line)):
                depth -= 1
        elif re.match(r"\s*#\s*if\s+0\b", line):
            depth = 1
    return "\n".join(lines)


class Test:
    """The code of one file."""

    # In a call a word may stand before the name only if it is one of these; others make it a declaration.
    BEFORE_CALLS = r"return|else|do|case|sizeof"

    def __init__(self, text):
        self.text = without_dead(source.code(text))
        self.words = set(re.findall(r"\w+", self.text))
        self.calls, self.plain = set(), set()
        for match in re.finditer(r"(?:\b(\w+)[\s*]+)?(?<!\w)(\()?(\w+)(\))?\s*\(", self.text):
            before, opened, name, closed = match.groups()
            if before and not opened and not re.fullmatch(self.BEFORE_CALLS, before):
                continue
            self.calls.add(name)
            if opened and closed:
                self.plain.add(name)

    def names_of(self, struct):
        """Variables, members, parameters and functions of this type: the one after it, and after commas."""
        names = set(re.findall(rf"\b{struct}\b(?:\s+const\b)?[\s*]+(\w+)\s*[=;,()\[\n]", self.text))
        inside = r"(?:\([^;()]*\)|\{[^;{}]*\})"
        declared = rf"\b{struct}\b\s+([^;(){{}}]*(?:{inside}[^;(){{}}]*)*);"
        for match in re.finditer(declared, self.text):
            names |= set(re.findall(r"(?:^|,)\s*\**\s*(\w+)", match.group(1)))
        return names

    def reached(self, struct, shared):
        """Fields of this struct that are reached in this file, through something of that type.  `shared`: names
        of such things that come from headers."""
        found = set(re.findall(rf"\boffsetof\s*\(\s*{struct}\s*,\s*(\w+)", self.text))
        for match in re.finditer(rf"\b{struct}\b[^;{{}}]*\{{([^;]*)\}}", self.text):
            found |= set(re.findall(r"\.\s*(\w+)\s*=", match.group(1)))
        names = "|".join(sorted(self.names_of(struct) | shared))
        if names:
            arguments = r"(?:\([^()]*(?:\([^()]*\)[^()]*)*\))?"
            access = rf"\b(?:{names})\b\)?{arguments}(?:\[[^\]]*\])?\s*(?:\.|->)\s*(\w+)"
            found |= set(re.findall(access, self.text))
        return found


class Tests:
    """The code of all tests."""

    def __init__(self, texts):
        """texts: of each file by its path."""
        files = {path: Test(text) for path, text in texts.items()}
        self.files = list(files.values())
        self.headers = [test for path, test in files.items() if path.endswith(".h")]
        self.words = set().union(*(test.words for test in self.files))
        self.calls = set().union(*(test.calls for test in self.files))
        self.plain = set().union(*(test.plain for test in self.files))

    def reached(self, struct):
        shared = set().union(*(header.names_of(struct) for header in self.headers))
        return set().union(*(test.reached(struct, shared) for test in self.files))


def check(tree, _options):
    tests = Tests({path: tree.read(path) for path in tree.under("tests")})
    for path in tree.under("include", ending=".h"):
        header = Header(tree.read(path))
        for name, line in header.called.items():
            if name not in tests.calls:
                tree.complain(path, line, f"no test calls {name}")
            elif name in header.both and name not in tests.plain:
                tree.complain(path, line, f"no test calls the function ({name}), which a macro hides")
        for name, line in header.named.items():
            if name not in tests.words:
                tree.complain(path, line, f"no test uses {name}")
        for struct, fields in header.fields.items():
            reached = tests.reached(struct)
            for name, line in fields.items():
                if name not in reached:
                    tree.complain(path, line, f"no test reaches {struct}.{name}")


if __name__ == "__main__":
    source.main(check, __doc__)
