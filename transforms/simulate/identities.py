"""What the devices of a simulated fleet are called, where they are, and what they say about themselves."""

from __future__ import annotations

from datetime import UTC

import numpy as np
import polars as pl

from transforms.simulate.plan import Plan


def identities(plan: Plan, rng: np.random.Generator) -> pl.DataFrame:
    """``feature_code, flowmeter_id, serial, site, own_code, relayed, installed_on``, one row per meter."""
    count = plan.meters
    number = pl.Series("number", np.arange(1, count + 1))
    width = max(6, len(str(count)))
    flowmeter = pl.Series("flowmeter", rng.permutation(count) + 1)
    age = rng.integers(200, 2500, count)
    today = plan.start.astimezone(UTC).date()

    def numbered(prefix: str, values: pl.Series) -> pl.Series:
        return prefix + values.cast(pl.String).str.zfill(width)

    return pl.DataFrame(
        {
            "feature_code": numbered("WM-", number),
            "flowmeter_id": numbered("FM-", flowmeter),
            "serial": numbered("SN", pl.Series(rng.permutation(count) + 1)),
            "site": numbered("DMA-", pl.Series(rng.integers(1, 21, count))).str.replace(r"0+(\d\d)$", "$1"),
            "own_code": rng.random(count) < 0.9,
            "relayed": rng.random(count) < 0.3,
            "age": age,
        }
    ).with_columns(installed_on=pl.lit(today) - pl.duration(days="age"))
