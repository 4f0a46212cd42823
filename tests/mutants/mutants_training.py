"""Deliberate bugs in layers, losses, optimisers, schedules, networks and the training loop."""

from tests.mutants.mutant import Mutant

TRAINING_MUTANTS = [
    Mutant(
        "layers/dense.py",
        "core.add(dW, dB) if b.table == w.table else dB",
        "dB",
        "the gradient of the weight lost where the bias shares its table",
        "tests/layers/test_dense.py -k whole_numbers",
    ),
    Mutant(
        "layers/batch_norm.py",
        "var * (n / (n - 1))",
        "var",
        "a running variance that is biased",
        "tests/layers/test_batch_norm.py -k running_statistics_follow",
    ),
    Mutant(
        "layers/dropout.py",
        ">= threshold",
        "> threshold",
        "> for >= at the dropout threshold",
        "tests/layers/test_layers.py -k up_to_its_own_hash",
    ),
    Mutant(
        "layers/dropout.py",
        "        y /= 1 - self.rate\n",
        "",
        "kept values that are not scaled",
        "tests/layers/test_layers.py -k dropout_keeps_what",
    ),
    Mutant(
        "layers/losses.py",
        "        dlogits /= len(p)\n",
        "",
        "a gradient of the sum, not of the mean",
        "tests/layers/test_losses.py -k cross_entropy_is_pytorchs",
    ),
    Mutant(
        "layers/losses.py",
        "p = logits - logits.max(axis=1, keepdims=True)",
        "p = logits - logits.max()",
        "rows shifted by the largest logit of all: some underflow",
        "tests/layers/test_losses.py -k confident or logits_that_are_not",
    ),
    Mutant(
        "layers/losses.py",
        "2 / error.size",
        "2 / len(error)",
        "a mean over examples, not elements",
        "tests/layers/test_losses.py -k squared_error_is_pytorchs",
    ),
    Mutant(
        "training/optimisers.py",
        "g + self.momentum * v if self.nesterov else v",
        "v",
        "Nesterov's step forgotten",
        "tests/training/test_optimisers.py -k sgd_is_the_loop",
    ),
    Mutant(
        "training/optimisers.py",
        "float(rate) / (1 - self.beta1**t)",
        "float(rate)",
        "Adam without the correction of its first moment",
        "tests/training/test_optimisers.py -k adam_is_the_loop",
    ),
    Mutant(
        "training/schedules.py",
        "training_accuracy > state",
        "training_accuracy >= state",
        "an epoch that equals the best taken for a better one",
        "tests/training/test_schedules.py -k plateau_drops_when_the_loops_do",
    ),
    Mutant(
        "networks/numbering.py",
        "shared, table, first_id)",
        "shared, table, 0)",
        "layers of one table that begin at one identifier",
        "tests/networks/test_arbnet.py -k one_table_numbers_all",
    ),
    Mutant(
        "training/loop.py",
        "U64(epoch << 32)",
        "U64(epoch)",
        "orders of successive epochs that overlap",
        "tests/training/test_training.py -k vectors_of_the_order",
    ),
    Mutant(
        "training/loop.py",
        "loss * len(labels)",
        "loss",
        "a mean of means over batches of different sizes",
        "tests/training/test_evaluation.py -k reports_are_means",
    ),
]
