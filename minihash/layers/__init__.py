"""Room 4: layers and losses, one concept a file, forward directly above backward.

A layer answers `weights`, `arrays`, `forward` and `backward` (see layer.py); a loss is a module
with `forward(y, labels) -> (loss, cache)` and `backward(cache) -> dy`. A new layer is a new file
and a name here.
"""

from minihash.layers import mean_squared_error, softmax_cross_entropy
from minihash.layers.average_pool2d import AveragePool2d
from minihash.layers.batchnorm1d import BatchNorm1d
from minihash.layers.batchnorm2d import BatchNorm2d
from minihash.layers.convolution import Conv1d, Conv2d
from minihash.layers.dense import Dense
from minihash.layers.dropout import Dropout
from minihash.layers.elu import ELU
from minihash.layers.embedding import Embedding
from minihash.layers.flatten import Flatten
from minihash.layers.global_average_pool import GlobalAveragePool
from minihash.layers.gru import GRU
from minihash.layers.lstm import LSTM
from minihash.layers.max_pool2d import MaxPool2d
from minihash.layers.relu import ReLU
from minihash.layers.reshape import Reshape
from minihash.layers.rnn import RNN
from minihash.layers.sigmoid import Sigmoid
from minihash.layers.tanh import Tanh

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "RNN",
    "AveragePool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAveragePool",
    "MaxPool2d",
    "ReLU",
    "Reshape",
    "Sigmoid",
    "Tanh",
    "mean_squared_error",
    "softmax_cross_entropy",
]
