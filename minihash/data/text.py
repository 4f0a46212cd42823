"""Text as a sequence of tokens, one a byte: for character-level language models.

    vocabulary   the different bytes of the whole text, in increasing order
    token        the position of a byte in the vocabulary
    train        the first floor(0.9 n) tokens; validation: the rest

Tiny Shakespeare: A. Karpathy, https://github.com/karpathy/char-rnn, data/tinyshakespeare/input.txt;
1,115,394 bytes of 65 kinds, in the public domain.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minihash.data.damage import opened


@dataclass(frozen=True, eq=False, repr=False)
class Text:
    """A text as tokens: train and validation, uint8 (length,), positions in vocabulary."""

    name: str
    train: np.ndarray
    validation: np.ndarray
    vocabulary: bytes

    def encode(self, data: bytes) -> np.ndarray:
        """Bytes -> tokens uint8 (length,). Raises ValueError for a byte that the text never has.

        >>> Text("ab", np.empty(0), np.empty(0), b"ab").encode(b"abba")
        array([0, 1, 1, 0], dtype=uint8)
        """
        return _encode(data, self.vocabulary)

    def decode(self, tokens: np.ndarray) -> bytes:
        """Tokens (length,) -> bytes. Raises ValueError for a token out of range.

        >>> Text("ab", np.empty(0), np.empty(0), b"ab").decode([0, 1, 1])
        b'abb'
        """
        tokens = np.asarray(tokens, np.int64)
        if tokens.size and not 0 <= tokens.min() <= tokens.max() < len(self.vocabulary):
            raise ValueError(
                f"tokens run from {tokens.min()} to {tokens.max()}: expected 0 to"
                f" {len(self.vocabulary) - 1}"
            )
        return np.frombuffer(self.vocabulary, np.uint8)[tokens].tobytes()

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All that it holds, to tell texts apart."""
        return self.train, self.validation, np.frombuffer(self.vocabulary, np.uint8)

    def __repr__(self) -> str:
        return (
            f"Text({self.name!r}, {len(self.train)} + {len(self.validation)} tokens of"
            f" {len(self.vocabulary)} kinds)"
        )


def locate_tinyshakespeare(folder: Path) -> Path | None:
    """Find the file in a folder, under our name or its original one; None if it is not there."""
    files = (folder / "tinyshakespeare.txt", folder / "tinyshakespeare" / "input.txt")
    return next((path for path in files if path.is_file()), None)


def read_text(path: str | Path, name: str | None = None) -> Text:
    """Read any file as text, byte by byte; name is the file's without it.

    Raises FileNotFoundError without the file, ValueError for one of fewer than 2 bytes.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "scale.txt")
    ...     _ = path.write_bytes(b"cdefgabcde")
    ...     text = read_text(path)
    >>> text, text.vocabulary, text.decode(text.validation)
    (Text('scale', 9 + 1 tokens of 7 kinds), b'abcdefg', b'e')
    """
    path = Path(path)
    with opened(path) as file:
        data = file.read()
    if len(data) < 2:
        raise ValueError(f"{path} has {len(data)} bytes: expected at least 2, to train and to test")
    vocabulary = bytes(sorted(set(data)))
    tokens = _encode(data, vocabulary)
    split = 9 * len(data) // 10
    return Text(name or path.stem, tokens[:split], tokens[split:], vocabulary)


def _encode(data: bytes, vocabulary: bytes) -> np.ndarray:
    codes = np.frombuffer(data, np.uint8)
    known = np.zeros(256, bool)
    known[np.frombuffer(vocabulary, np.uint8)] = True
    if not known[codes].all():
        stranger = codes[~known[codes]][0]
        raise ValueError(
            f"byte {stranger} ({chr(stranger)!r}) is not in the vocabulary: leave it out"
        )
    token = np.cumsum(known) - 1  # the position of a byte among the known ones
    return token.astype(np.uint8)[codes]
