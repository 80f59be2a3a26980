"""What stands in the registers of an audit's meters that a person should look at, over the whole span."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from flows.audit.desk import Desk
from transforms.match.register_findings import FINDINGS, has_registers, register_findings
from transforms.sql import connect
from transforms.summarise.span import MEMORY_MB
from transforms.windows import Window

#: meters whose readings are held in memory at once
_AT_ONCE = 50


def registers_of_meters(desk: Desk, codes: Sequence[str]) -> pl.DataFrame:
    """`FINDINGS` of some meters, counted over the span by the rules of a run, sorted by code and finding.

    Their readings are read again, so the meters should be few; a lake without registers costs nothing.
    """
    span = Window(desk.setting.begin, desk.setting.end - desk.setting.begin)
    found = [pl.DataFrame(schema=FINDINGS)]
    if not codes or not has_registers(desk.lake, span):
        return found[0]
    spill = desk.setting.work / "registers"
    spill.mkdir(parents=True, exist_ok=True)
    with connect(threads=1, memory_mb=MEMORY_MB, spill=spill) as con:
        for bucket, own in enumerate(desk.parties):
            here = own.devices.filter((pl.col("stream") == "meter") & pl.col("feature_code").is_in(list(codes)))
            names = here["feature_code"].unique().sort().to_list()
            for begin in range(0, len(names), _AT_ONCE):
                few = names[begin : begin + _AT_ONCE]
                parties = replace(own, devices=here.filter(pl.col("feature_code").is_in(few)))
                found.append(register_findings(con, desk.lake, bucket, span, parties, few))
    return pl.concat(found).sort("feature_code", "finding")
