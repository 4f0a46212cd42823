"""The command line.

    minihash train        train a network, in a run folder
    minihash compress     learn from a trained run what its weights can share
    minihash eval         how well it does on a test set
    minihash predict      what it takes an image, an array or an example for
    minihash generate     text, by a network that was trained on text
    minihash inspect      what it stores, and how evenly
    minihash explain      how MLPs, CNNs and RNNs are hashes, computed both ways
    minihash sweep        train a grid of networks
    minihash compare      runs side by side
    minihash reproduce    a published figure, its claims tested
    minihash export       a trained network as a file of C, NumPy or ONNX
    minihash selftest     known answers, asked of minihash
    minihash conform      known answers, asked of another program
    minihash backends     what it can run on here

Results go to standard output, everything else to standard error. Whatever is wrong with the input
is said in one line, with exit status 2, and files are as they were. A run that is stopped by signal
n is saved and ends with status 128 + n. Nothing heavy is imported before a command needs it.

Hashes and layers of one's own come from a module that `--import MODULE` names and that registers
them. Only the command line can say so: a run folder or a model from somewhere else never runs code.

`python -X dev -m minihash` shows where an error comes from.
"""

import errno
import os
import sys
import warnings
from contextlib import AbstractContextManager, nullcontext, suppress
from importlib import import_module

from minihash.cli.arguments import parser
from minihash.cli.streams import open_missing

HOMES = {
    "predict": "predict",
    "compress": "compress",
    "export": "export",
    **dict.fromkeys(("sweep", "compare", "reproduce"), "sweeps"),
    **dict.fromkeys(("selftest", "conform"), "conform"),
}
HINTS = {
    errno.ENOENT: "check the path",
    errno.EACCES: "check its permissions",
    errno.EPERM: "check its permissions",
    errno.EISDIR: "name a file",
    errno.EROFS: "choose another place",
    errno.ENOTDIR: "choose another place",
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
}


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit status.

    >>> main(["backends", "--backend", "numpy"])  # doctest: +ELLIPSIS
    numba ...
    0
    """
    open_missing()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", UserWarning)
            warnings.simplefilter("ignore", RuntimeWarning)  # a run that diverges is told of once
            warnings.showwarning = _show_warning
            args = parser().parse_args(argv)
            where = HOMES.get(args.command, "commands")
            status = getattr(import_module(f"minihash.cli.{where}"), args.command)(args)
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
    with suppress(OSError), _above_a_bar():  # who cannot be told is not stopped
        print(f"minihash: {line}", file=sys.stderr, flush=True)
    return status


def _above_a_bar() -> AbstractContextManager:
    """Take a progress bar, if there is one, off the line within this block."""
    if tqdm := sys.modules.get("tqdm"):
        return tqdm.tqdm.external_write_mode(file=sys.stderr)
    return nullcontext()


def _show_warning(message: Warning, *_: object) -> None:
    _say(f"warning: {message}", 0)
