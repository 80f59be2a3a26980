"""Two policies side by side: how many verdicts and commands differ, which ones, and where the policies themselves differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import unified_diff
from typing import Any

import polars as pl

from reports.audit.view import AuditView
from reports.wording import number, share, visible
from transforms.reasons import sentence

MOST_MOVES, MOST_METERS = 40, 200


def what_if(view: AuditView) -> dict[str, Any] | None:
    """The finished rows of the comparison, None if there is none."""
    given = view.what_if
    if not given:
        return None
    told = _told(given)
    commanded = told.get("commanded") or {}
    windows, differ = _whole(told.get("windows")), _whole(told.get("windows_that_differ"))
    only = {side: [str(code) for code in commanded.get(f"only_{side}") or []] for side in ("a", "b")}
    return {
        "sentence": (
            f"The second policy gives {number(differ)} of {number(windows)} windows another verdict, form or reason "
            f"({share(differ, windows)}), at {number(told.get('meters_that_differ'))} of {number(told.get('meters'))} meters."
        ),
        "sides": [_side(given, commanded, only, side) for side in ("a", "b")],
        "moves": [_move(row) for row in _moves(told)[:MOST_MOVES]],
        "more_moves": number(len(_moves(told)) - MOST_MOVES) if len(_moves(told)) > MOST_MOVES else "",
        "meters": [_meter(row) for row in _differing(given).head(MOST_METERS).iter_rows(named=True)],
        "more_meters": _more(_differing(given).height - MOST_METERS),
        "notes": [visible(note) for note in given.get("notes") or []],
        "difference": _difference(given),
    }


def what_if_tables(view: AuditView) -> list[tuple[str, pl.DataFrame]]:
    """The comparison's tables for the workbook, each with the name of its sheet."""
    given = view.what_if or {}
    told = (("what-if verdicts", "pairs"), ("what-if meters", "meters"), ("what-if windows", "differing_windows"))
    return [(name, given[key]) for name, key in told if isinstance(given.get(key), pl.DataFrame)]


def _told(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The numbers of the comparison, as `transforms.audit.comparison_summary` gives them."""
    summed = given.get("summary")
    return summed if isinstance(summed, Mapping) else given


def _whole(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0


def _more(many: int) -> str:
    return number(many) if many > 0 else ""


def _side(
    given: Mapping[str, Any], commanded: Mapping[str, Any], only: Mapping[str, Sequence[str]], side: str
) -> dict[str, Any]:
    policy = given.get(side)
    policy = policy if isinstance(policy, Mapping) else {}
    return {
        "name": "The policy in force" if side == "a" else "The second policy",
        "file": visible(policy.get("name") or ""),
        "digest": str(policy.get("digest") or ""),
        "commanded": number(commanded.get(side)),
        "only": number(len(only[side])),
        "codes": only[side][:MOST_METERS],
        "more": _more(len(only[side]) - MOST_METERS),
    }


def _moves(told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The pairs of verdicts that differ, the most frequent first."""
    return [
        row
        for row in told.get("verdicts") or []
        if (row.get("verdict_a"), row.get("reason_a")) != (row.get("verdict_b"), row.get("reason_b"))
    ]


def _move(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "n": number(row.get("n")),
        **{f"verdict_{side}": visible(row.get(f"verdict_{side}") or "none") for side in ("a", "b")},
        **{f"reason_{side}": visible(sentence(row.get(f"reason_{side}") or "not known")) for side in ("a", "b")},
    }


def _differing(given: Mapping[str, Any]) -> pl.DataFrame:
    """The meters with windows that differ, those with most of them first."""
    meters = given.get("meters")
    if not isinstance(meters, pl.DataFrame):
        return pl.DataFrame(schema={"feature_code": pl.String})
    return meters.filter(pl.col("n_differ") > 0).sort(["n_differ", "feature_code"], descending=[True, False])


def _meter(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "code": row["feature_code"],
        "windows": number(row["n_windows"]),
        "differ": number(row["n_differ"]),
        "steady_a": number(row["n_steady_a"]),
        "steady_b": number(row["n_steady_b"]),
        "commanded_a": "yes" if row["commanded_a"] else "no",
        "commanded_b": "yes" if row["commanded_b"] else "no",
    }


def _difference(given: Mapping[str, Any]) -> str:
    """Where the texts of the policies differ, line by line; empty if one of them is not known."""
    texts = [(given.get(side) or {}).get("policy") for side in ("a", "b")]
    if not all(texts):
        return ""
    before, after = (str(text).splitlines() for text in texts)
    return "\n".join(line for line in unified_diff(before, after, "policy in force", "second policy", n=0, lineterm=""))
