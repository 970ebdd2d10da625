# SPDX-License-Identifier: BSD-3-Clause
"""pictures: bars, curves and points on logarithmic scales, as SVG.  page.py comes in.

Plain enough to be read as text in a diff: one element a line, coordinates to a tenth.  They follow the reader's light
or dark.
"""
import html
import math

WIDTH, LEFT, RIGHT = 720, 230, 90
STYLE = """<style>
text { font: 12px sans-serif; fill: #333 } .title { font-size: 14px; font-weight: bold }
.grid { stroke: #ddd } .bar, .dot { fill: #9ab } .range { stroke: #567 } .curve { stroke: #9ab; fill: none }
.ours .bar, .ours .dot { fill: #d62 } .ours text { font-weight: bold } .ours .curve { stroke: #d62; stroke-width: 3 }
.faint { fill: #777 }
@media (prefers-color-scheme: dark) {
text { fill: #ddd } .grid { stroke: #444 } .range { stroke: #cde } .faint { fill: #999 } }
</style>"""


def svg(title, height, parts):
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">'
    named = html.escape(title)
    return "\n".join([head, f"<title>{named}</title>", STYLE, words(10, 20, title, "title"), *parts, "</svg>", ""])


def words(x, y, said, style="", anchor="start"):
    named = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}>{html.escape(str(said))}</text>'


def line(x1, y1, x2, y2, style):
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def group(is_ours, parts):
    return [f'<g{" class=" + chr(34) + "ours" + chr(34) if is_ours else ""}>', *parts, "</g>"]


def number(value):
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


class Log:
    """From whole decades to whole decades onto low..high."""

    def __init__(self, values, low, high):
        self.first = math.floor(math.log10(min(values)))
        self.last = max(self.first + 1, math.ceil(math.log10(max(values))))
        self.low, self.high = low, high

    def at(self, value):
        share = (math.log10(value) - self.first) / (self.last - self.first)
        return self.low + share * (self.high - self.low)

    def decades(self):
        return [10.0**power for power in range(self.first, self.last + 1)]


def nothing(title):
    return svg(title, 60, [words(10, 45, "no figures in this run", "faint")])


def bars(title, rows):
    """rows: (label, median, least, most, is_ours), from top to bottom."""
    if not rows:
        return nothing(title)
    pitch, top = 22, 36
    bottom = top + pitch * len(rows)
    scale = Log([value for row in rows for value in row[1:4]], LEFT, WIDTH - RIGHT)
    parts = []
    for decade in scale.decades():
        parts += [line(scale.at(decade), top, scale.at(decade), bottom, "grid")]
        parts += [words(scale.at(decade), bottom + 16, number(decade), "faint", "middle")]
    for i, (label, middle, least, most, is_ours) in enumerate(rows):
        y = top + i * pitch
        wide = scale.at(middle) - LEFT
        parts += group(
            is_ours,
            [
                words(LEFT - 8, y + 15, label, "", "end"),
                f'<rect class="bar" x="{LEFT}" y="{y + 4}" width="{max(wide, 1):.1f}" height="{pitch - 8}"/>',
                line(scale.at(least), y + pitch / 2, scale.at(most), y + pitch / 2, "range"),
                words(max(scale.at(most), scale.at(middle)) + 6, y + 15, number(middle)),
            ],
        )
    return svg(title, bottom + 28, parts)


def apart(places, gap):
    """The same order, none nearer to its neighbour than the gap: [(place, index)...] to {index: place}."""
    moved, last = {}, -math.inf
    for place, index in sorted(places):
        last = max(place, last + gap)
        moved[index] = last
    return moved


def curves(title, names, rows):
    """rows: (label, values by name, is_ours).  Below a microsecond (of ms) all is nothing."""
    if not rows:
        return nothing(title)
    least, left, right = 0.001, 60, WIDTH - 200
    top, bottom = 36, 396
    values = [[max(value, least) for value in row[1]] for row in rows]
    scale = Log([value for row in values for value in row], bottom, top)
    step = (right - left) / (len(names) - 1)
    parts = []
    for decade in scale.decades():
        parts += [line(left, scale.at(decade), right, scale.at(decade), "grid")]
        parts += [words(left - 6, scale.at(decade) + 4, number(decade), "faint", "end")]
    parts += [words(left + i * step, bottom + 18, name, "faint", "middle") for i, name in enumerate(names)]
    ends = apart([(scale.at(row[-1]), i) for i, row in enumerate(values)], 13)
    for i, (label, _, is_ours) in enumerate(rows):
        track = " ".join(f"{left + k * step:.1f},{scale.at(value):.1f}" for k, value in enumerate(values[i]))
        parts += group(is_ours, [f'<polyline class="curve" points="{track}"/>', words(right + 8, ends[i] + 4, label)])
    return svg(title, max(bottom + 30, int(max(ends.values())) + 20), parts)


def points(title, below, rows):
    """rows: (label, x on a logarithmic scale, y from 0, is_ours)."""
    if not rows:
        return nothing(title)
    left, right, top, bottom = 60, WIDTH - 220, 36, 396
    scale = Log([row[1] for row in rows], left, right)
    most = max(1.0, max(row[2] for row in rows))
    parts = []
    for decade in scale.decades():
        parts += [line(scale.at(decade), top, scale.at(decade), bottom, "grid")]
        parts += [words(scale.at(decade), bottom + 18, number(decade), "faint", "middle")]
    for tenth in range(0, int(most * 5) + 1):
        y = bottom - (bottom - top) * tenth / 5 / most
        parts += [line(left, y, right, y, "grid"), words(left - 6, y + 4, f"{tenth / 5:.1f}", "faint", "end")]
    parts += [words((left + right) / 2, bottom + 36, below, "faint", "middle")]
    heights = [bottom - (bottom - top) * row[2] / most for row in rows]
    places = apart([(height, i) for i, height in enumerate(heights)], 13)
    for i, (label, x, _, is_ours) in enumerate(rows):
        parts += group(
            is_ours,
            [
                f'<circle class="dot" cx="{scale.at(x):.1f}" cy="{heights[i]:.1f}" r="5"/>',
                words(scale.at(x) + 9, places[i] + 4, label),
            ],
        )
    return svg(title, bottom + 48, parts)
