"""The arguments of commands about many runs: sweep, compare, reproduce.

A sweep takes every option of `train` that says what is computed, with several values each.
"""

import argparse
from collections.abc import Callable, Sequence

from minihash.cli import values

FIGURES = ("fig1", "fig2", "fig3", "fig4", "balance-or-noise", "choices", "repeats", "bimodal")
FIGURES += ("hashednets", "expansion")
DATASETS = ("mnist", "cifar10", "digits", "rectangles", "convex")
# Options of `train` that are no axis of a grid: a sweep has its own, or has no use for them.
APART = ("help", "out", "resume", "quiet", "json", "imports", "data_dir", "download", "threads")
APART += ("backend", "weights", "names")
WHOLE = ("hidden", "channels", "growl")  # a comma belongs to the value
SWEEP = """\
every option of `minihash train` about data, network and training takes several values here:
  --alpha 0.1,1,10            three values
  --seed 0:5                  whole numbers from 0 to 4
  --hidden 200,200 --hidden 100         a value each time, where a comma belongs to it
  --signed yes,no             both ways, of what is a switch for train
  --hash-option size=2,4      of an option of a hash
A run has the options of its own model and hash: --hash uniform,dirichlet --alpha 0.1,1 is 3 runs.

a FILE.json holds the same, {"hash": ["uniform", "dirichlet"], "seed": "0:5"}, or a list of such
grids; options beside it replace those in it.

examples:
  minihash sweep --hash uniform,dirichlet --alpha 0.1,1,10 --seed 0:5 --dry-run
  minihash sweep --dataset mnist --compression 0.01,0.1 --epochs 3 --out runs.jsonl
  minihash compare runs.jsonl --plot curves.png
"""

Add = Callable[..., None]


def add(command: Callable[[str, str, str], argparse.ArgumentParser], train: Sequence) -> None:
    """Add the three commands. train: the arguments of `minihash train`."""
    sub = command("sweep", "sweep", "train a grid of networks, one a core; resumed where it was")
    sub.formatter_class = argparse.RawDescriptionHelpFormatter
    sub.epilog = SWEEP
    sub.usage = (
        "minihash sweep [FILE.json] [--OPTION VALUE,VALUE ...] [--out RUNS.jsonl] [--dry-run]"
    )
    sub.add_argument("grid", metavar="FILE.json", nargs="?", help="a grid, or a list of them")
    text = "file of the runs, a line each: those that are there are not run again (sweep.jsonl)"
    sub.add_argument("--out", metavar="FILE", default="sweep.jsonl", help=text)
    _add_common(sub, "the same grid on the embedded digits, 5 epochs")
    for action in train:
        if action.dest not in APART:
            _add_axis(sub, action)
    sub = command("compare", "compare", "runs side by side: mean and spread over seeds, curves")
    text = "files of a sweep, or run folders"
    sub.add_argument("paths", metavar="FILE_OR_RUN", nargs="+", help=text)
    sub.add_argument("--csv", action="store_true", help="print a row a run and epoch")
    text = "draw learning curves too, as FILE.png (needs matplotlib)"
    sub.add_argument("--plot", metavar="FILE", help=text)
    text = "an experiment of ArbNets or HashedNets, every claim tested"
    sub = command("reproduce", "reproduce", text)
    sub.add_argument("figure", choices=FIGURES, help="which")
    sub.add_argument("--dataset", choices=DATASETS, help="of all but fig1 (mnist)")
    text = "folder of its runs, numbers and pictures (reproduced)"
    sub.add_argument("--out", metavar="DIR", default="reproduced", help=text)
    _add_common(sub, "a small grid on the embedded digits, in a minute or two")


def _add_common(sub: argparse.ArgumentParser, quick: str) -> None:
    text = "show the grid, and about how long it takes on this machine"
    sub.add_argument("--dry-run", action="store_true", help=text)
    sub.add_argument("--quick", action="store_true", help=quick)
    text = "processes, of one thread each, of the cores there are (default: all)"
    sub.add_argument("--workers", type=values.count, metavar="N", help=text)
    text = "let Dask compute: the scheduler there, or, local, one of this machine with --workers "
    text += "processes (needs dask[distributed])"
    sub.add_argument("--scheduler", metavar="ADDRESS|local", help=text)
    text = "numba, numpy, cuda (default: the best; or set MINIHASH_BACKEND)"
    sub.add_argument("--backend", metavar="NAME", help=text)
    sub.add_argument("--data-dir", metavar="DIR", help="folder of data sets (or set MINIHASH_DATA)")
    text = "fetch the data set if it is not found (needs pooch)"
    sub.add_argument("--download", action="store_true", help=text)
    sub.add_argument("--quiet", action="store_true", help="no progress, no table")


def _add_axis(sub: argparse.ArgumentParser, action: argparse.Action) -> None:
    """An option of `train`, with several values; help names it all at once."""
    switch = action.nargs == 0
    options: dict = {"nargs": "?", "const": [True]} if switch else {}
    sub.add_argument(
        action.option_strings[0],
        dest=action.dest,
        action="append",
        type=_several(action, switch),
        help=argparse.SUPPRESS,
        **options,
    )


def _several(action: argparse.Action, switch: bool) -> Callable[[str], list]:
    """How the text of an axis becomes its values."""
    one = action.type if callable(action.type) else str
    if switch:
        one = values.yes
    if action.dest == "hash_options":
        return _options
    if action.dest in WHOLE:
        return lambda text: [one(text)]

    def parse(text: str) -> list:
        found: list = []
        for part in text.split(","):
            if one in values.WHOLE and ":" in part:
                found += values.span(part, one)
            elif action.choices and part not in action.choices:
                known = ", ".join(action.choices)
                raise argparse.ArgumentTypeError(f"expected one of {known}, got {part!r}")
            else:
                found.append(one(part))
        return found

    return parse


def _options(text: str) -> list[tuple[str, str]]:
    """NAME=VALUE,VALUE as pairs."""
    name, several = values.pair(text)
    return [(name, value) for value in several.split(",")]
