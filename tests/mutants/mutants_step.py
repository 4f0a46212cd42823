"""Deliberate bugs in what a training step is made of: products and the BLAS in them, entries and
normalisation, workers and how they wait."""

from tests.mutants.mutant import Mutant

CUT = (
    "tests/core/test_core.py::test_no_cut_and_no_thread_count_changes_integer_results"
    "[wide-{}-float64]"
)
UNIFORM, MODULUS = CUT.format("uniform"), CUT.format("modulus")
VIEW = "tests/weights/test_views.py -k no_cut and wide and uniform-signed"
HOWEVER = "tests/core/test_blas.py -k however and float64"
ENTRIES = "tests/core/test_each.py -k body_of_whole and numba"
WHOLE = "tests/core/test_each.py -k whole_numbers_normalise and numba"
WHOLE_STEP = "tests/core/test_perceptron.py -k bits_of and uniform-0.9"
APART = WHOLE_STEP.replace("uniform", "identity")
BY_LAYER = WHOLE_STEP.replace("uniform", "layer")
LEFT = "tests/core/test_perceptron.py -k computed_by_layers and "
CONFIDENT = "tests/core/test_contract.py -k cross_entropy and numba"
IMAGES = "tests/core/test_each.py -k whole_numbers_normalise and numpy"
THREADS = "tests/core/test_threads.py -k "
SIGNALS = "tests/core/test_signals.py -k "
STEADY = "tests/core/test_steady.py -k change_of"
ULPS = "tests/core/test_loops.py -k ulps and "
PYTORCH = "tests/layers/test_activations.py -k pytorchs and "
FORWARD = "product(x[:, left:right], V.T, y[:, start:stop], left > 0)"
BACKWARD = "product(some_dy, V, dx[:, start:stop], left > 0)"

# File, what it is, what it becomes, the mistake, the test.
PLAIN = [
    # A whole step.
    ("phases", "z_k[c] += b[c]", "z_k[c] = b[c]", "a bias for the sum", WHOLE_STEP),
    ("phases", "        clear(mean)\n", "", "means on what memory held", WHOLE_STEP),
    (
        "phases",
        "        clear(sums)\n        normalise_back",
        "        normalise_back",
        "sums of before",
        WHOLE_STEP,
    ),
    (
        "phases",
        "                    clear(dtable)\n",
        "",
        "a table on what memory held",
        WHOLE_STEP,
    ),
    (
        "phases",
        "range(part, last, max(step, 1))",
        "range(part, part + 1)",
        "a part a table",
        WHOLE_STEP,
    ),
    ("phases", "if more:", "if not more:", "the last reader's gradient alone", WHOLE_STEP),
    ("phases", "clear(half(tables[:size], part))", "pass", "gradients of the step before", APART),
    (
        "phases",
        "right[0] += best == labels[k]",
        "right[0] += labels[k]",
        "not how many are right",
        WHOLE_STEP,
    ),
    ("phases", " / real(len(y))", "", "the gradient of the sum", WHOLE_STEP),
    ("phases", "if row else 1.0", "", "the unbiased mean", WHOLE_STEP),
    ("phases", "(1 - m)", "m", "the old statistics as little as the new", WHOLE_STEP),
    ("phases", "real(momentum) * v[c]", "v[c]", "no friction", WHOLE_STEP),
    ("perceptron", "above = any(", "above = not any(", "a table cleared for each reader", BY_LAYER),
    (
        "perceptron",
        "(phases.FORWARD, layer, net.counts[layer, 0])",
        "(phases.FORWARD, layer, 1)",
        "the first rows alone",
        WHOLE_STEP,
    ),
    (
        "perceptron",
        "distinct(w) == w.shape",
        "True",
        "rows that repeat, multiplied apart",
        LEFT + "repeat",
    ),
    ("perceptron", " and not w.transposed", "", "a view taken for a weight", LEFT + "view"),
    (
        "perceptron",
        "same_arrays(params, self.last[0]) and same_arrays(velocity, self.last[1])",
        "self.last[0]",
        "its own last numbers for those given",
        "tests/core/test_perceptron.py -k elsewhere",
    ),
    (
        "perceptron",
        " and all(map(is_, some.values(), others.values()))",
        "",
        "its own last numbers for those that took their places",
        "tests/core/test_perceptron.py -k elsewhere",
    ),
    (
        "losses",
        "top = larger(top, y[k, c])",
        "top = y[k, c]",
        "the last logit for the largest",
        CONFIDENT,
    ),
    (
        "losses",
        "np.log(total) - z[k, labels[k]]",
        "np.log(total)",
        "the same loss for any label",
        CONFIDENT,
    ),
    ("products", FORWARD, FORWARD.replace("left > 0", "True"), "sums on what memory held", UNIFORM),
    ("products", BACKWARD, BACKWARD.replace("left > 0", "False"), "the last rows alone", UNIFORM),
    ("products", "U64(rows[0] + r)", "U64(r)", "the first rows in every tile", UNIFORM),
    ("products", " + U64(columns[0])", "", "the first columns in every tile", UNIFORM),
    ("products", "U64(max(w.strides))", "U64(shape[1])", "rows as far apart as count", MODULUS),
    (
        "products",
        "ids(weight, start, stop, left, right, not transposed)",
        "ids(weight, start, stop, left, right, True)",
        "the tile of a view where that of the weight lies",
        VIEW,
    ),
    (
        "products",
        "(some_x, some_dy) if transposed else (some_dy, some_x)",
        "(some_dy, some_x)",
        "dV of a view not transposed",
        VIEW,
    ),
    (
        "products",
        " or kept[0].size < plan.tile or kept[2].size < plan.words",
        "",
        "memory for the tiles of the first weight alone",
        UNIFORM,
    ),
    (
        "products",
        "y, tables = np.empty((len(x), shape[0]), table.dtype), ",
        'y = OWN.__dict__.setdefault("y", np.empty((len(x), shape[0]), table.dtype))\n'
        "    tables = ",
        "an output that the next call overwrites",
        "tests/core/test_core_edges.py -k freshly_allocated and numba",
    ),
    (
        "products",
        "        if not trusted(w.hash):\n",
        "        if False:\n",
        "a plan with a hash on trust",
        "tests/core/test_guard.py -k leaves_the_table and OneTooMany and matmul",
    ),
    ("blas", "if not more:", "if more:", "without a BLAS, sums on what memory held", UNIFORM),
    ("blas", "range(a.shape[1])", "range(a.shape[1] - 1)", "a factor left out", UNIFORM),
    ("each", "f(x[k], z[k])", "f(z[k], x[k])", "the arrays exchanged", ENTRIES),
    (
        "each",
        "blocks(y.size, ENTRIES)",
        "blocks(y.size - 1, ENTRIES)",
        "the last entry left out",
        "tests/core/test_each.py -k cut_into_parts",
    ),
    (
        "columns",
        "sums[c] += x_k[c]",
        "sums[c] = x_k[c]",
        "the last row for the sum",
        "tests/core/test_contract.py -k sums_are_exact and numba",
    ),
    ("columns", "mean[c] += x_k[c]", "mean[c] = x_k[c]", "the last row for the mean", WHOLE),
    ("columns", "var[c] /= rows", "var[c] /= rows - 1", "the unbiased variance", WHOLE),
    ("columns", " * gamma[c] + beta[c]", " * gamma[c]", "no beta", WHOLE),
    ("columns", "dots[c] / -rows", "dots[c] / rows", "the variance's part, its sign", WHOLE),
    ("columns", " - dbeta[c]) * slope", ") * slope", "the mean taken for a constant", WHOLE),
    ("columns", "gamma[c] * r[c]", "r[c]", "gamma left out of the slope", WHOLE),
    ("columns", "if known:", "if not known:", "training and evaluation exchanged", WHOLE),
    (
        "columns",
        "= dots[c], sums[c]",
        "= sums[c], dots[c]",
        "gradients exchanged",
        WHOLE,
    ),
]
COMPILED = [
    (
        "columns",
        "np.array(known)",
        "known",
        "a mean that may not be written",
        "tests/core/test_each.py -k normalisation_is and numba",
    ),
    ("blas", "real(more)", "real(1)", "a product on top of what memory held", HOWEVER),
    ("blas", "max(c.strides[0] // c.itemsize, columns)", "columns", "rows that touch", HOWEVER),
    (
        "simd",
        "reduced64(-MOST64 if y < -MOST64 else y)",
        "reduced64(y)",
        "an exponent of 2 that is none",
        ULPS + "tanh and float64",
    ),
    (
        "simd",
        "reduced32(-LAST32 if y < -LAST32 else y)",
        "reduced32(y)",
        "a power of 2 that is none",
        ULPS + "exp and float32",
    ),
    ("loops", "simd.expm1_64", "simd.expm1_32", "the other dtype's", ULPS + "expm1 and float64"),
]

STEP_MUTANTS = [
    Mutant(
        "core/perceptron.py",
        "get_backend(backend)",
        'get_backend("numba")',
        "steps of another backend than the one in use",
        "tests/core/test_perceptron.py -k without_whole",
    ),
    Mutant(
        "training/whole.py",
        "sgd.weight_decay or ",
        "",
        "a step without the weight decay asked for",
        LEFT + "decay",
    ),
    Mutant(
        "training/whole.py",
        "elif last is None or last.norm:",
        "elif last is None:",
        "the second of two norms for both",
        LEFT + "norms",
    ),
    *(Mutant(f"core/numba/{file}.py", *rest) for file, *rest in PLAIN),
    *(Mutant(f"core/numba/{file}.py", *rest, jit=True) for file, *rest in COMPILED),
    Mutant(
        "core/numpy.py",
        "return len(x) * math.prod(x.shape[2:])",
        "return len(x)",
        "images divided by the batch alone",
        IMAGES,
    ),
    Mutant(
        "core/numpy.py",
        "dx -= (dbeta / n)",
        "dx += (dbeta / n)",
        "the mean's part of dx with the wrong sign",
        IMAGES,
    ),
    Mutant(
        "core/numpy.py",
        "y = np.empty_like(arrays[0])",
        "y = arrays[0]",
        "an input that is overwritten",
        "tests/core/test_each.py -k makes_a_copy and numpy",
    ),
    Mutant(
        "layers/batch_norm.py",
        "known=batch is None",
        "known=False",
        "evaluation with the slope of training",
        "tests/layers/test_batch_norm.py -k evaluation_is",
    ),
    Mutant(
        "layers/batch_norm.py",
        "n = x_hat.size // self.features",
        "n = len(x_hat)",
        "running statistics of images by the batch alone",
        "tests/layers/test_batch_norm.py -k running_statistics_follow",
    ),
    Mutant(
        "layers/activations.py",
        "(one - y * y) * dy",
        "(y * y - one) * dy",
        "the slope of tanh with the wrong sign",
        PYTORCH + "Tanh",
    ),
    Mutant(
        "layers/activations.py",
        "(one - y) * y * dy",
        "(one + y) * y * dy",
        "y (1 + y) for the slope of the sigmoid",
        PYTORCH + "Sigmoid",
    ),
    Mutant(
        "layers/activations.py",
        "(smaller(y, zero) + one) * dy",
        "(y + one) * dy",
        "a slope of ELU that grows with x",
        PYTORCH + "ELU",
    ),
    Mutant(
        "layers/activations.py",
        "choose(y <= zero, zero, dy)",
        "choose(y < zero, zero, dy)",
        "a gradient that passes where ReLU is 0",
        PYTORCH + "ReLU",
    ),
    Mutant(
        "weights.py",
        "return {field.name: getattr(self, field.name) for field in fields(self)}",
        "return self.__dict__",
        "copies that hold what is derived",
        "tests/weights/test_weights.py -k derived",
    ),
    Mutant(
        "weights.py",
        "if key not in kept:",
        "if not kept:",
        "what was derived first, and nothing else",
        "tests/weights/test_weights.py -k derived",
    ),
    Mutant(
        "core/signals.py",
        "self.condition.wait_for(lambda: self.count[0] >= count)",
        "self.condition.wait(0.001)",
        "any waking taken for the signal",
        SIGNALS + "last_of_several",
    ),
    Mutant(
        "core/signals.py",
        "if seen[0] >= count:",
        "if seen[0] > count:",
        "a signal that is waited for beyond its time",
        SIGNALS + "callers_core",
    ),
    Mutant(
        "core/signals.py",
        "if 0 <= core() == sent[1]:",
        "if False:",
        "two threads that look by turns on one core",
        SIGNALS + "callers_core",
    ),
    Mutant(
        "core/threads.py",
        "self.context.run(self.work)",
        "self.work()",
        "workers that take the default backend",
        THREADS + "take_the_backend",
    ),
    Mutant(
        "core/threads.py",
        "            raise job.error\n",
        "            pass\n",
        "an error in a worker lost",
        THREADS + "error_of_a_worker",
    ),
    Mutant(
        "core/threads.py",
        "            _idle.extend(workers)\n",
        "",
        "a new worker for every call",
        THREADS + "comes_late",
    ),
    Mutant(
        "core/threads.py",
        "min(count, get_threads() - 1 - _busy)",
        "count",
        "as many workers as every caller wants",
        THREADS + "all_callers",
    ),
    Mutant(
        "core/registry.py",
        "settled.set(get_threads())",
        "settled.set(None)",
        "the environment asked again within a step",
        STEADY,
    ),
    Mutant(
        "core/registry.py",
        "        settled.reset(self.threads)\n",
        "",
        "what was settled for a step settled for ever",
        STEADY,
    ),
    Mutant(
        "checks.py",
        "return same and fits(x.shape, shape)",
        "return fits(x.shape, shape)",
        "two dtypes that meet on the quick way",
        "tests/core/test_door.py -k rest_is_refused",
    ),
    Mutant(
        "checks.py",
        "same and fits(x.shape, shape) and x.flags.c_contiguous",
        "same and fits(x.shape, shape)",
        "strides handed to a kernel on the quick way",
        "tests/core/test_door.py -k converted",
    ),
    Mutant(
        "checks.py",
        "((have := x.dtype) is F4 or have is F8)",
        "(have := x.dtype) in FLOATS",
        "byte order handed to a kernel on the quick way",
        "tests/core/test_door.py -k converted",
    ),
    Mutant(
        "checks.py",
        "if type(x) is not np.ndarray or not (",
        "if not isinstance(x, np.ndarray) or not (",
        "a subclass handed to a kernel",
        "tests/core/test_door.py -k converted",
    ),
]
