"""Deliberate bugs in layers: in their backward passes, and in the loops of convolution and of the
recurrent layers."""

from tests.mutants.mutant import Mutant

WHOLE = "tests/core/test_direct.py -k on_whole_numbers"
TANH = "tests/core/test_loops.py -k ulps"
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
        "core/numba/simd_tanh.py",
        "a = MOST64 if a > MOST64 else a",
        "a = a if a > MOST64 else a",
        "an exponent of 2 that is none",
        TANH,
        jit=True,
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
        "layers/batch_norm.py",
        "dgamma / -n",
        "dgamma / n",
        "the variance's part of dx with the wrong sign",
        "tests/layers/test_batch_norm.py -k training_is",
    ),
    Mutant(
        "layers/batch_norm.py",
        "n, dtype = x_hat.size // self.features, x_hat.dtype",
        "n, dtype = len(x_hat), x_hat.dtype",
        "the backward pass of images divided by the batch alone",
        "tests/layers/test_batch_norm.py -k training_is",
    ),
    Mutant(
        "layers/batch_norm.py",
        "dx = dy * slope",
        "dx = dy * self._wide(r)",
        "gamma left out of the slope in evaluation",
        "tests/layers/test_batch_norm.py -k evaluation_is",
    ),
    Mutant(
        "layers/batch_norm.py",
        "(dgamma.astype(dtype), dbeta.astype(dtype))",
        "(dbeta.astype(dtype), dgamma.astype(dtype))",
        "the gradients of gamma and beta exchanged",
        "tests/layers/test_batch_norm.py -k training_is",
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
        "layers/activations.py",
        "np.subtract(1, dx, out=dx)",
        "np.subtract(dx, 1, out=dx)",
        "the slope of tanh with the wrong sign",
        "tests/layers/test_activations.py -k pytorchs and Tanh",
    ),
    Mutant(
        "layers/activations.py",
        "dx = 1 - y",
        "dx = 1 + y",
        "y (1 + y) for the slope of the sigmoid",
        "tests/layers/test_activations.py -k pytorchs and Sigmoid",
    ),
    Mutant(
        "layers/activations.py",
        "dx = np.minimum(y, 0)",
        "dx = y + 0",
        "a slope of ELU that grows with x",
        "tests/layers/test_activations.py -k pytorchs and ELU",
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
    Mutant(
        "core/numba/loops.py",
        "tanh32 if real == np.float32 else tanh64",
        "tanh32 if real == np.float64 else tanh64",
        "tanh of the other dtype",
        TANH,
        jit=True,
    ),
]
