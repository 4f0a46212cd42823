"""Deliberate bugs in layers: in their backward passes, and in the loops of convolution and of the
recurrent layers."""

from tests.mutants.mutant import Mutant

WHOLE = "tests/core/test_direct.py -k on_whole_numbers"
POOLS = "tests/layers/test_pooling.py -k pools_are"
SHAPES = "tests/layers/test_pooling.py -k row_major_and_back"

LAYER_MUTANTS = [
    Mutant(
        "core/numba/direct.py",
        "q = min(v % each * lanes, width - lanes)",
        "q = width - lanes",
        "every vector of a row where its last one is",
        WHOLE,
        jit=True,
    ),
    Mutant(
        "core/numba/direct.py",
        "dK[:, -TALL:] = found[:, -TALL:]",
        "dK[:, -1:] = found[:, -1:]",
        "gradients of the last maps, where their tile would begin if it began no earlier",
        WHOLE,
        jit=True,
    ),
    Mutant(
        "core/numba/direct.py",
        "if dilation == 1 else lanes",
        "if dilation >= 1 else lanes",
        "taps of a row side by side, though they are not neighbours",
        WHOLE,
        jit=True,
    ),
    Mutant(
        "core/numba/direct.py",
        "[..., ::-1, ::-1]",
        "[..., ::-1]",
        "backward, the kernel reversed along one axis only",
        WHOLE,
        jit=True,
    ),
    Mutant(
        "core/numba/direct.py",
        "K.shape[1]) if need_dx else",
        "K.shape[1]) if not need_dx else",
        "tiles for dx of fewer channels than they have rows",
        "tests/core/test_direct.py -k full_vectors_and_several",
    ),
    Mutant(
        "core/numba/convolution.py",
        "straight = direct.suits(x, K, windows, groups, need_dx=False)",
        "straight = False",
        "a gradient whose bits depend on whether dx is wanted",
        "tests/core/test_direct.py -k bits_without_dx",
        jit=True,
    ),
    Mutant(
        "core/numpy.py",
        "if need_dx:\n            dx = spread",
        "if True:\n            dx = spread",
        "a dx that nobody wants",
        "tests/core/test_contract.py -k convolution_is and numpy",
    ),
    Mutant(
        "core/numba/skinny.py",
        "packed[-1] = W[:, -wide:]",
        "packed[-1] = W[:, :wide]",
        "the first columns in the place of the last",
        "tests/layers/test_recurrent_edges.py -k product_in_panels",
        jit=True,
    ),
    Mutant(
        "core/numba/skinny.py",
        "if first >= whole:",
        "if first > whole:",
        "rows that are no whole tile are left out after a whole block",
        "tests/layers/test_recurrent_edges.py -k product_in_panels",
        jit=True,
    ),
    Mutant(
        "layers/pooling.py",
        "in reversed(taps)",
        "in taps",
        "the last of equal entries taken for the largest",
        POOLS,
    ),
    Mutant(
        "layers/pooling.py",
        "dx[inputs] += select(",
        "dx[inputs] = select(",
        "the last window's gradient alone where windows overlap",
        POOLS,
    ),
    Mutant(
        "layers/pooling.py",
        "winners[outputs] == k",
        "winners[outputs] >= k",
        "a gradient for all entries up to the largest",
        POOLS,
    ),
    Mutant(
        "layers/pooling.py",
        "share = dy / len(taps)",
        "share = dy / dy[0].size",
        "a gradient shared by outputs, not by taps",
        POOLS,
    ),
    Mutant(
        "layers/pooling.py",
        "dx[inputs] += share[outputs]",
        "dx[inputs] = share[outputs]",
        "the last window's share alone where windows overlap",
        POOLS,
    ),
    Mutant(
        "layers/pooling.py",
        "dy / math.prod(shape[2:])",
        "dy / shape[2]",
        "a global average over one axis of positions",
        "tests/layers/test_pooling.py -k global_averages",
    ),
    Mutant(
        "layers/losses.py",
        "dlogits[np.arange(len(p)), labels] -= 1",
        "dlogits[:, labels] -= 1",
        "every example charged with the labels of all",
        "tests/layers/test_losses.py -k cross_entropy_is_pytorchs",
    ),
    Mutant(
        "layers/losses.py",
        "error = prediction - target",
        "error = target - prediction",
        "a gradient that leads away from the target",
        "tests/layers/test_losses.py -k squared_error_is_pytorchs",
    ),
    Mutant(
        "layers/dropout.py",
        '"dy of Dropout", shape, dtype), kept)',
        '"dy of Dropout", shape, dtype), None)',
        "a gradient through the entries that were dropped",
        "tests/layers/test_layers.py -k dropout_keeps_what",
    ),
    Mutant(
        "layers/shapes.py",
        '"dy of Flatten", (shape[0], math.prod(shape[1:])), dtype, device=True)\n'
        "        return copied(dy.reshape(shape)), {}",
        '"dy of Flatten", (shape[0], math.prod(shape[1:])), dtype, device=True)\n'
        '        return copied(dy.reshape(shape, order="F")), {}',
        "slopes that go back column by column",
        SHAPES,
    ),
    Mutant(
        "layers/shapes.py",
        '"dy of Reshape", (shape[0], *self.shape), dtype, device=True)\n'
        "        return copied(dy.reshape(shape)), {}",
        '"dy of Reshape", (shape[0], *self.shape), dtype, device=True)\n'
        '        return copied(dy.reshape(shape, order="F")), {}',
        "slopes of images that go back column by column",
        SHAPES,
    ),
]
