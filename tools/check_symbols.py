#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""check_symbols: headers, symbol maps and built libraries name the same functions.

Both ways: what a public header marks QPOOL_API is in that library's map in packaging/, and what the
map names is in the header; what the map names is exported by the library that --build holds, under the map's
version, and nothing else is.  Without --build only headers and maps are compared.
"""
import glob
import os
import re
import subprocess

import source


def library_of(header):
    """include/queuepool.h -> queuepool, include/queuepool/sqlite.h -> queuepool-sqlite."""
    name = os.path.relpath(header, "include")[:-2]
    return name.replace("/", "-")


def declared(text):
    """Functions a header marks QPOOL_API: the name before the first parenthesis."""
    plain = re.sub(r"^[ \t]*#(?:[^\n\\]|\\.)*", "", source.code(text), flags=re.M | re.S)
    return re.findall(r"\bQPOOL_API\b[^;(]*?(\w+)\s*\(", plain)


def mapped(text):
    """{function: version} of a symbol map, which has one function a line."""
    symbols = {}
    for version, body in re.findall(r"(\w[\w.]*)\s*\{(.*?)\}", source.code(text), re.S):
        body = body.split("local:")[0].replace("global:", "")
        for name in re.findall(r"[\w*?]+(?=\s*;)", body):
            symbols[name] = version
    return symbols


def exported(path):
    """{function: version} of a shared library; what it only imports is left out."""
    command = ["nm", "--dynamic", "--defined-only", "--with-symbol-versions", path]
    symbols = {}
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        kind, name = line.split()[-2:]
        name, _, version = name.replace("@@", "@").partition("@")
        if kind != "A":  # the version itself, which is a symbol, too
            symbols[name] = version
    return symbols


def compare_header(tree, header, path, symbols):
    names = declared(tree.read(header))
    for name in sorted(set(names) - set(symbols)):
        tree.complain(header, 0, f"{name} is QPOOL_API but not in {path}")
    for name in sorted(set(symbols) - set(names)):
        tree.complain(path, 0, f"{name} is not declared QPOOL_API in {header}")
    for name in sorted({n for n in names if names.count(n) > 1}):
        tree.complain(header, 0, f"{name} is declared more than once")


def compare_library(tree, library, path, symbols):
    found = exported(library)
    for name in sorted(set(symbols) - set(found)):
        tree.complain(path, 0, f"{name} is not exported by {os.path.basename(library)}")
    for name in sorted(set(found) - set(symbols)):
        tree.complain(path, 0, f"{os.path.basename(library)} exports {name}, which is not in the map")
    for name in sorted(set(found) & set(symbols)):
        if found[name] != symbols[name]:
            versions = f"{symbols[name]} here, {found[name] or 'none'} in {os.path.basename(library)}"
            tree.complain(path, 0, f"{name}: version {versions}")


def check(tree, options):
    headers = {library_of(h): h for h in tree.under("include", ending=".h")}
    maps = {os.path.basename(m)[:-4]: m for m in tree.under("packaging", ending=".map")}
    for name in sorted(set(headers) - set(maps)):
        tree.complain(headers[name], 0, f"its library has no packaging/{name}.map")
    for name in sorted(set(maps) - set(headers)):
        tree.complain(maps[name], 0, "no public header goes with this map")
    symbols = {name: mapped(tree.read(path)) for name, path in maps.items()}
    for name in sorted(set(maps) & set(headers)):
        compare_header(tree, headers[name], maps[name], symbols[name])
    if options.build is None:
        return
    built = {}
    for path in glob.glob(os.path.join(options.build, "src", "**", "lib*.so"), recursive=True):
        built[os.path.basename(path)[3:-3]] = path
    for name in sorted(set(built) - set(maps)):
        tree.complain(f"lib{name}.so", 0, f"is built but has no packaging/{name}.map")
    for name in sorted(set(maps) - set(built) - set(options.without)):
        tree.complain(maps[name], 0, f"lib{name}.so is not in {options.build}")
    for name in sorted(set(maps) & set(built)):
        compare_library(tree, built[name], maps[name], symbols[name])


def extra(parser):
    parser.add_argument("--build", help="build folder whose libraries are compared as well")
    parser.add_argument(
        "--without", action="append", default=[], help="a library this build leaves out"
    )


if __name__ == "__main__":
    source.main(check, __doc__, extra)
