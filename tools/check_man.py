#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""check_man: the manual in docs/man says what the headers say.

Each public function has a page that goes by its name and shows its prototype, word for word; each
macro, constant and member of a struct is named by a page; the table of errors is the header's; what a
page calls ours is in a header; references lead to pages; quoted examples are those of examples/; the
names that docs/man/meson.build installs are those of the NAME sections; options of the command that docs/COMMAND.md
has are in queuepool(1); mandoc has nothing to warn of.

Names that the manual knows before the headers do stand in docs/man/ahead, one a line, until they do.

--fill writes the quoted examples and the table of errors into the pages, and takes what the headers know by
now out of that list.
"""
import os
import re
import subprocess

import source

FOLDER = "docs/man"
AHEAD = f"{FOLDER}/ahead"
WIDTH = 75  # what 80 columns leave for an example
ERRORS_PAGE = f"{FOLDER}/qpool_error.3"
QUOTE = re.compile(
    r'^\.\\" from (?P<file>\S+): (?P<name>\S+)\n(?P<open>\.Bd -literal[^\n]*\n)(?P<body>.*?)(?P<close>^\.Ed$)',
    re.M | re.S,
)
TABLE = re.compile(r'^\.\\" errors\n\.Bl [^\n]*\n(?P<body>.*?)^\.El$', re.M | re.S)


# ---- what the headers say


def squeeze(text):
    """One spelling of a declaration."""
    return re.sub(r"\s*([*(),])\s*", r"\1", re.sub(r"\s+", " ", text)).strip()


class Header:
    """Public names of all headers together."""

    def __init__(self, texts):
        self.prototypes, self.names, self.members, self.errors = {}, set(), {}, []
        for text in texts:
            self.read(text)

    def read(self, text):
        plain = source.code(text)
        for number, sentence in re.findall(r'X\(QPOOL_\w+,\s*(\d+),\s*"\w+",\s*"([^"]*)"\)', text):
            self.errors.append((int(number), sentence))
        self.codes = re.findall(r"X\((QPOOL_\w+),\s*\d", plain) or getattr(self, "codes", [])
        for name in re.findall(r"^\s*#\s*define\s+(\w+)", plain, re.M):
            if not name.endswith("_") and name.startswith("QPOOL_"):
                self.names.add(name)
        self.names -= {"QPOOL_API", "QPOOL_CHECKED"}
        bare = re.sub(r"^[ \t]*#(?:[^\n\\]|\\.)*", "", plain, flags=re.M | re.S)
        for body in re.findall(r"\benum\s*\{([^}]*)\}", bare):
            self.names |= {n for n in re.findall(r"\b(QPOOL_\w+)", body) if not n.endswith("_")}
        self.names |= set(self.codes)
        for name, body in re.findall(r"\bstruct\s+(\w+)\s*\{([^}]*)\}", bare):
            self.members[name] = self.members_of(body)
        for declaration in re.findall(r"\bQPOOL_API\b([^;]*);", bare):
            declaration = squeeze(re.sub(r"\bQPOOL_CHECKED\b", "", declaration))
            result, name, arguments = re.match(r"(.*?)(\w+)\((.*)\)$", declaration).groups()
            self.prototypes[name] = (result.strip(), arguments.split(","))
        for name in re.findall(r"^QPOOL_INIT_\((\w+)\)", bare, re.M):
            self.prototypes[f"{name}_init"] = (name, ["void"])

    @staticmethod
    def members_of(body):
        for declaration in body.split(";"):
            function = re.search(r"\(\s*\*\s*(\w+)\s*\)", declaration)
            if function:
                yield function.group(1)
                continue
            declaration = re.sub(r"\[[^\]]*\]", "", declaration)
            for part in declaration.split(","):
                names = re.findall(r"\w+", part)
                if names:
                    yield names[-1]


# ---- what a page says


def words(line):
    """The arguments of a macro line."""
    return [quoted or bare for quoted, bare in re.findall(r'"([^"]*)"|(\S+)', line)]


class Page:
    def __init__(self, path, text):
        self.path, self.text = path, text
        self.section = path[-1]
        name = re.search(r"^\.Sh NAME\n(.*?)^\.Nd", text, re.M | re.S)
        self.titles = re.findall(r"^\.Nm (\S+)", name.group(1), re.M) if name else []
        synopsis = re.search(r"^\.Sh SYNOPSIS\n(.*?)(?=^\.Sh )", text, re.M | re.S)
        self.prototypes = dict(self.read_synopsis(synopsis.group(1) if synopsis else ""))
        lines = [words(line[1:]) for line in text.splitlines() if re.match(r"\.(?!Dt)\w", line)]
        self.words = {w for line in lines for w in line[1:]}
        self.references = {
            (line[i + 1], line[i + 2]) for line in lines for i, w in enumerate(line[:-2]) if w == "Xr"
        }

    @staticmethod
    def read_synopsis(text):
        """(name, (result, arguments)) of each .Ft with .Fn or .Fo."""
        result, name, arguments = "", None, []
        for line in text.splitlines():
            macro, *rest = words(line[1:]) if line.startswith(".") else [""]
            if macro == "Ft":
                result = squeeze(" ".join(rest))
            elif macro == "Fn":
                yield rest[0], (result, [squeeze(a) for a in rest[1:]])
            elif macro == "Fo":
                name, arguments = rest[0], []
            elif macro == "Fa" and name:
                arguments += [squeeze(a) for a in rest]
            elif macro == "Fc":
                yield name, (result, arguments)
                name = None


def shown(code):
    """C text as lines of a page."""
    lines = []
    for line in code.splitlines():
        line = line.replace("\\", "\\e").replace("'", "\\(aq")
        lines.append("\\&" + line if line.startswith(".") else line)
    return "".join(f"{line}\n" for line in lines)


def region(text, name):
    """What stands between /* [man: name] */ and the next /* [end] */, or None."""
    found = re.search(rf"^/\* \[man: {re.escape(name)}\] \*/\n(.*?)^/\* \[end\] \*/$", text, re.M | re.S)
    return found and found.group(1)


def table(header):
    rows = zip(header.codes, header.errors)
    return "".join(f".It Dv {code} Ta {number} Ta {sentence}\n" for code, (number, sentence) in rows)


# ---- the comparisons


def check_functions(tree, header, pages, ahead):
    shows = {}
    for page in pages:
        for name, prototype in page.prototypes.items():
            shows.setdefault(name, []).append((page, prototype))
    for name, prototype in sorted(header.prototypes.items()):
        if not any(name in page.titles for page in pages):
            tree.complain(FOLDER, 0, f"no page goes by the name {name}")
        for page, said in shows.get(name, [(None, None)]):
            if page is None:
                tree.complain(FOLDER, 0, f"no page shows the prototype of {name}")
            elif said != prototype:
                tree.complain(page.path, 0, f"{name}: the page says {said}, the header {prototype}")
    for name in sorted(set(shows) - set(header.prototypes) - ahead):
        tree.complain(shows[name][0][0].path, 0, f"{name} is in no header")


def check_names(tree, header, pages, ahead):
    said = set().union(*(page.words for page in pages)) if pages else set()
    for name in sorted(header.names - said):
        tree.complain(FOLDER, 0, f"no page names {name}")
    for page in pages:
        ours = {w for w in page.words if re.fullmatch(r"QPOOL_[A-Z0-9_]+", w)}
        for name in sorted(ours - header.names - ahead):
            tree.complain(page.path, 0, f"{name} is in no header")
    for struct, members in sorted(header.members.items()):
        about = [page for page in pages if struct in page.words]
        if not about:
            tree.complain(FOLDER, 0, f"no page names struct {struct}")
            continue
        for member in members:
            if not member.endswith("_") and not any(member in page.words for page in about):
                tree.complain(about[0].path, 0, f"member {member} of {struct} is not named")


def check_ahead(tree, header, pages, ahead):
    known = set(header.prototypes) | header.names
    said = set().union(*(page.words for page in pages)) if pages else set()
    for name in sorted(ahead & known):
        tree.complain(AHEAD, 0, f"{name} is in the header now; take it out of this list")
    for name in sorted(ahead - known - said):
        tree.complain(AHEAD, 0, f"no page names {name}; take it out of this list")


def check_references(tree, pages):
    there = {(title, page.section) for page in pages for title in page.titles}
    for page in pages:
        for name, section in sorted(page.references):
            if re.match("q(ueue)?pool", name) and (name, section) not in there:
                tree.complain(page.path, 0, f"refers to {name}({section}), which is no page")
        first = os.path.basename(page.path)[:-2]
        if not page.titles or page.titles[0] != first:
            tree.complain(page.path, 0, f"its first name is not {first}")
    for title, section in sorted(there):
        if sum(title in page.titles and section == page.section for page in pages) > 1:
            tree.complain(FOLDER, 0, f"two pages go by the name {title}({section})")


def check_quotes(tree, pages):
    for page in pages:
        for quote in QUOTE.finditer(page.text):
            line = source.line_of(page.text, quote.start())
            file, name = quote["file"], quote["name"]
            code = region(tree.read(file), name) if file in tree.paths else None
            if code is None:
                tree.complain(page.path, line, f"{file} has no region [man: {name}]")
            elif any(len(row.expandtabs(8)) > WIDTH for row in code.splitlines()):
                tree.complain(file, 0, f"[man: {name}] has lines that the manual has no room for ({WIDTH} columns)")
            elif shown(code) != quote["body"]:
                tree.complain(page.path, line, f"differs from {file} [man: {name}]; `make man` copies it")
        if page.text.count('.\\" from ') != len(QUOTE.findall(page.text)):
            tree.complain(page.path, 0, "an example is announced and not quoted")


def check_table(tree, header, pages):
    for page in pages:
        if page.path == ERRORS_PAGE:
            found = TABLE.search(page.text)
            if not found or found["body"] != table(header):
                tree.complain(page.path, 0, "its table of errors is not the header's; `make man` copies it")


def check_command(tree, pages):
    """Options only; what they mean is said twice, at length there and in a line here."""
    for page in pages:
        if page.path == f"{FOLDER}/queuepool.1" and "docs/COMMAND.md" in tree.paths:
            here = set(re.findall(r"\bFl Fl ([a-z-]+)", page.text))
            there = set(re.findall(r"`--([a-z-]+)", tree.read("docs/COMMAND.md")))
            for option in sorted(there - here):
                tree.complain(page.path, 0, f"option --{option} of docs/COMMAND.md is not named")


def check_installed(tree, pages):
    build = f"{FOLDER}/meson.build"
    if build not in tree.paths:
        return
    listed = {}
    for name, rest in re.findall(r"^\s*'([\w.]+)': \[(.*?)\],$", tree.read(build), re.M | re.S):
        listed[name] = re.findall(r"'([\w.]+)'", rest)
    for page in pages:
        name = os.path.basename(page.path)
        if listed.pop(name, None) != page.titles[1:]:
            tree.complain(build, 0, f"{name} must be listed with the other names it goes by: {page.titles[1:]}")
    for name in listed:
        tree.complain(build, 0, f"there is no page {name}")


def check_form(tree, pages):
    """mandoc's own opinion; a tool that is not there is a failure."""
    if not pages:
        return
    command = ["mandoc", "-T", "lint", "-W", "warning", *(tree.path(page.path) for page in pages)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        tree.complain(FOLDER, 0, "mandoc is not installed")
        return
    for line in (done.stdout + done.stderr).splitlines():
        tree.complain(FOLDER, 0, line.removeprefix("mandoc: ").replace(tree.path(""), ""))


def fill(tree, header, pages):
    if AHEAD in tree.paths:
        names = [n for n in tree.read(AHEAD).split() if n not in header.prototypes and n not in header.names]
        with open(tree.path(AHEAD), "w", encoding="utf-8") as file:
            file.write("".join(f"{name}\n" for name in names))
    for page in pages:

        def copy(quote):
            code = region(tree.read(quote["file"]), quote["name"]) or ""
            return quote.group().replace(quote["open"] + quote["body"], quote["open"] + shown(code))

        text = QUOTE.sub(copy, page.text)
        if page.path == ERRORS_PAGE:
            text = TABLE.sub(lambda t: t.group().replace(t["body"] + ".El", table(header) + ".El"), text)
        if text != page.text:
            with open(tree.path(page.path), "w", encoding="utf-8") as file:
                file.write(text)


def check(tree, options):
    header = Header(tree.read(path) for path in tree.under("include", ending=".h"))
    pages = [Page(path, tree.read(path)) for path in tree.under(FOLDER, ending=(".1", ".3", ".7"))]
    if options.fill:
        fill(tree, header, pages)
        return
    ahead = set(tree.read(AHEAD).split()) if AHEAD in tree.paths else set()
    check_functions(tree, header, pages, ahead)
    check_names(tree, header, pages, ahead)
    check_ahead(tree, header, pages, ahead)
    check_references(tree, pages)
    check_quotes(tree, pages)
    check_table(tree, header, pages)
    check_command(tree, pages)
    check_installed(tree, pages)
    check_form(tree, pages)


def extra(parser):
    parser.add_argument("--fill", action="store_true", help="write examples and errors into the pages")


if __name__ == "__main__":
    source.main(check, __doc__, extra)
