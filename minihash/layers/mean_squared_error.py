"""Mean squared error, the mean over all elements.

forward     loss = sum of (prediction - target)^2 / size
backward    dprediction = 2 (prediction - target) / size
"""

import numpy as np

from minihash.checks import float_array

Cache = tuple[np.ndarray]


@np.errstate(invalid="ignore", over="ignore")  # data that are not finite
def forward(prediction: np.ndarray, target: np.ndarray) -> tuple[float, Cache]:
    """(loss, cache), summed in float64.

    prediction, target: float, of one shape and dtype, not empty.
    Raises TypeError for another dtype, ValueError for another shape or for nothing to average.

    >>> forward(np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]]))[0]
    2.0
    """
    prediction = float_array(prediction, "prediction", None)
    target = float_array(target, "target", prediction.shape, prediction.dtype)
    if prediction.size == 0:
        raise ValueError(
            f"the loss needs at least 1 element, got shape {prediction.shape}; leave the batch out"
        )
    error = prediction - target
    return float(np.mean(np.square(error, dtype=np.float64))), (error,)


@np.errstate(over="ignore")
def backward(cache: Cache) -> np.ndarray:
    """dprediction, of the shape and dtype of the prediction.

    >>> backward(forward(np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]]))[1])
    array([[ 0., -2.]])
    """
    (error,) = cache
    return error * (2 / error.size)
