"""Text as a sequence of tokens, one a character, or one a byte: for language models.

    vocabulary   the different characters of the whole text by code point, or its bytes, increasing
    token        the position of a character in the vocabulary
    train        the first floor(0.9 n) tokens; validation: the rest

A file is UTF-8; a byte order mark at its beginning is no part of the text, and what gzip or xz has
packed is unpacked. What is no text is refused and not read as one. Text in ASCII gives the same
tokens either way.

Tiny Shakespeare: A. Karpathy, https://github.com/karpathy/char-rnn, data/tinyshakespeare/input.txt;
1,115,394 characters of 65 kinds, in the public domain.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minihash.checks import counted
from minihash.data.damage import opened, unpacked

TOKENS = ("characters", "bytes")
MOST = 2**28  # bytes that a packed file may hold: a small one can hold any number
BLOCK = 2**20  # characters that are widened at a time
KINDS = {b"PK\x03\x04": "a zip archive (an .npz is one)", b"\x93NUMPY": "a NumPy array"}


@dataclass(frozen=True, eq=False, repr=False)
class Text:
    """A text as tokens: train and validation, (length,), positions in vocabulary, in the smallest
    unsigned dtype that counts it. vocabulary: a str of characters, or bytes."""

    name: str
    train: np.ndarray
    validation: np.ndarray
    vocabulary: str | bytes

    def encode(self, text: str | bytes) -> np.ndarray:
        """Text -> tokens (length,). A str is taken as its UTF-8 where tokens are bytes.

        Raises ValueError for a character, or byte, that the text never has; TypeError for bytes
        where tokens are characters.

        >>> Text("ab", np.empty(0), np.empty(0), "ab").encode("abba")
        array([0, 1, 1, 0], dtype=uint8)
        """
        if isinstance(text, str) and isinstance(self.vocabulary, bytes):
            text = text.encode("utf-8", "surrogateescape")
        if type(text) is not type(self.vocabulary):
            raise TypeError(f"expected a text of characters, got {type(text).__name__}: decode it")
        return _encode(text, self.vocabulary)

    def decode(self, tokens: np.ndarray) -> str | bytes:
        """Tokens (length,) -> text, of the vocabulary's type. Raises ValueError for a token out of
        range.

        >>> Text("ab", np.empty(0), np.empty(0), "ab").decode([0, 1, 1])
        'abb'
        """
        tokens = np.asarray(tokens, np.int64)
        if tokens.size and not 0 <= tokens.min() <= tokens.max() < len(self.vocabulary):
            raise ValueError(
                f"tokens run from {tokens.min()} to {tokens.max()}: expected 0 to"
                f" {len(self.vocabulary) - 1}"
            )
        chosen = _codes(self.vocabulary)[tokens]
        if isinstance(self.vocabulary, bytes):
            return chosen.tobytes()
        return chosen.tobytes().decode("utf-32-le", "surrogatepass")

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All that it holds, to tell texts apart. Where all characters are bytes of ASCII, those of
        the characters are those of the bytes."""
        codes = _codes(self.vocabulary)
        narrow = codes.astype(np.uint8) if codes.size and codes[-1] < 128 else codes
        return self.train, self.validation, narrow

    def __repr__(self) -> str:
        return (
            f"Text({self.name!r}, {len(self.train)} + {len(self.validation)} tokens of"
            f" {len(self.vocabulary)} kinds)"
        )


def locate_tinyshakespeare(folder: Path) -> Path | None:
    """Find the file in a folder, under our name or its original one; None if it is not there."""
    files = (folder / "tinyshakespeare.txt", folder / "tinyshakespeare" / "input.txt")
    return next((path for path in files if path.is_file()), None)


def read_text(path: str | Path, name: str | None = None, tokens: str = "characters") -> Text:
    """Read a text file, packed or not; name is the file's without its endings.

    tokens: "characters", or "bytes", for which any file but an archive will do.
    Raises FileNotFoundError without the file, ValueError for one of fewer than 2 tokens, one that
    is not UTF-8, or none of text, and for a packed file that is damaged or holds more than `MOST`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "scale.txt")
    ...     _ = path.write_text("cdefgabcdü", "utf-8")
    ...     text = read_text(path)
    >>> text, text.vocabulary, text.decode(text.validation)
    (Text('scale', 9 + 1 tokens of 8 kinds), 'abcdefgü', 'ü')
    """
    path = Path(path)
    if tokens not in TOKENS:
        raise ValueError(f"tokens must be one of {', '.join(TOKENS)}, got {tokens!r}")
    data = _content(path)
    text = data if tokens == "bytes" else _decoded(path, data)
    if len(text) < 2:
        raise ValueError(
            f"{path} has {counted(len(text), tokens[:-1])}: expected 2 at least, to train and test"
        )
    kinds = sorted(set(text))
    vocabulary = bytes(kinds) if tokens == "bytes" else "".join(kinds)
    encoded = _encode(text, vocabulary)
    split = 9 * len(text) // 10
    stem = path.with_suffix("").stem if path.suffix in (".gz", ".xz") else path.stem
    return Text(name or stem, encoded[:split], encoded[split:], vocabulary)


def _content(path: Path) -> bytes:
    """The bytes of a file, unpacked."""
    with opened(path) as file:
        content = unpacked(file)
        data = content.read() if content is file else content.read(MOST + 1)
    if content is not file and len(data) > MOST:
        raise ValueError(f"{path} holds more than {MOST} bytes: unpack it first")
    for magic, kind in KINDS.items():
        if data.startswith(magic):
            raise ValueError(f"{path} is {kind} and no text: name a text file")
    return data


def _decoded(path: Path, data: bytes) -> str:
    if b"\0" in data:
        raise ValueError(
            f"{path} is no text in UTF-8, it has bytes of 0: save it as UTF-8, or read any file "
            "byte by byte with --tokens bytes"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is no text in UTF-8 (byte {data[error.start]} at {error.start}): save it as "
            "UTF-8, or read it byte by byte with --tokens bytes"
        ) from None


def _codes(text: str | bytes) -> np.ndarray:
    """Code points uint32 of characters; uint8 of bytes."""
    if isinstance(text, bytes):
        return np.frombuffer(text, np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def _encode(text: str | bytes, vocabulary: str | bytes) -> np.ndarray:
    known = _codes(vocabulary)
    token = np.full(int(known[-1]) + 2, len(known))  # of each code; the last is for all above
    token[known] = np.arange(len(known))
    tokens = np.empty(len(text), np.min_scalar_type(len(known) - 1))
    for start in range(0, len(text), BLOCK):
        codes = _codes(text[start : start + BLOCK])
        block = token[np.minimum(codes, len(token) - 1)]
        if (strange := block == len(known)).any():
            code = int(codes[strange][0])
            of_many = isinstance(vocabulary, bytes) and code > 127  # which make up a character
            which = f"byte {code}" if of_many else repr(chr(code))
            raise ValueError(f"{which} does not occur in the training text: leave it out")
        tokens[start : start + BLOCK] = block
    return tokens
