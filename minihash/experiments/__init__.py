"""Room 10: experiments, which are many runs and what they say together.

grid.py        options with several values -> the different runs that come of them
outcome.py     one run in memory -> its record: configuration, versions, metrics of each epoch
ledger.py      the file of records, a line a run; nothing that was appended is lost
processes.py   runs -> records as they come, on the cores of this machine
mapped.py      data that several processes share
dask.py        the same, on the machines of a Dask scheduler
sweep.py       what a file lacks of a grid is run, and appended
estimate.py    how long a grid takes here
progress.py    how a sweep is shown
results.py     records side by side: mean and spread over seeds
drawing.py     pictures, lazily
statistics.py  tests by permutation: does it rise, does it bend, does it depend on another
claims.py      what a paper says beside what came out
figures.py     the figures that can be made again, and how all are made
fig1.py ...    one file a published figure, or a question of ours: its claims, its grid, its picture
hashednets.py  HashedNets' tables: networks that store equally much
expansion.py   HashedNets' figure: networks that grow, on tables that do not
"""
