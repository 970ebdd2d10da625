# SPDX-License-Identifier: BSD-3-Clause
"""source: what the checks of this folder share.

Which files are ours, C text with its comments and strings blanked (so that no check trips over
prose), and one way to complain.  The check_*.py scripts come in here; it judges nothing itself.
"""
import argparse
import os
import re
import subprocess
import sys

C_FOLDERS = ("src", "include", "cli", "tests", "bench", "fuzz", "examples", "python")

_TOKENS = re.compile(
    r"""(?P<block>/\*.*?(?:\*/|\Z)) | (?P<line>//(?:\\\n|[^\n])*) |
        (?P<string>"(?:\\.|[^"\\\n])*") | (?P<char>'(?:\\.|[^'\\\n])*')""",
    re.VERBOSE | re.DOTALL,
)


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def code(text):
    """C text with comments and the insides of strings made blank; lines and columns stay."""

    def replace(match):
        found = match.group()
        if match.lastgroup in ("block", "line"):
            return _blank(found)
        return found[0] + _blank(found[1:-1]) + found[-1]

    return _TOKENS.sub(replace, text)


def line_comments(text):
    """Offsets of the // comments."""
    return [m.start() for m in _TOKENS.finditer(text) if m.lastgroup == "line"]


def includes(text):
    """(line number, name, quoted) of each #include; one inside a comment is none."""
    plain = code(text).splitlines()
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")', line)
        if match and plain[number - 1].lstrip().startswith("#"):
            yield number, match.group(1) or match.group(2), match.group(2) is not None


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


class Tree:
    """A checkout, and the complaints about it."""

    def __init__(self, root):
        self.root = root
        self.complaints = []
        self.paths = self._list()

    def _list(self):
        """Paths git knows or would add; all but build folders where there is no git."""
        command = ["git", "-C", self.root, "ls-files", "-z", "-co", "--exclude-standard"]
        if os.path.exists(os.path.join(self.root, ".git")):
            try:
                run = subprocess.run(command, capture_output=True, check=True)
                names = run.stdout.decode().split("\0")
                return sorted(n for n in set(names) if os.path.isfile(os.path.join(self.root, n)))
            except (OSError, subprocess.CalledProcessError):
                pass  # no git, or a checkout owned by another: look for ourselves
        found = []
        for folder, inside, names in os.walk(self.root):
            if folder == self.root:
                inside[:] = [n for n in inside if n != "build" and not n.startswith("build-")]
            inside[:] = [n for n in inside if n not in (".git", "__pycache__")]
            found += [os.path.relpath(os.path.join(folder, n), self.root) for n in names]
        return sorted(found)

    def under(self, *folders, ending=(".c", ".h")):
        starts = tuple(folder.rstrip("/") + "/" for folder in folders)
        return [p for p in self.paths if p.startswith(starts) and p.endswith(ending)]

    def path(self, name):
        return os.path.join(self.root, name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def complain(self, name, line, message):
        self.complaints.append(f"{name}:{line}: {message}" if line else f"{name}: {message}")


def main(check, description, extra=None):
    """Run check(tree, options) on the tree of --root; exit 1 when it complained, 0 when not."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", default=here, help="the tree to look at (default: this one)")
    if extra:
        extra(parser)
    options = parser.parse_args()
    tree = Tree(options.root)
    check(tree, options)
    for complaint in dict.fromkeys(tree.complaints):  # each once, in order
        print(complaint, file=sys.stderr)
    sys.exit(1 if tree.complaints else 0)
