"""The commands about many runs: from parsed arguments to what is printed."""

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from minihash.checks import counted
from minihash.cli import arguments, terminal
from minihash.cli.commands import finish, show
from minihash.compile.places import expanded
from minihash.experiments import drawing, figures
from minihash.experiments.claims import HEAD, cells
from minihash.experiments.estimate import estimate
from minihash.experiments.grid import OPTION, QUICK, identity, together
from minihash.experiments.ledger import read
from minihash.experiments.processes import cores, in_processes
from minihash.experiments.progress import Shown, written
from minihash.experiments.results import Row, as_csv, records_of, rows, varying
from minihash.experiments.sweep import Schedule, Swept, lacking, loaded
from minihash.experiments.sweep import sweep as run_sweep
from minihash.runs.config import Config
from minihash.runs.progress import clock

MARKS, PLAIN = "▁▂▃▄▅▆▇█", "0123456789"
COLUMNS = 24  # of a curve
LISTED = 8  # values of an axis that are shown


def sweep(args: Namespace) -> int:
    """minihash sweep"""
    path, grids = Path(args.out), [_axes(args)]
    if args.grid is not None:
        grids = [_axes(_parsed(grid)) | _axes(args) for grid in _read(Path(args.grid))]
    places = {name: [value] for name, value in _places(args).items()}
    own = places | (QUICK if args.quick else {})
    configs = together([axes | own for axes in grids])
    if args.dry_run:
        return _dry(args, configs, path)
    swept = run_sweep(configs, path, _schedule(args), _shown(args), args.download)
    if swept.records and not (args.quiet or args.json):
        show(_table(rows(swept.records)))
        print(f"{counted(len(swept.records), 'run')} in {path}")
    status = _unfinished(swept, len(configs))
    result = {"runs": len(swept.records), "new": swept.new, "file": str(path)}
    finish(args, result | {"failed": list(swept.failed)})
    return status


def compare(args: Namespace) -> int:
    """minihash compare"""
    if args.plot is not None:
        drawing.suffix(Path(args.plot))
    found = rows([record for path in args.paths for record in records_of(Path(path))])
    if args.plot is not None:
        drawing.curves(Path(args.plot), found, found[0].metric)
    if args.csv:
        print(as_csv(found), end="")
    elif not args.json:
        show(_table(found))
    about = [
        {**row.choices, "runs": len(row.records), "mean": row.mean, "spread": row.spread}
        | {"values": row.values.tolist()}
        for row in found
    ]
    return finish(args, {"metric": found[0].metric, "rows": about})


def reproduce(args: Namespace) -> int:
    """minihash reproduce"""
    folder, name = Path(args.out), args.figure
    if name == "fig1" and args.dataset is not None:
        raise ValueError("--dataset is of figures that are trained, fig1 is not: leave it out")
    if args.quick and args.dataset not in (None, "digits"):
        raise ValueError(f"--quick is on the digits, got --dataset {args.dataset}: leave one out")
    dataset = "digits" if args.quick else args.dataset or "mnist"
    configs = [] if name == "fig1" else figures.runs(name, dataset, _places(args))
    if args.dry_run:
        path = folder if name == "fig1" else figures.ledger_of(name, dataset, folder)
        return _dry(args, configs, path)
    done = figures.reproduce(name, configs, folder, _schedule(args), _shown(args), args.download)
    status = 0 if done.swept is None else _unfinished(done.swept, len(configs))
    if done.claims and not (args.quiet or args.json):
        show(terminal.table([HEAD, *map(cells, done.claims)], "<<<>><"))
        print("in " + ", ".join(map(str, done.files)))
    claims = [vars(claim) for claim in done.claims]
    finish(args, {"claims": claims, "files": [str(path) for path in done.files]})
    return status


def _axes(args: Namespace) -> dict[str, list]:
    """The axes that arguments ask for, in the order of the parser: seeds run first."""
    axes: dict[str, list] = {}
    for field in fields(Config):
        given = getattr(args, field.name, None)
        if not isinstance(given, list):
            continue
        for value in (value for values in given for value in values):
            if field.name == "hash_options":
                axes.setdefault(OPTION + value[0], []).append(value[1])
            else:
                axes.setdefault(field.name, []).append(value)
    return axes


def _read(path: Path) -> list[dict]:
    """The grids in a file. Raises ValueError if it holds something else."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON ({error}): write a grid, as --help has it") from None
    grids = found if isinstance(found, list) else [found]
    if not grids or not all(isinstance(grid, dict) for grid in grids):
        raise ValueError(f"{path} holds no grid: write an object of options, as --help has it")
    return grids


def _parsed(grid: dict) -> Namespace:
    """A grid of a file, read as what it would be on the command line."""
    words = []
    for name, given in grid.items():
        for value in given if isinstance(given, list) else [given]:
            if isinstance(value, bool):
                value = "yes" if value else "no"
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            words.append(f"--{name.replace('_', '-')}={text}")
    return arguments.parser().parse_args(["sweep", *words])


def _places(args: Namespace) -> dict[str, object]:
    """Where the data are, and what computes."""
    found: dict[str, object] = {}
    if args.data_dir is not None:
        found["data_dir"] = str(expanded(args.data_dir).absolute())
    return found | ({} if args.backend is None else {"backend": args.backend})


def _schedule(args: Namespace) -> Schedule:
    """Who computes: the processes of this machine, or a Dask scheduler."""
    address, imports = args.scheduler, args.imports or ()
    if address not in (None, "local") and args.workers is not None:
        raise ValueError(
            f"the scheduler at {address} has workers of its own, got --workers {args.workers}: "
            "leave it out, or say --scheduler local"
        )

    def schedule(configs: Sequence, data: object, stopped: object) -> object:
        if address is None:
            return in_processes(configs, data, stopped, args.workers, imports)
        from minihash.experiments.dask import in_dask

        return in_dask(configs, data, stopped, address, args.workers, imports)

    return schedule


def _shown(args: Namespace) -> Shown:
    return Shown(None if args.quiet else sys.stderr)


def _dry(args: Namespace, configs: list[Config], path: Path) -> int:
    """What would be run, and how long it would take; nothing is written."""
    missing = lacking(configs, read(path) if path.is_file() else [])
    seconds = estimate(missing, loaded(missing, args.download), args.workers) if missing else 0.0
    if not args.json:
        specs = [config.to_json() for config in configs]
        names = varying(specs)
        axes = {n: list(dict.fromkeys(written(spec[n]) for spec in specs)) for n in names}
        lines = [(n.replace("_", "-"), _listed(axes[n])) for n in names]
        if lines:
            show(terminal.table(lines, "<<"))
        workers = min(args.workers or cores(), cores(), max(len(missing), 1))
        print(
            f"{counted(len(configs), 'run')}, {len(configs) - len(missing)} of them in {path}; "
            f"about {clock(seconds)} in {counted(workers, 'process', 'es')}"
        )
    found = {"runs": [json.loads(identity(config)) for config in configs]}
    return finish(args, found | {"missing": len(missing), "seconds": seconds})


def _listed(values: list[str]) -> str:
    more = len(values) - LISTED
    return ", ".join(values[:LISTED]) + (f" and {more} more" if more > 0 else "")


def _unfinished(swept: Swept, total: int) -> int:
    """Say which runs are missing, and why; the exit status."""
    for text in swept.failed:
        print(f"minihash: error: no result of {text}", file=sys.stderr, flush=True)
    if swept.signal:
        done = f"stopped after {len(swept.records)} of {counted(total, 'run')}"
        print(f"minihash: {done}; go on with the same command", file=sys.stderr, flush=True)
        return 128 + swept.signal
    return 2 if swept.failed else 0


def _table(found: Sequence[Row]) -> str:
    """A row for runs that differ in their seeds alone, with the mean's curve over the epochs."""
    metric = found[0].metric
    head = (*found[0].choices, "runs", "mean", "spread", "least", "most", "by epoch")
    curves = _curves([row.curve(metric) for row in found])
    body = [
        (
            *row.choices.values(),
            len(row.records),
            *(f"{x:.4f}" if x == x else "-" for x in (row.mean, row.spread)),
            *(f"{x:.4f}" for x in (row.values.min(), row.values.max())),
            curve,
        )
        for row, curve in zip(found, curves, strict=True)
    ]
    align = "<" * len(found[0].choices) + ">>>>><"
    about = f"{metric.replace('_', ' ')}; spread: standard deviation over seeds"
    return f"{terminal.table([head, *body], align)}\n{about}"


def _curves(curves: Sequence[np.ndarray]) -> list[str]:
    """Each curve as a line of marks, all on one scale from the least to the most."""
    marks = MARKS if terminal.draws(sys.stdout) else PLAIN
    whole = np.concatenate(curves)
    finite = whole[np.isfinite(whole)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    lines = []
    for curve in curves:
        count = min(len(curve), COLUMNS)
        shown = curve[np.linspace(0, len(curve) - 1, count).round().astype(int)]
        place = (shown - low) / max(high - low, 1e-300) * (len(marks) - 1)
        lines.append("".join("?" if x != x else marks[round(x)] for x in place.tolist()))
    return lines
