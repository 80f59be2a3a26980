"""Evidence: what the moments say about each meter's error, zone by zone, with uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.fit.lines import Floats, Ints
from transforms.statistics import student_quantile
from transforms.summarise.moments import BINS, Moments

Bools = npt.NDArray[np.bool_]

#: flow zones of OIML R 49 as bins of the moments: Q1 to Q2, Q2 to Q3, Q3 to Q4
ZONES = (slice(1, 2), slice(2, 6), slice(6, BINS))
FLOWING = slice(1, BINS)
ZONE_NAMES = ("q1_q2", "q2_q3", "q3_q4")


@dataclass(frozen=True)
class Model:
    """The models' numbers, one entry per meter, in the units of the moments (millionths of Q3) or relative."""

    unit_lph: Floats
    mpe: Floats
    band_low: Floats
    band_high: Floats
    proportion: Floats
    repeatability: Floats
    resolution: Floats


@dataclass(frozen=True)
class Reference:
    """What is known of the references, one entry per meter: common relative uncertainty (k = 2), own repeatability."""

    uncertainty: Floats
    repeatability: float


@dataclass(frozen=True)
class Zones:
    """Errors of indication by flow zone, arrays of shape (3, meters).

    ``error`` is sum(q')/sum(q) - 1, ``expanded`` its uncertainty at the policy's coverage factor with the reference's
    common uncertainty included. ``inside``, ``outside`` and ``open`` (evidence that allows neither) exclude each other;
    where all three are false there is no evidence.
    """

    n: Ints
    volume: Floats
    error: Floats
    expanded: Floats
    inside: Bools
    outside: Bools
    open: Bools


def scatter_expected(moments: Moments, model: Model, reference: Reference) -> Floats:
    """Variance of a single difference that repeatability and resolution explain, shape (bins, meters).

    A reading rounded to the resolution r carries r^2/12; one from a register, the difference of two roundings, twice
    that, which is taken for all.
    """
    n = moments.by_bin("n")
    mean_square = moments.by_bin("sxx") / np.maximum(n, 1)
    relative = model.repeatability**2 + reference.repeatability**2
    return np.asarray(relative * mean_square + model.resolution**2 / 6)


def zone_errors(
    moments: Moments, model: Model, reference: Reference, *, min_pairs: int, factor: float, tolerance: float
) -> Zones:
    """Judge each zone against the maximum permissible error.

    The statistical part of the uncertainty is the scatter of the pairs about the zone's own error, with Student's t for
    the few pairs there are; readings that never differ share one rounding error, which no number of them averages out.
    The reference's calibration is common to all pairs and does not average out either (GUM, 5.2).
    A zone is evidence if it holds enough pairs and its uncertainty is small enough to see the limit at all.
    """
    count, volume, error, expanded = (np.zeros((len(ZONES), len(model.unit_lph))) for _ in range(4))
    floor = model.resolution**2 / 12
    for z, bins in enumerate(ZONES):
        n = moments.total("n", bins).astype(np.float64)
        sx, sy, sxx, sxy, syy = (
            moments.total(name, bins).astype(np.float64) for name in ("sx", "sy", "sxx", "sxy", "syy")
        )
        same = moments.total("y_min", bins) == moments.total("y_max", bins)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = sy / sx
            squares = np.maximum(syy - 2 * ratio * sxy + ratio**2 * sxx, 0.0)
            variance = np.maximum(squares / (n - 1), floor)
            standard = np.sqrt(np.where(same, np.maximum(n * variance, n**2 * floor), n * variance)) / sx
            student = student_quantile(factor, n - 1)
            common = factor / 2 * reference.uncertainty
            expanded[z] = np.sqrt((student * standard) ** 2 + common**2)
        count[z], volume[z], error[z] = n, sx, ratio - 1
    limit = model.mpe * tolerance
    with np.errstate(invalid="ignore"):
        enough = count >= min_pairs
        outside = enough & (np.abs(error) - expanded > limit)
        capable = enough & (expanded <= limit)
        inside = capable & (np.abs(error) + expanded <= limit)
    return Zones(
        n=count.astype(np.int64),
        volume=volume,
        error=error,
        expanded=expanded,
        inside=inside,
        outside=outside,
        open=capable & ~inside & ~outside,
    )
