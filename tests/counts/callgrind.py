# SPDX-License-Identifier: BSD-3-Clause
"""callgrind: what valgrind's callgrind counted, instruction by instruction, and whose source that was.

counts.py comes in here, and nobody else.  It knows files and addresses, no pool and no case; it judges nothing.
"""
import collections
import re
import subprocess
import tempfile

NAME = re.compile(r"\((\d+)\)(?: (.*))?$")


class Broken(Exception):
    """Not what we can read, or a tool that failed; as text for people."""


def said(*command, **more):
    """What a command says; its own words when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if done.returncode:
        raise Broken(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr.strip()}")
    return done.stdout


def run(program, times, folder, *options):
    """The program under callgrind, from counted_*() to its end: the file that callgrind wrote."""
    out = f"{folder}/callgrind.{times}"
    said(
        "valgrind", "--tool=callgrind", "--dump-instr=yes", "--separate-callers=64", "--toggle-collect=counted_*",
        f"--callgrind-out-file={out}", *options, program, str(times),
    )  # fmt: skip
    return out


def read(path):
    """{(object, (function, its caller, ...), address): instructions}; what callees take is not in it."""
    names = {"ob": {}, "fn": {}}
    now = {"ob": "?", "fn": "?"}
    counts, summary = collections.Counter(), None
    address, calls = 0, False
    with open(path, encoding="utf-8") as file:
        for line in file:
            key, _, rest = line.rstrip("\n").partition("=")
            if key in ("ob", "fn", "cob", "cfn"):
                number, name = NAME.match(rest).groups()
                known = names[key[-2:]]
                known.setdefault(number, name)
                if key in now:
                    now[key] = known[number]
            elif key == "calls":
                calls = True  # the next line is what the call took, which its own lines say as well
            elif line.startswith("summary: "):
                summary = int(line.split()[1])
            elif line[0] in "0123456789+-*":
                where, *_, cost = line.split()
                if where != "*":
                    address = address + int(where, 0) if where[0] in "+-" else int(where, 0)
                if not calls:
                    chain = tuple(one.partition(".")[0] for one in now["fn"].split("'"))
                    counts[now["ob"], chain, address] += int(cost)
                calls = False
    if summary != sum(counts.values()):
        raise Broken(f"{path}: the lines sum up to {sum(counts.values())}, callgrind's own sum is {summary}")
    return counts


def sources(library, addresses):
    """{address: [(function, file, line), ...]}, the innermost first: those into which it was inlined follow."""
    asked = "\n".join(map(hex, addresses))
    lines = said("addr2line", "-a", "-i", "-f", "-e", library, input=asked).splitlines()
    found, function = {}, None
    for line in lines:
        if line.startswith("0x"):
            chain = found.setdefault(int(line, 16), [])
        elif function is None:
            function = line
        else:
            path, _, number = line.partition(" (disc")[0].rpartition(":")
            chain.append((function, path.rpartition("src/")[2], int(number) if number.isdigit() else 0))
            function = None
    return found


def code(library):
    """The library's instructions, as bytes."""
    with tempfile.NamedTemporaryFile() as out:
        said("objcopy", "-O", "binary", "--only-section=.text", library, out.name)
        with open(out.name, "rb") as file:
            found = file.read()
    if not found:
        raise Broken(f"{library}: no section .text")
    return found


def assembly(library):
    """{address: instruction, as text}"""
    lines = said("objdump", "-d", "--no-show-raw-insn", library).splitlines()
    found = (re.match(r" +([0-9a-f]+):\s+(.*)", line) for line in lines)
    return {int(one[1], 16): one[2] for one in found if one}
