"""What `benchmarks.layers` times of a layer: a pass forward and back."""

from collections.abc import Callable

import numpy as np

from minihash.layers.layer import Layer

Results = dict[str, np.ndarray]


def there_and_back(
    layer: Layer, params: Results, x: np.ndarray, dy: np.ndarray, dtype: type
) -> Callable[[], Results]:
    """Gives y, dx and the gradient of each table, on copies of the arrays in this dtype."""
    params = {name: table.astype(dtype) for name, table in params.items()}
    x, dy = x.astype(dtype), dy.astype(dtype)

    def step() -> Results:
        y, cache = layer.forward(params, x, step=0)
        dx, grads = layer.backward(params, cache, dy)
        return {"y": y, "dx": dx} | grads

    return step
