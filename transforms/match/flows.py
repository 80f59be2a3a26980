"""Flows on a grid: mean flows as they came or as registers and momentary signals imply them, and what each device did.

The rules are those of ``samples_derived.sql``, ``activity.sql`` and ``edges.sql``, for all windows of a span at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.match.grid import Bools, Floats, Ints, Laid

#: a step of a register counts if it spans between these multiples of the device's interval
SPANS = (0.5, 1.5)
#: stamps at a window's either end that tell the interval of a device whose stamps are not evenly spaced
EDGE = 4


@dataclass(frozen=True)
class Flows:
    """One stream of some devices in some windows.

    Attributes
    ----------
    lph : ndarray
        Mean flow [L/h], shape (devices, windows, slots of a window), NaN where there is none.
    n : ndarray
        How many there are, (devices, windows).
    interval_us : ndarray
        Sampling interval [us], (devices, windows); 0 where it cannot be told.
    phase : ndarray
        Of the devices' stamps [us], (devices,).
    odd : ndarray of bool
        Devices that lie on no grid, (devices,).
    """

    lph: Floats
    n: Ints
    interval_us: Ints
    phase: Ints
    odd: Bools

    @property
    def there(self) -> Bools:
        """Where there is a flow."""
        return ~np.isnan(self.lph)


@dataclass(frozen=True)
class Registers:
    """`transforms.match.samples.REGISTERS` of some devices, arrays of shape (devices,); infinite, or NaN for
    ``rollover_l``, where nothing is known."""

    limit_lph: Floats
    rollover_l: Floats
    coarse_lph: Floats

    def pick(self, rows: Ints) -> Registers:
        """Those of some of the devices."""
        return Registers(self.limit_lph[rows], self.rollover_l[rows], self.coarse_lph[rows])


def flows_of(laid: Laid, windows: int, back: int, instant: Bools, settled: float, registers: Registers) -> Flows:
    """Mean flows of a stream.

    Parameters
    ----------
    laid
        The readings; the first ``back`` slots lie before the first window.
    windows
        How many windows the grid holds.
    instant
        Devices whose flow is a momentary signal, (devices,).
    settled
        The largest relative change within an interval at which such a signal still tells its mean.
    registers
        What is known of the devices' registers.
    """
    grid, devices = laid.grid, len(laid.phase)
    width = (grid.slots - back) // windows
    lph = np.full((devices, windows, width), np.nan)
    derived_us = np.zeros((devices, windows), dtype=np.int64)
    by_signal = instant if laid.flow is not None else np.zeros(devices, dtype=bool)
    if laid.flow is not None:
        plain = laid.flow[:, back:].reshape(devices, windows, width)
        lph = plain if not by_signal.any() else np.where(by_signal[:, None, None], np.nan, plain)
    readings = [(rows, laid.flow, True) for rows in (np.flatnonzero(by_signal),) if len(rows)]
    if laid.register is not None:
        counting = np.flatnonzero(~np.isnan(laid.register).all(axis=1) & ~instant)
        readings += [(counting, laid.register, False)] if len(counting) else []
    for rows, values, is_signal in readings:
        if values is None:
            continue
        for window in range(windows):
            # what a single window is judged on: its own readings and those of the look-back
            seen = values[rows, window * width : window * width + back + width]
            if is_signal:
                lph[rows, window], derived_us[rows, window] = _from_signal(seen, back, grid.step_us, settled)
            else:
                known = registers.pick(rows)
                lph[rows, window], derived_us[rows, window] = _from_register(seen, back, grid.step_us, known)
    gaps = np.isnan(lph)
    n = width - gaps.sum(axis=2) if gaps.any() else np.full((devices, windows), width, dtype=np.int64)
    interval = np.where((n == width) & (width > 1), grid.step_us, 0)
    rest = np.nonzero((n > 0) & (n < width) & (derived_us == 0))
    if len(rest[0]):
        interval[rest] = _intervals(~gaps[rest], grid.step_us)
    return Flows(lph, n, np.where((derived_us > 0) & (n > 0), derived_us, interval), laid.phase, laid.odd)


@dataclass(frozen=True)
class _Steps:
    """From each reading to the one before it, arrays of shape (devices, slots): how many slots lie between them, and
    whether that is about one interval; ``typical`` is the interval in slots, (devices,), 0 where it cannot be told."""

    before: Floats
    gap: Ints
    usable: Bools
    typical: Ints


def _steps(seen: Floats) -> _Steps:
    there = ~np.isnan(seen)
    slot = np.arange(seen.shape[1])
    last = np.maximum.accumulate(np.where(there, slot, -1), axis=1)
    before_at = np.concatenate([np.full((len(seen), 1), -1), last[:, :-1]], axis=1)
    known = there & (before_at >= 0)
    before = np.take_along_axis(seen, np.maximum(before_at, 0), axis=1)
    gap = np.where(known, slot - before_at, seen.shape[1] + 1)
    count = known.sum(axis=1)
    middle = np.maximum((count + 1) // 2 - 1, 0)
    typical = np.where(count > 0, np.take_along_axis(np.sort(gap, axis=1), middle[:, None], axis=1)[:, 0], 0)
    low, high = (span * typical[:, None] for span in SPANS)
    return _Steps(before, gap, known & (gap >= low) & (gap <= high), typical)


def _from_signal(seen: Floats, back: int, step_us: int, settled: float) -> tuple[Floats, Ints]:
    """Flows in one window from momentary ones [L/h], from the look-back to the window's end, and intervals [us]."""
    steps = _steps(seen)
    with np.errstate(invalid="ignore"):
        flow = (seen + steps.before) / 2.0
        usable = steps.usable & (np.abs(seen - steps.before) <= settled * np.maximum(seen, steps.before))
    return np.where(usable, flow, np.nan)[:, back:], steps.typical * step_us


def _from_register(seen: Floats, back: int, step_us: int, registers: Registers) -> tuple[Floats, Ints]:
    """Flows in one window from registers [L], from the look-back to the window's end, and intervals [us]."""
    steps = _steps(seen)
    limit, rollover, coarse = (
        values[:, None] for values in (registers.limit_lph, registers.rollover_l, registers.coarse_lph)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        fine = _step_l(seen)[:, None] * 3.6e9 / (steps.typical[:, None] * step_us) <= coarse
        fell = seen < steps.before / 2
        began_again = fell & (steps.before <= rollover)
        advance = seen - steps.before + np.where(began_again, rollover, 0.0)
        flow = advance * 3.6e9 / (steps.gap * step_us)
        usable = steps.usable & (began_again | ~fell) & fine
        usable &= np.abs(advance) * 3.6e9 / (steps.gap * step_us) <= limit
    return np.where(usable, flow, np.nan)[:, back:], steps.typical * step_us


def _step_l(seen: Floats) -> Ints:
    """The largest power of ten, 10 to 1000 L, of which all readings of a register are multiples; 0 where there is none."""
    gone = np.isnan(seen)
    step = np.zeros(len(seen), dtype=np.int64)
    for size in (10, 100, 1000):
        with np.errstate(invalid="ignore"):
            step = np.where(((np.fmod(seen, size) == 0) | gone).all(axis=1), size, step)
    lowest, highest = np.where(gone, np.inf, seen).min(axis=1), np.where(gone, -np.inf, seen).max(axis=1)
    return np.where(lowest == highest, 0, step)


def _intervals(there: Bools, step_us: int) -> Ints:
    """Sampling interval [us] of devices that did not report at every instant, (rows, slots) to (rows,).

    The common gap where stamps are evenly spaced, told by the same sums as in ``activity.sql``; else the median gap among
    the first and the last `EDGE` stamps.
    """
    n = there.sum(axis=1)
    slot = np.arange(there.shape[1])
    order = np.sort(np.where(there, slot, there.shape[1]), axis=1)
    ends = np.take_along_axis(order, np.maximum(n - 1, 0)[:, None], axis=1)[:, 0]
    span = ends - order[:, 0]
    since = np.where(there, slot - order[:, :1], 0)
    between = np.maximum(n - 1, 1)
    span_ms = span * (step_us // 1000)
    evenly = (n > 1) & (span_ms % between == 0) & (2 * since.sum(axis=1) == span * n)
    evenly &= 6 * (n - 1) * (since * since).sum(axis=1) == span * span * n * (2 * n - 1)
    head = _gaps(order, np.zeros_like(n), np.minimum(n, EDGE))
    tail = _gaps(order, np.maximum(n - EDGE, 0), np.minimum(n, EDGE))
    gaps = np.sort(np.concatenate([head, tail], axis=1), axis=1)
    count = 2 * np.maximum(np.minimum(n, EDGE) - 1, 0)
    middle = np.maximum((count + 1) // 2 - 1, 0)
    median = np.where(count > 0, np.take_along_axis(gaps, middle[:, None], axis=1)[:, 0], 0)
    return np.asarray(np.where(evenly, span_ms // between * 1000, median * step_us))


def _gaps(order: Ints, first: Ints, count: Ints) -> Ints:
    """The gaps between ``count`` consecutive stamps from ``first`` on, (rows, EDGE - 1); huge where there is none."""
    most = order.shape[1]
    at = np.minimum(first[:, None] + np.arange(EDGE), most - 1)
    gaps = np.diff(np.take_along_axis(order, at, axis=1), axis=1)
    return np.where(np.arange(1, EDGE) < count[:, None], gaps, np.iinfo(np.int64).max)
