"""The arguments of the command line, and what its help says.

Nothing of the engine is imported to parse them, only where it is asked for: the help of `train` is
made from the models and hashes that there are, and --import brings others.
"""

import argparse
import math
import os
import sys
from collections.abc import Callable
from fractions import Fraction
from importlib import import_module
from typing import NoReturn

from minihash import __version__

# What the help says, which a test holds to the engine: that is too heavy to be asked here.
DATASETS = "digits, mnist, cifar10, rectangles, convex"
TEXTS = "tinyshakespeare"
BACKENDS = "numba, numpy, cuda"

EXAMPLES = """\
examples:
  minihash train                                     the embedded digits, in a minute
  minihash train --hash dirichlet --alpha 0.1        a hash that shares weights unevenly
  minihash train --import mine --hash blocks         a hash of your own, registered in mine.py
  minihash train --dataset mnist --data-dir ~/data   60,000 digits, from ~/data or ~/data/mnist
  minihash train --model cnn --hash identity         a convolutional network, no weights shared
  minihash train --model lstm --dataset my.txt       a text, character by character
  minihash train --model lstm --dataset my.txt --compression 1/16     recurrent weights hashed
  minihash train --resume runs/digits-001            go on with a run that was stopped
  minihash predict runs/digits-001 7                 example 7 of its test set
  minihash predict runs/digits-001 --csv *.png       many pictures, a row each
  minihash generate runs/my-001 --prompt "Once "     text that goes on from there
"""


class _Parser(argparse.ArgumentParser):
    """A parser that raises what it has to say. complete: called once before its help is shown."""

    complete: Callable[[], None] | None = None

    def __init__(self, **options: object) -> None:
        super().__init__(allow_abbrev=False, **options)

    def format_help(self) -> str:
        if self.complete is not None:
            complete, self.complete = self.complete, None
            complete()
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        text = message.removeprefix("argument ")
        raise ValueError(f"{text}; see {self.prog} --help")


def _number(kind: Callable, low: float, high: float, expected: str) -> Callable[[str], int | float]:
    def parse(text: str) -> int | float:
        try:
            value = kind(text)
            if low <= value <= high:
                return value
        except (ValueError, ZeroDivisionError):
            pass
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")

    return parse


_count = _number(int, 1, 2**31 - 1, "a whole number from 1")
_radius = _number(int, 0, 2**31 - 1, "a whole number from 0")
_seed = _number(int, 0, 2**32 - 1, "a whole number from 0 to 4294967295")
_real = _number(float, -math.inf, math.inf, "a number")
_part = _number(lambda text: float(Fraction(text)), -math.inf, math.inf, "a number")


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(_count(part) for part in text.split(","))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"expected sizes with commas between them, as 200,200, got {text!r}"
        ) from None


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, as alpha=0.5, got {text!r}")
    return name, value


def _module(name: str) -> str:
    """Import a module, from the current folder too, which an installed script does not search."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # last: it hides nothing that is installed
    try:
        import_module(name)
    except Exception as error:
        raise ImportError(
            f"--import {name} has failed ({type(error).__name__}: {error}): give a module by its "
            "name, as the statement import does, and see that it can be imported by itself"
        ) from error
    return name


def parser() -> argparse.ArgumentParser:
    """Of all commands. It raises ValueError for what it cannot parse."""
    whole = _Parser(
        prog="minihash",
        description="Neural networks whose weights are shared by a hash.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"minihash {__version__}")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: str, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        sub.set_defaults(command=function)
        return sub

    _add_train(command("train", "train", "train a network, in a run folder"))
    sub = command("eval", "evaluate", "how well a trained network does on a test set")
    _add_model(sub)
    _add_data(sub, "data set to test on (default: the one it was trained on)")
    _add_machine(sub)
    sub = command("predict", "predict", "what a trained network takes an example for")
    _add_model(sub)
    text = "image files, .npy or .csv files, indices of test examples; - for standard input"
    sub.add_argument("input", metavar="INPUT", nargs="+", help=text)
    text = "print a row an example, with the probability of each class"
    sub.add_argument("--csv", action="store_true", help=text)
    sub.add_argument("--invert", action="store_true", help="swap dark and bright of an image")
    _add_data(sub, "data set that the index is of (default: the one it was trained on)")
    _add_machine(sub)
    sub = command("generate", "generate", "text, by a network that was trained on text")
    _add_model(sub)
    sub.add_argument(
        "--length", type=_count, default=500, metavar="N", help="characters to write (500)"
    )
    text = "0 takes the likeliest character each time, 1 draws by their probabilities (1.0)"
    sub.add_argument("--temperature", type=_real, default=1.0, metavar="T", help=text)
    sub.add_argument("--seed", type=_seed, default=0, metavar="N", help="of the draws (0)")
    sub.add_argument("--prompt", metavar="TEXT", help="text to go on from (default: a new line)")
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
        text = "import a module first, which registers hashes or layers of its own (repeatable)"
        options = {"dest": "imports", "action": "append", "type": _module, "metavar": "MODULE"}
        sub.add_argument("--import", help=text, **options)
    return whole


def _add_model(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("model", metavar="RUN_OR_FILE", help="a run folder, or a model.safetensors")


def _add_data(sub: argparse._ActionsContainer, text: str) -> None:
    kinds = f"{DATASETS}, or FILE.npz, FILE.csv, FILE.csv:COLUMN with the labels, a folder of "
    kinds += f"pictures (a subfolder a class) or of IDX files; of text: {TEXTS}, or a text file"
    sub.add_argument("--dataset", metavar="NAME", help=f"{text}: {kinds}")
    sub.add_argument("--data-dir", metavar="DIR", help="folder of data sets (or set MINIHASH_DATA)")
    sub.add_argument(
        "--download",
        action="store_true",
        help="fetch the data set if it is not found (needs pooch)",
    )
    sub.add_argument(
        "--channels-last",
        action=argparse.BooleanOptionalAction,
        help="pictures of an .npz file are (rows, columns, channels), or are not",
    )


def _add_backend(sub: argparse._ActionsContainer) -> None:
    sub.add_argument(
        "--backend", metavar="NAME", help=f"{BACKENDS} (default: the best; or set MINIHASH_BACKEND)"
    )


def _add_machine(sub: argparse._ActionsContainer) -> None:
    _add_backend(sub)
    sub.add_argument("--threads", type=_count, metavar="N", help="cores to use (default: all)")


def _add_train(train: _Parser) -> None:
    def add(group: argparse._ArgumentGroup, flag: str, text: str, **options: object) -> None:
        group.add_argument(flag, help=text, **options)

    group = train.add_argument_group("data")
    _add_data(group, "data set")
    text = "a mean and deviation for each of (default: columns of a table, channels of pictures)"
    add(group, "--standardise", text, choices=("columns", "channels", "none"))
    group = train.add_argument_group("network")
    model = group.add_argument("--model", metavar="NAME")
    add(group, "--hash", "one of those below", metavar="NAME")
    add(group, "--alpha", "of dirichlet: small is uneven, inf is uniform", type=_real, metavar="A")
    add(group, "--radius", "of neighborhood: 0 is modulus", type=_radius, metavar="R")
    add(group, "--signed", "let the hash draw signs too", action="store_const", const=True)
    text = "an option of the hash, of those below (repeatable)"
    options = {"dest": "hash_options", "action": "append", "type": _pair}
    add(group, "--hash-option", text, metavar="NAME=VALUE", **options)
    text = "stored / virtual weights, as 0.25 or 1/4; 1 under identity"
    add(group, "--compression", text, type=_part, metavar="C")
    add(group, "--scope", "one table for", choices=("network", "layer"))
    add(group, "--bias", "biases", choices=("free", "hashed", "none"))
    text = "sizes of the hidden layers; of an autoencoder, down to its code"
    add(group, "--hidden", text, type=_sizes, metavar="N,N")
    text = "of cnn: channels of its convolutions"
    add(group, "--channels", text, type=_sizes, metavar="N,N")
    text = "of text: width of a character's vector (default: as --hidden)"
    add(group, "--embedding", text, type=_count, metavar="N")
    text = "of text: input and output embeddings are one"
    add(group, "--tied", text, action="store_const", const=True)
    text = "of text: recurrent layers, one above the other"
    add(group, "--layers", text, type=_count, metavar="N")
    group = train.add_argument_group("training")
    add(group, "--epochs", "passes over the data", type=_count, metavar="N")
    add(group, "--batch-size", "examples, or streams of text, a step", type=_count, metavar="N")
    add(group, "--length", "of text: characters of a stream a step", type=_count, metavar="N")
    text = "of text: gradients go back through windows of N characters (default: --length)"
    add(group, "--truncate", text, type=_count, metavar="N")
    add(group, "--clip", "of text: largest norm of a gradient", type=_real, metavar="NORM")
    add(group, "--lr", "learning rate, cut at plateaus", type=_real, metavar="RATE")
    add(group, "--seed", "of all that is random", type=_seed, metavar="N")
    add(group, "--dtype", "precision", choices=("float32", "float64"))
    _add_machine(group)
    group = train.add_argument_group("run")
    add(group, "--out", "folder of the run (default: runs/NAME-NNN, the next free)", metavar="RUN")
    add(group, "--resume", "go on with this run, with its own choices", metavar="RUN")
    add(group, "--quiet", "no progress, no table", action="store_true")

    def complete() -> None:
        from minihash.cli import choices as known

        model.help = known.models()
        for action in train._actions:
            action.help += known.defaults(action.dest)
        train.epilog = known.hashes()

    train.formatter_class = argparse.RawDescriptionHelpFormatter
    train.complete = complete
