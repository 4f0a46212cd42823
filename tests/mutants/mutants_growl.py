"""Deliberate bugs in GrOWL: its proximal step, affinity propagation, ties."""

from tests.mutants.mutant import Mutant

GROWL_MUTANTS = [
    Mutant(
        "training/sorted_norms.py",
        "    while (rises",
        "    if (rises",
        "one pass of pooling, as a published package had it",
        "tests/training/test_sorted_norms.py -k one_pass",
    ),
    Mutant(
        "training/sorted_norms.py",
        "x[order] = np.maximum(",
        "x[:] = np.maximum(",
        "new norms left in the order of the sort",
        "tests/training/test_sorted_norms.py -k certificate",
    ),
    Mutant(
        "training/sorted_norms.py",
        "        if norms.any() and not left.any():",
        "        if not left.all():",
        "a step refused as soon as it kills one input",
        "tests/training/test_sorted_norms.py -k one_survivor",
    ),
    Mutant(
        "sharing/affinity.py",
        "R[every, best] = S[every, best] - total.max(axis=1)",
        "R[every, best] = S[every, best] - largest",
        "an exemplar compared with itself, not with the next best",
        "tests/sharing/test_affinity.py -k is_the_loop",
    ),
    Mutant(
        "sharing/affinity.py",
        "WINDOW, TILT = 7.5, 1e-9",
        "WINDOW, TILT = 7.5, 0.0",
        "points that are exactly alike left to chance",
        "tests/sharing/test_affinity.py -k are_alike",
    ),
    Mutant(
        "sharing/growl.py",
        "np.maximum.outer(squares, squares)",
        "np.outer(norms[left], norms[left])",
        "the cosine for the similarity, whatever the norms are",
        "tests/sharing/test_growl.py -k those_of_the_loops",
    ),
    Mutant(
        "sharing/growl.py",
        "if w.table in left and name not in chosen:",
        "if False:",
        "the one table kept whole for the layers that are not tied",
        "tests/sharing/test_growl.py -k the_stages",
    ),
]
