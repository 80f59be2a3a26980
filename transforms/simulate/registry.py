"""The registry of a simulated fleet, as the texts of its files."""

from __future__ import annotations

import math
from datetime import UTC, timedelta

import numpy as np
import polars as pl

from transforms.simulate.devices import MeterModel
from transforms.simulate.fleet import REFERENCE_UNCERTAINTY, Fleet

#: languages of the customers' terminals and how many speak them
LANGUAGES = {"en": 0.55, "zh": 0.25, "es": 0.15, "fr": 0.05}
#: a flowmeter is serviced every four weeks, so that its calibration is never older than a month
SERVICE_DAYS = 28

_NO_SOURCES = """\
# Foreign exports and how their columns map to ours. Plain dumps in raw/meter and raw/flowmeter need no entry.
"""
_NO_POLICY = """\
# Everything that decides. Nothing is set here, so the defaults are in force; `meterwright policy` shows them.
"""


def registry_files(fleet: Fleet) -> dict[str, str]:
    """File name to content, for every file of a registry.

    The terminals' numbers are from the range that North America keeps for fiction (555-0100 to 555-0199).
    """
    rng = np.random.default_rng([fleet.plan.seed, 2])
    meters = fleet.meters.select("feature_code", "model", "serial", "installed_on", "site")
    return {
        "meters.csv": meters.write_csv(),
        "models.toml": models_text(fleet.models),
        "pairs.csv": _pairs(fleet).write_csv(),
        "flowmeters.csv": _flowmeters(fleet, rng).write_csv(),
        "terminals.csv": _terminals(fleet, rng).write_csv(),
        "sources.toml": _NO_SOURCES,
        "policy.toml": _NO_POLICY,
    }


def models_text(models: tuple[MeterModel, ...]) -> str:
    """The models as models.toml describes them, flows in L/h."""
    return "\n".join(_model_text(model) for model in models)


def _model_text(model: MeterModel) -> str:
    return f"""\
[models."{model.name}"]
q1 = {model.q1}
q2 = {model.q2}
q3 = {model.q3}
q4 = {model.q4}
accuracy_class = {model.accuracy_class}
band = [{model.band[0]}, {model.band[1]}]
repeatability = {model.repeatability}
resolution = {model.resolution}
"""


def _pairs(fleet: Fleet) -> pl.DataFrame:
    since = pl.col("installed_on").dt.strftime("%Y-%m-%dT00:00:00Z")
    return fleet.meters.select("feature_code", "flowmeter_id", valid_from=since, valid_to=pl.lit(None, dtype=pl.String))


def _flowmeters(fleet: Fleet, rng: np.random.Generator) -> pl.DataFrame:
    """One row per calibration: the last before the start, and then every four weeks while the simulation lasts.

    The references that are all off by the same were calibrated on one day, on which no others were.
    """
    today = fleet.plan.start.astimezone(UTC).date()
    since = rng.integers(1, SERVICE_DAYS, fleet.plan.meters)
    if (batch := fleet.truth["reference_bias"] != 0.0).any():
        day = int(since[batch][0])
        since = np.where(batch, day, np.where(since == day, day % (SERVICE_DAYS - 1) + 1, since))
    services = range(max(1, math.ceil((fleet.plan.end - fleet.plan.start) / timedelta(days=SERVICE_DAYS)) + 1))
    days_after = [SERVICE_DAYS * k for k in services]
    return (
        fleet.meters.select("flowmeter_id", since=pl.Series(since))
        .with_columns(after=pl.lit(days_after))
        .explode("after")
        .with_columns(after=pl.col("after") - pl.col("since"))
        .filter(pl.col("after") <= (fleet.plan.end - fleet.plan.start).days)
        .select(
            "flowmeter_id",
            calibrated_on=pl.lit(today) + pl.duration(days="after"),
            uncertainty=pl.lit(REFERENCE_UNCERTAINTY),
        )
        .sort("flowmeter_id", "calibrated_on")
    )


def _terminals(fleet: Fleet, rng: np.random.Generator) -> pl.DataFrame:
    """Nine of ten meters have a customer's terminal bound to them."""
    count = fleet.plan.meters
    number = rng.permutation(count)
    area, line = 201 + (number // 100) % 799, number % 100
    language = rng.choice(list(LANGUAGES), count, p=list(LANGUAGES.values()))
    table = fleet.meters.select("feature_code").with_columns(
        area=pl.Series(area),
        line=pl.Series(line).cast(pl.String).str.zfill(2),
        channel=pl.Series(np.where(rng.random(count) < 0.5, "sms", "app").tolist()),
        language=pl.Series(language.tolist()),
        bound=pl.Series(rng.random(count) < 0.9),
    )
    terminal = pl.format("+1-{}-555-01{}", "area", "line")
    return (
        table.filter("bound")
        .select("feature_code", "channel", "language", terminal_id=terminal)
        .select("feature_code", "terminal_id", "channel", "language")
    )
