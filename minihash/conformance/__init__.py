"""Whether another implementation computes what the specification says.

    cases.py      the known-answer cases: files of reference/vectors, which are in the package
    compare.py    an answer beside the right one: the first entry that is off, and by how much
    engine.py     the answers of minihash itself
    program.py    the answers of a program of any language, by lines of JSON
    arrays.py     those of another implementation beside those of a virtual weight

Nothing here is asked of a test framework: `minihash selftest` runs on any machine.
"""

from minihash.conformance.arrays import check
from minihash.conformance.cases import LEVELS, Case, cases
from minihash.conformance.compare import difference
from minihash.conformance.report import Report, ask

__all__ = ["LEVELS", "Case", "Report", "ask", "cases", "check", "difference"]
