"""Tables and bars as text, as wide as the terminal, in ASCII where it can do no more."""

import re
import shutil
from typing import TextIO

EIGHTHS = " ▏▎▍▌▋▊▉█"
COMMANDS = re.compile("\r\n|[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(text: str, keep: tuple[str, ...] = ()) -> str:
    r"""Text that does nothing to a terminal: what comes from a file may hold its commands. Control
    characters and those that turn the direction of writing are escaped, but for those in `keep`.

    >>> print(plain("\x1b[2Jgone\n"))
    \x1b[2Jgone\n
    """

    def escaped(found: re.Match) -> str:
        return found[0] if found[0] in keep else found[0].encode("unicode_escape").decode()

    return COMMANDS.sub(escaped, text)


def width() -> int:
    """Columns of the terminal; 80 where there is none.

    >>> width() > 0
    True
    """
    return max(shutil.get_terminal_size().columns, 40)


def draws(stream: TextIO) -> bool:
    """Whether the stream can carry block characters.

    >>> import io
    >>> draws(io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    False
    """
    try:
        EIGHTHS.encode(getattr(stream, "encoding", None) or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def bar(part: float, columns: int, blocks: bool = True) -> str:
    """A bar of `part` (0 .. 1) of so many columns; never empty unless part is 0.

    >>> bar(0.5, 7), bar(0.5, 7, blocks=False)
    ('███▌', '####')
    """
    if not part > 0:
        return ""
    if not blocks:
        return "#" * max(round(part * columns), 1)
    whole, eighths = divmod(max(round(8 * part * columns), 1), 8)
    return EIGHTHS[-1] * whole + EIGHTHS[eighths].strip()


def table(rows: list[tuple], align: str) -> str:
    """Rows of cells in columns two spaces apart. align: "<" or ">" for each column.

    >>> print(table([("a", 1234), ("total", 5)], "<>"))
    a      1,234
    total      5
    """
    cells = [[f"{c:,}" if isinstance(c, int) else plain(str(c)) for c in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (
        "  ".join(f"{c:{a}{w}}" for c, a, w in zip(row, align, widths, strict=True))
        for row in cells
    )
    return "\n".join(line.rstrip() for line in lines)
