"""Models of text: the next character, or byte, given all before (language_model.py, language.py).

The vocabulary is that of the text it was trained on; another text can be read if all its characters
are in there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from minihash import data as datasets
from minihash.checks import counted
from minihash.data import Text
from minihash.data.text import TOKENS
from minihash.networks.language_model import LanguageModel
from minihash.runs.model import Model
from minihash.training import State, language

if TYPE_CHECKING:
    from minihash.runs.config import Config

HELD_OUT = 2  # characters that bits per character takes at least
ASCII = 128  # bytes below are characters


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Writer(Model):
    """A language model. vocabulary: its code points, or bytes, increasing. length: characters a
    training step. tokens: as for `read_text`; files that do not say it are of bytes."""

    vocabulary: tuple[int, ...]
    length: int
    tokens: str = "bytes"

    METRICS: ClassVar = {
        "bits_per_character": ("bits per character", ""),
        "bits_per_byte": ("bits per byte", ""),  # instead, where they are not the same
    }
    SHORT: ClassVar[str] = "bits"
    READ: ClassVar = ("tokens",)

    @staticmethod
    def load(
        name: str,
        data_dir: str | Path | None = None,
        download: bool = False,
        tokens: str = "characters",
    ) -> Text:
        """As `minihash.data.load_text`. Raises ValueError for a data set that is no text."""
        if name in datasets.NAMES:
            known = ", ".join(datasets.TEXTS)
            raise ValueError(f"{name} is no text: name {known}, or a text file, by --dataset")
        return datasets.load_text(name, data_dir, download, tokens)

    def reload(self, name: str, *places: Any, **options: Any) -> Text:
        """As `load`, in this model's tokens."""
        return self.load(name, *places, tokens=self.tokens, **options)

    @classmethod
    def choices(cls, config: "Config", data: Text) -> dict[str, object]:
        """The network on the characters of the text."""
        known = data.vocabulary
        return {
            "network": config.network(len(known)),
            "vocabulary": tuple(map(ord, known)) if isinstance(known, str) else tuple(known),
            "length": config.length,
            "tokens": "characters" if isinstance(known, str) else "bytes",
        }

    @property
    def token(self) -> str:
        """What it reads and writes: a "character" or a "byte". A byte of ASCII is a character."""
        of_bytes = self.tokens == "bytes" and max(self.vocabulary) >= ASCII
        return "byte" if of_bytes else "character"

    @property
    def UNIT(self) -> str:
        """What is held out."""
        return f"held-out {self.token}s"

    @property
    def language(self) -> LanguageModel:
        """The network, to be read character by character."""
        embedding, *recurrent, output = self.network.layers
        return LanguageModel(embedding, tuple(recurrent), output)

    @property
    def alphabet(self) -> Text:
        """A text of no characters, to encode and decode."""
        known = self.vocabulary
        vocabulary = bytes(known) if self.tokens == "bytes" else "".join(map(chr, known))
        return Text(self.dataset, np.empty(0), np.empty(0), vocabulary)

    def check(self, data: Text) -> None:
        """Raises ValueError if too little is held out, or holds what is not in the vocabulary."""
        self._held_out(data)

    def _held_out(self, data: Text) -> np.ndarray:
        """The tokens to test with."""
        if len(data.validation) < HELD_OUT:
            raise ValueError(
                f"the last tenth of {data.name} has {counted(len(data.validation), self.token)}, "
                "too few to test with: give a longer text"
            )
        return self.alphabet.encode(data.decode(data.validation))

    def validate(self) -> None:
        """Raises ValueError unless its layers are a language model on its vocabulary."""
        if not isinstance(self.vocabulary, tuple) or type(self.length) is not int:
            raise ValueError("its parts are not those of a language model")
        if self.tokens not in TOKENS:
            raise ValueError(f"its tokens are {str(self.tokens)[:80]!r}")
        known, size = self.alphabet.vocabulary, self.language.embedding.weight.shape[0]
        if len(known) != size or sorted(set(known)) != list(known):
            raise ValueError("its vocabulary does not fit its network")

    def learn(self, state: State, data: Text) -> Iterator[tuple[State, dict]]:
        """Learn what comes next."""
        return language.steps(self.language, self.training, state, data.train, self.length)

    def measure(self, data: Text) -> dict[str, float]:
        """Bits per character, or byte, of the last tenth of the text."""
        bits = language.bits_per_character(self.language, self.params, self._held_out(data))
        return {f"bits_per_{self.token}": bits}

    def count(self, data: Text) -> int:
        """Characters, or bytes, to test with."""
        return len(data.validation)

    def about(self) -> dict[str, object]:
        """The size of its vocabulary."""
        return {"vocabulary": len(self.vocabulary)}

    def write(
        self, prompt: str | None = None, length: int = 500, temperature: float = 1.0, seed: int = 0
    ) -> str:
        """The prompt and `length` characters that go on after it; without a prompt, as after the
        end of a line. Raises as `language.generate` does, and ValueError for a prompt of characters
        that are not in the vocabulary, or parameters that are not finite.
        """
        if not all(np.isfinite(array).all() for array in self.params.values()):
            raise ValueError("the network knows no numbers any more: its training has diverged")
        if prompt is None:
            newline = self.vocabulary.index(10) if 10 in self.vocabulary else 0
            tokens, shown = np.array([newline]), []
        else:
            tokens = shown = self.alphabet.encode(prompt)
        after = language.generate(self.language, self.params, tokens, length, temperature, seed)
        text = self.alphabet.decode([*shown, *after])
        return text.decode("utf-8", "replace") if isinstance(text, bytes) else text
