"""Room 3: the contract of every heavy operation; what keeps it are the backends.

    gather            V = sign * table[bucket]                        table (buckets,) -> w.shape
    scatter_add       dtable[k] = sum of sign * dV over bucket k      w.shape -> (buckets,)
    gather_rows       E[t] = V[row_t]                                 -> (n, fan_in)
    scatter_add_rows  dtable = scatter_add of dV,  dV[r] = sum of dE[t] over the t with row_t = r
    matmul            y = x V^T + b                   (batch, fan_in) -> (batch, fan_out)
    matmul_backward   dx = dy V,  dtable = scatter_add(dy^T x)
    convolve          y = K * x + B                   images and a kernel       convolve_backward
    recur             h_1 ... h_T of a recurrent cell                           recur_backward
    each              y = body(x, ...), entry by entry
    normalise         y = gamma (x - mean) / sqrt(var + eps) + beta             normalise_backward
    column_sum, add   sums over the batch, and of two gradients of one table
    cross_entropy     -log p[label] of each example, and p, the softmax of the logits
    perceptron        optional: a whole training step as one call (perceptron.py)

The contract, for every backend:
- float32 and float64; within gamma_n * sum |a||b| of the exact result (n terms, unit roundoff u);
- on integer-valued inputs whose sums stay below 2^24, all backends, thread counts and tile sizes
  agree bit for bit;
- on any input, bit-identical from run to run and for any number of threads (of BLAS too where
  threadpoolctl is found; without it BLAS keeps the threads it has, and last bits may follow them);
- results are freshly allocated, inputs are never written;
- bad input is refused here, before any kernel; NaN and infinities propagate;
- products never hold V whole.

The functions stand in virtual.py and arrays.py; which backend computes, in registry.py. A kernel K
is small beside the images, and a recurrent weight is met at every step: convolve and recur take
these as arrays that `gather` made. Where any input is an array on a device, so are the results; a
backend that cannot read it refuses.
"""

from minihash.core.arrays import (
    add,
    column_sum,
    convolve,
    convolve_backward,
    cross_entropy,
    each,
    normalise,
    normalise_backward,
    recur,
    recur_backward,
)
from minihash.core.perceptron import Block, Norm, Perceptron, perceptron
from minihash.core.registry import BACKENDS, backends, get_backend, register, steady, use
from minihash.core.threads import blocks, get_threads, run, set_threads, use_threads
from minihash.core.virtual import (
    gather,
    gather_rows,
    matmul,
    matmul_backward,
    scatter_add,
    scatter_add_rows,
)

__all__ = [
    "BACKENDS",
    "Block",
    "Norm",
    "Perceptron",
    "add",
    "backends",
    "blocks",
    "column_sum",
    "convolve",
    "convolve_backward",
    "cross_entropy",
    "each",
    "gather",
    "gather_rows",
    "get_backend",
    "get_threads",
    "matmul",
    "matmul_backward",
    "normalise",
    "normalise_backward",
    "perceptron",
    "recur",
    "recur_backward",
    "register",
    "run",
    "scatter_add",
    "scatter_add_rows",
    "set_threads",
    "steady",
    "use",
    "use_threads",
]
