"""Models of text: the next character, given all before (language_model.py,
language.py).

Characters are bytes. The vocabulary is that of the text it was trained on; another text can be read
if all its bytes are in there.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from minihash import data as datasets
from minihash.data import Text
from minihash.networks.language_model import LanguageModel
from minihash.runs.model import Model
from minihash.training import State, language

if TYPE_CHECKING:
    from minihash.runs.config import Config

HELD_OUT = 2  # characters that bits per character takes at least


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Writer(Model):
    """A language model. vocabulary: its bytes, increasing. length: characters a training step."""

    vocabulary: tuple[int, ...]
    length: int

    METRICS: ClassVar = {"bits_per_character": ("bits per character", "")}
    SHORT: ClassVar[str] = "bits"
    UNIT: ClassVar[str] = "held-out characters"

    @staticmethod
    def load(name: str, data_dir: str | Path | None = None, download: bool = False) -> Text:
        """As `minihash.data.load_text`. Raises ValueError for a data set that is no text."""
        if name in datasets.NAMES:
            known = ", ".join(datasets.TEXTS)
            raise ValueError(f"{name} is no text: name {known}, or a text file, by --dataset")
        return datasets.load_text(name, data_dir, download)

    @classmethod
    def choices(cls, config: "Config", data: Text) -> dict[str, object]:
        """The network on the bytes of the text."""
        network, vocabulary = config.network(len(data.vocabulary)), tuple(data.vocabulary)
        return {"network": network, "vocabulary": vocabulary, "length": config.length}

    @property
    def language(self) -> LanguageModel:
        """The network, to be read character by character."""
        embedding, *recurrent, output = self.network.layers
        return LanguageModel(embedding, tuple(recurrent), output)

    @property
    def alphabet(self) -> Text:
        """A text of no characters, to encode and decode."""
        none = np.empty(0, np.uint8)
        return Text(self.dataset, none, none, bytes(self.vocabulary))

    def check(self, data: Text) -> None:
        """Raises ValueError if too little is held out, or holds what is not in the vocabulary."""
        self._held_out(data)

    def _held_out(self, data: Text) -> np.ndarray:
        """The tokens to test with."""
        if len(data.validation) < HELD_OUT:
            raise ValueError(
                f"the last tenth of {data.name} has {len(data.validation)} characters, too few to "
                "test with: give a longer text"
            )
        return self.alphabet.encode(data.decode(data.validation))

    def validate(self) -> None:
        """Raises ValueError unless its layers are a language model on its vocabulary."""
        if not isinstance(self.vocabulary, tuple) or type(self.length) is not int:
            raise ValueError("its parts are not those of a language model")
        known, size = bytes(self.vocabulary), self.language.embedding.weight.shape[0]
        if len(known) != size or bytes(sorted(set(known))) != known:
            raise ValueError("its vocabulary does not fit its network")

    def learn(self, state: State, data: Text) -> Iterator[tuple[State, dict]]:
        """Learn what comes next."""
        return language.steps(self.language, self.training, state, data.train, self.length)

    def measure(self, data: Text) -> dict[str, float]:
        """Bits per character of the last tenth of the text."""
        bits = language.bits_per_character(self.language, self.params, self._held_out(data))
        return {"bits_per_character": bits}

    def count(self, data: Text) -> int:
        """Characters to test with."""
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
        newline = 10 if 10 in self.vocabulary else self.vocabulary[0]
        before = bytes([newline]) if prompt is None else os.fsencode(prompt)
        tokens = self.alphabet.encode(before)
        after = language.generate(self.language, self.params, tokens, length, temperature, seed)
        shown = b"" if prompt is None else before
        return (shown + self.alphabet.decode(after)).decode("utf-8", "replace")
