#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""page: fills the tables and pictures of docs/PERFORMANCE.md from a run of the benchmark.

    make bench-rivals && bench/page.py build/bench/rivals.json [docs]

The page's words are written by people; between `<!-- bench: NAME -->` and `<!-- end -->` stands what this script
writes, and the pictures lie beside it in performance/.  It measures nothing, and takes no figure but from the run.
"""
import json
import os
import re
import sys

import pictures

BLOCK = re.compile(r"(<!-- bench: ([\w-]+) -->\n).*?(<!-- end -->)", re.S)


class Run:
    """The file, by work and row."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.all = json.load(file)
        self.works = {work["id"]: work for work in self.all["works"]}

    def rows(self, work, *kinds):
        rows = self.works[work]["rows"] if work in self.works else []
        return [row for row in rows if not kinds or row["kind"] in kinds]


def is_ours(row):
    return row["name"].startswith("queuepool")


def median(row, key):
    return row["metrics"].get(key, {}).get("median")


def text(value, digits=1):
    if value is None:
        return "-"
    if digits == 0 or abs(value) >= 10000:
        return f"{value:,.0f}"
    return f"{value:.{digits}f}"


def spread(row, key, digits=1):
    """The median, and behind it the least and the most."""
    metric = row["metrics"].get(key, {})
    if metric.get("median") is None:
        return "-"
    return f"{text(metric['median'], digits)} [{text(metric['min'], digits)} - {text(metric['max'], digits)}]"


def title(row):
    return f"**{row['title']}**" if is_ours(row) else row["title"]


def table(heads, lines, figures="--:"):
    ruled = "|".join(["---"] + [figures] * (len(heads) - 1))
    ruled_off = ["| " + " | ".join(heads) + " |", f"|{ruled}|"]
    return "\n".join(ruled_off + ["| " + " | ".join(line) + " |" for line in lines])


def rows_table(rows, *columns):
    """columns: (heading, key, digits).  A rival without figures has its reason in the first."""
    lines = []
    for row in rows:
        if row.get("why"):
            lines.append([title(row), f"no figure: {row['why']}"] + [""] * (len(columns) - 1))
        else:
            lines.append([title(row)] + [spread(row, key, digits) for _, key, digits in columns])
    return table([""] + [heading for heading, _, _ in columns], lines)


def missing(run, *works):
    absent = [work for work in works if not run.rows(work) or run.works[work]["rounds"]["kept"] == 0]
    return f"No figures of {', '.join(absent)} in this run.\n" if absent else ""


# ---- what each block says: text, and pictures by name ----


def machine(run):
    where, rounds = run.all["machine"], [work["rounds"] for work in run.all["works"]]
    kept, asked = sum(r["kept"] for r in rounds), sum(r["asked"] for r in rounds)
    lines = [
        ["machine", f"{where['cpu']}, {where['cpus']} CPUs, {where['kernel']}"],
        ["library", f"{run.all['queuepool']}, {run.all['engine']} engine, commit {run.all['commit']}"],
        ["built by", f"{run.all['compiler']}; {run.all['build']}"],
        ["run", f"{run.all['options']['pace']}, {run.all['took_s']:.0f} s"],
        ["rounds kept", f"{kept} of {asked}, {sum(r['repeated'] for r in rounds)} repeated"],
    ]
    if run.all["options"]["any_load"]:
        disturbed = sum(r["disturbed"] for r in rounds)
        lines.append(["**disturbed**", f"{disturbed} of the rounds kept: these figures say nothing"])
    return table(["", ""], lines, "---"), {}


def targets(run):
    lines = []
    for one in run.all["targets"]:
        verdict = {True: "PASS", False: "missed", None: "no figure"}[one["met"]]
        if one["met"] is False:
            verdict += f" by {abs(one['figure'] - one['goal']):.3g}"
        goal = f"{one['op'].replace('<=', '≤').replace('>=', '≥')} {one['goal']:g}"
        lines.append([one["work"], one["text"], text(one["figure"], 3), goal, verdict])
    return table(["", "what", "figure", "target", ""], lines), {}


def bars(run, work, key, unit):
    rows = [row for row in run.rows(work, "peer", "rival") if median(row, key) and row["name"] != "none"]
    rows.sort(key=lambda row: median(row, key))
    return pictures.bars(
        f"{work}: {unit}",
        [(row["title"], *(row["metrics"][key][k] for k in ("median", "min", "max")), is_ours(row)) for row in rows],
    )


def limits(run):
    return missing(run, "W1") + rows_table(run.rows("W1", "limit"), ("ns", "ns", 1)), {}


def pairs(run):
    drawn = {f"{work.lower()}.svg": bars(run, work, "ns", "ns per acquire and release") for work in ("W1", "W2")}
    w2 = {row["name"]: row for row in run.rows("W2")}
    lines = []
    for row in run.rows("W1", "peer", "rival"):
        if row.get("why"):
            lines.append([title(row), f"no figure: {row['why']}", "", ""])
            continue
        second = spread(w2[row["name"]], "ns") if row["name"] in w2 else "-"
        lines.append([title(row), spread(row, "ns"), text(median(row, "times_cmpxchg2"), 2), second])
    heads = ["", "W1, ns", "times two cmpxchg", "W2, ns per thread"]
    return missing(run, "W1", "W2") + table(heads, lines), drawn


def spinning(run):
    columns = (("of no pool", "share_of_bound", 3), ("pairs/s", "acquires_per_s", 0))
    said = rows_table(run.rows("W3"), *columns)
    many = rows_table(run.rows("W3-1000"), *columns)
    return f"{missing(run, 'W3', 'W3-1000')}{said}\n\nThe same with 1000 threads:\n\n{many}", {}


CROWD = (
    ("of bound", "share_of_bound", 3),
    ("mean ms", "wait_mean_ms", 2),
    ("p99 ms", "wait_p99_ms", 2),
    ("max ms", "wait_max_ms", 1),
    ("least/most", "least_over_most", 3),
    ("CPU s/100k", "cpu_s_per_100k", 2),
)
QUANTILES = ("p10", "p25", "p50", "p75", "p90", "p99", "p999", "max")


def crowd_table(run, work):
    """Medians alone: six columns with ranges would not be read."""
    lines = []
    for row in run.rows(work):
        if row.get("why"):
            lines.append([title(row), f"no figure: {row['why']}"] + [""] * (len(CROWD) - 1))
        else:
            lines.append([title(row)] + [text(median(row, key), digits) for _, key, digits in CROWD])
    return missing(run, work) + table([""] + [heading for heading, _, _ in CROWD], lines)


def crowd(run):
    lines = []
    for row in run.rows("W4", "peer", "rival"):
        waits = [median(row, f"wait_{name}_ms") for name in QUANTILES]
        if None not in waits:
            lines.append((row["title"], waits, is_ours(row)))
    names = [name.replace("999", "99.9") for name in QUANTILES]
    drawn = {"w4-waits.svg": pictures.curves("W4: the wait, ms", names, lines)}
    return crowd_table(run, "W4"), drawn


def crowd_1000(run):
    return crowd_table(run, "W4-1000"), {}


def hand_over(run):
    hot = {row["name"]: row for row in run.rows("W5-hot")}
    lines = []
    for row in run.rows("W5-settled"):
        if row.get("why"):
            lines.append([title(row), f"no figure: {row['why']}", ""])
        else:
            just_come = spread(hot[row["name"]], "ns", 0) if row["name"] in hot else "-"
            lines.append([title(row), just_come, spread(row, "ns", 0)])
    return missing(run, "W5-hot", "W5-settled") + table(["", "hot, ns", "settled, ns"], lines), {}


def postgres(run):
    """A p99 below 10 us is drawn there: who waits in such a pool is rare, and waits for long."""
    points = []
    for work, mark in (("W6", 32), ("W6-64", 64)):
        for row in run.rows(work, "peer"):
            share, p99 = median(row, "share_of_bound"), median(row, "wait_p99_ms")
            if share is not None and p99 is not None:
                points.append((f"{row['title']}, {mark}", max(p99, 0.01), share, is_ours(row)))
    drawn = {"w6.svg": pictures.points("W6: share of the bound, and wait p99", "wait p99, ms", points)}
    said = f"{crowd_table(run, 'W6')}\n\nThe same with 64 threads:\n\n{crowd_table(run, 'W6-64')}"
    return said, drawn


def capacity(run):
    sizes = (("8", "ns_8"), ("64", "ns_64"), ("1000", "ns_1000"), ("10,000", "ns_10000"), ("65,535", "ns_65535"))
    said = []
    for work, threads in (("W7", "One thread"), ("W7-2", "Two threads")):
        lines = [
            [title(row)] + [text(median(row, key)) for _, key in sizes] + [text(median(row, "growth"), 2)]
            for row in run.rows(work)
        ]
        heads = [""] + [size for size, _ in sizes] + ["largest times that at 8"]
        said.append(f"{missing(run, work)}{threads}, ns:\n\n{table(heads, lines)}")
    return "\n\n".join(said), {}


def memory(run):
    columns = (("bytes", "bytes_per_slot", 1), ("never lent", "bytes_filled", 1), ("of leases", "bytes_beside", 1), ("all lent", "bytes_lent", 1), ("none opened", "bytes_made", 1))
    return missing(run, "W8") + rows_table(run.rows("W8"), *columns), {}


def mixed(run):
    columns = (
        ("least/mean", "least_over_mean", 3),
        ("gave up", "gave_up", 3),
        ("of these early", "gave_up_early", 0),
        ("late p50, ms", "late_p50_ms", 3),
        ("late p99.9, ms", "late_p999_ms", 3),
    )
    return missing(run, "mixed") + rows_table(run.rows("mixed"), *columns), {}


def sparing(run):
    few = rows_table(run.rows("few"), ("resources opened", "opened", 0))
    idle = rows_table(run.rows("idle"), ("wake-ups", "wake_ups", 0))
    return f"{missing(run, 'few', 'idle')}{few}\n\n{idle}", {}


BLOCKS = {
    "machine": machine,
    "targets": targets,
    "limits": limits,
    "pairs": pairs,
    "spinning": spinning,
    "crowd": crowd,
    "crowd-1000": crowd_1000,
    "hand-over": hand_over,
    "postgres": postgres,
    "capacity": capacity,
    "memory": memory,
    "mixed": mixed,
    "sparing": sparing,
}


def fill(page, run):
    """The page with its blocks filled, and its pictures by name."""
    drawn = {}

    def one(match):
        if match[2] not in BLOCKS:
            sys.exit(f"page.py: the page has a block '{match[2]}'; there are {', '.join(BLOCKS)}")
        said, more = BLOCKS[match[2]](run)
        drawn.update(more)
        shown = "".join(f"\n![{name[:-4]}](performance/{name})\n" for name in more)
        return f"{match[1]}{said}\n{shown}{match[3]}"

    return BLOCK.sub(one, page), drawn


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    here = os.path.dirname(os.path.abspath(__file__))
    docs = sys.argv[2] if len(sys.argv) == 3 else os.path.join(here, "..", "docs")
    path = os.path.join(docs, "PERFORMANCE.md")
    try:
        run = Run(sys.argv[1])
        with open(path, encoding="utf-8") as file:
            page, drawn = fill(file.read(), run)
        os.makedirs(os.path.join(docs, "performance"), exist_ok=True)
        for name, picture in drawn.items():
            with open(os.path.join(docs, "performance", name), "w", encoding="utf-8") as file:
                file.write(picture)
        with open(path, "w", encoding="utf-8") as file:
            file.write(page)
    except (OSError, ValueError, KeyError) as trouble:
        wanted = f"it wants what bench --json wrote, and the page in {docs}"
        sys.exit(f"page.py: {type(trouble).__name__}: {trouble}; {wanted}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
