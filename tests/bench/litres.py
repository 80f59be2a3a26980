"""Litres of labelled fleets: what their meters counted and what truly passed, under references whose errors are known.

The readings are those of `transforms.simulate` with every behaviour. The error of each calibration of a reference is drawn, a
share of its variance for all references calibrated on one day; that can be done many times over for the same readings,
which cost far more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.bench.histories import BEGIN, CALIBRATION_DAYS, LENGTH, PER_DAY

if TYPE_CHECKING:  # in a measuring process itself NumPy and Polars would be in the way, see `measure`
    import numpy as np
    import polars as pl

INTERVAL = timedelta(minutes=15)
HOURS = INTERVAL / timedelta(hours=1)
#: days by which the references of four batches are calibrated apart
_APART = 7
#: windows that the reference is no reference in
_BIASED = "reference_biased"


@dataclass(frozen=True)
class Read:
    """Readings of a fleet, summed up by meter and window.

    Attributes
    ----------
    sums
        ``meter, window, n, sx, sy, sxx, sxy, syy`` (flows in millionths of Q3, the reference without its calibration's error)
        and ``passed_l``, the true volume of the instants with both readings, ``missed_l`` that of them of which the reference
        saw nothing.
    fleet
        The fleet table, in the order of the meters' numbers.
    behaviour
        Of each meter.
    """

    sums: pl.DataFrame
    fleet: pl.DataFrame
    behaviour: np.ndarray


def read(meters: int, days: int, seed: int) -> Read:
    """Simulate a fleet with every behaviour but references off by several times their uncertainty, and sum it up."""
    import numpy as np
    import polars as pl

    from transforms.fleet import fleet_table
    from transforms.registry import Registry
    from transforms.registry.models import Model
    from transforms.simulate import Fleet, Plan
    from transforms.simulate.behaviours import SHARES

    shares = {name: share for name, share in SHARES.items() if name != _BIASED}
    fleet = Fleet.draw(Plan(meters, days, BEGIN, INTERVAL, seed, shares=shares))
    models = {
        m.name: Model(
            m.name, m.q1, m.q2, m.q3, m.q4, m.accuracy_class, m.band, repeatability=m.repeatability, resolution=m.resolution
        )
        for m in fleet.models
    }  # fmt: skip
    table = fleet_table(Registry(fleet.meters, models, None, None, None, (), ""))
    per_lph = table["per_lph"].to_numpy()
    parts = []
    for block in fleet.blocks():
        reference = block.reference / fleet.truth["reference_gain"][block.rows, None]
        both = np.isfinite(block.meter) & np.isfinite(reference)
        row, stamp = np.nonzero(both)
        unit = per_lph[block.rows][row]
        x, y = (np.rint(values[both] * unit).astype(np.int64) for values in (reference, block.meter))
        pairs = pl.DataFrame(
            {
                "meter": row + block.rows.start,
                "window": (block.first + stamp) // (LENGTH // INTERVAL),
                "x": x,
                "y": y,
                "passed_l": block.flow[both] * HOURS,
                "missed_l": np.where(reference[both] == 0, block.flow[both], 0.0) * HOURS,
            }
        )
        a, b = pl.col("x"), pl.col("y")
        parts.append(
            pairs.group_by("meter", "window").agg(
                n=pl.len(), sx=a.sum(), sy=b.sum(), sxx=(a * a).sum(), sxy=(a * b).sum(), syy=(b * b).sum(),
                passed_l=pl.col("passed_l").sum(), missed_l=pl.col("missed_l").sum(),
            )
        )  # fmt: skip
    sums = pl.concat(parts).group_by("meter", "window").agg(pl.all().sum()).sort("meter", "window")
    return Read(sums, table, fleet.behaviour)


@dataclass(frozen=True)
class Told:
    """What an audit's formulas say of one fleet under one drawing of its references' errors, against the truth.

    ``off`` is by how much each meter's mis-registered volume was misjudged [L], ``half`` half of its interval; ``total_off``
    and ``total_half`` are those of the fleet. ``volume`` is what passed by each meter, ``missed`` what of it the reference
    saw nothing of.
    """

    off: np.ndarray
    half: np.ndarray
    volume: np.ndarray
    missed: np.ndarray
    total_off: float
    total_half: float


def tell(known: Read, common: float, uncertainty: float, stated: float, seed: int) -> Told:
    """Draw the errors of the references of a fleet, and work out its litres.

    Parameters
    ----------
    common : float
        True share of the variance that references calibrated on one day have in common.
    uncertainty : float
        Standard uncertainty of a calibration [relative].
    stated : float
        What the policy says of the share.
    """
    import numpy as np
    import polars as pl

    from tests.auditing import AUDIT_MOMENTS, told_of
    from transforms.audit.listed import listed
    from transforms.audit.volume import calibration_volumes, mis_registered, total_half_width
    from transforms.policy import Policy
    from transforms.schemas import AUDIT_WINDOWS

    rng = np.random.default_rng([seed, 7])
    meter, window = known.sums["meter"].to_numpy(), known.sums["window"].to_numpy()
    ahead = (np.arange(known.fleet.height) % 4) * _APART
    number = ((window / PER_DAY + ahead[meter]) // CALIBRATION_DAYS).astype(np.int64)
    service = number * CALIBRATION_DAYS - ahead[meter]
    days, batch = np.unique(service, return_inverse=True)
    own = rng.standard_normal((known.fleet.height, int(number.max()) + 1))[meter, number]
    gain = 1 + uncertainty * (common**0.5 * rng.standard_normal(len(days))[batch] + (1 - common) ** 0.5 * own)
    litres = HOURS / known.fleet["per_lph"].to_numpy()[meter]
    start = pl.Series([BEGIN + k * LENGTH for k in range(int(window.max()) + 1)], dtype=AUDIT_WINDOWS["window_start"])
    code = known.fleet["feature_code"].gather(meter)
    backwards = pl.Series(known.behaviour[meter] == "reverse_flow")
    columns = {
        "feature_code": code,
        "flowmeter_id": code,
        "window_start": start.gather(window),
        "window_end": start.gather(window) + LENGTH,
        "reason": pl.select(
            pl.when(backwards).then(pl.lit("reverse_flow")).otherwise(pl.lit("within_mpe"))
        ).to_series(),
        "volume_l": known.sums["sx"].to_numpy() * litres * gain,
        "meter_volume_l": known.sums["sy"].to_numpy() * litres,
        "reference_uncertainty": np.full(len(meter), uncertainty),
        "calibrated_on": pl.select(pl.lit(BEGIN.date()) + pl.duration(days=pl.Series(service))).to_series(),
    }
    missing = [pl.lit(None, kind).alias(name) for name, kind in AUDIT_WINDOWS.items() if name not in columns]
    windows = pl.DataFrame(columns).with_columns(missing)
    moments = known.sums.with_columns(
        feature_code=code, window_start=columns["window_start"], bin=pl.lit(3), interval_s=pl.lit(3600 * HOURS)
    )
    told = told_of(
        windows.select(pl.col(name).cast(kind) for name, kind in AUDIT_WINDOWS.items()),
        moments.select(pl.col(name).cast(kind) for name, kind in AUDIT_MOMENTS.items()),
    )
    found = listed(told, known.fleet, Policy())
    said = mis_registered(found, np.where(found.measured, found.meter, -1), found.meters.height)
    passed, missed = known.sums["passed_l"].to_numpy(), known.sums["missed_l"].to_numpy()
    # meters come in the order of their codes; what counts of each is what was measured of it
    truth = found.meters.join(
        pl.DataFrame(
            {"feature_code": code, "true_l": columns["meter_volume_l"] - passed, "passed_l": passed, "missed_l": missed}
        )
        .filter(~backwards)
        .group_by("feature_code")
        .sum(),
        on="feature_code",
        how="left",
        maintain_order="left",
    )
    true, volume, unseen = (truth[name].fill_null(0.0).to_numpy() for name in ("true_l", "passed_l", "missed_l"))
    off = said.misregistered - true
    half = total_half_width(calibration_volumes(found), [], stated).item()
    return Told(off, said.half, volume, unseen, float(off.sum()), float(half))
