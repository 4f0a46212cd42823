"""Room 4: layers and losses, forward directly above backward; layers of one kind are one file.

A layer answers `weights`, `arrays`, `forward` and `backward` (see layer.py); a loss answers
`forward(y, labels) -> (loss, cache)` and `backward(cache) -> dy` (see losses.py). A new layer is a
new file and a name here.
"""

from minihash.layers.activations import ELU, ReLU, Sigmoid, Tanh
from minihash.layers.batch_norm import BatchNorm1d, BatchNorm2d
from minihash.layers.convolution import Conv1d, Conv2d
from minihash.layers.dense import Dense
from minihash.layers.distillation import Distillation
from minihash.layers.dropout import Dropout
from minihash.layers.embedding import Embedding
from minihash.layers.gru import GRU
from minihash.layers.hyper_lstm import HyperLSTM
from minihash.layers.losses import mean_squared_error, softmax_cross_entropy
from minihash.layers.lstm import LSTM
from minihash.layers.pooling import AveragePool2d, GlobalAveragePool, MaxPool2d
from minihash.layers.rnn import RNN
from minihash.layers.shapes import Flatten, Reshape

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
    "Distillation",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAveragePool",
    "HyperLSTM",
    "MaxPool2d",
    "ReLU",
    "Reshape",
    "Sigmoid",
    "Tanh",
    "mean_squared_error",
    "softmax_cross_entropy",
]
