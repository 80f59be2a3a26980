"""Several revisions of one window: which of them counts, and how the chain of runs goes through them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from transforms.outbox import newest_revision, read_history
from transforms.windows import Window, parse_span, parse_time
from transforms.workspace import Workspace

LENGTH = parse_span("12h")


def window(number: int) -> Window:
    return Window(parse_time("2026-01-01T00:00:00Z") + number * LENGTH, LENGTH)


def write(
    root: Path,
    number: int,
    revision: int,
    commands: list[tuple[str, str]],
    previous: str | None = None,
    orders: tuple[str, ...] = (),
    verdict: str = "steady",
    flowmeter: str = "F-1",
    model: str = "M",
) -> str:
    """A run of a window: commands as (id, state), work orders as ids, one meter's verdict."""
    span = window(number)
    folder = Workspace(root).run(span.run_id(revision))
    folder.mkdir(parents=True)
    lines = [{"command_id": code, "state": state, "from": folder.name} for code, state in commands]
    (folder / "commands.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "work_orders.jsonl").write_text("".join(json.dumps({"order_id": order}) + "\n" for order in orders))
    frame = {"feature_code": ["A"], "verdict": [verdict], "volume_error": [0.1], "window_start": [span.start]}
    frame |= {"flowmeter_id": [flowmeter], "model": [model]}
    pl.DataFrame(frame).write_parquet(folder / "verdicts.parquet")
    times = {"window_start": span.start.isoformat(), "window_end": span.end.isoformat()}
    files = {"commands.jsonl": {"rows": len(commands)}, "work_orders.jsonl": {"rows": len(orders)}}
    manifest: dict[str, Any] = {
        **times,
        "revision": revision,
        "inputs": [],
        "files": files,
        "counts": {},
        "feedback": {},
    }
    manifest["previous"] = {"run_id": previous} if previous else None
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder.name


#: the verdict of a window after those that `write` writes
STEADY = pl.DataFrame(
    {"feature_code": ["A"], "verdict": ["steady"], "volume_error": [0.1], "flowmeter_id": ["F-1"], "model": ["M"]}
)


def told(root: Path) -> dict[str, tuple[str, str]]:
    lines = read_history(Workspace(root)).lines("commands.jsonl")
    assert len(lines) == len({line["command_id"] for line in lines}), "each stands once"
    return {line["command_id"]: (line["state"], line["from"][-2:]) for line in lines}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([("c", "held")], [("c", "ready")], {"c": ("ready", "r2")}),
        ([("c", "ready")], [("c", "ready")], {"c": ("ready", "r2")}),
        ([("c", "ready")], [("c", "held")], {"c": ("ready", "r1")}),
        ([("c", "ready")], [], {"c": ("ready", "r1")}),
        ([("c", "ready")], [("d", "ready")], {"c": ("ready", "r1"), "d": ("ready", "r2")}),
        ([], [("d", "held")], {"d": ("held", "r2")}),
    ],
)
def test_what_has_left_stands_once_and_is_never_forgotten(
    tmp_path: Path, first: list[tuple[str, str]], second: list[tuple[str, str]], expected: dict[str, tuple[str, str]]
) -> None:
    write(tmp_path, 0, 1, first)
    write(tmp_path, 0, 2, second)
    assert told(tmp_path) == expected


@pytest.mark.parametrize(
    ("then", "count"),
    [({}, 3), ({"flowmeter": "F-2"}, 2), ({"model": "N"}, 2), ({"verdict": "inconclusive"}, 2)],
    ids=["the same", "another flowmeter", "another model", "not judged"],
)
def test_windows_of_another_comparison_confirm_nothing(tmp_path: Path, then: dict[str, str], count: int) -> None:
    write(tmp_path, 0, 1, [], **then)
    write(tmp_path, 1, 1, [])
    found = read_history(Workspace(tmp_path), window(2)).steady_streak(window(2), STEADY, 9, {})
    assert found == {"A": count}


def test_another_flowmeter_ends_the_row_also_where_its_window_was_not_judged(tmp_path: Path) -> None:
    write(tmp_path, 0, 1, [])
    write(tmp_path, 1, 1, [], verdict="inconclusive", flowmeter="F-2")
    found = read_history(Workspace(tmp_path), window(2)).steady_streak(window(2), STEADY, 9, {})
    assert found == {"A": 1}


def test_verdicts_and_work_orders_are_those_of_the_newest_revision(tmp_path: Path) -> None:
    for revision in (1, 2, 10):
        verdict = "healthy" if revision == 10 else "steady"
        write(tmp_path, 0, revision, [], orders=(f"w{revision}",), verdict=verdict)
    history = read_history(Workspace(tmp_path), window(1))
    assert [folder.name for folder in history.folders] == [window(0).run_id(10)]
    assert [line["order_id"] for line in history.lines("work_orders.jsonl")] == ["w10"]
    previous = history.previous()
    assert previous is not None
    assert previous["verdict"].to_list() == ["healthy"]
    assert history.healthy_since({"A": "2025-12-31T00:00:00Z"}) == {"A": "2026-01-01T00:00:00Z"}
    assert history.healthy_since({"A": "2026-01-01T00:00:00Z"}) == {}, (
        "what came with the order or before closes nothing"
    )
    assert history.steady_streak(window(1), STEADY, 3, {}) == {"A": 1}
    found = newest_revision(Workspace(tmp_path), window(0))
    assert found is not None
    assert found["revision"] == 10
    assert newest_revision(Workspace(tmp_path), window(1)) is None


def test_a_windows_own_revisions_are_not_its_history(tmp_path: Path) -> None:
    write(tmp_path, 0, 1, [("a", "ready")])
    write(tmp_path, 1, 1, [("b", "held")])
    write(tmp_path, 1, 2, [("b", "ready")])
    history = read_history(Workspace(tmp_path), window(1))
    assert [line["command_id"] for line in history.lines("commands.jsonl")] == ["a"]
    assert not history.later
    assert read_history(Workspace(tmp_path), window(0)).later


def test_the_chain_follows_the_order_of_commits(tmp_path: Path) -> None:
    """A revision of the first window comes after the second one, and the third window comes after that."""
    assert read_history(Workspace(tmp_path), window(0)).head is None
    last = None
    for number, revision in [(0, 1), (1, 1), (0, 2), (2, 1), (0, 3), (1, 2)]:
        head = read_history(Workspace(tmp_path), window(number)).head
        assert (head["run_id"] if head else None) == last
        if head:
            content = (tmp_path / "outbox" / head["run_id"] / "manifest.json").read_bytes()
            assert head["manifest_sha256"] == hashlib.sha256(content).hexdigest()
        last = write(tmp_path, number, revision, [], previous=last)


def test_of_several_ends_the_latest_by_window_and_revision_is_taken(tmp_path: Path) -> None:
    for number, revision in [(1, 2), (1, 10), (0, 11)]:
        write(tmp_path, number, revision, [])
    head = read_history(Workspace(tmp_path), window(5)).head
    assert head is not None
    assert head["run_id"] == window(1).run_id(10)


def test_notices_of_every_revision_have_left(tmp_path: Path) -> None:
    for revision, issued in [(1, "2026-01-01T12:00:00Z"), (2, "2026-01-01T18:00:00Z")]:
        folder = Workspace(tmp_path).run(write(tmp_path, 0, revision, []))
        (folder / "notices.jsonl").write_text(json.dumps({"notice_id": f"n{revision}"}) + "\n")
        manifest = json.loads((folder / "manifest.json").read_text())
        until = "2026-01-02T18:00:00Z"
        manifest |= {"issued_at": issued, "counts": {"notices": 1}, "notices_until": until}
        (folder / "manifest.json").write_text(json.dumps(manifest))
    history = read_history(Workspace(tmp_path))
    since = parse_time("2026-01-01T15:00:00Z")
    assert [notice["notice_id"] for notice in history.notices_since(since, since)] == ["n1", "n2"]


def test_notices_are_looked_for_where_some_may_be_open_or_were_said_lately(tmp_path: Path) -> None:
    """A policy that gives commands less time from today on does not close what was opened under the old one."""
    folder = Workspace(tmp_path).run(write(tmp_path, 0, 1, []))
    (folder / "notices.jsonl").write_text(json.dumps({"notice_id": "n1"}) + "\n")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest |= {"issued_at": "2026-01-01T12:00:00Z", "counts": {"notices": 1}, "notices_until": "2026-01-04T12:00:00Z"}

    def found(moment: str, open_at: str) -> int:
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return len(read_history(Workspace(tmp_path)).notices_since(parse_time(moment), parse_time(open_at)))

    late, later = "2026-01-03T00:00:00Z", "2026-01-04T12:00:00Z"
    assert found(late, late) == 1, "open"
    assert found("2026-01-01T00:00:00Z", later) == 1, "said since"
    assert found(late, later) == 0
    del manifest["notices_until"]
    assert found(late, later) == 1, "a run of an earlier version does not say"
    manifest["counts"]["notices"] = 0
    assert found(late, late) == 0


def test_earlier_windows_are_those_of_the_same_length_that_kept_their_sums(tmp_path: Path) -> None:
    for number in (0, 1, 2, 4, 5):
        folder = Workspace(tmp_path).run(write(tmp_path, number, 1, []))
        if number != 2:
            (folder / "moments.parquet").touch()
    history = read_history(Workspace(tmp_path), window(6))
    found = history.earlier(window(6), 5)
    assert [(run.start, run.folder.name) for run in found] == [
        (window(number).start, window(number).run_id(1)) for number in (5, 4, 1)
    ]
    assert history.earlier(window(6), 0) == []
    assert history.earlier(Window(window(6).start, LENGTH / 2), 5) == []
