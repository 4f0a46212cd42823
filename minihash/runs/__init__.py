"""Room 9: what a run and a trained model are, used from Python.

config.py     what a run is: every choice, its default
model.py      a trained network with all it needs to be used
examples.py   its kinds: classifiers and autoencoders
writer.py     and language models, which write text
kinds.py      which is which, and its file
folder.py     a run on disk: saved whole, resumed to the bit
fit.py        training from Python, on data in memory
brought.py    weights of another framework, as they are or where a run begins
creation.py   the folder of a new run, which no other shares
validation.py examples that are held out, and the epoch that does best on them
confusion.py  what a classifier takes each class for
train.py      training, saved after each epoch and when it is told to stop
predict.py    an image, an array or an example of a data set -> what the network takes
progress.py   a line an epoch, on a terminal above a bar
machine.py    backend and threads of a run, and the memory it took

>>> from minihash.runs.config import Config
>>> Config(hash="dirichlet", alpha=10.0).network((784,), 10).layers[0].weight.shape
(200, 784)
"""
