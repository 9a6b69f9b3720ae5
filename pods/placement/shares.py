"""How full hosts are, as shares of what may be promised, and how unequal that is within a pod."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pods.placement.request import Amounts, Fleet

Shares = NDArray[np.float64]


def shares(fleet: Fleet, load: Amounts) -> Shares:
    """Load by capacity; one row a host, one column a dimension."""
    found: Shares = load / np.maximum(fleet.capacity, 1)
    return found


def imbalance(fleet: Fleet, load: Amounts) -> float:
    """The typical distance of a host's share from the mean of its pod (root mean square over hosts and dimensions); 0: even."""
    if not len(fleet):
        return 0.0
    share = shares(fleet, load)
    apart = 0.0
    for pod in range(len(fleet.pods)):
        rows = share[fleet.pod == pod]
        if len(rows):
            apart += float(((rows - rows.mean(axis=0)) ** 2).sum())
    return float(np.sqrt(apart / share.size))


def gap(one: Shares, others: Shares) -> Shares:
    """How far apart a host and others are (root mean square over dimensions); broadcasts."""
    found: Shares = np.sqrt(((one - others) ** 2).mean(axis=-1))
    return found
