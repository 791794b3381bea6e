"""The bar chart of docs/performance.md, from what benchmarks/targets.py wrote. Needs matplotlib.

python -m benchmarks.chart targets.json docs/performance.png
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import Any

from ppvsr.system.files import written_whole


def draw(result: dict[str, Any], picture: Path) -> None:
    """Draw the rows that are ratios to Paddle's own as bars, with marks at what is required and at the aim."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [row for row in result["rows"] if row["unit"] == "x"][::-1]
    if not rows:
        raise SystemExit("there are no ratios in this file: run benchmarks.targets without --only")
    figure = Figure(figsize=(9, 1.2 + 0.4 * len(rows)), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    places = range(len(rows))
    axes.barh(places, [row["measured"] for row in rows], color="C0", height=0.6, label="measured")
    for place, row in zip(places, rows, strict=True):
        axes.annotate(f" {row['measured']:.1f}x", (max(row["measured"], row["aim"] or 0), place), va="center")
    for key, color in (("required", "C3"), ("aim", "C2")):
        axes.scatter([row[key] for row in rows], places, marker="|", s=220, linewidths=2, color=color, label=key)
    axes.set_yticks(list(places), [row["what"] for row in rows])
    axes.set_xlabel(f"times as fast as Paddle's own operators in dygraph, {result['threads']} threads")
    axes.set_xscale("log")
    axes.set_xlim(1, 2 * max(max(row["measured"], row["aim"] or 0) for row in rows))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    axes.grid(axis="x", alpha=0.3)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    with written_whole(picture) as unfinished:
        unfinished.write_bytes(file.getvalue())


def main() -> None:
    """Read, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path)
    parser.add_argument("picture", type=Path)
    args = parser.parse_args()
    draw(json.loads(args.result.read_text(encoding="utf-8")), args.picture)


if __name__ == "__main__":
    main()
