"""The command line.

    minihash train        train a network, in a run folder
    minihash eval         its loss and accuracy on a test set
    minihash predict      what it takes an image, an array or an example for
    minihash inspect      what it stores, and how evenly
    minihash explain      how MLPs, CNNs and RNNs are hashes, computed both ways
    minihash backends     what it can run on here

Results go to standard output, everything else to standard error. Whatever is wrong with the input
is said in one line, with exit status 2, and files are as they were. A run that is stopped by signal
n is saved and ends with status 128 + n. Nothing heavy is imported before a command needs it.
`python -X dev -m minihash` shows where an error comes from.
"""

import argparse
import errno
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import NoReturn

from minihash import __version__

# What the help says, which a test holds to the engine: that is too heavy to be asked here.
HASHES = "identity, modulus, uniform, dirichlet, neighborhood, hashednets"
DATASETS = "digits, mnist, cifar10, rectangles, convex"
MODELS = "mlp, cnn"
BACKENDS = "numba, numpy, cuda"
DEFAULTS = {
    "dataset": "digits",
    "model": "mlp",
    "hash": "uniform",
    "compression": 0.1,
    "scope": "network",
    "bias": "free",
    "hidden": "200,200",
    "epochs": 30,
    "batch_size": 50,
    "lr": 0.1,
    "seed": 0,
    "dtype": "float32",
}
HINTS = {
    errno.ENOENT: "check the path",
    errno.EACCES: "check its permissions",
    errno.EPERM: "check its permissions",
    errno.EROFS: "choose another place",
    errno.ENOTDIR: "choose another place",
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
}
EXAMPLES = """\
examples:
  minihash train                                     the embedded digits, in a minute
  minihash train --hash dirichlet --alpha 0.1        a hash that shares weights unevenly
  minihash train --dataset mnist --data-dir ~/data   60,000 digits, from ~/data or ~/data/mnist
  minihash train --model cnn --hash identity         a convolutional network, no weights shared
  minihash train --resume runs/digits-001            go on with a run that was stopped
  minihash predict runs/digits-001 7                 example 7 of its test set
"""


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit status.

    >>> main(["backends", "--backend", "numpy"])  # doctest: +ELLIPSIS
    numba ...
    0
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", UserWarning)
            warnings.simplefilter("ignore", RuntimeWarning)  # a run that diverges is told of once
            warnings.showwarning = _show_warning
            args = _parser().parse_args(argv)
            from minihash.run import commands

            status = getattr(commands, args.command)(args)
            sys.stdout.flush()
            return status
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        return _failed(error)
    except KeyboardInterrupt:
        return _say("interrupted", 130)


def _failed(error: Exception) -> int:
    """Say what went wrong, if it is what bad input causes; anything else is our mistake."""
    match error:
        case BrokenPipeError():  # the reader has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        case OSError():
            return _say(f"error: {_reason(error)}", 2)
        case MemoryError():
            hint = "make the network (--hidden) or the batch (--batch-size) smaller"
            return _say(f"error: there is not enough memory ({error}): {hint}", 2)
        case ValueError() | TypeError() | ImportError():
            return _say(f"error: {error}", 2)
    raise error


def _reason(error: OSError) -> str:
    if error.strerror is None:
        return str(error)
    where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
    what_to_do = [HINTS.get(error.errno), *getattr(error, "__notes__", ())]
    return f"{where}{error.strerror}: {', '.join(filter(None, what_to_do))}".rstrip(" :")


def _say(text: str, status: int) -> int:
    line = " ".join(text.split())
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
    with _above_a_bar():
        print(f"minihash: {line}", file=sys.stderr, flush=True)
    return status


def _above_a_bar() -> AbstractContextManager:
    """Take a progress bar, if there is one, off the line within this block."""
    if tqdm := sys.modules.get("tqdm"):
        return tqdm.tqdm.external_write_mode(file=sys.stderr)
    return nullcontext()


def _show_warning(message: Warning, *_: object) -> None:
    _say(f"warning: {message}", 0)


class _Parser(argparse.ArgumentParser):
    """A parser that raises what it has to say."""

    def __init__(self, **options: object) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        text = message.removeprefix("argument ")
        raise ValueError(f"{text}; see {self.prog} --help")


def _number(kind: type, low: float, high: float, expected: str) -> Callable[[str], int | float]:
    def parse(text: str) -> int | float:
        try:
            value = kind(text)
            if low <= value <= high:
                return value
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")

    return parse


_count = _number(int, 1, 2**31 - 1, "a whole number from 1")
_radius = _number(int, 0, 2**31 - 1, "a whole number from 0")
_seed = _number(int, 0, 2**32 - 1, "a whole number from 0 to 4294967295")
_real = _number(float, float("-inf"), float("inf"), "a number")


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(_count(part) for part in text.split(","))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"expected sizes with commas between them, as 200,200, got {text!r}"
        ) from None


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="minihash",
        description="Neural networks whose weights are shared by a hash.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"minihash {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: str, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        sub.set_defaults(command=function)
        return sub

    _add_train(command("train", "train", "train a network, in a run folder"))
    sub = command("eval", "evaluate", "loss and accuracy of a trained network on a test set")
    _add_model(sub)
    _add_data(sub, "data set to test on (default: the one it was trained on)")
    _add_machine(sub)
    sub = command("predict", "predict", "what a trained network takes an example for")
    _add_model(sub)
    sub.add_argument(
        "input", metavar="INPUT", help="an image file, an .npy file, or the index of a test example"
    )
    sub.add_argument("--invert", action="store_true", help="swap dark and bright of an image")
    _add_data(sub, "data set that the index is of (default: the one it was trained on)")
    _add_machine(sub)
    sub = command("inspect", "inspect", "what a network stores, and how evenly its hash uses it")
    _add_model(sub)
    sub = command("explain", "explain", "how MLPs, CNNs and RNNs are hashes, computed both ways")
    sub.add_argument(
        "--plot",
        metavar="FILE",
        help="make a picture too, as FILE.png: the table and three virtual matrices, a colour a "
        "bucket (needs matplotlib)",
    )
    _add_backend(sub)
    sub = command("backends", "backends", "what can be computed with here")
    _add_machine(sub)
    for name, sub in commands.choices.items():
        text = "end with" if name == "train" else "print only"
        sub.add_argument("--json", action="store_true", help=f"{text} one JSON object, on one line")
    return parser


def _add_model(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("model", metavar="RUN_OR_FILE", help="a run folder, or a model.safetensors")


def _add_data(sub: argparse._ActionsContainer, text: str) -> None:
    sub.add_argument("--dataset", metavar="NAME", help=f"{text}: {DATASETS}, or an .npz file")
    sub.add_argument("--data-dir", metavar="DIR", help="folder of data sets (or set MINIHASH_DATA)")
    sub.add_argument(
        "--download",
        action="store_true",
        help="fetch the data set if it is not found (needs pooch)",
    )


def _add_backend(sub: argparse._ActionsContainer) -> None:
    sub.add_argument(
        "--backend", metavar="NAME", help=f"{BACKENDS} (default: the best; or set MINIHASH_BACKEND)"
    )


def _add_machine(sub: argparse._ActionsContainer) -> None:
    _add_backend(sub)
    sub.add_argument("--threads", type=_count, metavar="N", help="cores to use (default: all)")


def _add_train(train: argparse.ArgumentParser) -> None:
    def add(group: argparse._ArgumentGroup, flag: str, text: str, **options: object) -> None:
        default = DEFAULTS.get(flag[2:].replace("-", "_"))
        group.add_argument(
            flag, help=text + ("" if default is None else f" ({default})"), **options
        )

    group = train.add_argument_group("data")
    _add_data(group, f"data set ({DEFAULTS['dataset']})")
    group = train.add_argument_group("network")
    add(group, "--model", MODELS, metavar="NAME")
    add(group, "--hash", HASHES, metavar="NAME")
    add(group, "--alpha", "of dirichlet: small is uneven, inf is uniform", type=_real, metavar="A")
    add(group, "--radius", "of neighborhood: 0 is modulus", type=_radius, metavar="R")
    add(group, "--signed", "let the hash draw signs too", action="store_const", const=True)
    add(group, "--compression", "stored / virtual weights", type=_real, metavar="C")
    add(group, "--scope", "one table for", choices=("network", "layer"))
    add(group, "--bias", "biases", choices=("free", "hashed", "none"))
    add(group, "--hidden", "sizes of the hidden layers", type=_sizes, metavar="N,N")
    text = "of cnn: channels of its convolutions (default: 16,32)"
    add(group, "--channels", text, type=_sizes, metavar="N,N")
    group = train.add_argument_group("training")
    add(group, "--epochs", "passes over the data", type=_count, metavar="N")
    add(group, "--batch-size", "examples a step", type=_count, metavar="N")
    add(group, "--lr", "learning rate, cut at plateaus", type=_real, metavar="RATE")
    add(group, "--seed", "of all that is random", type=_seed, metavar="N")
    add(group, "--dtype", "precision", choices=("float32", "float64"))
    _add_machine(group)
    group = train.add_argument_group("run")
    add(group, "--out", "folder of the run (default: runs/NAME-NNN, the next free)", metavar="RUN")
    add(group, "--resume", "go on with this run, with its own choices", metavar="RUN")
    add(group, "--quiet", "no progress, no table", action="store_true")
