"""A simulated fleet: a database full of plausible rows, and simulated hosts that agree with them.

For benchmarks, for the console, and for tests of everything that must not grow with the fleet. `simulate` is the way in.
"""
