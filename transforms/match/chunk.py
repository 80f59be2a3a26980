"""Chunks: consecutive windows of one bucket, the unit that an audit matches and judges at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from transforms.windows import Window


@dataclass(frozen=True)
class Chunk:
    """Some consecutive windows of one bucket: the unit that is matched and summarised at once."""

    bucket: int
    start: datetime
    length: timedelta
    windows: int

    @property
    def end(self) -> datetime:
        return self.start + self.windows * self.length

    def window(self, number: int) -> Window:
        """One of its windows."""
        return Window(self.start + number * self.length, self.length)

    @property
    def start_us(self) -> int:
        return int(self.start.timestamp()) * 1_000_000

    @property
    def window_us(self) -> int:
        return int(self.length.total_seconds()) * 1_000_000
