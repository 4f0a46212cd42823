"""Prune, then a codebook a layer: Deep Compression.

Source: Han, Mao & Dally, Deep Compression, arXiv 1510.00149.
"""

from dataclasses import dataclass

from minihash.networks.sequential import Sequential
from minihash.sharing.method import Stage
from minihash.sharing.rebuild import Params
from minihash.training import Training


@dataclass(frozen=True)
class Codebook:
    """Prune and quantise."""

    def stage(
        self, number: int, network: Sequential, params: Params, training: Training
    ) -> Stage | None:
        """See `Method`."""
        return None
