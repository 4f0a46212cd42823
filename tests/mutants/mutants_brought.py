"""Deliberate bugs where weights of another framework come in, and in the kit's answers."""

from tests.mutants.mutant import Mutant

STATE = "tests/exports/test_state.py -k "
BROUGHT = "tests/cli/test_brought.py -k "
BROUGHT_MUTANTS = [
    Mutant(
        "files/state.py",
        "total / np.maximum(load, 1)",
        "total",
        "a sum over each bucket for the mean",
        STATE + "nearest_one",
    ),
    Mutant(
        "files/state.py",
        "return kind, bias and len(biased.get(kind, ())) > 1",
        "return kind, False",
        "an embedding that takes the matrix which comes before it by name",
        STATE + "told_from_a_matrix",
    ),
    Mutant(
        "files/state.py",
        "params[owner] = np.array(array, dtype)",
        "params[owner] = np.asarray(array, dtype)",
        "statistics of a network that are the arrays which came in",
        STATE + "are_copies",
    ),
    Mutant(
        "runs/brought.py",
        'unsaid = [] if cells else ["standardise"]',
        "unsaid = []",
        "a scale of the inputs that is guessed",
        BROUGHT + "not_guessed",
    ),
    Mutant(
        "runs/brought.py",
        "for padding in range(config.kernel):",
        "for padding in [config.kernel // 2]:",
        "a padding that is not read off the shapes",
        BROUGHT + "any_padding",
    ),
    Mutant(
        "runs/folder.py",
        "return self.state.step > 0 or self.config.weights is not None",
        "return self.state.step > 0",
        "weights that were brought in, and have no model file",
        BROUGHT + "is_a_run",
    ),
    Mutant(
        "runs/train.py",
        "config.init_scale, model.params or None",
        "config.init_scale, None",
        "a run that forgets the weights it should begin with",
        BROUGHT + "is_a_run",
    ),
    Mutant(
        "data/dataset.py",
        "return Standardiser(mean, std, self.peak, wide=self.x_train.dtype != np.uint8)",
        "return Standardiser(mean, std, 1.0, wide=self.x_train.dtype != np.uint8)",
        "a mean that is given in bytes in place of parts of white",
        "tests/data/test_standardise.py -k as_given",
    ),
    Mutant(
        "hashes/dirichlet.py",
        "fraction = np.floor(mass.astype(np.float64) / float(total) * 2.0**32)",
        "fraction = np.floor(mass.astype(np.float32) / np.float32(total) * 2.0**32)",
        "thresholds in float32",
        "tests/hashes/test_hash_vectors.py -k vectors_of_the_dirichlet_tables",
    ),
]
