"""A parser that raises: who called says what is wrong, in one line."""

import argparse
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """A parser that raises what it has to say. complete: called once before its help is shown."""

    complete: Callable[[], None] | None = None

    def __init__(self, **options: object) -> None:
        super().__init__(allow_abbrev=False, **options)

    def format_help(self) -> str:
        if self.complete is not None:
            complete, self.complete = self.complete, None
            complete()
        return super().format_help()

    def parse_known_args(
        self, args: Sequence[str] | None = None, namespace: object = None
    ) -> tuple:
        """Refuse here what is not known: the command's own parser knows its options and its help,
        and the one above it would not."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            flags = [text.partition("=")[0] for text in unknown if text.startswith("-")]
            near = [match for flag in flags for match in get_close_matches(flag, self.flags, 1)]
            hint = f": did you mean {', '.join(near)}?" if near else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return found, unknown

    @property
    def flags(self) -> list[str]:
        """All that it takes."""
        return [flag for action in self._actions for flag in action.option_strings]

    def error(self, message: str) -> NoReturn:
        text = message.removeprefix("argument ")
        raise ValueError(f"{text}; see {self.prog} --help")
