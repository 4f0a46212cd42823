"""Options of a hash: which they are, and what text they are read from."""

from dataclasses import dataclass

import pytest

from minihash.hashes import HASHES, Uniform
from minihash.hashes.options import BUILT, described, option, options


@dataclass(frozen=True)
class Anything(Uniform):
    """One option of each type."""

    count: int = 3
    share: float = 0.5
    few: bool = False
    limit: int | None = None
    sizes: tuple[int, ...] = (1,)
    name: str = "a"
    table: dict | None = None
    shape: dict = ()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("count", "-12", -12),
        ("share", "12", 12.0),
        ("share", "inf", float("inf")),
        ("few", "true", True),
        ("few", "false", False),
        ("limit", "none", None),
        ("limit", "7", 7),
        ("sizes", "4,5", (4, 5)),
        ("sizes", "4", (4,)),
        ("name", "none", "none"),
        ("table", "none", None),
        ("count", 2.5, 2.5),  # what is no text is the hash's own to refuse
    ],
)
def test_text_is_read_by_the_type_of_the_field(name, text, value):
    found = option(Anything, name, text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("count", "1.5", "the option count of the anything hash must be a whole number, got '1.5'"),
        ("share", "half", "share .* must be a number, got 'half'"),
        ("few", "True", "few .* must be true or false, got 'True'"),
        ("limit", "few", "limit .* must be none or a whole number, got 'few'"),
        ("sizes", "4,", "sizes .* must be whole numbers with commas between them, got '4,'"),
        ("table", "big", "table .* must be none, got 'big'"),
        ("shape", "big", "shape .* must be set in Python, got 'big'"),
        ("buckets", "4", "the anything hash has no option buckets; it has signed, count, share"),
    ],
)
def test_other_text_and_other_names_are_refused_in_one_line(name, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        option(Anything, name, text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", HASHES)
def test_help_shows_every_option_and_none_that_a_network_sets(name):
    cls = HASHES[name]
    assert not set(options(cls)) & set(BUILT)
    shown = described(name, cls)
    assert all(f"{option}=" in shown for option in options(cls))
    assert name in shown and max(map(len, shown.splitlines())) <= 80
