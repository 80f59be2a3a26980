"""Judging many windows at once: the rows are meters in windows, and each gets what `judge_bucket` would give it alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.compiled import compiled
from transforms.fit.lines import Floats, Ints
from transforms.judge.columns import JUDGED, Columns, columns_of, extras_of, nothing, rounded
from transforms.judge.evidence import FLOWING, Bools, Reference
from transforms.judge.findings import model_of, picked
from transforms.judge.paired import Paired, blocked_by
from transforms.judge.plain import OF_FLOWS, OF_STILL, PLAIN
from transforms.judge.second_look import Look, SecondLook
from transforms.judge.words import INCONCLUSIVE, MISSING, NONE, REASON, Numbers
from transforms.judge.worked import Worked, work_out
from transforms.policy import Policy
from transforms.schemas import AUDIT_WINDOWS
from transforms.summarise.moments import Moments
from transforms.windows import Window

#: the columns of `judge_windows`: those of a run, of an audit, and what later rooms need
JUDGED_WINDOWS: dict[str, pl.DataType | type[pl.DataType]] = {**AUDIT_WINDOWS, **JUDGED}

#: columns that tell whose the row is, and when
_ASIDE = ("feature_code", "flowmeter_id", "model", "window_start", "window_end")


@dataclass(frozen=True)
class Calibrations:
    """The calibration history of all flowmeters, as arrays sorted by flowmeter and day.

    ``day`` counts days since 1970, ``uncertainty`` is relative, k = 2; the history of each of the ``ids`` begins at its place
    in ``first``.
    """

    ids: pl.Series
    first: np.ndarray
    day: np.ndarray
    uncertainty: np.ndarray

    @staticmethod
    def read(flowmeters: pl.DataFrame | None, policy: Policy) -> Calibrations | None:
        """From flowmeters.csv; None where it is absent: then every reference counts as calibrated."""
        if flowmeters is None:
            return None
        table = flowmeters.sort("flowmeter_id", "calibrated_on").filter(pl.col("calibrated_on").is_not_null())
        ids = flowmeters.select("flowmeter_id").unique().sort("flowmeter_id")
        counts = ids.join(table.group_by("flowmeter_id").len(), on="flowmeter_id", how="left", maintain_order="left")
        first = np.concatenate([[0], np.cumsum(counts["len"].fill_null(0).cast(pl.Int64).to_numpy())]).astype(np.int64)
        return Calibrations(
            ids=ids["flowmeter_id"],
            first=first,
            day=table["calibrated_on"].to_physical().to_numpy().astype(np.int64),
            uncertainty=table["uncertainty"].fill_null(policy.reference.uncertainty).to_numpy(writable=True),
        )


@dataclass(frozen=True)
class References:
    """What is known of the rows' references at the end of their windows, arrays of shape (rows,), as
    `verdict.with_references` has it; ``calibrated_on`` counts days since 1970."""

    known: Bools
    valid: Bools
    uncertainty: Floats
    calibrated_on: Ints


def references_of(
    number: Ints | None, window: Ints, calibrations: Calibrations | None, policy: Policy, windows: Sequence[Window]
) -> References:
    """Look the references of some rows up, of which ``number`` is the place among the calibrations' flowmeters and ``window``
    says in which of the windows they are."""
    rows = len(window)
    if calibrations is None or number is None:
        whole = np.ones(rows, dtype=bool)
        return References(whole, whole, np.full(rows, policy.reference.uncertainty), np.full(rows, MISSING))
    last_days = np.array([int((one.end.timestamp() - 1e-6) // 86400) for one in windows])
    history = calibrations.first, calibrations.day, calibrations.uncertainty
    limits = policy.reference_max_age_days, policy.reference.uncertainty
    return References(number >= 0, *_newest(number, window, last_days, *history, *limits))


@compiled
def _newest(
    number: Ints,
    window: Ints,
    last_days: Ints,
    first: Ints,
    day: Ints,
    uncertainty: Floats,
    max_age_days: float,
    default: float,
) -> tuple[Bools, Floats, Ints]:
    """Whether each row's flowmeter counts as calibrated at the end of its window, its uncertainty and when that was."""
    rows = len(number)
    valid, found, when = np.zeros(rows, np.bool_), np.full(rows, default), np.full(rows, MISSING)
    # places here are those after what they mean, so that none is below zero, which the loop need not look after then
    at, begin, end, one = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(1)
    for row in range(rows):
        if number[row] < 0:
            continue
        which, last = np.uint64(number[row]), last_days[np.uint64(window[row])]
        if row == 0 or number[row - 1] != number[row]:
            begin, end = np.uint64(first[which]), np.uint64(first[which + one])
            at = end
        # from where it was found in the window before
        while at < end and day[at] <= last:
            at += one
        while at > begin and day[at - one] > last:
            at -= one
        if at > begin:
            newest = day[at - one]
            valid[row], found[row], when[row] = last - newest <= max_age_days, uncertainty[at - one], newest
    return valid, found, when


@dataclass(frozen=True)
class JudgedRows:
    """Judged rows as arrays (`transforms.judge.columns`), in the order given, with whole numbers in place of the columns that
    follow from them (`transforms.judge.plain`), and what the second look found of those with a ``meter_no``. ``calibrated_on``
    counts days since 1970."""

    columns: Columns
    second: SecondLook


def judge_windows(
    rows: pl.DataFrame,
    meter: Ints,
    flowmeter: Ints | None,
    moments: Moments,
    fleet: pl.DataFrame,
    calibrations: Calibrations | None,
    policy: Policy,
    windows: Sequence[Window],
    look: Look | SecondLook,
    *,
    extras: bool = True,
) -> JudgedRows:
    """Give each row its verdict.

    Parameters
    ----------
    rows : DataFrame
        `transforms.summarise.span.ROWS`, names not needed, in order of ``meter_no``, the rows of a meter one after the other.
    meter, flowmeter : ndarray
        The places (`places`) of the rows' meters in the fleet table, and of their flowmeters among those with a calibration
        history; the latter None where there is no such history.
    moments : Moments
        Of the rows with a ``meter_no``.
    fleet : DataFrame
        The fleet table of the registered meters.
    calibrations : Calibrations or None
        Of all flowmeters.
    windows : sequence of Window
        All of one length; ``window`` of a row is its place here.
    look : callable or SecondLook
        As for `transforms.judge.worked.work_out`.
    extras : bool
        Whether the columns that only later rooms need are asked for, `transforms.judge.columns.EXTRAS`.
    """
    window = rows["window"].to_numpy().astype(np.int64)
    references = references_of(flowmeter, window, calibrations, policy, windows)
    conflict, n_meter, n_reference = (rows[name].to_numpy() for name in ("conflict", "n_meter", "n_reference"))
    blocked = blocked_by(meter >= 0, conflict, n_meter, n_reference, references.known, references.valid)
    unpaired = rows["meter_no"].null_count()
    whole = unpaired == 0 and rows.height > 0
    columns, second = {} if whole else _unpaired(blocked), SecondLook.none(0)
    some: Ints | slice = slice(None) if whole else np.flatnonzero(rows["meter_no"].is_not_null().to_numpy())
    if unpaired < rows.height:
        paired = Paired(
            blocked=blocked[some],
            interval_us=rows["interval_us"].fill_null(0).to_numpy().astype(np.int64)[some],
            from_register=rows["from_register"].to_numpy()[some],
            q1=fleet["q1_u"].to_numpy()[meter[some]].astype(np.float64),
            q2=fleet["q2_u"].to_numpy()[meter[some]].astype(np.float64),
            model=picked(model_of(fleet), meter[some]),
            reference=Reference(references.uncertainty[some], policy.reference.repeatability),
        )
        begins = np.array([int(one.start.timestamp()) * 1_000_000 for one in windows])
        worked = work_out(paired, moments, policy, windows[0], look, window[some], sparing=True)
        second = worked.second
        told = columns_of(paired, moments, policy, worked, begins[window[some]]) | _weighted(moments, worked)
        told |= extras_of(moments, policy, worked) if extras else {}
        told["calibrated_on"] = references.calibrated_on[some]
        if whole:
            return JudgedRows(told, second)
        for name, values in told.items():
            columns[name][some] = values
    return JudgedRows(columns, second)


def _unpaired(blocked: Numbers) -> Columns:
    """The columns of rows without a single pair, and why."""
    columns = nothing_said(len(blocked))
    columns["reason"][:] = np.where(blocked == NONE, REASON["too_few_pairs"], blocked)
    return columns


def places(names: pl.Series, known: pl.Series) -> npt.NDArray[np.int64]:
    """The place of each name among those known, -1 where it is not; names that repeat follow each other and are looked for
    once."""
    runs = names.rle().struct
    value, length = runs.field("value"), runs.field("len").to_numpy()
    if value.equals(known):
        # all of them one after the other, as in most windows of an audit
        return np.repeat(np.arange(len(known)), length)
    numbered = pl.DataFrame({"value": known, "place": np.arange(len(known))})
    found = value.to_frame("value").join(numbered, on="value", how="left", maintain_order="left")["place"]
    return np.repeat(found.fill_null(-1).to_numpy(), length)


def nothing_said(rows: int) -> Columns:
    """The columns of rows of which nothing can be said, for want of the meter's readings."""
    columns = {
        name: nothing(kind, rows)
        for name, kind in JUDGED_WINDOWS.items()
        if name not in (*_ASIDE, *PLAIN) and not name.startswith("pooled_")
    }
    columns |= {name: np.zeros(rows, dtype=np.int64) for name in OF_FLOWS}
    columns |= {name: np.full(rows, MISSING) for name in OF_STILL}
    columns["verdict"][:], columns["reason"][:] = INCONCLUSIVE, REASON["meter_missing"]
    columns["n_pairs"][:], columns["n_flowing"][:], columns["coverage"][:] = 0, 0, 0.0
    return columns


def _weighted(moments: Moments, worked: Worked) -> Columns:
    """What only an audit's table has: the gain that fits all flowing pairs best, less one.

    The same weights and the same scatter as the errors of the zones, see `transforms.judge.evidence.zone_errors`.
    """
    n, sx, y_min, y_max = (moments.total(name, FLOWING) for name in ("n", "sx", "y_min", "y_max"))
    xx, xy = worked.found.squares
    error, error_se = _errors(n, sx, y_min, y_max, xx, xy, worked.model.resolution, worked.found.scatter)
    return {"error": error, "error_se": error_se, "reference_uncertainty": worked.reference.uncertainty / 2}


@compiled
def _errors(
    n: Ints, sx: Ints, y_min: Ints, y_max: Ints, xx: Floats, xy: Floats, resolution: Floats, scatter: Floats
) -> Floats:
    found = np.empty((2, len(n)))
    for row in range(len(n)):
        if xx[row] > 0:
            variance = scatter[row] / xx[row]
            if y_min[row] == y_max[row]:
                # what is not a number stays so, on either side
                rounding = resolution[row] ** 2 / 12 * (n[row] / sx[row]) ** 2
                variance = variance if variance >= rounding or np.isnan(variance) else rounding
            found[0, row], found[1, row] = xy[row] / xx[row] - 1, rounded(np.sqrt(variance), True)
        else:
            found[0, row], found[1, row] = np.nan, np.nan
    return found
