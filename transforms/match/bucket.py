"""One bucket's matching: its readings of a window, joined on feature code and instant into the view ``paired``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import duckdb
import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.lake import Lake, LakeFile
from transforms.match.pairing import Pairing, resolve
from transforms.match.samples import LOOK_BACK, load_samples, registers_of
from transforms.schemas import UTC_US
from transforms.sql import statement
from transforms.windows import Window


@dataclass(frozen=True)
class Claimed:
    """`Parties.claims` as arrays in the same order.

    ``place`` is that of the feature code among `Parties.codes`, ``device`` the flowmeter's, ``flowmeter`` its id's place among
    `Parties.flowmeter_ids`, -1 for none; ``plain`` says that it names a meter, that no other names it, and that the device
    claims no other; ``valid_from`` and ``valid_to`` are instants [us since 1970].
    """

    place: npt.NDArray[np.int64]
    device: npt.NDArray[np.int64]
    flowmeter: npt.NDArray[np.int64]
    plain: npt.NDArray[np.bool_]
    valid_from: npt.NDArray[np.int64]
    valid_to: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Parties:
    """Who is who, and who is said to watch whom: of a whole fleet, or of one bucket (see `split`).

    Attributes
    ----------
    fleet : DataFrame
        The fleet table of the registered meters.
    devices : DataFrame
        The lake's dictionary of devices.
    claims : DataFrame
        As made by `transforms.match.claims.claims`.
    instants : DataFrame
        ``device_no`` of the flowmeters whose signal is momentary.
    settled : float
        The largest relative change at which two momentary readings still tell the mean between them.
    changed : DataFrame
        `CHANGED`: meters of which only what they measured from some moment on counts.
    """

    fleet: pl.DataFrame
    devices: pl.DataFrame
    claims: pl.DataFrame
    instants: pl.DataFrame
    settled: float
    changed: pl.DataFrame

    @cached_property
    def codes(self) -> list[str]:
        """The feature codes that are at home here, sorted."""
        return pl.concat([self.devices["feature_code"], self.claims["feature_code"]]).unique().sort().to_list()

    @cached_property
    def place(self) -> dict[str, int]:
        """The place of each code in ``codes``."""
        return {code: k for k, code in enumerate(self.codes)}

    @cached_property
    def meters(self) -> npt.NDArray[np.int64]:
        """The device number of each code's meter, -1 where none ever reported, in the order of ``codes``."""
        numbers = np.full(len(self.codes), -1, dtype=np.int64)
        places = self.devices.select(_places(pl.col("feature_code"), self.codes)).to_series()
        numbers[places.to_numpy()] = self.devices["device_no"].to_numpy()
        return numbers

    @cached_property
    def registers(self) -> pl.DataFrame:
        """What is known of the meters' registers, `transforms.match.samples.REGISTERS`."""
        return registers_of(self.devices, self.fleet)

    @cached_property
    def flowmeter_ids(self) -> list[str]:
        """The flowmeters that claim any of the codes, sorted."""
        return self.claims["flowmeter_id"].drop_nulls().unique().sort().to_list()

    @cached_property
    def claimed(self) -> Claimed:
        """The claims by number, the same in all windows."""
        named = self.claims.select(
            place=_places(pl.col("feature_code"), self.codes),
            flowmeter=_places(pl.col("flowmeter_id"), self.flowmeter_ids),
            plain=pl.col("source").is_in(["record", "table"])
            & (pl.len().over("feature_code") == 1)
            & (pl.len().over("device_no") == 1),
            device=pl.col("device_no").cast(pl.Int64),
            valid_from=pl.col("valid_from").dt.epoch("us"),
            valid_to=pl.col("valid_to").dt.epoch("us"),
        )
        return Claimed(*(named[name].to_numpy() for name in Claimed.__dataclass_fields__))

    def split(self, buckets: int) -> list[Parties]:
        """The parties of each bucket; every feature code that the lake knows is at home in exactly one of them.

        A code is at home where its meter's readings lie, or, if it never reported, in the first of the buckets of the
        flowmeters that claim it.
        """
        meters = self.devices.filter(pl.col("stream") == "meter").select("feature_code", "bucket")
        named = self.claims.select("feature_code", "bucket").sort("bucket").unique("feature_code", keep="first")
        home = pl.concat([meters, named.join(meters, on="feature_code", how="anti")])
        parts = {
            name: frame.join(home.rename({"bucket": "home"}), on="feature_code").partition_by(
                "home", as_dict=True, include_key=False
            )
            for name, frame in (
                ("fleet", self.fleet),
                ("devices", self.devices.filter(pl.col("stream") == "meter")),
                ("claims", self.claims),
            )
        }
        return [
            Parties(
                fleet=parts["fleet"].get((bucket,), self.fleet.clear()),
                devices=parts["devices"].get((bucket,), self.devices.clear()),
                claims=parts["claims"].get((bucket,), self.claims.clear()),
                instants=self.instants,
                settled=self.settled,
                changed=self.changed,
            )
            for bucket in range(buckets)
        ]


def _places(names: pl.Expr, known: Sequence[str]) -> pl.Expr:
    """The place of each name among those known, -1 where it is not."""
    return names.replace_strict(list(known), np.arange(len(known)), default=-1, return_dtype=pl.Int64)


#: so few devices are looked for by their numbers
FEW = 200

#: meters that are not the same all window, and since when they are what they are now
CHANGED: dict[str, pl.DataType | type[pl.DataType]] = {"feature_code": pl.String, "since": UTC_US}

METERS: dict[str, pl.DataType | type[pl.DataType]] = {
    "feature_code": pl.String,
    "meter_no": pl.Int32,
    "flowmeter_id": pl.String,
    "conflict": pl.Boolean,
    "n_meter": pl.Int64,
    "n_reference": pl.Int64,
    "interval_us": pl.Int64,
}


@dataclass(frozen=True)
class Matched:
    """Who was matched with whom; the pairs themselves are the view ``paired`` of the connection.

    Attributes
    ----------
    meters : DataFrame
        `METERS`: one row per feature code that reported, is watched or is contradicted.
    watched : DataFrame
        The meters with pairs to come: ``meter_no`` (dense from 0), ``feature_code``, the fleet table's columns.
    """

    meters: pl.DataFrame
    watched: pl.DataFrame


def match_bucket(con: duckdb.DuckDBPyConnection, lake: Lake, bucket: int, window: Window, parties: Parties) -> Matched:
    """Match the readings of one bucket's own parties (see `Parties.split`) in one window."""
    # Joins are carried out in the order they are written. By its own estimate DuckDB would sometimes join the streams on
    # the instant first and on the devices afterwards, which takes time quadratic in the number of meters.
    con.execute("SET disabled_optimizers = 'join_order'")
    registers = parties.registers
    meters = _load(
        con,
        lake,
        "meter",
        [bucket],
        window,
        parties.instants.clear(),
        parties.settled,
        registers,
        _if_few(parties.devices),
    )
    # A flowmeter that was re-paired may lie in another bucket than the meter it now watches.
    buckets = sorted({bucket, *parties.claims["bucket"].unique().to_list()})
    flowmeters = _load(
        con,
        lake,
        "flowmeter",
        buckets,
        window,
        parties.instants,
        parties.settled,
        registers.clear(),
        _if_few(parties.claims),
    )
    pairing = resolve(parties.claims, flowmeters, window)
    matched = Matched(*_watch(con, parties, meters, flowmeters, pairing))
    con.execute(statement("transforms.match", "paired.sql").format(validity=_validity(window, matched.watched)))
    return matched


def _load(
    con: duckdb.DuckDBPyConnection,
    lake: Lake,
    stream: str,
    buckets: Sequence[int],
    window: Window,
    instants: pl.DataFrame,
    settled: float,
    registers: pl.DataFrame,
    only: list[int] | None,
) -> pl.DataFrame:
    def files(start: datetime) -> list[LakeFile]:
        return [file for b in buckets for file in lake.files_for(stream, start, window.end, b)]

    inside = files(window.start)
    derived = not instants.is_empty() or any(file.has_volume for file in inside)
    used = files(window.start - LOOK_BACK) if derived else inside
    return load_samples(
        con,
        f"{stream}_samples",
        [file.path for file in used],
        window,
        conflicts=lake.conflicts(),
        derived=derived and bool(inside),
        instants=instants,
        settled=settled,
        registers=registers,
        versioned=any(file.has_version for file in used),
        only=only,
    )


def _if_few(devices: pl.DataFrame) -> list[int] | None:
    """The numbers of devices that are so few that the readings of all others are best left out at once."""
    numbers = devices["device_no"].unique().sort()
    return numbers.to_list() if len(numbers) <= FEW else None


def _watch(
    con: duckdb.DuckDBPyConnection,
    parties: Parties,
    meters: pl.DataFrame,
    flowmeters: pl.DataFrame,
    pairing: Pairing,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Register the table ``watched`` of meters with a flowmeter, find stragglers' partners, and list all meters."""
    reported = parties.devices.select("feature_code", meter_device="device_no").join(
        meters.rename({"device_no": "meter_device", "n": "n_meter", "fingerprint": "meter_print"}).drop(
            "first_ts", "last_ts"
        ),
        on="meter_device",
    )
    references = pairing.pairs.rename({"device_no": "flowmeter_device"}).join(
        flowmeters.select("n", "fingerprint", "interval_us", flowmeter_device="device_no").rename(
            {"n": "n_reference", "fingerprint": "flowmeter_print", "interval_us": "reference_us"}
        ),
        on="flowmeter_device",
    )
    listed = (
        reported.join(references, on="feature_code", how="full", coalesce=True)
        .join(
            pairing.conflicts.select("feature_code", conflict_id="flowmeter_id", conflict=pl.lit(True)),
            on="feature_code",
            how="full",
            coalesce=True,
        )
        .with_columns(
            pl.col("conflict").fill_null(False), pl.coalesce("flowmeter_id", "conflict_id").alias("flowmeter_id")
        )
        .sort("feature_code")
    )
    watched = (
        listed.filter(pl.col("meter_device").is_not_null() & pl.col("flowmeter_device").is_not_null())
        .join(parties.fleet, on="feature_code")
        .sort("feature_code")
        .with_row_index("meter_no")
        .with_columns(pl.col("meter_no").cast(pl.Int32))
    )
    if not parties.changed.is_empty():
        watched = _since(watched, parties.changed)
    columns = [
        "meter_no",
        "meter_device",
        "flowmeter_device",
        "valid_from",
        "valid_to",
        "per_lph",
        "q1_u",
        "q2_u",
        "q3_u",
        "top_u",
        "band_low_u",
        "band_high_u",
    ]
    naive = [pl.col("valid_from", "valid_to").dt.replace_time_zone(None)]
    con.register("watched", watched.with_columns(naive).select(columns).to_arrow())
    ragged = (
        watched.filter(
            (pl.col("n_meter") != pl.col("n_reference")) | (pl.col("meter_print") != pl.col("flowmeter_print"))
        )
        .with_columns(naive)
        .select(
            "meter_no",
            "meter_device",
            "flowmeter_device",
            "valid_from",
            "valid_to",
            half_us=pl.coalesce("interval_us", "reference_us").fill_null(0) // 2,
        )
    )
    con.register("ragged", ragged.to_arrow())
    if ragged.is_empty():
        con.execute(
            "CREATE OR REPLACE TEMP TABLE nearest_pairs (meter_no INT, ts TIMESTAMP, q_lph DOUBLE, q_meter_lph DOUBLE)"
        )
    else:
        con.execute(statement("transforms.match", "nearest.sql"))
    everyone = (
        listed.join(watched.select("feature_code", "meter_no"), on="feature_code", how="left")
        .with_columns(pl.col("n_meter", "n_reference").fill_null(0))
        .select(pl.col(name).cast(kind) for name, kind in METERS.items())
    )
    return everyone, watched


def _since(watched: pl.DataFrame, changed: pl.DataFrame) -> pl.DataFrame:
    """The same, valid only from when a meter was changed on: the first interval counts that began after that."""
    interval = pl.coalesce("interval_us", "reference_us").fill_null(0).cast(pl.Duration("us"))
    return (
        watched.join(changed, on="feature_code", how="left")
        .with_columns(valid_from=pl.max_horizontal("valid_from", pl.col("since") + interval))
        .drop("since")
        .sort("meter_no")
    )


def _validity(window: Window, watched: pl.DataFrame) -> str:
    """The validity of pairs is tested per row only where it begins or ends inside the window."""
    partial = watched.filter(
        (pl.col("valid_from") > pl.lit(window.start).cast(UTC_US))
        | (pl.col("valid_to") < pl.lit(window.end).cast(UTC_US))
    )
    return "true" if partial.is_empty() else "m.ts >= w.valid_from AND m.ts < w.valid_to"
