"""Flows on a grid: mean flows as they came or as registers and momentary signals imply them, and what each device did.

The rules are those of ``samples_derived.sql``, ``activity.sql`` and ``edges.sql``, for all windows of a span at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.compiled import compiled
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
    from_register : ndarray of bool
        Where the flows are what a register advanced by, (devices, windows).
    """

    lph: Floats
    n: Ints
    interval_us: Ints
    phase: Ints
    odd: Bools
    from_register: Bools


@dataclass(frozen=True)
class Registers:
    """`transforms.match.samples.REGISTERS` of some devices, arrays of shape (devices,); infinite, or NaN for
    ``rollover_l``, where nothing is known."""

    limit_lph: Floats
    rollover_l: Floats
    coarse_lph: Floats

    @staticmethod
    def unknown(devices: int) -> Registers:
        """Of devices of whose registers nothing is known."""
        return Registers(np.full(devices, np.inf), np.full(devices, np.nan), np.full(devices, np.inf))

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
    derived_us, from_register = np.zeros((devices, windows), dtype=np.int64), np.zeros((devices, windows), dtype=bool)
    by_signal = instant if laid.flow is not None else np.zeros(devices, dtype=bool)
    if laid.flow is None:
        lph = np.full((devices, windows, width), np.nan)
    else:
        # what is derived is told beside what it is derived from
        lph = (laid.flow[:, back:].copy() if back else laid.flow).reshape(devices, windows, width)
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
                from_register[rows, window] = True
    n, interval_us = _activity(lph, grid.step_us, laid.whole & ~by_signal)
    interval_us = np.where((derived_us > 0) & (n > 0), derived_us, interval_us)
    return Flows(lph, n, interval_us, laid.phase, laid.odd, from_register & (n > 0))


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


@compiled
def _activity(lph: Floats, step_us: int, whole: Bools) -> tuple[Ints, Ints]:
    """How many flows there are, and the sampling interval [us], of each device in each window, 0 where it cannot be told;
    ``whole`` devices have no gaps.

    The common gap where stamps are evenly spaced, told by the same sums as in ``activity.sql``; else the median gap among
    the first and the last `EDGE` stamps.
    """
    devices, windows, width = lph.shape
    counts, intervals = np.zeros((devices, windows), np.int64), np.zeros((devices, windows), np.int64)
    stamps, gaps = np.zeros(width, np.int64), np.zeros(2 * EDGE, np.int64)
    for device in range(devices):
        for window in range(windows):
            n = width if whole[device] else 0
            if not whole[device]:
                for slot in range(width):
                    n += not np.isnan(lph[device, window, slot])
            counts[device, window] = n
            if n < 2:
                continue
            if n == width:
                intervals[device, window] = step_us
                continue
            n = 0
            for slot in range(width):
                stamps[n] = slot
                n += not np.isnan(lph[device, window, slot])
                if n == counts[device, window]:
                    break
            total, squares = np.int64(0), np.int64(0)
            for k in range(n):
                since = stamps[k] - stamps[0]
                total += since
                squares += since * since
            span = stamps[n - 1] - stamps[0]
            span_ms = span * (step_us // 1000)
            evenly = span_ms % (n - 1) == 0 and 2 * total == span * n
            if evenly and 6 * (n - 1) * squares == span * span * n * (2 * n - 1):
                intervals[device, window] = span_ms // (n - 1) * 1000
                continue
            edge = min(n, EDGE)
            for k in range(edge - 1):
                _insert(gaps, 2 * k, stamps[k + 1] - stamps[k])
                _insert(gaps, 2 * k + 1, stamps[n - edge + k + 1] - stamps[n - edge + k])
            intervals[device, window] = gaps[edge - 2] * step_us
    return counts, intervals


@compiled
def _insert(rising: Ints, count: int, value: int) -> None:
    """Put a value into its place among the first few, which are in order."""
    at = count
    while at > 0 and rising[at - 1] > value:
        rising[at] = rising[at - 1]
        at -= 1
    rising[at] = value
