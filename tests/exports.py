"""Exports as utilities of many countries write them, all of one small town whose readings are known beforehand."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np

STEP: Final = timedelta(minutes=15)
BEGIN: Final = datetime(2026, 1, 18, tzinfo=UTC)
#: quarters of an hour in two days and a bit, so that days of the month go beyond twelve
COUNT: Final = 200
LITRES: Final = {"m3": 1000.0, "L": 1.0, "gal": 3.785411784, "ft3": 28.316846592, "ccf": 2831.6846592}
PER_HOUR: Final = {"l/h": 1.0, "m3/h": 1000.0, "l/s": 3600.0, "l/min": 60.0}


@dataclass(frozen=True)
class Reading:
    """One meter at one instant: the flow is the mean of the quarter of an hour that ends there."""

    number: int
    instant: datetime
    volume_l: float
    flow_lph: float


@cache
def town(meters: int = 3, count: int = COUNT) -> tuple[Reading, ...]:
    """Meter after meter, each with water in whole litres, none at night."""
    found = []
    rng = np.random.default_rng(20260118)
    for number in range(1, meters + 1):
        hour = (np.arange(count) // 4) % 24
        litres = rng.integers(0, 60, count) * (rng.random(count) < 0.6) * ((hour >= 5) & (hour < 23))
        register = 412_345.0 * number + np.cumsum(litres)
        for k in range(count):
            found.append(Reading(number, BEGIN + STEP * (k + 1), float(register[k]), float(litres[k] * 4)))
    return tuple(found)


@dataclass(frozen=True)
class Export:
    """A file of the town.

    Attributes
    ----------
    name, content
        What it is called, and its bytes.
    zone
        The clock it was written by; None where each stamp says so itself.
    code
        What it calls a meter, by its number.
    readings
        What it holds.
    volume
        Whether registers are to be read from it, else flows.
    exact
        To how many litres, or L/h, its numbers are written.
    aside
        How many rows are none: totals, units, empty ones.
    known
        What a person tells ``sources try`` of it, besides the zone.
    """

    name: str
    content: bytes
    zone: str | None
    code: Callable[[int], str]
    readings: tuple[Reading, ...] = field(default_factory=town)
    volume: bool = True
    exact: float = 0.01
    aside: int = 0
    known: dict[str, Any] = field(default_factory=dict)


def comma(value: float, decimals: int) -> str:
    """A number with a decimal comma."""
    return f"{value:.{decimals}f}".replace(".", ",")


def grouped(value: float, decimals: int) -> str:
    """A number with points between thousands and a decimal comma."""
    return f"{value:,.{decimals}f}".translate(str.maketrans(",.", ".,"))


def table(rows: list[list[str]], delimiter: str, *, quoted: bool = False) -> str:
    """Rows as CSV."""
    out = io.StringIO()
    csv.writer(
        out, delimiter=delimiter, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL, lineterminator="\n"
    ).writerows(rows)
    return out.getvalue()


def local(one: Reading, zone: str, pattern: str) -> str:
    """The reading's stamp by a clock; ``%-d`` and the like write no leading zero."""
    return one.instant.astimezone(ZoneInfo(zone)).strftime(pattern)


def italian() -> Export:
    zone = "Europe/Rome"
    rows = [["Matricola", "Data lettura", "Ora", "Lettura (m³)", "Portata (l/h)"]]
    rows += [
        [
            f"IT{n.number:06d}",
            local(n, zone, "%d/%m/%Y"),
            local(n, zone, "%H:%M"),
            comma(n.volume_l / 1000, 3),
            comma(n.flow_lph, 1),
        ]
        for n in town()
    ]
    return Export("letture.csv", table(rows, "|").encode(), zone, lambda k: f"IT{k:06d}")


def german() -> Export:
    zone = "Europe/Berlin"
    rows = [["Zählpunkt", "Ablesedatum", "Ablesezeit", "Zählerstand in m³", "Durchfluss in l/h", "Statuskennzeichen"]]
    rows += [
        [
            f"DE-{n.number:04d}",
            local(n, zone, "%d.%m.%Y"),
            local(n, zone, "%H:%M:%S"),
            comma(n.volume_l / 1000, 3),
            comma(n.flow_lph, 2),
            "W",
        ]
        for n in town()
    ]
    text = "Stadtwerke Musterstadt;;;;;\nAuswertung vom 20.01.2026;;;;;\n\n" + table(rows, ";", quoted=True)
    text += '"Summe";"";"";"2.474,070";"";""\n"Anzahl Werte: 600"\n'
    return Export("auswertung.csv", text.encode("cp1252"), zone, lambda k: f"DE-{k:04d}", aside=2)


def french() -> Export:
    """A column for every quarter of an hour, each named by its beginning, with the litres of that quarter."""
    zone = "Etc/GMT-1"
    begins = [f"{k // 4:02d}:{k % 4 * 15:02d}" for k in range(96)]
    days: dict[tuple[int, str], dict[str, str]] = {}
    for n in town(count=192):
        start = (n.instant - STEP).astimezone(ZoneInfo(zone))
        day = days.setdefault((n.number, f"{start:%d/%m/%Y}"), {})
        day[f"{start:%H:%M}"] = f"{n.flow_lph / 4:.0f}"
    rows = [["N° compteur", "Jour", *begins]]
    rows += [[f"FR{k}", day, *(cells.get(begin, "") for begin in begins)] for (k, day), cells in days.items()]
    text = "Consommation par quart d'heure (litres)\n" + table(rows, ";")
    return Export("courbe.csv", text.encode(), "+01:00", lambda k: f"FR{k}", town(count=192), volume=False)


def spanish() -> Export:
    zone = "Europe/Madrid"
    rows = [["Nº de contador", "Fecha y hora", "Lectura (m3)", "Caudal (m3/h)", "Estado"]]
    rows += [
        [
            f"{40_000_000 + n.number}",
            local(n, zone, "%d/%m/%Y %H:%M"),
            grouped(n.volume_l / 1000, 3),
            grouped(n.flow_lph / 1000, 4),
            "Normal",
        ]
        for n in town(meters=4)
    ]
    return Export(
        "lecturas.csv", table(rows, ";").encode("cp1252"), zone, lambda k: f"{40_000_000 + k}", town(meters=4)
    )


def dutch() -> Export:
    zone = "Europe/Amsterdam"
    rows = [["Meternummer", "Tijdstip", "Meterstand (m³)", "Kwaliteit"]]
    rows += [
        [f"NL{n.number:03d}", local(n, zone, "%d-%m-%Y %H:%M"), comma(n.volume_l / 1000, 3), "goed"] for n in town()
    ]
    return Export("standen.txt", table(rows, "\t").encode("utf-16"), zone, lambda k: f"NL{k:03d}")


def polish() -> Export:
    zone = "Europe/Warsaw"
    rows = [["Numer wodomierza", "Data odczytu", "Godzina", "Stan licznika [m3]", "Przepływ [l/h]"]]
    rows += [
        [
            f"{n.number:08d}",
            local(n, zone, "%Y-%m-%d"),
            local(n, zone, "%H:%M"),
            comma(n.volume_l / 1000, 3),
            comma(n.flow_lph, 0),
        ]
        for n in town()
    ]
    return Export("odczyty.csv", table(rows, ";").encode("cp1250"), zone, lambda k: f"{k:08d}")


def portuguese() -> Export:
    zone = "America/Sao_Paulo"
    rows = [["Hidrômetro", "Data", "Hora", "Leitura (m³)", "Vazão (L/min)"]]
    rows += [
        [
            f"A{n.number}B",
            local(n, zone, "%d/%m/%y"),
            local(n, zone, "%H:%M"),
            comma(n.volume_l / 1000, 3),
            comma(n.flow_lph / 60, 3),
        ]
        for n in town()
    ]
    return Export("leituras.csv", table(rows, ";").encode(), zone, lambda k: f"A{k}B")


def czech() -> Export:
    zone = "Europe/Prague"
    rows = [["Číslo vodoměru", "Datum a čas", "Stav [m3]", "Průtok [l/s]"]]
    rows += [
        [f"CZ{n.number}", local(n, zone, "%-d.%-m.%Y %-H:%M"), comma(n.volume_l / 1000, 3), comma(n.flow_lph / 3600, 5)]
        for n in town()
    ]
    return Export("odecty.csv", table(rows, ";").encode(), zone, lambda k: f"CZ{k}")


def turkish() -> Export:
    zone = "Europe/Istanbul"
    rows = [["Sayaç No", "Tarih", "Saat", "Endeks (m³)", "Debi (lt/sa)"]]
    rows += [
        [
            f"TR-{n.number}",
            local(n, zone, "%d.%m.%Y"),
            local(n, zone, "%H:%M"),
            comma(n.volume_l / 1000, 3),
            comma(n.flow_lph, 1),
        ]
        for n in town()
    ]
    return Export("endeks.csv", table(rows, ";").encode("cp1254"), zone, lambda k: f"TR-{k}")


def chinese() -> Export:
    zone = "Asia/Shanghai"
    rows = [["水表编号", "采集时间", "累计流量(m³)", "瞬时流量(m³/h)", "状态"]]
    rows += [
        [
            f"CN{n.number:05d}",
            local(n, zone, "%Y/%-m/%-d %-H:%M"),
            f"{n.volume_l / 1000:.3f}",
            f"{n.flow_lph / 1000:.4f}",
            "正常",
        ]
        for n in town()
    ]
    return Export("水表数据.csv", table(rows, ",").encode("gb18030"), zone, lambda k: f"CN{k:05d}")


def american() -> Export:
    """Registers in gallons at epochs in milliseconds, beside columns that tell nothing of water."""
    lines = ["device_id,ts_ms,totalizer_gal,battery_v,rssi"]
    lines += [
        f"{n.number:016x},{int(n.instant.timestamp() * 1000)},{n.volume_l / LITRES['gal']:.2f},3.{60 - n.number},-{70 + n.number}"
        for n in town()
    ]
    return Export("uplinks.csv", "\n".join(lines).encode(), None, lambda k: f"{k:016x}", exact=0.05)


def hundreds_of_cubic_feet() -> Export:
    rows = [["Account", "Endpoint ID", "Read Time", "Reading (CCF)"]]
    rows += [
        [
            f"ACC-{n.number % 2}",
            f"{77_000 + n.number}",
            local(n, "America/Chicago", "%m/%d/%Y %I:%M %p"),
            f"{n.volume_l / LITRES['ccf']:.4f}",
        ]
        for n in town()
    ]
    return Export("ami_reads.csv", table(rows, ",").encode(), "America/Chicago", lambda k: f"{77_000 + k}", exact=0.3)


def spreadsheet() -> Export:
    zone = "Europe/Paris"
    origin = datetime(1899, 12, 30)  # noqa: DTZ001 - a spreadsheet knows no zone
    rows = [["Compteur", "Date", "Index (l)"]]
    for n in town():
        days = (n.instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) - origin) / timedelta(days=1)
        rows.append([f"FR-{n.number}", comma(days, 6), f"{n.volume_l:.0f}"])
    return Export("releve.csv", table(rows, ";").encode(), zone, lambda k: f"FR-{k}")


def two_headers() -> Export:
    zone = "Europe/Zurich"
    rows = [["Gerät", "Zeitpunkt", "Wasser", "Wasser"], ["", "", "m³", "l/h"]]
    rows += [
        [f"CH{n.number}", local(n, zone, "%d.%m.%Y %H:%M"), f"{n.volume_l / 1000:.3f}", f"{n.flow_lph:.0f}"]
        for n in town()
    ]
    return Export("export.csv", table(rows, ";").encode(), zone, lambda k: f"CH{k}")


def offsets() -> Export:
    zone = "Europe/London"
    rows = [["MeterPoint", "ReadDateTime", "Value", "UoM"]]
    rows += [
        [f"UK{n.number}", n.instant.astimezone(ZoneInfo(zone)).isoformat(), f"{n.volume_l / 1000:.3f}", "M3"]
        for n in town()
    ]
    return Export("reads.csv", table(rows, ",").encode(), None, lambda k: f"UK{k}")


def document() -> Export:
    readings = [
        {"serial": f"J{n.number}", "at": f"{n.instant:%Y-%m-%dT%H:%M:%SZ}", "volume": {"value_m3": n.volume_l / 1000}}
        for n in town()
    ]
    return Export(
        "api.json",
        json.dumps({"status": "ok", "data": {"readings": readings}}, indent=1).encode(),
        None,
        lambda k: f"J{k}",
    )


ALL: Final = (
    italian, german, french, spanish, dutch, polish, portuguese, czech, turkish, chinese, american, hundreds_of_cubic_feet,
    spreadsheet, two_headers, offsets, document,
)  # fmt: skip
