"""Deliberate bugs in weights of examples and in the estimators of scikit-learn."""

from tests.mutants.mutant import Mutant

ESTIMATOR_MUTANTS = [
    Mutant(
        "layers/losses.py",
        "nats = weights * nats",
        "pass",
        "a loss without its weights",
        "tests/layers/test_weighted_losses.py -k cross_entropy",
    ),
    Mutant(
        "layers/losses.py",
        "dlogits if weights is None else dlogits * _rows(weights, dlogits)",
        "dlogits",
        "a gradient without the weights of its loss",
        "tests/layers/test_weighted_losses.py -k cross_entropy",
    ),
    Mutant(
        "layers/losses.py",
        "squares *= _rows(weights, squares)",
        "squares *= _rows(weights / weights.max(), squares)",
        "weights that are brought to another size",
        "tests/layers/test_weighted_losses.py -k squared_error",
    ),
    Mutant(
        "data/standardiser.py",
        "                v *= weights[start : start + BLOCK, None]\n",
        "                pass\n",
        "sums without the weights that n is the sum of",
        "tests/data/test_standardise.py -k weights_count",
    ),
    Mutant(
        "training/loop.py",
        "weights = weights / weights.mean(dtype=np.float64)",
        "pass",
        "a loss as large as the weights are",
        "tests/estimators/test_classifier.py -k weights_count",
    ),
    Mutant(
        "estimators/hashed.py",
        "steps(*given, weights)",
        "steps(*given)",
        "sample weights that are not told to the loop",
        "tests/estimators/test_classifier.py -k weights_count",
    ),
    Mutant(
        "estimators/hashed.py",
        "there = weights > 0",
        "there = weights >= 0",
        "examples of weight 0 that take places in batches",
        "tests/estimators/test_classifier.py -k weights_count",
    ),
    Mutant(
        "estimators/classifier.py",
        "self.classes_ = known\n",
        "self.classes_ = known[::-1]\n",
        "classes in another order than the network's outputs",
        "tests/estimators/test_classifier.py -k labels_of_any_kind",
    ),
    Mutant(
        "estimators/hashed.py",
        "kept = state.optimiser if partial or self.warm_start else {}",
        "kept = {}",
        "parts of a training that begin the optimiser anew",
        "tests/estimators/test_contract.py -k parts_and_warm_starts",
    ),
    Mutant(
        "estimators/regressor.py",
        "y * self.target_standardiser_.std + self.target_standardiser_.mean",
        "y * self.target_standardiser_.std",
        "predictions without the mean of the targets",
        "tests/estimators/test_regressor.py -k any_unit",
    ),
    Mutant(
        "core/threads.py",
        '"MINIHASH_NUM_THREADS", "NUMBA_NUM_THREADS"',
        '("MINIHASH_NUM_THREADS",)',
        "a worker of joblib that takes all cores",
        "tests/core/test_threads.py -k worker_of_joblib",
    ),
]
