"""What the help of `minihash train` says of models and hashes: made from those that there are."""

from dataclasses import fields

from minihash.cli import terminal
from minihash.hashes import HASHES
from minihash.hashes.options import described
from minihash.runs.config import Config
from minihash.runs.kinds import KINDS
from minihash.runs.writer import Writer
from minihash.sharing import METHODS


def models() -> str:
    """Every choice of --model, those of text apart.

    >>> models()
    'mlp, cnn, autoencoder; of text: rnn, gru, lstm'
    """
    text = [name for name in KINDS if _label(name) == "text"]
    return f"{', '.join(name for name in KINDS if name not in text)}; of text: {', '.join(text)}"


def _label(model: str) -> str:
    return "text" if issubclass(KINDS[model].model, Writer) else model


def hashes() -> str:
    """Every choice of --hash and its options, a paragraph each."""
    known = [(name, cls) for name, cls in HASHES.items() if cls.by_size]
    lines = [described(name, cls, terminal.width()) for name, cls in known]
    return "\n".join(["hashes, and what --hash-option takes for each:", *lines])


def methods() -> tuple[str, str]:
    """Every choice of --method, and a paragraph with its options for each."""
    lines = [described(name, cls, terminal.width()) for name, cls in METHODS.items()]
    text = "\n".join(["methods, and what --option takes for each:", *lines])
    return f"{', '.join(METHODS)} (codebook)", text


def defaults(name: str) -> str:
    """In brackets, the default of a choice; after it those of other models, if they differ.

    >>> defaults("lr"), defaults("seed"), defaults("channels"), defaults("quiet")
    (' (0.1; text 0.005; autoencoder 0.003)', ' (0)', ' (16,32)', '')
    """
    of_all = {field.name: field.default for field in fields(Config)}
    own = {model: kind.choices.get(name, of_all.get(name)) for model, kind in KINDS.items()}
    parts: dict[str, str] = {}  # what is shown -> the model that it is the default of
    for model, value in own.items():
        if (text := _written(value)) not in ("", *parts):
            parts[text] = f"{_label(model)} {text}" if parts else text
    return f" ({'; '.join(parts.values())})" if parts else ""


def _written(value: object) -> str:
    """A default as it is typed; nothing where there is none, or a flag is not set."""
    if value is None or value is False or value == ():
        return ""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
