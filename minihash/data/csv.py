"""A table in a .csv file: a row an example, a column of labels, numbers in all others.

    FILE.csv            labels in the column called label, class, target or y; else in the only
                        one that does not hold numbers
    FILE.csv:COLUMN     in this one, by its number from 1 (-1: the last), else by its name

The first row is a header if it holds no number, or the name of the column. Fields are separated by
commas, semicolons or tabs, whichever the first row has most of. A label is a whole number or a
text. Test examples are those of split.py.

Source of the format: RFC 4180, as Python's csv reads it.
"""

import csv
import io
import re
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TextIO

import numpy as np

from minihash.compile.places import expanded
from minihash.data.damage import opened
from minihash.data.dataset import Dataset, assemble
from minihash.data.split import fifth

LABELS = ("label", "class", "target", "y")
BLOCK = 256  # rows made numbers at a time
LONGEST = 100  # characters of a label
WHOLE = re.compile(r"[+-]?\d{1,18}(\.0*)?")
Row = tuple[int, list[str]]  # the number of its last line, and its fields


def read_csv(path: str | Path, column: str | None = None) -> Dataset:
    """Read a table. column: of the labels, by name or number.

    Raises FileNotFoundError without the file, ValueError for a column that is not told or not
    there, rows of different lengths, fields that are no numbers, and as `assemble` does.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "iris.csv")
    ...     _ = path.write_text("length,width,kind\\n" + "5.1,3.5,setosa\\n6.3,2.8,other\\n" * 5)
    ...     iris = read_csv(path)
    >>> iris, iris.class_names
    (Dataset('iris', 8 + 2 examples of shape (2,), 2 classes), ('other', 'setosa'))
    """
    path = expanded(path)
    told = "is no readable .csv file ({}): save it as text in UTF-8"
    with opened(path, told) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
        rows = _rows(path, text)
        two = list(islice(rows, 2))
        if not two:
            raise ValueError(f"{path} has no rows: expected an example in each")
        names = [" ".join(name.split()) for name in two[0][1]]
        known = {*LABELS[:-1], column} if column and not WHOLE.fullmatch(column) else LABELS[:-1]
        header = any(name in known or name.lower() in known for name in names)
        header = header or not any(map(_is_number, names))
        at = _column(path, names if header else [], two[-1][1], column)
        examples = chain(two[header:], rows)
        x, y = _values(path, examples, at, names if header else [])
        held = fifth(y, str(path))
    return assemble(path.stem, x[~held], y[~held], x[held], y[held])


def _rows(path: Path, text: TextIO) -> Iterator[Row]:
    """The rows that are not blank, all of one length."""
    separator = max(",;\t", key=text.readline(1 << 20).count)
    text.seek(0)
    reader, length = csv.reader(text, delimiter=separator, strict=True), None
    for fields in reader:
        length = length or len(fields)
        if fields and len(fields) != length:
            raise ValueError(
                f"{path}: line {reader.line_num} has {len(fields)} fields, those before have"
                f" {length}: expected the same of all"
            )
        if fields:
            yield reader.line_num, fields


def _column(path: Path, names: list[str], row: list[str], column: str | None) -> int:
    """Where the labels are. names: of the columns, if the file has a header; row: an example."""
    if column is None:
        found = [k for k, name in enumerate(names) if name.lower() in LABELS]
        found = found or [k for k, field in enumerate(row) if not _is_number(field)]
        example = names[-1] if names and len(names[-1]) < 40 else len(row)
        if len(found) != 1:
            raise ValueError(
                f"{path} does not tell which of its {len(row)} columns has the labels: say it by"
                f" name or number, as {path}:{example}"
            )
    else:
        if WHOLE.fullmatch(column):
            places = [*range(1, len(row) + 1), *range(-len(row), 0)]
            found = [k - (k > 0) for k in places if str(k) == column]
        else:
            found = [k for k, name in enumerate(names) if name == column]
        if len(found) != 1:
            known = ", ".join(name[:40] for name in names[:20]) or f"1 to {len(row)}"
            raise ValueError(f"{path} has not one column {column[:40]!r}: expected one of {known}")
    return found[0] % len(row)


def _values(
    path: Path, rows: Iterator[Row], at: int, names: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Examples, as bytes if these can hold them all, and labels."""
    labels: list[str] = []
    blocks: list[np.ndarray] = []
    while block := list(islice(rows, BLOCK)):
        for line, fields in block:
            labels.append(fields.pop(at).strip())
            if len(labels[-1]) > LONGEST:
                raise ValueError(
                    f"{path}: line {line} has a label of {len(labels[-1])} characters: expected"
                    f" {LONGEST} at most; name another column, as {path}:1"
                )
        try:
            values = np.array([[float(field) for field in fields] for _, fields in block])
        except ValueError:
            raise _no_number(path, block, at, names) from None
        whole = (values >= 0) & (values <= 255) & (values == np.floor(values))
        blocks.append(values.astype(np.uint8) if whole.all() else values)
    if not blocks:
        raise ValueError(f"{path} has a header and no rows below it: expected an example in each")
    if all(map(WHOLE.fullmatch, labels)):
        return np.concatenate(blocks), np.array([int(label.partition(".")[0]) for label in labels])
    return np.concatenate(blocks), np.array(labels)


def _no_number(path: Path, block: list[Row], at: int, names: list[str]) -> ValueError:
    """What is said of the first field of these rows, without labels, that is no number."""
    line, k, field = next(
        (line, k, field)
        for line, fields in block
        for k, field in enumerate(fields)
        if not _is_number(field)
    )
    k += k >= at
    name = f" ({names[k][:40]})" if names else ""
    what = repr(field[:40]) if field.strip() else "nothing"
    return ValueError(
        f"{path}: line {line} has {what} in column {k + 1}{name}: expected a number; fill it, drop"
        " the row, or give each kind a number"
    )


def _is_number(field: str) -> bool:
    try:
        float(field)
        return True
    except ValueError:
        return False
