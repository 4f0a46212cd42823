"""Deliberate bugs in soft weight sharing: those that published code has, and some of ours."""

from tests.mutants.mutant import Mutant

PRIOR, SOFT = "training/penalties/mixture.py", "sharing/soft.py"
OF_PRIOR, OF_SOFT = "tests/training/test_mixture.py -k ", "tests/sharing/test_soft.py -k "

MIXTURE_MUTANTS = [
    Mutant(
        PRIOR,
        "rho = rho - np.logaddexp.reduce(rho)",
        "pass",
        "e^rho beside pi_0, not normalised",
        OF_PRIOR + "components_are_the_loops",
    ),
    Mutant(
        PRIOR,
        "most = log.max(axis=0)",
        "most = log.min(axis=0)",
        "the smallest taken out before e^x, which overflows",
        OF_PRIOR + "nothing_overflows",
    ),
    Mutant(
        PRIOR,
        "np.linspace(low, high, J)",
        "np.linspace(-0.6, 0.6, J)",
        "means that start in one place whatever the weights are",
        OF_PRIOR + "means_start_over_the_range",
    ),
    Mutant(
        PRIOR,
        "away += (self.log_pi + 0.5 *",
        "away += (0.5 *",
        "components chosen without their parts pi",
        OF_PRIOR + "components_are_the_loops",
    ),
    Mutant(
        PRIOR,
        "own.append(np.array([pi[0] * N.sum() - N[0] + more - less]))",
        "own.append(np.zeros(1))",
        'a pi_0 that is "trained" and stays',
        OF_PRIOR + "at_points_of_the_grid",
    ),
    Mutant(
        PRIOR,
        "at *= steps[k]",
        "at *= 0",
        "the slope at the nearest point, not between two",
        OF_PRIOR + "between_the_points",
    ),
    Mutant(
        PRIOR,
        "mass[1:] += right[:-1]",
        "mass += right",
        "a weight that is not shared out to its right neighbour",
        OF_PRIOR + "shared_out",
    ),
    Mutant(
        PRIOR,
        "new[name].clip(*BOUNDS)",
        "new[name]",
        "a precision without a bound",
        OF_PRIOR + "rates_and_bounds",
    ),
    Mutant(
        "training/penalties/__init__.py",
        "if name in grads else more",
        "if name in grads else 0 * more",
        "parameters of a penalty that are not trained",
        OF_PRIOR + "resumed",
    ),
    Mutant(
        SOFT,
        "-np.log(part @ np.exp(-gamma[pair]))",
        "np.log(part @ np.exp(gamma[pair]))",
        "precisions averaged for variances",
        OF_SOFT + "merging_is_the_loops",
    ),
    Mutant(
        SOFT,
        "part @ mean[pair] if to > 0 else 0.0",
        "part @ mean[pair]",
        "a component 0 that leaves 0 when it takes another",
        OF_SOFT + "merging_is_the_loops",
    ),
    Mutant(
        SOFT,
        "    return mixture.mean.astype(w.dtype)[mixture.component(w)]",
        "    mean = mixture.mean.astype(w.dtype)\n    mean[np.abs(mean).argsort()[1]] = 0\n"
        "    return mean[mixture.component(w)]",
        "the least mean set to 0, whatever component it is",
        OF_SOFT + "whichever_mean",
    ),
    Mutant(
        SOFT,
        "tables = tuple(w.table for w in matrices(network).values())",
        "tables = tuple(w.table for w in network.weights())",
        "biases under the prior too",
        OF_SOFT + "weights_gather",
    ),
    Mutant(
        SOFT,
        "if part <= self.settled or over >= self.epochs:",
        "if over >= 0:",
        "weights rounded before they have settled",
        OF_SOFT + "weights_gather",
    ),
]
