"""A budget of requests a minute for each account (and each operator key), reading and writing apart."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from mcp.api.caller import caller_of
from mcp.errors import Throttled

WINDOW_S = 60
clock: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class Budget:
    """What is left in the present window; answered on every response as `RateLimit-*`."""

    limit: int
    used: int
    reset_s: int

    @property
    def remaining(self) -> int:
        """Requests left."""
        return max(0, self.limit - self.used)

    def headers(self) -> dict[str, str]:
        """As header lines."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_s),
        }


def spend(owner: str, kind: str) -> Budget:
    """Take one request from a budget: one cache call but at its beginning. Raises nothing: the caller looks at what is left."""
    now = clock()
    window = int(now // WINDOW_S)
    key = f"throttle:{kind}:{owner}:{window}"
    try:
        used = cache.incr(key)
    except ValueError:  # the first request of the window
        used = _begin(key)
    return Budget(settings.THROTTLE_PER_MINUTE[kind], used, max(1, int((window + 1) * WINDOW_S - now + 0.999)))


def _begin(key: str) -> int:
    cache.add(key, 0, WINDOW_S * 2)  # false if another request was faster: both count from what there is
    try:
        return cache.incr(key)
    except ValueError:  # evicted between the two calls: a full budget is the kind answer
        return 1


class BudgetThrottle(BaseThrottle):
    """REST framework's hook. Safe methods spend from "read", the others from "write"."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Raises Throttled when the budget is used up."""
        kind = "read" if request.method in ("GET", "HEAD", "OPTIONS") else "write"
        budget = spend(caller_of(request).owner_key, kind)
        request._request.META["MCP_BUDGET"] = budget
        if budget.used > budget.limit:
            raise Throttled(
                f"More than {budget.limit} {kind} requests in a minute; try again in {budget.reset_s} s.",
                context={"retry_after_s": budget.reset_s},
            )
        return True
