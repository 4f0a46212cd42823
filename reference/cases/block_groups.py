"""The vectors of the hashes by blocks."""

from typing import Any

from reference.cases.hash_groups import LAST, OF_HASHES, group, spec
from reference.cases.stream_groups import IDENTIFIERS

RELEASED = (2038074743, 634329019, 1825252241, 871205356)  # of seed 1024, that code's default


def documents() -> dict[str, dict[str, Any]]:
    """The files of this module by name.

    >>> documents()["robe"]["section"]
    '3. Hashes'
    """
    groups = {
        "blocks": blocks_groups(),
        "robe": robe_groups(),
        "roast": roast_groups(),
    }
    return {name: OF_HASHES | {"groups": found} for name, found in groups.items()}


def blocks_groups() -> list[dict[str, Any]]:
    """Groups of blocks.json.

    >>> blocks_groups()[0]["buckets"]
    [3, 4, 5, 0, 1, 2, 3, 4, 5]
    """
    fields: dict[str, Any] = {"buckets": 6, "size": 3, "assignment": [1, 0, 1]}
    signed = spec("Blocks", **fields, signs=[-1, 0, 1])
    single = spec("Blocks", buckets=5, size=1, assignment=[4, 0, 2])
    return [
        group("a block as the bucket", spec("Blocks", **fields), range(9)),
        group("a sign an identifier, not a block", signed, range(9)),
        group("blocks of one that are not a look-up", single, range(3)),
    ]


def robe_groups() -> list[dict[str, Any]]:
    """Groups of robe.json.

    >>> robe_groups()[0]["buckets"][:4]
    [0, 1, 2, 3]
    """

    def of(catches: str, buckets: int, **fields: Any) -> dict[str, Any]:
        last = 2**31 * (fields.get("row") or fields["block"]) - 1
        ids = [*range(70), *(i for i in IDENTIFIERS if 70 <= i < last), last]
        return group(catches, spec("Robe", buckets=buckets, **fields), ids)

    return [
        of("a table of one window", 8, block=8),
        of("windows that end before the table's last entry", 9, block=8, seed=1),
        of("the released random numbers", 100_000, block=16, row=64, numbers=list(RELEASED)),
        of("rows that end within a block", 1000, block=8, row=20, seed=LAST),
        of("products in 32 bits", 2**31 - 1, block=32, seed=2),
        of("a small P", 97, block=2, numbers=[45007, 45006, 45006, 45006]),
        of("a sign an identifier, not a run", 50, block=8, row=12, seed=3, signed=True),
    ]


def roast_groups() -> list[dict[str, Any]]:
    """Groups of roast.json.

    >>> roast_groups()[0]["identifiers"][-1] == 2**34 - 1
    True
    """

    def of(catches: str, buckets: int, columns: int, **fields: Any) -> dict[str, Any]:
        last = 2**31 * columns - 1
        ids = [*range(96), *(i for i in IDENTIFIERS if 96 <= i < last), last]
        fields |= {"buckets": buckets, "columns": columns}
        return group(catches, spec("Roast", **fields), ids)

    numbers = [45007, 12345, 23456, 34567]
    return [
        of("height and width exchanged", 100, 8, tile=[2, 4]),
        of("the released numbers of RzLinear", 5000, 64, tile=[32, 32], numbers=numbers),
        of("one window more, as ROBE has", 33, 16, tile=[2, 16], seed=1),
        of("tiles that are cut at the edge", 500, 10, tile=[3, 4], seed=LAST),
        of("a tile wider than the matrix", 500, 5, tile=[4, 16]),
        of("a sign a tile, not a run", 500, 12, tile=[4, 4], seed=5, signed=True),
    ]
