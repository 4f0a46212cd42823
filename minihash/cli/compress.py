"""minihash compress: from parsed arguments to a compressed run, and a table of what it came to."""

import sys
from argparse import Namespace
from pathlib import Path

from minihash.cli import gathered, plots, terminal
from minihash.cli.commands import finish, picture, show
from minihash.compile.places import expanded
from minihash.runs import compress as compression
from minihash.runs.kinds import KINDS, load_model
from minihash.runs.progress import progress
from minihash.runs.train import Stopped
from minihash.sharing import values


def compress(args: Namespace) -> int:
    """minihash compress"""
    path = picture(args)
    places = {name: getattr(args, name) for name in ("backend", "threads")}
    if args.data_dir is not None:
        places["data_dir"] = str(expanded(args.data_dir).absolute())
    shown = progress(args.quiet)
    try:
        if args.resume is None:
            if args.run is None:
                raise ValueError("name the run to compress, or go on with one by --resume")
            out = None if args.out is None else Path(args.out)
            options = dict(args.options)
            told = (places, shown)
            result = compression.compress(Path(args.run), args.method, options, out, *told)
        else:
            if args.run is not None or args.out is not None or args.options:
                raise ValueError("--resume goes on as it began: leave RUN, --out and --option out")
            result = compression.resume(Path(args.resume), places, shown)
    except Stopped as stopped:
        print(f"minihash: {stopped}", file=sys.stderr, flush=True)
        return 128 + stopped.number
    if path is not None and "mixture" in (told := result["stages"][-1]):
        gathered.draw(path, told["mixture"], told["histogram"])
    elif path is not None:
        before, after = load_model(result["source"]), load_model(result["run"])
        plots.weights(path, *(values(m.network, m.params) for m in (before, after)))
    if not args.quiet:
        show(_page(result))
    return finish(args, result)


def _page(result: dict) -> str:
    kind = KINDS[result["model"]].model
    (metric, (label, _)), *_ = ((n, w) for n, w in kind.METRICS.items() if n in result["before"])
    rows = [("stage", "epochs", f"{label} before", "after")]
    rows.append(("as it was trained", "", "", f"{result['before'][metric]:.4f}"))
    first = 0
    for told in result["stages"]:
        pair = (f"{told[when][metric]:.4f}" for when in ("before", "after"))
        rows.append((told["name"], told["epochs"] - first, *pair))
        first = told["epochs"]
    size, was = result["bytes_on_disk"], result["before"]["bytes"]
    text = f"{was:,} bytes before, {size:,} now: {result['rate']:.1f} times smaller"
    text += f"\nsaved in {result['run']}"
    return "\n\n".join((terminal.table(rows, "<>>>"), _layers(result["layers"]), text))


def _layers(layers: list[dict]) -> str:
    """A row a layer: what is left of it, and its bytes, table included."""
    rows = [("layer", "weights", "kept", "", "values", "bits", "dense", "packed", "in the file")]
    for row in layers:
        share = f"{row['kept'] / row['weights']:.1%}"
        bits = f"{row['bits']}+{row['gap_bits']}" if row["gap_bits"] else row["bits"]
        sizes = (row["dense"], row["packed"], row["coded"])
        name = row["weight"].removesuffix(".weight")
        rows.append((name, row["weights"], row["kept"], share, row["values"], bits, *sizes))
    return terminal.table(rows, "<>>>>>>>>")
