"""Room 6: penalties on tables, the alternatives that sharing is compared with.

    entries.py    L2, L1, WeightDecay    each entry by itself
    groups.py     GroupLasso             groups of entries
    tie.py        SoftTie                two tables
    mixture.py    Mixture                a prior that is trained beside the weights

A training step adds the gradients of the smooth ones to those of the loss. Then the optimiser goes
from w to w*, and the others `shrink` that:

    w' = prox(w*),   prox(v) = the w that minimises |w - v|^2 / 2 + rate P(w)

which makes entries exactly 0, as no gradient does. Under SGD with momentum a gradient moves w by
rate / (1 - momentum) in all, and that is the rate here: then training comes to rest where the sum
of the loss and P is least. Under Adam the rate is Adam's, and the distance is still Euclidean.

A penalty may own parameters that are trained with it: `own` says how they start, their gradients
stand beside those of the tables, and its `shrink` gives them rates and bounds of their own. They
are kept among the parameters of the run, which is all that is kept from step to step.

Source: proximal steps: Parikh & Boyd, Proximal Algorithms (2014), sections 4.2 and 6.5.
"""

from collections.abc import Iterable

from minihash.training.penalties.entries import L1, L2, WeightDecay
from minihash.training.penalties.groups import GroupLasso
from minihash.training.penalties.mixture import Mixture
from minihash.training.penalties.penalty import OnTables, Params, Penalty
from minihash.training.penalties.tie import SoftTie

__all__ = ["L1", "L2", "GroupLasso", "Mixture", "OnTables", "Penalty", "SoftTie", "WeightDecay"]


def own(penalties: Iterable[Penalty], params: Params) -> Params:
    """The parameters that the penalties have themselves, before the first step: those of `params`,
    where it has them. params: the network's. Raises ValueError for two penalties with one."""
    found: Params = {}
    for penalty in penalties:
        for name, array in penalty.own(params).items():
            if name in found:
                raise ValueError(
                    f"two penalties have a parameter {name!r}; put one of each kind on a table"
                )
            found[name] = params.get(name, array)
    return found


def of_network(penalties: Iterable[Penalty], params: Params) -> Params:
    """The parameters without those that penalties own."""
    owned = {name for penalty in penalties for name in penalty.owned}
    return {name: array for name, array in params.items() if name not in owned}


def checked(penalties: Iterable[Penalty], params: Params, trained: Iterable[str]) -> None:
    """Raise ValueError or TypeError unless all penalties are on parameters that are trained."""
    trained = set(trained)
    for penalty in penalties:
        penalty.check(params)
        if other := set(penalty.names) - trained:
            raise ValueError(
                f"{type(penalty).__name__} is on {', '.join(sorted(other))}, which is not trained; "
                f"name one of {', '.join(sorted(trained))}"
            )


def add_gradients(penalties: Iterable[Penalty], params: Params, grads: Params) -> Params:
    """grads, with those of the penalties added."""
    grads = dict(grads)
    for penalty in penalties:
        for name, more in penalty.gradients(params).items():
            grads[name] = grads[name] + more if name in grads else more
    return grads


def shrink(penalties: Iterable[Penalty], before: Params, after: Params, rate: float) -> Params:
    """The parameters after the optimiser's step and then the penalties', in their order."""
    for penalty in penalties:
        after = after | penalty.shrink(before, after, rate)
    return after
