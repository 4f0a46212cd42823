"""Standard streams that a service, or `2>&-`, has not: they lead nowhere, instead of to None."""

import os
import sys


def open_missing() -> None:
    """Give each missing stream a file without content, in order: on POSIX it takes the number that
    is free, so that no file that is opened later is mistaken for a stream by compiled code."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 (as long as the process)
