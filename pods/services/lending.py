"""When a host lends its idle room: its windows, which are meant in its pod's time zone, as moments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from pods.models import Host
from pods.placement.windows import Window, open_until, opens_next, parse_windows
from pods.states import SpotUse

FOREVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Schedule:
    """`use` says whether the windows matter at all."""

    use: str
    windows: tuple[Window, ...]
    zone: ZoneInfo

    def lent_until(self, now: datetime) -> datetime | None:
        """When the room must be given back; None where it is not lent at `now`, FOREVER where there is no end."""
        if self.use != SpotUse.WINDOWS:
            return FOREVER if self.use == SpotUse.ALWAYS else None
        end = open_until(self.windows, self._local(now))
        return None if end is None else self._moment(end)

    def lends_next(self, now: datetime) -> datetime | None:
        """When it lends next (now, if it does already); None: not by any schedule."""
        if self.use != SpotUse.WINDOWS:
            return now if self.use == SpotUse.ALWAYS else None
        opening = opens_next(self.windows, self._local(now))
        return None if opening is None else self._moment(opening)

    def clock(self, moment: datetime) -> str:
        """A moment as the pod's people read it: day, time, and in which time zone."""
        return f"{moment.astimezone(self.zone):%a %H:%M} {self.zone.key}"

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone).replace(tzinfo=None)

    def _moment(self, local: datetime) -> datetime:
        return local.replace(tzinfo=self.zone).astimezone(UTC)


def schedule_of(host: Host) -> Schedule:
    """Of one host; `host.pod` is read."""
    return Schedule(host.spot, parse_windows(host.spot_windows), ZoneInfo(host.pod.time_zone))
