"""Accounting: whatever the rows, their order and their cut into dumps, batches and ingests, the sums are the same."""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ingesting import frame, readings, registry
from transforms.ingest import ingest, likely, stage, unread
from transforms.ingest.accounts import DumpAccount
from transforms.lake import Lake
from transforms.workspace import Workspace

STAMPS = ("2026-01-01T00:00:00Z", "2026-01-01T23:45:00Z", "2026-01-02T01:00:00+01:00", "2026-01-02T00:00:00Z")
INSTANTS = {text: datetime.fromisoformat(text).astimezone(UTC) for text in STAMPS}
BAD = {"": "no_value", "x": "not_a_number", "inf": "not_finite", "-1": "negative", "99999": "absurd"}

rows = st.lists(
    st.tuples(
        st.sampled_from(["meter", "flowmeter"]),
        st.sampled_from(["WM-1", "WM-2", 'O\'Hara, "7"']),
        st.sampled_from(STAMPS),
        st.one_of(st.sampled_from(["0", "1", "1.0", "2", "-0.0"]), st.sampled_from(["0", "1", *BAD])),
    ),
    max_size=40,
)


def _expected(drawn: list[tuple[str, str, str, str]]) -> tuple[dict[str, int], dict[str, int], list[Any]]:
    """The accounting and the usable readings, by the definition."""
    reasons = Counter(BAD[value] for *_, value in drawn if value in BAD)
    values: dict[tuple[str, str, datetime], set[float]] = {}
    good = 0
    for stream, code, stamp, value in drawn:
        if value not in BAD:
            good += 1
            values.setdefault((stream, code, INSTANTS[stamp]), set()).add(float(value))
    distinct = sum(map(len, values.values()))
    if distinct > len(values):
        reasons["conflicting"] = distinct - len(values)
    totals = {
        "read": len(drawn),
        "accepted": len(values),
        "duplicate": good - distinct,
        "quarantined": sum(reasons.values()),
    }
    usable = sorted((code, ts, *of) for (_, code, ts), of in values.items() if len(of) == 1)
    return totals, dict(sorted(reasons.items())), usable


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fleets=st.lists(rows, min_size=3, max_size=3), data=st.data())
def test_totals_do_not_depend_on_order_or_cut(
    fleets: list[list[tuple[str, str, str, str]]], data: st.DataObject
) -> None:
    """Several fleets at a time, each of devices and dumps of its own: they share batches, buckets and files of the lake."""
    late = data.draw(st.sets(st.integers(0, 3)))
    small_batches = data.draw(st.booleans())
    buckets = data.draw(st.sampled_from([1, 4]))
    cut = [
        (
            data.draw(st.permutations(drawn)),
            data.draw(st.lists(st.integers(0, 3), min_size=len(drawn), max_size=len(drawn))),
        )
        for drawn in fleets
    ]
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        dumps: list[DumpAccount] = []
        for turn in (False, True):
            for fleet, (shuffled, dump_of) in enumerate(cut):
                for number in range(4):
                    if (number in late) == turn:
                        _write(workspace, fleet, shuffled, dump_of, number)
            with patch.object(unread, "BATCH_BYTES", 1 if small_batches else unread.BATCH_BYTES):
                result = ingest(
                    workspace, registry(), absurd_flow_lph=1e4, threads=2, memory_mb=400, bucket_count=buckets
                )
            dumps += result.new_dumps
        expected = [_expected(drawn) for drawn in fleets]
        for fleet, (totals, reasons, _) in enumerate(expected):
            found: Counter[str] = Counter()
            accounts: Counter[str] = Counter()
            for dump in dumps:
                if dump.file.split("/")[1].startswith(f"{fleet}-"):
                    assert dump.read == dump.accepted + dump.duplicate + dump.quarantined
                    assert dump.quarantined == sum(dump.reasons.values())
                    accounts.update({key: getattr(dump, key) for key in totals})
                    found.update(dump.reasons)
            assert {key: accounts[key] for key in totals} == totals
            assert dict(sorted(found.items())) == reasons
        assert sum(file["rows"] for file in Lake.open(workspace).files) == sum(one["accepted"] for one, *_ in expected)
        usable = sorted((_code(fleet, code), *rest) for fleet, (*_, of) in enumerate(expected) for code, *rest in of)
        assert sorted((code, ts, flow) for code, _, ts, flow, _ in readings(workspace, conflicts=False)) == usable


def _code(fleet: int, code: str) -> str:
    return f"{code}{fleet}"


GOOD_LINES = st.builds(
    "WM-{},2026-01-{:02d}T00:00:00Z,{}".format, st.integers(0, 9), st.integers(1, 28), st.integers(0, 3)
)
ODD_LINES = st.sampled_from(
    [
        "",
        "  ",
        ",",
        "WM-1",
        "WM-1,2026-01-01T00:00:00Z",
        "WM-1,2026-01-01T00:00:00Z,1,2",
        '"WM-1",2026-01-01T00:00:00Z,"7"',
        '"WM-1,2026-01-01T00:00:00Z,1',
        'WM-1,2026-01-01T00:00:00Z,1"',
        'W"M,2026-01-01T00:00:00Z,1',
        '"W""M",2026-01-01T00:00:00Z,1',
        '"W"M,2026-01-01T00:00:00Z,1',
        " WM-1 ,2026-01-01T00:00:00Z,8",
        "WM-1, 2026-01-01T00:00:00Z , 9 ",
        "WM-1,2026-01-01T00:00:00Z,\u0661",
        "WM-1,2026-01-01T00:00:00,1",
        "WM-1,1767225600,4",
        "WM-1,2026-01-01T00:00:00Z,\ufeff5",
        "WM\x00,2026-01-01T00:00:00Z,1",
        "WM-1,2026-01-01T00:00:00Z,1\r",
    ]
)


texts = st.tuples(
    st.lists(GOOD_LINES, min_size=20, max_size=60).flatmap(
        lambda good: st.lists(ODD_LINES, max_size=3).flatmap(lambda odd: st.permutations(good + odd))
    ),
    st.sampled_from(["", "\n", "\r\n", "\n\n"]),
)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=st.lists(texts, min_size=6, max_size=6), repeated=st.sampled_from([0, 1, 1000]))
def test_the_fast_way_and_the_careful_way_agree(drawn: list[tuple[list[str], str]], repeated: int) -> None:
    """Several dumps at a time, each of meters of its own; whether stamps are looked up makes no difference, either."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as patches:
        patches.enter_context(patch.object(likely, "_LARGE", 0))
        patches.enter_context(patch.object(likely, "_PIECES", 4))
        patches.enter_context(patch.object(likely, "_REPEATED", repeated or 1e-9))
        outcomes = []
        for quick in (True, False):
            workspace = Workspace(Path(folder) / str(quick))
            (workspace.raw / "meter").mkdir(parents=True)
            for number, (lines, ending) in enumerate(drawn):
                text = "\n".join(["feature_code,timestamp,flow_lph", *lines]).replace("WM", f"WM{number}") + ending
                (workspace.raw / "meter" / f"{number}.csv").write_bytes(text.encode())
            with patch.object(stage, "_may_be_quick", stage._may_be_quick if quick else lambda _: False):
                result = ingest(workspace, registry(), absurd_flow_lph=1e4, threads=2, memory_mb=400)
            aside = [frame(path).rows() for path in sorted(workspace.quarantine.glob("*.parquet"))]
            outcomes.append((result, readings(workspace), aside))
        assert outcomes[0] == outcomes[1]


def _write(
    workspace: Workspace, fleet: int, drawn: list[tuple[str, str, str, str]], dump_of: list[int], number: int
) -> None:
    for stream in ("meter", "flowmeter"):
        folder = workspace.raw / stream
        folder.mkdir(parents=True, exist_ok=True)
        # the extra column keeps two dumps from being the same file
        lines = [f"feature_code,timestamp,flow_lph,dump{fleet}{number}"]
        for (of_stream, code, stamp, value), dump in zip(drawn, dump_of, strict=True):
            if of_stream == stream and dump == number:
                quoted = '"' + _code(fleet, code).replace('"', '""') + '"'
                lines.append(f"{quoted},{stamp},{value},")
        (folder / f"{fleet}-{number}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
