"""Regimes: the stretches of time over which a meter's relation to its reference stays one and the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from transforms.audit.compliance import in_words
from transforms.audit.curved import Curves, find_curves
from transforms.audit.drift import Slopes, slopes
from transforms.audit.history import Cuts, cut
from transforms.audit.listed import NEVER, VERDICTS, Listed
from transforms.audit.mixes import without_mixes
from transforms.audit.pooled import Pooled, Relations, pool, relate
from transforms.audit.series import Bools, Floats, Ints
from transforms.audit.volume import Z95, mis_registered, shared_uncertainty
from transforms.compiled import compiled
from transforms.fit.choose import FORMS
from transforms.policy import Policy
from transforms.schemas import REGIMES, UTC_US


@dataclass(frozen=True)
class Found:
    """The regimes of some meters, and what later statistics need of their windows.

    Attributes
    ----------
    table
        `REGIMES`, sorted by meter and time.
    meter, begins, low, high, unsteady, drifts
        Of each regime: the meter's number, when it began with an interval [us since 1970, `NEVER` for none], whether it is
        unsteady, and whether it drifts.
    regime_of
        The regime in which each window begins, -1 for windows of meters without any.
    telling
        Rows of the windows that tell of their regime's relation, rising.
    lines, pooled, relations
        Of each regime.
    """

    table: pl.DataFrame
    meter: Ints
    begins: Ints
    low: Ints
    high: Ints
    unsteady: Bools
    drifts: Bools
    regime_of: Ints
    telling: Ints
    lines: Slopes
    pooled: Pooled
    relations: Relations


def find_regimes(windows: Listed, policy: Policy, length: timedelta) -> Found:
    """Find each meter's regimes and say what it did in them.

    Meters of which no window tells an error have none. ``begins`` of the first regime is where the evidence begins; since
    when it has been so is not known, its interval is null.

    Parameters
    ----------
    windows : Listed
        All windows of some meters.
    policy : Policy
        Everything that decides.
    length : timedelta
        Length of a window.
    """
    # a meter that is not registered has no permissible error, and is not trusted either
    mpe = windows.meters["mpe_high"].fill_null(1.0).to_numpy()
    cuts = without_mixes(cut(windows, mpe, policy), windows, mpe, policy)
    begins, low, high, ends, on_record = _dated(cuts, windows, length)
    # the window of a change on record is judged on its later part, and so belongs to what came after
    reach = int(length.total_seconds() * 1e6) - 1
    regime_of = regimes_of(windows.meter, windows.start, cuts.meter, np.where(on_record, begins - reach, begins))
    trusted = windows.trusted & (regime_of >= 0)
    telling = np.flatnonzero(trusted & windows.usable & (_of(cuts.unsteady, regime_of) | (windows.unsteady != 1)))
    group_of = only(telling, regime_of)
    count = len(begins)
    uncertainty = shared(windows, group_of, count, policy)
    pooled = pool(windows, group_of, cuts.meter, uncertainty, policy)
    relations = relate(pooled, policy, windows.summed.volume[:, cuts.meter])
    lines = slopes(windows, telling, regime_of[telling], count, cuts.calm)
    litres = mis_registered(windows, regime_of, count)
    form = _forms(relations, cuts.unsteady)
    line = (form == "offset") | (form == "linear")
    curves = find_curves(pooled, relations, line, _said_curved(windows, telling, regime_of, count), policy)
    form[curves.curved] = "curve"
    unit, half = pooled.model.unit_lph, Z95 * np.hypot(relations.ratio_se, (1 + relations.ratio) * uncertainty)
    drifts = cuts.drifts & np.isfinite(lines.per_month)
    first = np.searchsorted(cuts.meter, cuts.meter)
    columns = {
        "feature_code": windows.meters["feature_code"].gather(cuts.meter),
        "regime": np.arange(count) - first + 1,
        "begins": moments_of_time(begins),
        "begins_low": moments_of_time(low),
        "begins_high": moments_of_time(high),
        "ends": moments_of_time(ends),
        "form": pl.Series(form.tolist(), dtype=pl.String),
        "a1": known(relations.lines.a1, line),
        "a1_se": known(relations.lines.a1_se, line),
        "a2": known(relations.lines.a2 * unit, line),
        "a2_se": known(relations.lines.a2_se * unit, line),
        "volume_error": known(relations.ratio),
        "volume_error_low": known(relations.ratio - half),
        "volume_error_high": known(relations.ratio + half),
        "drift_per_month": known(lines.per_month, drifts),
        "n_windows": np.bincount(regime_of[telling], minlength=count),
        "volume_l": litres.volume,
        "misregistered_l": litres.misregistered,
        "misregistered_low_l": litres.misregistered - litres.half,
        "misregistered_high_l": litres.misregistered + litres.half,
        "points": _points(curves),
    }
    table = pl.DataFrame(columns).fill_nan(None).select(pl.col(name).cast(kind) for name, kind in REGIMES.items())
    return Found(
        table, cuts.meter, begins, low, high, cuts.unsteady, drifts, regime_of, telling, lines, pooled, relations
    )


def _dated(cuts: Cuts, windows: Listed, length: timedelta) -> tuple[Ints, Ints, Ints, Ints, Bools]:
    """When each regime begins, with an interval, and ends, and whether it begins with a change that is on record, whose moment
    is known. A window that saw the step itself tells the moment, too."""
    first, dated = cuts.first, cuts.low >= 0
    begins, ends = windows.start[first], windows.end[cuts.last]
    low, high = np.where(dated, windows.start[cuts.low], NEVER), np.where(dated, windows.end[cuts.high], NEVER)
    # the step of a window before is that of this change only if the window touches the change
    reach = int(length.total_seconds() * 1e6)
    earliest, latest = np.maximum(low, begins - reach), np.minimum(high, begins + reach)
    inside, before = windows.changed[first], windows.changed[np.maximum(first - 1, 0)]
    seen = np.where((inside >= low) & (inside <= high), inside, before)
    told = dated & (seen != NEVER) & (seen >= earliest) & (seen <= latest)
    begins = np.where(told, seen, begins)
    later = np.append(False, cuts.meter[1:] == cuts.meter[:-1])[: len(begins)]
    altered = windows.altered[first]
    on_record = later & (altered != np.append(NEVER, windows.altered[cuts.last[:-1]])[: len(begins)])
    begins, low, high = (np.where(on_record, altered, dates) for dates in (begins, low, high))
    if len(begins):
        ends = np.where(np.append(later[1:], False), np.append(begins[1:], 0), ends)
    return begins, low, high, ends, on_record


@compiled
def regimes_of(meter: Ints, start: Ints, owner: Ints, begins: Ints) -> Ints:
    """The regime in which each window begins; -1 for windows of meters without any.

    Windows before a meter's first regime belong to it.

    Parameters
    ----------
    meter, start
        Of each window, sorted by both.
    owner, begins
        The meter and the begin of each regime, sorted by both.
    """
    found = np.full(len(meter), -1, dtype=np.int64)
    at, last = 0, len(owner) - 1
    for k in range(len(meter)):
        while at < last and (owner[at] < meter[k] or (owner[at + 1] == meter[k] and begins[at + 1] <= start[k])):
            at += 1
        if at <= last and owner[at] == meter[k]:
            found[k] = at
    return found


def only(chosen: Ints, group_of: Ints) -> Ints:
    """The groups of some of the windows; -1 for the others."""
    found = np.full(len(group_of), -1, dtype=np.int64)
    found[chosen] = group_of[chosen]
    return found


def shared(windows: Listed, group_of: Ints, groups: int, policy: Policy) -> Floats:
    """The reference's uncertainty that is common to the windows of each group, the policy's where it is not known."""
    found = shared_uncertainty(windows, group_of, groups)
    return np.where(np.isnan(found), policy.reference.uncertainty / 2, found)


def _of(values: Bools, number: Ints) -> Bools:
    """A value of each window's regime; false where it has none."""
    return np.append(values, False)[number]


def _forms(relations: Relations, unsteady: Bools) -> np.ndarray:
    """The form of each regime: as a verdict would have it, with ``healthy`` where no zone is off or open."""
    zones = relations.zones
    off = zones.outside.any(axis=0)
    evident = zones.inside.any(axis=0) & ~zones.open.any(axis=0)
    names = np.array(FORMS, dtype=object)[relations.choice.index]
    fitted = np.isfinite(relations.lines.a1) & np.isfinite(relations.lines.a2)
    form = in_words(len(unsteady), (evident, "healthy"), (unsteady, "unsteady"))
    steadily = off & fitted & ~unsteady
    form[steadily] = names[steadily]
    return form


def _said_curved(windows: Listed, telling: Ints, regime_of: Ints, groups: int) -> Floats:
    """Share of the steady windows of each regime whose verdict is a curve."""
    steady = telling[windows.verdict[telling] == VERDICTS.index("steady")]
    number = regime_of[steady]
    curved = np.bincount(number, weights=windows.curved[steady], minlength=groups)
    return np.asarray(curved / np.maximum(np.bincount(number, minlength=groups), 1))


def _points(curves: Curves) -> pl.Series:
    """The points of regimes that are curves, null for the others."""
    told = [curves.points(k) if curved else None for k, curved in enumerate(curves.curved)]
    return pl.Series(told, dtype=REGIMES["points"])


def known(values: Floats, where: Bools | bool = True) -> Floats:
    """Values that are NaN, which tables write as null, where they are not finite or not wanted."""
    return np.where(where & np.isfinite(values), values, np.nan)


def moments_of_time(us: Ints) -> pl.Series:
    """Instants as a column, null where there is none."""
    there = pl.Series(us != NEVER)
    return pl.Series(us, dtype=pl.Int64).zip_with(there, pl.Series([None], dtype=pl.Int64)).cast(UTC_US)


__all__ = ["Found", "find_regimes", "known", "moments_of_time", "only", "regimes_of", "shared"]
