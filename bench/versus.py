#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""versus: what a change costs: the pool of one build folder beside that of another.

    bench/versus.py BUILD OTHER [W1,W2,...] [PAIRS]

Both folders have been built, with the same options but for what is compared.  Their benchmarks run in turn (--quick,
ours only by what is told), first the one first, then the other, and each pair gives a ratio; told are the medians of
BUILD, of OTHER, and of the ratios OTHER / BUILD with the least and the most.  What moves the whole machine moves both
halves of a pair.  It compares nothing but the row `queuepool` (of W6, `queuepool_pg`), and judges nothing.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile


def figures(build, works, path):
    """{(work, key): median} of our row; what it does not have, or is nothing, gives no ratio."""
    command = [os.path.join(build, "bench", "bench"), "--quick", "--any-load", "--only", works, "--json", path]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        sys.exit(f"versus: {command[0]} ended with {done.returncode}: {said[-1]}")
    with open(path, encoding="utf-8") as file:
        run = json.load(file)
    found = {}
    for work in run["works"]:
        for row in work["rows"]:
            if row["name"] in ("queuepool", "queuepool_pg"):
                medians = {(work["id"], key): value["median"] for key, value in row["metrics"].items()}
                found.update({name: median for name, median in medians.items() if median})
    return found


def pair_up(builds, works, pairs):
    """[({...} of BUILD, {...} of OTHER)]; who goes first takes turns, too."""
    found = []
    order = [0, 1]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "run.json")
        for _ in range(pairs):
            of = {which: figures(builds[which], works, path) for which in order}
            found.append((of[0], of[1]))
            order.reverse()
    return found


def tell(found):
    print(f"{'':30} {'build':>9} {'other':>9}  other / build [least - most]")
    for name in found[0][0]:
        both = [(one[name], other[name]) for one, other in found if name in one and name in other]
        if not both:
            continue
        ratios = sorted(other / one for one, other in both)
        ours, others = (statistics.median(side) for side in zip(*both))
        median = statistics.median(ratios)
        print(f"{' '.join(name):30} {ours:9.3f} {others:9.3f}  {median:.3f} [{ratios[0]:.3f} - {ratios[-1]:.3f}]")


def main(arguments):
    if not 2 <= len(arguments) <= 4 or (len(arguments) == 4 and not arguments[3].isdigit()):
        print("usage: bench/versus.py BUILD OTHER [W1,W2,...] [PAIRS]", file=sys.stderr)
        return 2
    builds = arguments[:2]
    for build in builds:
        if not os.access(os.path.join(build, "bench", "bench"), os.X_OK):
            print(f"versus: {build}: no bench/bench there; build it first", file=sys.stderr)
            return 2
    works = arguments[2] if len(arguments) > 2 else "W1,W2"
    tell(pair_up(builds, works, max(1, int(arguments[3])) if len(arguments) > 3 else 11))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
