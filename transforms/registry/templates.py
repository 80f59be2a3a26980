"""The commented registry files that `meterwright init` writes: a workspace that loads, and waits for its meters."""

from __future__ import annotations

from typing import Final

from transforms.policy import policy_template

_MODELS: Final = """\
# One table for each model of meter in meters.csv. Flow rates are in litres per hour, as the type approval states them
# after OIML R 49 / ISO 4064: q2 = 1.6 q1, q4 = 1.25 q3, and R = q3 / q1. Take the '# ' away and put in your own.
#
# [models."DN20 R160"]
# q1 = 25.0                # minimum flow rate, L/h
# q2 = 40.0                # transitional flow rate, L/h
# q3 = 4000.0              # permanent flow rate, L/h
# q4 = 5000.0              # overload flow rate, L/h
# accuracy_class = 2       # 1 or 2
# band = [2.0, 60.0]       # L/h: the preset threshold range of abs(q' - q)
# proportion = 0.95        # share of the differences that must lie in the band
# repeatability = 0.02     # relative scatter that is normal for this model
# resolution = 1.0         # L/h: step of the reported flow
# max_gain_change = 0.25   # largest relative change of the gain that a command may make
# max_offset = 60.0        # L/h: largest offset that a command may set; the band's upper end if left out
# rollover_l = 1e8         # L: where the register begins again at zero; left out if that is not known
# display = {quantity = "volume", unit = "m3", digits = 8, decimals = 3}   # what photos of the display show
#
# [models."DN20 R160".screens.flow]   # other screens of the display: volume, flow, a1, a2, gain, offset or menu
# quantity = "flow"
# unit = "m3/h"
# digits = 5                # places, leading zeros and decimals included
# decimals = 3
"""

_SOURCES: Final = """\
# How foreign exports map to our columns. Files in raw/meter and raw/flowmeter that no source claims are read with plain
# columns; a file elsewhere under raw/ needs a source here. Both streams may come from one export. There are more keys than
# these, for wide layouts, JSON, rows of several kinds, local clocks and corrections: see docs/formats.md, Sources.
#
# [sources.vendor]
# stream = "meter"                 # meter or flowmeter
# glob = "vendor/*.csv"            # relative to raw/
# format = "csv"                   # csv, jsonl, parquet or rle
# delimiter = ";"
# decimal = ","
# encoding = "utf-8"
# skip_rows = 0                    # lines above the header
# timezone = "Europe/Paris"        # of stamps without an offset: a name, or an offset such as "+12:00"
# status = {name = "Quality", good = ["A"]}      # rows that are marked otherwise are set aside
#
# [sources.vendor.columns]         # ours = theirs
# feature_code = "Meter ID"        # or {value = "WM-0001"} where the export is of one meter
# timestamp = {name = ["Date", "Time"], format = "%d/%m/%Y %H:%M:%S"}   # or format = "epoch_s", "epoch_ms", "epoch_us"
# volume_l = {name = "Volume", unit = "m3"}                             # or flow_lph = {name = "Flow", unit = "L/s"}
"""


def templates() -> dict[str, str]:
    """The text of every registry file of a new workspace, by file name."""
    return {
        "meters.csv": "feature_code,model,serial,installed_on,removed_on,site,clock_offset_s,rollover_l\n",
        "models.toml": _MODELS,
        "pairs.csv": "feature_code,flowmeter_id,valid_from,valid_to\n",
        "flowmeters.csv": "flowmeter_id,calibrated_on,uncertainty,sampling\n",
        "terminals.csv": "feature_code,terminal_id,channel,language\n",
        "tariffs.csv": "site,model,from,price_per_m3,currency\n",
        "sources.toml": _SOURCES,
        "policy.toml": policy_template(),
    }
