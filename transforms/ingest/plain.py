"""Plain dumps: large CSV files whose rows are simply their lines, read by `transforms.ingest.scan` and judged here.

A dump shows few devices and few stamps many times over. So what a text means is asked of DuckDB once per text, by the same
rules as in every other way; lines that are not plainly good are read the careful way, and should one of them be good after
all, or anything else be odd, the whole dump is left to the other ways.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.ingest.dumps import Dump
from transforms.ingest.fields import Fields
from transforms.ingest.layout import identifiers_of
from transforms.ingest.mapping import columns_of, fields_of
from transforms.ingest.rules import ABSURD_VOLUME_L, Limits, in_time, odd_identifier, raw_columns
from transforms.ingest.scan import Form, Scan, scan
from transforms.ingest.scan_loop import FEATURE_CODE, FLOWMETER_ID, ODD, SKIPPED, STAMP, TEXTS
from transforms.ingest.stamps import instant, zone_join
from transforms.ingest.zones import zone_table
from transforms.sql import quote

#: bytes of a dump that is worth it: smaller ones are read before the compiler is awake
LARGE: Final = 4 << 20
#: rows of a dump that are read into memory
MOST_ROWS: Final = 20_000_000
#: one row in so many may be read the careful way
_FEW: Final = 20
#: rows that are worked on at once
_CHUNK: Final = 1 << 17
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_STAMPS = """
SELECT epoch_us(ts)::BIGINT AS us, coalesce({in_time}, false) AS good
FROM (SELECT nr, {instant} AS ts FROM (SELECT nr, {raw} FROM {relation}){zone_join})
ORDER BY nr
"""

_DEVICES = """
SELECT feature_code, flowmeter_id, device_no, feature_code <> '' OR flowmeter_id <> '' AS named, {odd} AS odd, {most} AS most_lph
FROM (
    SELECT nr, coalesce({feature_code}, '') AS feature_code, coalesce({flowmeter_id}, '') AS flowmeter_id FROM {relation}
) AS seen
LEFT JOIN (SELECT * FROM devices WHERE stream = {stream}) AS known USING (feature_code, flowmeter_id)
{limits}
ORDER BY nr
"""

_NUMBERS = """
SELECT coalesce(device_no, -1) AS device_no
FROM devices_seen LEFT JOIN (SELECT * FROM devices WHERE stream = {stream}) AS known USING (feature_code, flowmeter_id)
ORDER BY nr
"""


@dataclass(frozen=True)
class Plain:
    """The good readings of a plain dump.

    Attributes
    ----------
    dump : Dump
        Whose they are.
    device, stamp : ndarray of int32
        By reading, its place in ``devices`` and in ``us``.
    values : dict of ndarray of float64
        ``flow`` [L/h] and ``volume`` [L], those there are; not a number where a reading has none.
    devices : DataFrame
        ``feature_code``, ``flowmeter_id`` (empty where unknown), ``device_no`` (null where there is none yet).
    us : ndarray of int64
        Instants [us since 1970].
    """

    dump: Dump
    device: NDArray[np.int32]
    stamp: NDArray[np.int32]
    values: dict[str, NDArray[np.float64]]
    devices: pl.DataFrame
    us: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.device)

    def new_devices(self) -> pl.DataFrame:
        """The devices that have no number yet, each once."""
        new = self.devices.filter(pl.col("device_no").is_null())
        return new.select("feature_code", "flowmeter_id").unique(maintain_order=True)

    def numbered(self, con: duckdb.DuckDBPyConnection) -> Plain:
        """The same, with the numbers that the table ``devices`` has by now."""
        if not self.devices["device_no"].null_count():
            return self
        con.register("devices_seen", self.devices.drop("device_no").with_row_index("nr").to_arrow())
        numbers = con.sql(_NUMBERS.format(stream=quote(self.dump.candidate.stream))).pl()["device_no"]
        con.unregister("devices_seen")
        return replace(self, devices=self.devices.with_columns(numbers))

    def chunks(self) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int64], dict[str, NDArray[np.float64]]]]:
        """Some readings at a time: device numbers, instants [us], values."""
        numbers = self.devices["device_no"].to_numpy()
        for begin in range(0, len(self), _CHUNK):
            some = slice(begin, begin + _CHUNK)
            values = {name: column[some] for name, column in self.values.items()}
            yield numbers[self.device[some]], self.us[self.stamp[some]], values

    def account(self) -> None:
        """Count them to their dump's account."""
        seen = np.zeros(len(self.us), np.bool_)
        seen[self.stamp] = True
        self.dump.read += len(self)
        self.dump.accepted = len(self)
        if seen.any():
            stamps = self.us[seen]
            self.dump.min_ts, self.dump.max_ts = _text(stamps.min()), _text(stamps.max())


def _text(us: np.int64) -> str:
    return f"{_EPOCH + timedelta(microseconds=int(us)):%Y-%m-%dT%H:%M:%S.%fZ}".replace(".000000", "")


def read_plain(con: duckdb.DuckDBPyConnection, dump: Dump, limits: Limits) -> tuple[Plain, list[int]] | None:
    """Read a dump that may be read the fast way.

    Returns
    -------
    (Plain, list of int) or None
        The good readings, and the numbers of the lines that have to be read the careful way, none of which may turn out to be
        good. None where the dump is not plain, not large, or has any reading of which only another way can tell.
    """
    if dump.text is None or dump.text.stat().st_size < LARGE or dump.rows > MOST_ROWS:
        return None
    stream = dump.candidate.stream
    if stream == "meter" and limits.known.clocks:
        return None
    place = {name: position for position, name in reversed(list(enumerate(dump.header)))}
    fields = fields_of(dump.candidate, lambda name: f"c{place[name]}", place)
    form = _form(dump, fields, place, limits)
    if form is None:
        return None
    (threads,) = con.sql("SELECT current_setting('threads')").fetchall()[0]
    found = scan(dump.text, dump.first_line, dump.rows, form, int(threads))
    return None if found is None else _judged(con, dump, found, form, fields, limits)


def _form(dump: Dump, fields: Fields, place: dict[str, int], limits: Limits) -> Form | None:
    """How the loop has to read a dump; None where it cannot."""
    if fields.thousands or fields.flow_unit or fields.volume_unit or (dump.candidate.stream == "meter" and fields.flowmeter_id):
        return None
    marks = [dump.delimiter, dump.quote or "\0", fields.decimal]
    if len(set(marks)) < len(marks) or not all(len(mark) == 1 and mark.isascii() for mark in marks):
        return None
    roles = [SKIPPED] * len(dump.header)
    columns = columns_of(dump.candidate)
    values = tuple(name for name in ("flow", "volume") if getattr(fields, name))
    texts = {"feature_code": FEATURE_CODE, "flowmeter_id": FLOWMETER_ID, "timestamp": STAMP}
    meant = {name: role for name, role in texts.items() if name in columns and set(columns[name].names) & place.keys()}
    for name, role in meant.items():
        (at,) = {place[of] for of in columns[name].names} if len(columns[name].names) == 1 else (None,)
        if at is None or roles[at] != SKIPPED:
            return None
        roles[at] = role
    for kind, name in enumerate(values):
        text = getattr(fields, name)
        at = int(text[1:]) if text[1:].isdecimal() and text[0] == "c" else None
        if at is None or roles[at] != SKIPPED:
            return None
        roles[at] = TEXTS + kind
    of = {"flow": (fields.flow_factor, limits.absurd_flow_lph), "volume": (fields.volume_factor, ABSURD_VOLUME_L)}
    if STAMP not in roles or FEATURE_CODE not in roles and FLOWMETER_ID not in roles:
        return None
    factors, most = zip(*(of[name] for name in values), strict=True)
    return Form(dump.delimiter, dump.quote, fields.decimal, tuple(roles), values, factors, most)


def _judged(
    con: duckdb.DuckDBPyConnection, dump: Dump, found: Scan, form: Form, fields: Fields, limits: Limits
) -> tuple[Plain, list[int]] | None:
    stamps = _stamps(con, found, form, fields, limits)
    devices = _devices(con, dump, found, form, fields, limits)
    if devices["odd"].any():
        return None
    good = found.device != ODD
    for wanted, numbers in ((devices["named"], found.device), (stamps["good"], found.stamp)):
        if not wanted.all():
            good &= np.append(wanted.to_numpy(), False)[numbers]
    lines = np.flatnonzero(~good)
    if len(lines) * _FEW > dump.rows:
        return None
    device, stamp, values = found.device, found.stamp, found.values
    if len(lines):
        device, stamp = device[good], stamp[good]
        values = {name: column[good] for name, column in values.items()}
    if dump.candidate.stream == "meter" and limits.known.lowest_lph is not None and "flow" in values:
        high = np.flatnonzero(values["flow"] > limits.known.lowest_lph)
        if (values["flow"][high] > devices["most_lph"].to_numpy()[device[high]]).any():
            return None
    us = stamps["us"].fill_null(0).to_numpy()
    plain = Plain(dump, device, stamp, values, devices.select("feature_code", "flowmeter_id", "device_no"), us)
    return plain, (lines + dump.first_line).tolist()


def _stamps(con: duckdb.DuckDBPyConnection, found: Scan, form: Form, fields: Fields, limits: Limits) -> pl.DataFrame:
    """By stamp: its instant ``us``, and whether it is ``good``."""
    con.register("stamps_seen", pl.DataFrame({"stamp": found.stamps}).with_row_index("nr").to_arrow())
    relation = _relation("stamps_seen", {STAMP: "stamp"}, form)
    zone = zone_table(con, relation, fields)
    judged = con.sql(
        _STAMPS.format(
            in_time=in_time(limits),
            instant=instant(fields, zone),
            raw=raw_columns(fields),
            relation=relation,
            zone_join=zone_join(fields, zone),
        )
    ).pl()
    con.unregister("stamps_seen")
    return judged


def _devices(
    con: duckdb.DuckDBPyConnection, dump: Dump, found: Scan, form: Form, fields: Fields, limits: Limits
) -> pl.DataFrame:
    """By device: its identifiers, its number, whether it is ``named`` at all, whether anything is ``odd``, and ``most_lph``."""
    stream = dump.candidate.stream
    by_meter = stream == "meter" and limits.known.lowest_lph is not None
    con.register("devices_seen", found.devices.with_row_index("nr").to_arrow())
    judged = con.sql(
        _DEVICES.format(
            odd=" OR ".join(map(odd_identifier, identifiers_of(stream))),
            most="coalesce(absurd_lph, 'inf'::DOUBLE)" if by_meter else "'inf'::DOUBLE",
            feature_code=fields.feature_code or "NULL::VARCHAR",
            flowmeter_id=fields.flowmeter_id or "NULL::VARCHAR",
            relation=_relation(
                "devices_seen", {FEATURE_CODE: "feature_code", FLOWMETER_ID: "flowmeter_id"}, form
            ),
            stream=quote(stream),
            limits="LEFT JOIN known_meters USING (feature_code)" if by_meter else "",
        )
    ).pl()
    con.unregister("devices_seen")
    return judged


def _relation(table: str, texts: dict[int, str], form: Form) -> str:
    """SQL: a dump's columns, of which a table of some of its texts has what these roles hold; empty ones are null, as ever."""
    columns = (
        f"nullif({texts[role]}, '')" if role in texts else "NULL::VARCHAR" for role in form.roles
    )
    named = ", ".join(f"{text} AS c{at}" for at, text in enumerate(columns))
    return f"(SELECT nr, {named} FROM {table})"
