#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""check_abi: a program that was linked to an older library runs with this one.

Each library of --build, which needs debug information, is compared by libabigail with the baseline that
packaging/abi/ holds of it.  What was added is no complaint; what was taken away or changed is, and so is
a library without a baseline, or a baseline whose library is gone.  Structs that open with `size` may grow
at their end: docs/ABI.md.
--renew writes the baselines instead (`make abi-baseline`), for a person to read the difference.
"""
import os
import pathlib
import re
import subprocess
import tempfile
import xml.etree.ElementTree

import source

FOLDER = os.path.join("packaging", "abi")
# What is no part of the promise, or differs from machine to machine, stays out of a baseline.
PLAIN = (
    "--drop-private-types", "--drop-undefined-syms", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs",
    "--no-elf-needed", "--no-architecture", "--type-id-style", "hash",
)  # fmt: skip
FAILED = 1 | 2  # of abidiff's status: it could not compare


def growing(text):
    """Structs of a header that tell their size, and so may grow."""
    return re.findall(r"\bstruct\s+(\w+)\s*\{\s*size_t\s+size;", source.code(text))


def dump(tree, library, path):
    """What abidw has to say of a library, as XML in path; a complaint when it says nothing of types."""
    command = ["abidw", *PLAIN, "--headers-dir", tree.path("include"), "--out-file", path, library]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        tree.complain(library, 0, f"abidw: {done.stderr.strip() or done.returncode}")
        return False
    if "<function-decl" not in pathlib.Path(path).read_text(encoding="utf-8"):
        tree.complain(library, 0, "has no debug information to compare; build it with -Dbuildtype=debugoptimized")
        return False
    return True


def compare(tree, name, baseline, now, structs):
    """now and structs are files."""
    command = ["abidiff", "--no-added-syms", "--no-show-locs", "--suppressions", structs, baseline, now]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).strip()
    if done.returncode & FAILED:
        tree.complain(baseline, 0, f"abidiff could not compare: {said}")
        return False
    if done.returncode:
        tree.complain(name, 0, f"programs linked to the library before would break (docs/ABI.md):\n{said}")
    return True


def spelled(types, key):
    """A type in words, down to the first name."""
    node = types.get(key)
    if node is None or node.get("name"):
        return node.get("name") if node is not None else key
    inner = spelled(types, node.get("type-id")) if node.get("type-id") else ""
    if node.tag == "pointer-type-def":
        return f"{inner} *"
    if node.tag == "qualified-type-def":
        return f"{inner} const" if node.get("const") else f"{inner} volatile"
    if node.tag == "array-type-def":
        return inner + "".join(f"[{part.get('length')}]" for part in node.findall("subrange"))
    parts = [spelled(types, part.get("type-id")) for part in node if part.tag in ("parameter", "return")]
    return f"{node.tag} {parts}"


def layouts(path):
    """{struct: (size, [(member, offset, type)])} of what abidw wrote."""
    tree = xml.etree.ElementTree.parse(path)
    types = {node.get("id"): node for node in tree.iter() if node.get("id")}
    found = {}
    for struct in tree.iter("class-decl"):
        members = [
            (variable.get("name"), int(member.get("layout-offset-in-bits")), spelled(types, variable.get("type-id")))
            for member in struct.findall("data-member")
            for variable in member.findall("var-decl")
        ]
        if members:
            found[struct.get("name")] = (int(struct.get("size-in-bits")), members)
    return found


def compare_structs(tree, name, baseline, now, structs):
    """What abidiff overlooks when a struct may grow, and where a type gives way to one as long."""
    before, after = layouts(baseline), layouts(now)
    for struct in sorted(set(before) & set(after)):
        (size, members), (_, members_now) = before[struct], after[struct]
        if members_now[: len(members)] != members:
            tree.complain(name, 0, f"struct {struct}: a member was taken away, moved or made of another type")
        for member, offset, _ in members_now[len(members) :]:
            if struct not in structs:
                tree.complain(name, 0, f"struct {struct}: {member} is new, but this struct cannot tell its size")
            elif offset < size:
                tree.complain(name, 0, f"struct {struct}: {member} lies where a smaller one had padding")


def look(tree, options, folder):
    structs = sorted({s for h in tree.under("include", ending=".h") for s in growing(tree.read(h))})
    rules = os.path.join(folder, "growth.ini")
    pathlib.Path(rules).write_text(
        "[suppress_type]\n"
        f"name_regexp = ^({'|'.join(structs)})$\n"
        "type_kind = struct\nhas_data_member_inserted_at = end\nhas_size_change = yes\n",
        encoding="utf-8",
    )
    maps = tree.under("packaging", ending=".map")
    kept = {f"{FOLDER}/{os.path.basename(path)[:-4]}.abi" for path in maps}
    for baseline in tree.under(FOLDER, ending=".abi"):
        if baseline not in kept:
            tree.complain(baseline, 0, "no library goes with this baseline: programs linked to it would not start")
    for path in maps:
        name = os.path.basename(path)[:-4]
        library = next(pathlib.Path(options.build).rglob(f"lib{name}.so"), None)
        baseline = os.path.join(FOLDER, f"{name}.abi")
        if library is None:
            tree.complain(path, 0, f"lib{name}.so is not in {options.build}")
        elif options.renew:
            os.makedirs(tree.path(FOLDER), exist_ok=True)
            dump(tree, str(library), tree.path(baseline))
        elif not os.path.exists(tree.path(baseline)):
            tree.complain(baseline, 0, "there is no such baseline; `make abi-baseline` writes one")
        else:
            now = os.path.join(folder, f"{name}.abi")
            if dump(tree, str(library), now) and compare(tree, f"lib{name}.so", tree.path(baseline), now, rules):
                compare_structs(tree, f"lib{name}.so", tree.path(baseline), now, structs)


def check(tree, options):
    with tempfile.TemporaryDirectory() as folder:
        look(tree, options, folder)


def extra(parser):
    parser.add_argument("--build", required=True, help="a build folder with debug information")
    parser.add_argument("--renew", action="store_true", help="write the baselines")


if __name__ == "__main__":
    source.main(check, __doc__, extra)
