"""The curves of docs/stability.md, from what benchmarks/stability.py wrote. Needs matplotlib.

python -m benchmarks.stability_chart before.json after.json docs/stability.png
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ppvsr.system.files import written_whole

SHOWN = 6  # contents that are named; the others are grey


def draw_chart(results: Sequence[dict[str, Any]], picture: Path) -> None:
    """Draw a row for every result: gain over bicubic by frame, by step, and the largest states by step."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 4 * len(results)), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    for row, result in zip(figure.subplots(len(results), 3, squeeze=False), results, strict=True):
        ordered = sorted(result["contents"], key=lambda content: content["worst"])
        for place, content in enumerate(ordered):
            named = place < SHOWN
            style = {"color": f"C{place}", "label": content["name"]} if named else {"color": "0.8", "zorder": 0}
            row[0].plot(content["gain"], linewidth=0.8, **style)
            steps = content["by_step"]
            row[1].plot([step for step, _, _ in steps], [least for _, _, least in steps], **style)
            states = {name: values for name, values in content["states"].items() if "backward" in name}
            for values in states.values():
                row[2].plot([largest / max(values[0][1], 1e-9) for _, largest in values], **style)
        for axes in row[:2]:
            axes.axhline(0, color="black", linewidth=0.8)
        row[0].set_title(f"{result['variant']} {result['weights']}, {result['way']}")
        row[0].set(xlabel="frame", ylabel="dB over bicubic")
        row[1].set(xlabel="steps of the backward branches", ylabel="dB over bicubic, worst frame")
        row[2].set(xlabel="steps of the backward branches", ylabel="largest state, relative to the first", yscale="log")
        row[0].legend(fontsize=8)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    with written_whole(picture) as unfinished:
        unfinished.write_bytes(file.getvalue())


def main() -> None:
    """Read, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("picture", type=Path)
    args = parser.parse_args()
    draw_chart([json.loads(path.read_text(encoding="utf-8")) for path in args.results], args.picture)


if __name__ == "__main__":
    main()
