"""Photos from the raw folder to the outbox: which count, what is read, what a person decides, what is told."""

from __future__ import annotations

import json
import re
from itertools import accumulate
from pathlib import Path

import polars as pl
import pytest

from tests.photo_town import TERMINAL, Town, register
from tests.workspaces import Small, demand, output
from transforms.display import Sight

Q = demand()
#: the meter's own register [L] after each quarter of an hour, from 120 m3 on
REGISTER = [120_000.0 + litres for litres in accumulate(flow / 4 for flow in Q)]


@pytest.fixture
def town(small: Small) -> Town:
    """A healthy meter that sends registers, and its terminal."""
    town = Town(small).registry()
    small.dump("meter", {"WM-1": REGISTER}, column="volume_l").dump("flowmeter", {"WM-1": Q})
    return town


def shown(quarters: int) -> tuple[str, str]:
    """The register after so many quarters of an hour, as the display has it."""
    return "main", register(REGISTER[quarters] / 1000)


def test_a_photo_is_read_once_and_held_against_the_register(town: Town) -> None:
    town.photo("a.jpg", "2026-01-01T05:00:00Z", shown(20), command_id="c-1")
    first = town.run()
    (row,) = town.readings(first)
    assert (row["status"], row["reason"], row["screen"], row["unit"]) == ("accepted", "read", "main", "m3")
    assert row["value"] == pytest.approx(REGISTER[20] / 1000, abs=0.001)
    assert row["wire_low"] <= REGISTER[20] / 1000 <= row["wire_high"]
    assert (row["confidence"], row["command_id"], row["file"]) == (0.999, "c-1", "a.jpg")
    assert first.manifest["counts"]["readings"] == {"accepted": 1}
    town.small.dump("meter", {"WM-1": REGISTER}, column="volume_l", name="b.csv")
    second = town.run("2026-01-02T00:00:00Z")
    assert town.readings(second) == []
    assert town.eyes.looked == ["a.jpg"]
    assert second.manifest["photos"]["known"] == 1


def test_every_line_is_accounted_for(town: Town) -> None:
    good = "2026-01-01T05:00:00Z"
    town.photo("a.jpg", good, shown(20))
    town.line({"feature_code": "WM-1", "terminal_id": TERMINAL, "captured_at": good, "file": "a.jpg"})
    town.photo("foreign.jpg", good, shown(20), terminal="+64 21 555 9999")
    town.photo("stranger.jpg", good, shown(20), code="WM-9")
    town.photo("../escaped.jpg", good, shown(20))
    town.photo("late.jpg", "2026-01-01T12:30:00Z", shown(20))
    town.photo("tomorrow.jpg", "2027-01-01T12:30:00Z", shown(20))
    link = town.root / "raw" / "images" / "link.jpg"
    link.symlink_to(town.root / "raw" / "images" / "a.jpg")
    for name in ("link.jpg", "gone.jpg", ".hidden.jpg", "/etc/passwd", "manifest.jsonl"):
        town.line({"feature_code": "WM-1", "terminal_id": TERMINAL, "captured_at": good, "file": name})
    town.line("{")
    town.line(json.dumps({"feature_code": "WM-1", "terminal_id": TERMINAL, "captured_at": "noon", "file": "a.jpg"}))
    outcome = town.run(now="2026-01-01T12:40:00Z")
    account = outcome.manifest["photos"]
    assert account["reasons"] == {
        "bad_manifest_line": 2,
        "bad_file_name": 5,
        "foreign_terminal": 1,
        "future": 1,
        "missing_file": 1,
        "unregistered": 1,
    }
    assert (account["taken"], account["duplicate"], account["waiting"], account["refused"]) == (1, 1, 1, 11)
    assert account["read"] == 14
    assert town.eyes.looked == ["a.jpg"]
    assert len(account["faults"]) == 11
    assert not any("555" in fault for fault in account["faults"])
    assert sum("leads out of raw/images" in fault for fault in account["faults"]) == 5
    assert sum("dated later than the run" in fault for fault in account["faults"]) == 1
    aside = town.root / "quarantine" / "images.jsonl"
    assert len(aside.read_text().splitlines()) == 11
    assert aside.stat().st_mode & 0o077 == 0
    later = town.run("2026-01-02T00:00:00Z")
    assert later.manifest["photos"]["faults"] == [], "a fault is told once"
    assert town.eyes.looked == ["a.jpg", "late.jpg"], "a photo belongs to the window in which it was taken"


def test_one_picture_for_two_meters_counts_for_none(small: Small) -> None:
    town = Town(small).registry(["WM-1", "WM-2"])
    town.photo("a.jpg", "2026-01-01T05:00:00Z", shown(20))
    town.line({"feature_code": "WM-2", "terminal_id": TERMINAL, "captured_at": "2026-01-01T06:00:00Z", "file": "a.jpg"})
    account = town.run().manifest["photos"]
    assert (account["taken"], account["reasons"]) == (0, {"claimed_twice": 2})


def test_what_is_far_from_the_wire_or_cannot_be_checked_goes_to_a_person(town: Town) -> None:
    town.photo("far.jpg", "2026-01-01T05:00:00Z", ("main", "00912.345"))
    town.photo("gain.jpg", "2026-01-01T05:10:00Z", ("gain", "9.0000"))
    town.photo("blurred.jpg", "2026-01-01T05:20:00Z", Sight("unsure", "margin"))
    town.photo("cat.jpg", "2026-01-01T05:30:00Z", Sight("refused", "not_a_picture"))
    town.photo("crash.jpg", "2026-01-01T05:40:00Z", Sight("refused", "reader_failed"))
    found = {row["file"]: (row["status"], row["reason"]) for row in town.readings(town.run())}
    assert found == {
        "far.jpg": ("review", "implausible"),
        "gain.jpg": ("review", "implausible"),
        "blurred.jpg": ("review", "margin"),
        "cat.jpg": ("rejected", "not_a_picture"),
        "crash.jpg": ("review", "reader_failed"),
    }


def test_a_meter_that_sends_flows_needs_a_person_for_its_first_register_only(small: Small) -> None:
    town = Town(small).registry()
    small.dump("meter", {"WM-1": Q}).dump("flowmeter", {"WM-1": Q})
    town.photo("a.jpg", "2026-01-01T03:00:00Z", shown(11))
    town.photo("b.jpg", "2026-01-01T11:00:00Z", shown(43))
    assert [row["reason"] for row in town.readings(town.run())] == ["unchecked", "unchecked"]
    reading = _waiting(town.root)[0]
    assert output(_review(town, "accept", reading["reading_id"], "--value", shown(11)[1]))[0] == 0
    town.photo("c.jpg", "2026-01-01T11:30:00Z", shown(45))
    town.photo("d.jpg", "2026-01-01T11:40:00Z", ("main", "00129.999"))
    rows = {row["file"]: row for row in town.readings(town.run("2026-01-02T00:00:00Z"))}
    assert (rows["a.jpg"]["status"], rows["a.jpg"]["reason"], rows["a.jpg"]["confidence"]) == (
        "accepted",
        "reviewed",
        1,
    )
    assert (rows["c.jpg"]["status"], rows["d.jpg"]["reason"]) == ("accepted", "implausible")
    assert (rows["b.jpg"]["status"], rows["b.jpg"]["reason"]) == ("accepted", "read"), "now there is something to hold"
    assert town.readings(town.run("2026-01-02T12:00:00Z")) == []


def test_without_eyes_photos_wait_and_are_read_once_there_are_some(town: Town) -> None:
    town.photo("a.jpg", "2026-01-01T05:00:00Z", shown(20))
    (row,) = town.readings(town.run(blind=True))
    assert (row["status"], row["reason"], row["value"]) == ("review", "no_engine", None)
    (again,) = town.readings(town.run("2026-01-02T00:00:00Z"))
    assert (again["reading_id"], again["status"]) == (row["reading_id"], "accepted")


def test_killed_and_run_again_gives_the_same_bytes(town: Town) -> None:
    town.photo("a.jpg", "2026-01-01T05:00:00Z", shown(20))
    folder = town.small.folder(town.run().manifest["run_id"])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    folder.rename(town.root / "killed")
    town.run()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def _review(town: Town, *words: str, now: str = "2026-01-01T13:00:00Z") -> list[str]:
    return ["review", *words, "--workspace", str(town.root), "--now", now, "--by", "Ana"]


def _waiting(root: Path) -> list[dict[str, str]]:
    code, text = output(["review", "list", "--workspace", str(root), "--json"])
    assert code == 0
    return json.loads(text)["waiting"]


def test_the_report_shows_photo_reading_and_confidence_side_by_side(town: Town) -> None:
    town.photo("a.jpg", "2026-01-01T05:00:00Z", shown(20))
    town.photo("<i>.jpg", "2026-01-01T05:30:00Z", ("main", "00912.345"))
    town.line("{")
    html = town.run(report=True).report.read_text()
    assert html.count("data:image/jpeg;base64,") == 2
    assert "img-src data:" in html
    words = re.sub(r"base64,[^\"]+", "", html)
    assert "2 photos and clips: 1 accepted, 1 waits for a person." in words
    assert shown(20)[1].lstrip("0") in words.split('id="photos"')[1]
    assert "meterwright review list --html" in words
    assert "Lines about photos: 3 read = 2 taken + 0 known + 0 duplicate + 0 waiting + 1 refused" in words
    assert "555" not in re.sub(r"[0-9a-f]{12,}", "", words) and "Example" not in words  # digests hold any digits


def test_originals_are_deleted_when_the_policy_says_so_and_the_record_stays(small: Small) -> None:
    town = Town(small).registry(policy='[photos]\nkeep = "12h"\n')
    small.dump("meter", {"WM-1": REGISTER * 3}, column="volume_l").dump("flowmeter", {"WM-1": Q * 3})
    town.photo("read.jpg", "2026-01-01T05:00:00Z", shown(20))
    copy = town.root / "raw" / "images" / "copy.jpg"
    copy.write_bytes((copy.parent / "read.jpg").read_bytes())
    town.line({**_said("copy.jpg"), "captured_at": "2026-01-01T06:00:00Z"})
    town.photo("waits.jpg", "2026-01-01T05:30:00Z", ("main", "00912.345"))
    town.line({**_said("foreign.jpg"), "terminal_id": "+1"})
    first = town.run()
    assert _files(town) == ["copy.jpg", "manifest.jsonl", "read.jpg", "waits.jpg"]
    town.run("2026-01-02T00:00:00Z")
    assert _files(town) == ["manifest.jsonl", "waits.jpg"], "what waits for a person is kept"
    third = town.run("2026-01-02T12:00:00Z")
    assert town.eyes.looked == ["read.jpg", "waits.jpg"]
    account = third.manifest["photos"]
    assert (account["known"], account["gone"], account["faults"]) == (2, 1, [])
    assert [row["file"] for row in town.readings(first)] == ["read.jpg", "waits.jpg"]
    assert output(["outbox", "verify", "--workspace", str(town.root)])[0] == 0


def test_a_revision_keeps_the_readings_and_looks_at_nothing(small: Small) -> None:
    """A late dump changes a verdict; a photo that came meanwhile is the newest run's."""
    town = Town(small).registry()
    small.dump("meter", {"WM-1": REGISTER[:6]}, column="volume_l").dump("flowmeter", {"WM-1": Q})
    town.photo("a.jpg", "2026-01-01T01:00:00Z", shown(4))
    before = town.readings(town.run())
    small.dump("meter", {"WM-1": REGISTER}, column="volume_l", name="late.csv")
    town.photo("b.jpg", "2026-01-01T03:00:00Z", shown(12))
    newest = town.run("2026-01-02T00:00:00Z")
    assert [row["file"] for row in town.readings(newest)] == ["b.jpg"]
    revision = "20260101T000000Z_12h_r2"
    assert small.verdicts(revision)["WM-1"]["verdict"] == "healthy"
    assert pl.read_parquet(small.folder(revision) / "readings.parquet").to_dicts() == before
    assert small.manifest(revision)["photos"]["taken"] == 1


def _said(name: str) -> dict[str, str]:
    return {"feature_code": "WM-1", "terminal_id": TERMINAL, "captured_at": "2026-01-01T05:00:00Z", "file": name}


def _files(town: Town) -> list[str]:
    return sorted(path.name for path in (town.root / "raw" / "images").iterdir())
