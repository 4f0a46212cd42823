"""The oracles: every equation of minihash as a plain loop.

README.md beside this file is the specification. Nothing here imports `minihash`, and `minihash`
imports nothing from here.
"""
