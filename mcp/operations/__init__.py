"""The operations engine: a request becomes a row, a worker claims it, carries its steps out, and settles it.

`docs/operations.md` tells the whole story; `kinds.py` is what a new verb is written with.
"""
