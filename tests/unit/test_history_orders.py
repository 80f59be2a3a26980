"""Work orders as later runs read them back: each once, as it stands where it was said last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from transforms.errors import MeterwrightError
from transforms.outbox.history import History


def order(code: str, reason: str, since: str, name: str) -> dict[str, Any]:
    """A line of work_orders.jsonl; its evidence holds what other lines may lack."""
    evidence = {"n_pairs": 48, "display": {"at": since}} if reason == "display_differs" else {"a1": 0.97, "form": None}
    return {"order_id": name, "feature_code": code, "reason": reason, "evidence": evidence, "since": since}


def history(root: Path, runs: list[list[dict[str, Any]]]) -> History:
    """A history of runs that hold nothing but work orders."""
    folders, manifests = [], []
    for number, orders in enumerate(runs, start=1):
        folder = root / f"run-{number}"
        folder.mkdir()
        lines = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in orders)
        (folder / "work_orders.jsonl").write_text(lines, encoding="utf-8")
        folders.append(folder)
        files = {"work_orders.jsonl": {"rows": len(orders)}}
        manifests.append({"window_start": f"2026-01-0{number}T00:00:00Z", "files": files})
    return History(tuple(folders), tuple(manifests), later=False)


def test_an_order_that_every_run_repeats_is_read_once_as_it_was_said_last(tmp_path: Path) -> None:
    odd = 'WM "2"\u2028\\é'
    kept, display = order("WM-1", "scatter", "S1", "w-1"), order("WM-1", "display_differs", "S2", "w-2")
    told = history(
        tmp_path,
        [
            [kept, display],
            [kept, order(odd, "stuck", "S3", "w-3")],
            [],
            [order("WM-1", "display_differs", "S4", "w-4"), kept],
        ],
    ).orders()
    assert [(one["feature_code"], one["order_id"], one["window_start"][:10]) for one in told] == [
        ("WM-1", "w-2", "2026-01-01"),
        (odd, "w-3", "2026-01-02"),
        ("WM-1", "w-4", "2026-01-04"),
        ("WM-1", "w-1", "2026-01-04"),
    ]
    assert told[-1] == {
        "feature_code": "WM-1",
        "reason": "scatter",
        "since": "S1",
        "order_id": "w-1",
        "window_start": "2026-01-04T00:00:00Z",
    }


def test_no_runs_and_runs_without_orders_tell_none(tmp_path: Path) -> None:
    assert history(tmp_path, []).orders() == history(tmp_path, [[], []]).orders() == []


def test_a_run_whose_orders_cannot_be_read_is_named(tmp_path: Path) -> None:
    told = history(tmp_path, [[order("WM-1", "stuck", "S1", "w-1")], [order("WM-2", "stuck", "S2", "w-2")]])
    (tmp_path / "run-1" / "work_orders.jsonl").write_text('{"feature_code": "WM')
    with pytest.raises(MeterwrightError, match=r"^run-1/work_orders.jsonl cannot be read"):
        told.orders()
    (tmp_path / "run-1" / "work_orders.jsonl").write_text('{"feature_code": "WM-1"} {"feature_code": "WM-1"}')
    with pytest.raises(MeterwrightError, match="outbox verify"):
        told.orders()
