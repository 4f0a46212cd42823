"""Deliberate bugs where images and sequences are met: the cells' equations, convolution, and the
loops of both backends."""

from tests.mutants.mutant import Mutant

PYTORCH = "tests/layers/test_recurrent.py -k test_it_is_pytorch and numpy"
TRUNCATED = "tests/layers/test_recurrent.py -k truncated_it_is and numpy"
COMPILED = "tests/layers/test_recurrent.py -k test_it_is_pytorch and mixed"
WHOLE = "tests/layers/test_recurrent.py -k whole_numbers and numpy"
LAYER = "tests/layers/test_conv.py -k dense_under_its_toeplitz and numpy"
LOOPS = "tests/core/test_contract.py -k its_loops_to_the_bit"
DOOR = "tests/core/test_contract.py -k refused_before"

CELLS = [
    (
        "lstm",
        "c = f * state[1] + i * g",
        "c = f * state[1] + i",
        "the candidate forgotten",
        PYTORCH,
    ),
    ("lstm", "dc + dh * o * (one - t * t)", "dh * o * (one - t * t)", "dc of later steps", PYTORCH),
    ("lstm", "dc + dh * o * (one - t * t)", "dc + dh * o", "no slope of tanh(c)", PYTORCH),
    (
        "lstm",
        "dc * g, dc * before[1], dc * i, dh * t",
        "dc * i, dc * before[1], dc * g, dh * t",
        "input gate and candidate exchanged backward",
        PYTORCH,
    ),
    ("lstm", "dg * (one - g * g)", "dg * (g * (one - g))", "a sigmoid's slope for tanh's", PYTORCH),
    ("lstm", "(zero, dc * f)", "(zero, dc)", "the forget gate left out on the way back", PYTORCH),
    ("gru", "a[2] + r * p[2]", "r * (a[2] + p[2])", "the reset gate on the input, too", PYTORCH),
    ("gru", "(dr, dz, dn * r)", "(dr, dz, dn)", "dp without the reset gate", PYTORCH),
    ("gru", "dr = dn * p_n *", "dr = dn *", "the reset gate's own input", PYTORCH),
    ("gru", "(before[0] - n)", "(n - before[0])", "the update gate's sign", PYTORCH),
    ("gru", "(dh * z,)", "(dh * (one - z),)", "what the update gate lets through", PYTORCH),
    ("rnn", "(one - h * h)", "(one - h)", "the slope of another function", PYTORCH),
    ("rnn", "kept[0] <= zero", "kept[0] < zero", "a gradient where ReLU is 0", WHOLE),
]
NUMPY = [
    ("inside[:, t, None]\n            a, r", "inside[:, -1, None]\n            a, r", PYTORCH),
    ("np.where(own, np.hstack(of_r), zero)", "np.hstack(of_r)", PYTORCH),
    ("direct[0] + dr[:, t] @ V_hh", "direct[0] + da[:, t] @ V_hh", PYTORCH),
    ("t % cell.truncate == 0", "t % cell.truncate == 1", TRUNCATED),
    ("x = np.where(inside[..., None], x, x.dtype.type(0))", "x = x + 0", PYTORCH),
    ("dr.T @ h, column_sum(da)", "da.T @ h, column_sum(da)", PYTORCH),
    ("dx.swapaxes(0, 1)[(..., *inputs)] += dX", "dx.swapaxes(0, 1)[(..., *inputs)] = dX", LAYER),
    ("dK = dY @ patches", "dK = dY * 0 + 1 @ patches", LAYER),
    ("y + B[:, None, None, None]", "y + B[0]", LAYER),
]

ARRAY_MUTANTS = [
    *(Mutant(f"layers/{file}.py", *rest) for file, *rest in CELLS),
    *(
        Mutant("core/numpy.py", old, new, f"of the normative loops: {new.splitlines()[0]}", test)
        for old, new, test in NUMPY
    ),
    Mutant(
        "layers/convolution.py",
        "core.add(grads[b.table], db) if b.table in grads else db",
        "db",
        "a bias that shares its kernel's table takes its gradient's place",
        "tests/layers/test_conv.py -k dense_under",
    ),
    Mutant(
        "layers/convolution.py",
        "core.scatter_add(dK, w)",
        "core.scatter_add(dK[::-1].copy(), w)",
        "output channels in reverse",
        LAYER,
    ),
    Mutant(
        "layers/recurrent.py",
        "core.add(grads[w.table], dtable) if w.table in grads else dtable",
        "dtable",
        "of weights that share a table, the gradient of the last alone",
        PYTORCH,
    ),
    Mutant(
        "layers/unrolled.py",
        "(dstates[0] + dy[:, t], *dstates[1:])",
        "(dstates[0] + dy[:, 0], *dstates[1:])",
        "the first step's dy at every step",
        "tests/layers/test_unrolled.py",
    ),
    Mutant(
        "core/numba/recurrence.py",
        "for k in range(len(states)):",
        "for k in range(1):",
        "the second state of a sequence that has ended goes on",
        COMPILED,
    ),
    Mutant(
        "core/numba/recurrence.py",
        "t > 0 and truncate > 0 and t % truncate == 0",
        "truncate > 0 and t % truncate == 0",
        "no gradient of the first state",
        "tests/layers/test_recurrent.py -k truncated_it_is and mixed",
    ),
    Mutant(
        "core/numba/recurrence.py",
        "inputs[t, b, features + c] = states[0, t, b, c]",
        "inputs[t, b, features + c] = states[0, t + 1, b, c]",
        "dV_hh meets the state after the step",
        COMPILED,
    ),
    Mutant(
        "core/numba/cells.py",
        "da[t, r, 1, c] = dstate[1, r, c] * states[1, t, r, c] * (f * (one - f))",
        "da[t, r, 1, c] = dstate[1, r, c] * states[1, t + 1, r, c] * (f * (one - f))",
        "the LSTM's forget gate meets the state after the step",
        COMPILED,
    ),
    Mutant(
        "core/numba/cells.py",
        "dp[t, r, 2, c] = da[t, r, 2, c] * reset",
        "dp[t, r, 2, c] = da[t, r, 2, c]",
        "the GRU's dp without the reset gate",
        COMPILED,
    ),
    Mutant(
        "core/numba/convolution.py",
        "dK += more_K",
        "dK = more_K",
        "the gradient of the last part of the images alone",
        "tests/layers/test_conv.py -k dense_under and mixed",
    ),
    Mutant(
        "core/numba/patches.py",
        "target[k * stride[1]] += source[k]",
        "target[k * stride[1]] = source[k]",
        "where windows overlap, the last one's gradient alone",
        "tests/layers/test_conv.py -k dense_under and mixed",
    ),
    Mutant(
        "core/numba/patches.py",
        "plane[r * stride[0] + i * dilation[0], j * dilation[1] :]\n"
        "                        target = line",
        "plane[r * stride[0] + i * dilation[1], j * dilation[0] :]\n"
        "                        target = line",
        "the dilations of the axes exchanged",
        LOOPS,
    ),
    Mutant(
        "core/door.py",
        "if len(K) % groups:",
        "if len(K) % groups > 1:",
        "out channels that are no multiple of the groups",
        DOOR,
    ),
    Mutant(
        "core/door.py",
        'if type(x) is not np.ndarray and on_device(x) and not getattr(module, "DEVICE", False):',
        "if False:",
        "a device array that comes back as an array of the host",
        "tests/core/test_contract.py -k cannot_read",
    ),
    Mutant(
        "core/arrays.py",
        "shape = (len(x), len(K), *windows.outputs(x.shape[2:]))",
        "shape = (len(x), len(K), None, None)",
        "a dy that is larger than y",
        DOOR,
    ),
    Mutant(
        "core/virtual.py",
        'b = floats(b, "b", w.shape[:1], module, table.dtype)',
        'b = floats(b, "b", None, module, table.dtype)',
        "a bias of any shape",
        DOOR,
    ),
    Mutant(
        "core/registry.py",
        'for f in (*OPERATIONS, "available")',
        "for f in OPERATIONS[:1]",
        "a backend of one operation",
        "tests/core/test_contract.py -k from_outside",
    ),
]
