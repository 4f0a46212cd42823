"""The arguments of `minihash compress`."""

import argparse

from minihash.cli import values
from minihash.cli.parsing import Parser


def add(sub: Parser) -> None:
    """Add them."""
    sub.add_argument("run", metavar="RUN", nargs="?", help="folder of a trained run")
    method = sub.add_argument("--method", metavar="NAME", default="codebook")
    text = "an option of the method, of those below (repeatable)"
    sub.add_argument(
        "--option",
        dest="options",
        action="append",
        type=values.pair,
        default=[],
        metavar="NAME=VALUE",
        help=text,
    )
    text = "folder of the result, a run too (default: runs/NAME-NNN, the next free)"
    sub.add_argument("--out", metavar="RUN", help=text)
    sub.add_argument("--resume", metavar="RUN", help="go on with this compression")
    sub.add_argument("--data-dir", metavar="DIR", help="folder of data sets (or set MINIHASH_DATA)")
    sub.add_argument("--quiet", action="store_true", help="no progress, no table")

    def complete() -> None:
        from minihash.cli import choices as known

        method.help, sub.epilog = known.methods()

    sub.formatter_class = argparse.RawDescriptionHelpFormatter
    sub.complete = complete
