"""What is left over at the edges: of a batch, at the ends of a network, where options meet."""

from tests.mutants.mutant import Mutant

EDGES = "tests/networks/test_edges.py -k "
EDGE_MUTANTS = [
    Mutant(
        "core/numba/columns.py",
        "    for k in range(len(x)):\n        x_k",
        "    for k in range(max(len(x) - len(x) % 32, 1)):\n        x_k",
        "the bias's gradient without the rest of a batch",
        EDGES + "left_out and Uniform-numba",
    ),
    Mutant(
        "networks/sequential.py",
        "if f.weights() or f.trainable()",
        "if f.weights()",
        "a first layer of batch normalisation without a gradient",
        EDGES + "first_and_the_last and norm",
    ),
    Mutant(
        "training/loop.py",
        "    grads = penalties.add_gradients(training.penalties, state.params, grads)\n"
        "    new, optimiser = training.optimiser.step(",
        "    inner = getattr(training.optimiser, 'optimiser', training.optimiser)\n"
        "    if inner is not training.optimiser:\n"
        "        from minihash.training.optimisers import clip_by_norm\n"
        "        grads = clip_by_norm(grads, training.optimiser.max_norm)[0]\n"
        "    grads = penalties.add_gradients(training.penalties, state.params, grads)\n"
        "    new, optimiser = inner.step(",
        "gradients clipped before those of the penalties are added",
        EDGES + "clipped",
    ),
    Mutant(
        "core/numpy.py",
        'np.einsum("bfp,bfp->f", x, y, dtype=np.float64)',
        'np.einsum("bfp,bfp->f", x, y)',
        "squares of images in float32",
        EDGES + "any_size and numpy",
    ),
    Mutant(
        "core/threads.py",
        'with np.errstate(over="ignore", invalid="ignore"):\n            part()',
        "if True:\n            part()",
        "workers that warn of sums that overflow",
        EDGES + "warn_in_no_thread",
    ),
]
