"""A clock that a test moves: sleeping is instantaneous and remembered."""

from datetime import UTC, datetime, timedelta


class ManualClock:
    def __init__(self, start: datetime = datetime(2026, 11, 21, 12, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed_s = 0.0
        self.slept_s: list[float] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        return self._elapsed_s

    def pass_time(self, seconds: float) -> None:
        self._elapsed_s += seconds

    async def sleep(self, delay_s: float) -> None:
        self.slept_s.append(delay_s)
        self.pass_time(delay_s)
