"""The figures of benchmarks/README.md, from the JSON that the benchmarks wrote.

    python -m benchmarks.render FOLDER [--readme FILE]

Between each pair of markers `<!-- NAME -->` and `<!-- end NAME -->` all lines are replaced:
`results` by the machine and a table of all rows with their targets, `scaling` by the points of
scaling.json, `instead` by what a layer costs beside what a user would pick instead. What has no
JSON is said not to be measured, with the command that measures it.
"""

import argparse
import json
import os
import sys

NAMES = ("core", "layers", "language", "training", "sweeps", "memory", "startup", "cuda")
README = os.path.join(os.path.dirname(__file__), "README.md")
VERDICT = {None: "", True: "met", False: "**missed**"}
SIDES = {
    "uniform": "ours, uniform",
    "modulus": "ours, modulus",
    "dense": "dense NumPy",
    "PyTorch": "PyTorch `table[index]`",
}
PEAKS = {"uniform": "ours", "dense": "dense", "PyTorch": "pytorch"}  # as rows of memory.json say
NO_SCALING = "not measured; `python -m benchmarks.scaling --out FOLDER`"


def read(folder: str, name: str) -> dict | None:
    path = os.path.join(folder, f"{name}.json")
    if not os.path.exists(path):
        return None
    with open(path) as file:
        return json.load(file)


def line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def results(folder: str) -> list[str]:
    """One table of all benchmarks, each under the machine that it ran on."""
    lines = []
    for name in NAMES:
        found, command = read(folder, name), f"`python -m benchmarks.{name}`"
        if found is None:
            lines += [f"{name}: not measured; {command}", ""]
            continue
        about = ", ".join(f"{key} {value}" for key, value in found["machine"].items())
        lines += [f"{command} on {about}:", ""]
        lines += [line(["what", "median", "quartiles", "target", "", "times or remark"])]
        lines += ["| --- | --- | --- | --- | --- | --- |"]
        for row in found["rows"]:
            unit = "" if row["unit"] == "x" else f" {row['unit']}"
            spread = "{:.2f} to {:.2f}".format(*row["spread"]) if row["spread"] else ""
            target = "" if row["target"] is None else f"<= {row['target']:g}{unit}"
            value = f"{row['value']:.2f}{unit}"
            verdict = VERDICT[row["passed"]]
            lines.append(line([row["what"], value, spread, target, verdict, row["note"]]))
        lines.append("")
    return lines[:-1]


def scaling(folder: str) -> list[str]:
    """Times of forward + backward, one row a point; then exponents, two rows a panel."""
    found = read(folder, "scaling")
    if found is None:
        return [NO_SCALING]
    lines = [line(["varied", "at", *SIDES.values()]), "| --- " * (2 + len(SIDES)) + "|"]
    for point in found["points"]:
        times = [milliseconds(point, side) for side in SIDES]
        lines.append(line([point["panel"], f"{point['at']:,}", *times]))
    for row in found.get("exponents", []):
        powers = [str(row["ms"][side]) for side in SIDES]
        lines.append(line([row["panel"], "exponent of time", *powers]))
        powers = [str(row["MB"].get(side, "")) for side in SIDES]
        lines.append(line([row["panel"], "exponent of memory", *powers]))
    return lines


def instead(folder: str) -> list[str]:
    """Time and memory of what a user would pick, one row a side."""
    found, memory = read(folder, "scaling"), read(folder, "memory")
    if found is None:
        return [NO_SCALING]
    point = next(p for p in found["points"] if (p["panel"], p["at"]) == ("size", 2000))
    rows = {row["what"]: row["value"] for row in memory["rows"]} if memory else {}
    lines = [line(["layer 2000 x 2000, batch 128", "forward + backward", "memory it takes"])]
    lines += ["| --- | --- | --- |"]
    for side, label in SIDES.items():
        peak = rows.get(f"memory of {PEAKS.get(side)}, layer 2000 x 2000, batch 128")
        taken = "not measured" if peak is None else f"{peak:.0f} MB"
        lines.append(line([label, milliseconds(point, side), taken]))
    return lines


def milliseconds(point: dict, side: str) -> str:
    value = point["ms"][side][0]
    return f"{value:,.0f} ms" if value >= 1000 else f"{value:.3g} ms"


BLOCKS = {block.__name__: block for block in (results, scaling, instead)}


def render(text: str, folder: str) -> str:
    """text with new lines between its markers. Raises ValueError where a marker is missing."""
    for name, block in BLOCKS.items():
        begin, end = f"<!-- {name} -->", f"<!-- end {name} -->"
        before, found, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not found or not ended:
            raise ValueError(f"the text must hold {begin} and then {end}; put them in")
        text = "\n".join([before + begin, "", *block(folder), "", end + after])
    return text


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="of core.json, training.json ... scaling.json")
    parser.add_argument("--readme", metavar="FILE", default=README, help="benchmarks/README.md")
    options = parser.parse_args(arguments)
    with open(options.readme) as file:
        text = render(file.read(), options.folder)
    with open(options.readme, "w") as file:
        file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
