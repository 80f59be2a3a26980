"""The tables of a run's report: from the outbox's frames and records to rows of finished text.

Everything that grows with the fleet is counted set-at-a-time and capped here; the outbox holds the full lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from reports.undecided import more_flow
from reports.wording import NOTHING, count, finite, number, percent, share, visible
from transforms.reasons import sentence

VERDICTS = ("healthy", "steady", "unsteady", "inconclusive")
VERDICT_WORDS = {
    "healthy": "inside the permissible error",
    "steady": "off, in a way that new parameters cure",
    "unsteady": "off, in a way that no parameter cures",
    "inconclusive": "not judged: neither good nor bad is shown",
}
MOST_CODES = 100
MOST_FILES = 150
MOST_MOVES = 24
PRIORITIES = ("high", "normal", "low")

#: what a person can do about a reason that kept meters from being judged
REMEDIES = {
    "reference_expired": "have the reference flowmeters calibrated, and enter the date in flowmeters.csv",
    "reference_unregistered": "enter the reference flowmeters in flowmeters.csv",
    "reference_coarse": "have the reference flowmeters' flows exported with more digits, or use finer flowmeters",
    "meter_coarse": "have the meters' flows exported with more digits, or enter their resolution in models.toml",
    "meter_cut_off": "have the meters' flows exported with more digits, or their registers",
    "reference_missing": "find out why the reference flowmeters are silent",
    "meter_missing": "find out why the meters are silent",
    "pairing_conflict": "see which flowmeter is on which pipe, and correct pairs.csv",
    "unregistered": "enter the codes in meters.csv, or find out who sends them",
    "clock_skew": "set the clocks",
}


def _ordered(names: Iterable[str]) -> list[str]:
    """Verdicts in the order of the report, whatever else turns up behind them."""
    return sorted(names, key=lambda name: (VERDICTS.index(name) if name in VERDICTS else len(VERDICTS), name))


def _tally(frame: pl.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    """Counts by columns, most frequent first, ties by name."""
    counted = frame.group_by(*columns).len(name="many")
    return counted.sort(["many", *columns], descending=[True, *[False] * len(columns)]).rows()


def verdict_counts(verdicts: pl.DataFrame) -> list[dict[str, Any]]:
    """One entry a verdict, with its share of the fleet and its reasons; the four known ones always appear."""
    rows = _tally(verdicts.select(pl.col("verdict", "reason").fill_null("")), "verdict", "reason")
    tiles = []
    for name in _ordered({*VERDICTS, *(verdict for verdict, _, _ in rows)}):
        reasons = [{"code": r, "sentence": sentence(r), "n": number(n)} for v, r, n in rows if v == name]
        many = sum(n for v, _, n in rows if v == name)
        tiles.append(
            {
                "name": name,
                "known": name in VERDICTS,
                "words": VERDICT_WORDS.get(name, ""),
                "many": many,
                "n": number(many),
                "share": share(many, verdicts.height),
                "width": f"{100 * many / max(verdicts.height, 1):.3f}",
                "reasons": reasons,
            }
        )
    return tiles


def changes(verdicts: pl.DataFrame, previous: pl.DataFrame | None) -> dict[str, Any] | None:
    """What moved since the previous run: counts by (from, to), and the codes that deserve a look. None if first."""
    if previous is None:
        return None
    now = verdicts.select("feature_code", now="verdict", why="reason")
    then = previous.select("feature_code", then="verdict", before="reason")
    both = now.join(then, on="feature_code", how="inner")
    moved = both.filter(pl.col("now").ne_missing(pl.col("then")))
    other_reason = both.filter(pl.col("now").eq_missing(pl.col("then")) & pl.col("why").ne_missing(pl.col("before")))
    pairs = _tally(moved.select(pl.col("then", "now").fill_null("none")), "then", "now")
    groups = [
        ("Newly unsteady", moved.filter(pl.col("now") == "unsteady")),
        ("Newly steady", moved.filter(pl.col("now") == "steady")),
        ("Healthy again", moved.filter((pl.col("now") == "healthy") & pl.col("then").is_in(["steady", "unsteady"]))),
        ("Off before, not judged now", _lost_sight(moved)),
        ("New in the registry or the dumps", now.join(then, on="feature_code", how="anti")),
        ("Gone from the registry and the dumps", then.join(now, on="feature_code", how="anti")),
    ]
    return {
        "moved": number(moved.height),
        "many": moved.height,
        "same": number(both.height - moved.height),
        "other_reason": number(other_reason.height),
        "pairs": [{"then": then_, "now": now_, "n": number(n)} for then_, now_, n in pairs[:MOST_MOVES]],
        "groups": [{"title": title, **codes(frame)} for title, frame in groups if frame.height],
    }


def _lost_sight(moved: pl.DataFrame) -> pl.DataFrame:
    return moved.filter((pl.col("now") == "inconclusive") & pl.col("then").is_in(["steady", "unsteady"]))


def codes(frame: pl.DataFrame, most: int = MOST_CODES) -> dict[str, Any]:
    """The first feature codes of a frame in order, how many there are and how many are left out."""
    shown = frame["feature_code"].sort().head(most).to_list()
    return {"n": number(frame.height), "many": frame.height, "codes": shown, "more": _more(frame.height - len(shown))}


def _more(many: int) -> str:
    return number(many) if many > 0 else ""


def inconclusive(verdicts: pl.DataFrame) -> list[dict[str, Any]]:
    """Meters that could not be judged, grouped by reason, the largest group first."""
    frame = verdicts.filter(pl.col("verdict") == "inconclusive").select("feature_code", pl.col("reason").fill_null(""))
    return [
        {
            "code": reason,
            "sentence": sentence(reason),
            "remedy": REMEDIES.get(reason, ""),
            "flow": more_flow(verdicts, reason),
            **codes(frame.filter(pl.col("reason") == reason)),
        }
        for reason, _ in _tally(frame, "reason")
    ]


def withheld(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Steady meters whose command a guard kept back, grouped by the guard's reason, the largest group first."""
    kept = manifest.get("withheld") or []
    frame = pl.DataFrame(
        [(str(entry["feature_code"]), str(entry["reason"])) for entry in kept],
        schema={"feature_code": pl.String, "reason": pl.String},
        orient="row",
    )
    return [
        {"sentence": sentence(reason), **codes(frame.filter(pl.col("reason") == reason))}
        for reason, _ in _tally(frame, "reason")
    ]


def suspect_references(manifest: Mapping[str, Any]) -> list[dict[str, str]]:
    """Batches of references that are likelier at fault than their meters, each with what was seen and what to do."""
    return [_suspect(entry) for entry in manifest.get("suspect_references") or []]


def _suspect(entry: Mapping[str, Any]) -> dict[str, str]:
    name = visible(entry["reference"])
    one = entry["by"] == "flowmeter_id"
    high = entry["side"] == "high"
    off, judged, elsewhere = _whole(entry["off"]), _whole(entry["judged"]), finite(entry.get("share_elsewhere"))
    return {
        "them": "it" if one else "them",
        "who": f"flowmeter {name}" if one else f"flowmeters calibrated on {name}",
        "seen": f"{number(off)} of {count(judged, 'judged meter')} steadily {'high' if high else 'low'}",
        "median": percent(entry.get("median_volume_error")),
        "elsewhere": NOTHING if elsewhere is None else percent(elsewhere, plus=False),
        "means": f"the {'flowmeter reads' if one else 'flowmeters read'} too {'low' if high else 'high'}",
        "todo": f"have {'it' if one else 'them'} calibrated again, and enter the date in flowmeters.csv",
    }


def ack_faults(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Sentences about acks that could not be read, capped."""
    faults = [str(fault) for fault in (manifest.get("feedback") or {}).get("faults") or []]
    return {"n": number(len(faults)), "shown": faults[:MOST_CODES], "more": _more(len(faults) - MOST_CODES)}


def second_look(manifest: Mapping[str, Any]) -> str:
    """How many meters were looked at reading by reading, and whether some that wanted it were left out."""
    look = (manifest.get("counts") or {}).get("second_look")
    if not look:
        return ""
    flagged, looked = _whole(look.get("flagged")), _whole(look.get("looked_at"))
    if not flagged:
        return "The sums over the window settled every meter; no single readings had to be looked at."
    if looked == flagged:
        return f"The sums over the window left {count(flagged, 'meter')} in doubt, which were looked at reading by reading."
    return (
        f"The sums over the window left {count(flagged, 'meter')} in doubt. Only {number(looked)} of them, the farthest "
        f"off, were looked at reading by reading; the other {number(flagged - looked)} get no command from "
        "this window alone. The policy's judge.second_look_share sets how many may be looked at."
    )


def _whole(value: object) -> int:
    return int(finite(value) or 0)


def accounting(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Row accounting of the run and of each dump; those with quarantined rows or sums that disagree come first."""
    rows: Mapping[str, Any] = manifest.get("rows") or {}
    files = [_account(entry) for entry in manifest.get("inputs") or []]
    files.sort(key=lambda f: (f["balanced"], -f["set_aside"], f["file"], f["source"], f["stream"], f["sha256"]))
    total = _account(rows)
    return {
        "total": total,
        "files": files[:MOST_FILES],
        "n_files": count(len(files), "dump"),
        "more": _more(len(files) - MOST_FILES),
        "clean": not total["set_aside"] and total["balanced"] and all(f["balanced"] for f in files),
    }


def _account(entry: Mapping[str, Any]) -> dict[str, Any]:
    read, accepted, duplicate, quarantined = (
        _whole(entry.get(key)) for key in ("read", "accepted", "duplicate", "quarantined")
    )
    reasons = sorted(
        ((str(k), _whole(v)) for k, v in (entry.get("reasons") or {}).items()), key=lambda r: (-r[1], r[0])
    )
    return {
        "file": str(entry.get("file") or ""),
        "stream": str(entry.get("stream") or ""),
        "source": str(entry.get("source") or ""),
        "sha256": str(entry.get("sha256") or ""),
        "note": str(entry.get("note") or ""),
        "bytes": number(entry.get("bytes")),
        "read": number(read),
        "accepted": number(accepted),
        "duplicate": number(duplicate),
        "quarantined": number(quarantined),
        "set_aside": quarantined,
        "share": share(quarantined, read),
        "balanced": read == accepted + duplicate + quarantined,
        "reasons": [{"code": c, "sentence": sentence(c), "n": number(n)} for c, n in reasons],
    }


def by_priority(orders: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Work orders, the most urgent first, then the oldest, then by code."""

    def rank(order: Mapping[str, Any]) -> tuple[int, str, str]:
        priority = order.get("priority")
        place = PRIORITIES.index(priority) if priority in PRIORITIES else len(PRIORITIES)
        return place, str(order.get("since") or ""), str(order["feature_code"])

    return sorted(orders, key=rank)
