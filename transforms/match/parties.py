"""Parties: who is who, and who is said to watch whom, of a fleet or of one bucket."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.match.samples import registers_of
from transforms.schemas import UTC_US

#: meters that are not the same all window, and since when they are what they are now
CHANGED: dict[str, pl.DataType | type[pl.DataType]] = {"feature_code": pl.String, "since": UTC_US}


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
    def models(self) -> pl.DataFrame:
        """The fleet table in the order of ``codes``, null for those that are not ``registered``."""
        named = pl.DataFrame({"feature_code": self.codes}, schema={"feature_code": pl.String})
        known = self.fleet.with_columns(registered=pl.lit(True))
        found = named.join(known, on="feature_code", how="left", maintain_order="left")
        return found.with_columns(pl.col("registered").fill_null(False))

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

    def only(self, codes: Iterable[str]) -> Parties:
        """The same of some of the codes."""
        mine = pl.col("feature_code").is_in(list(codes))
        fleet, devices, claims = (frame.filter(mine) for frame in (self.fleet, self.devices, self.claims))
        return replace(self, fleet=fleet, devices=devices, claims=claims)

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
