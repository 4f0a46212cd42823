"""A picture of soft weight sharing: the weights of each layer as they had gathered, the mixture.

Counts are on a logarithmic axis. A curve is what the prior expects in an interval: the number of
weights of the layer times its width times pi_j N(w | mu_j, deviation_j).
"""

import math
from pathlib import Path

import numpy as np

from minihash.experiments.drawing import empty, write

POINTS = 2000


def draw(path: Path, mixture: dict, histogram: dict) -> None:
    """Draw it. mixture, histogram: as the last stage of `Soft` tells. Raises as `suffix` does."""
    layers = histogram["counts"]
    low, high, bins = histogram["low"], histogram["high"], len(next(iter(layers.values())))
    edges, w = np.linspace(low, high, bins + 1), np.linspace(low, high, POINTS)
    components = [mixture[name] for name in ("pi", "mean", "deviation")]
    figure = empty(path, (5 * len(layers), 4))
    panels = figure.subplots(1, len(layers), squeeze=False)[0]
    for axes, (name, counts) in zip(panels, layers.items(), strict=True):
        axes.stairs(counts, edges, fill=True, alpha=0.4, label=f"{sum(counts):,} weights")
        scale = sum(counts) * (high - low) / bins
        for j, (pi, mean, deviation) in enumerate(zip(*components, strict=True)):
            density = np.exp(-(((w - mean) / deviation) ** 2) / 2)
            density *= pi / (deviation * math.sqrt(2 * math.pi))
            colour = "black" if j == 0 else "C1"
            label = {0: "prior, at 0", 1: "its other components"}.get(j)
            axes.plot(w, scale * density, color=colour, linewidth=1, label=label)
        axes.set(yscale="log", ylim=(0.01, 3 * max(counts)), xlabel="weight", title=name)
        axes.legend()
    panels[0].set_ylabel("weights in an interval")
    write(path, figure)
