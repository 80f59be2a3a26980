"""A person's word on photos: what is listed, what is refused, and what the next run makes of it."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from flows.cli.main import main
from tests.photo_town import Town
from tests.workspaces import Small, output
from transforms.display import Candidate, Sight
from transforms.screens import Screen

MAIN = Screen("main", "volume", "m3", 8, 3)


@pytest.fixture
def town(small: Small) -> Town:
    """A silent meter with two photos that nobody can check."""
    town = Town(small).registry()
    guesses = (Candidate(MAIN, "00120.500", 120.5, 0.61), Candidate(MAIN, "00120.508", 120.508, 0.3))
    town.photo("<b>a.jpg", "2026-01-01T05:00:00Z", Sight("unsure", "margin", guesses, 1))
    town.photo("b.jpg", "2026-01-01T06:00:00Z", Sight("unsure", "margin"))
    town.run()
    return town


def waiting(root: Path, *more: str) -> list[dict[str, Any]]:
    code, text = output(["review", "list", "--workspace", str(root), "--json", *more])
    assert code == 0
    found: list[dict[str, Any]] = json.loads(text)["waiting"]
    return found


def say(town: Town, *words: str, now: str = "2026-01-01T13:00:00Z") -> int:
    return main(["review", *words, "--workspace", str(town.root), "--now", now, "--by", "Ana"])


def test_the_list_shows_path_candidates_and_why(town: Town) -> None:
    first, second = waiting(town.root)
    assert (first["photo"], first["reason"]) == (str(town.root / "raw" / "images" / "<b>a.jpg"), "margin")
    assert [one["text"] for one in first["candidates"]] == ["00120.500", "00120.508"]
    assert second["candidates"] == []
    code, text = output(["review", "list", "--workspace", str(town.root)])
    assert code == 0
    assert first["reading_id"] in text
    assert "00120.508 on main? 0.30" in text
    assert "555" not in text


def test_what_was_accepted_and_rejected_is_folded_by_the_next_run(town: Town) -> None:
    first, second = (one["reading_id"] for one in waiting(town.root))
    assert say(town, "accept", first, "--value", "120.508") == 0
    assert say(town, "reject", second[:8]) == 0
    assert waiting(town.root) == []
    (event,) = (town.root / "raw" / "reviews").glob(f"*{first}.jsonl")
    assert json.loads(event.read_text()) == {
        "reading_id": first,
        "decision": "accepted",
        "by": "Ana",
        "at": "2026-01-01T13:00:00Z",
        "screen": "main",
        "value": 120.508,
    }
    outcome = town.run("2026-01-02T00:00:00Z")
    rows = {row["reading_id"]: row for row in town.readings(outcome)}
    accepted = rows[first]
    assert (accepted["status"], accepted["reason"], accepted["value"]) == ("accepted", "reviewed", 120.508)
    assert (accepted["confidence"], accepted["decided_by"], accepted["unit"]) == (1.0, "Ana", "m3")
    assert (rows[second]["status"], rows[second]["reason"]) == ("rejected", "reviewed")
    assert outcome.manifest["photos"]["faults"] == []
    later = town.run("2026-01-02T12:00:00Z")
    assert town.readings(later) == []
    assert later.manifest["photos"]["reviews"] == 0


REFUSED = [
    (["accept", "p-00000000", "--value", "1"], "there is no photo p-00000000"),
    (["accept", "../../etc", "--value", "1"], "is no id of a photo"),
    (["accept", "FIRST", "--value", "1,5"], "is no plain number"),
    (["accept", "FIRST", "--value", "१२०.५"], "is no plain number"),
    (["accept", "FIRST", "--value", "１２０"], "is no plain number"),
    (["accept", "FIRST", "--value", "1e3"], "is no plain number"),
    (["accept", "FIRST", "--value", "120.5081"], "8 digits, 3 of them behind the point, in m3"),
    (["accept", "FIRST", "--value", "123456.5"], "does not fit the screen main"),
    (["accept", "FIRST", "--value", "-1"], "does not fit"),
    (["accept", "FIRST", "--value", "1", "--screen", "moon"], "the model has main, flow, gain, offset"),
    (["accept", "SECOND", "--value", "1"], "say with --screen which one it is"),
]


def test_what_cannot_be_is_refused_with_a_sentence(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (one["reading_id"] for one in waiting(town.root))
    for words, told in REFUSED:
        assert say(town, *[{"FIRST": first, "SECOND": second}.get(word, word) for word in words]) == 2
        assert told in capsys.readouterr().err
    assert not (town.root / "raw" / "reviews").exists()


def test_nothing_is_decided_twice(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    first = waiting(town.root)[0]["reading_id"]
    assert say(town, "reject", first) == 0
    assert say(town, "accept", first, "--value", "1", now="2026-01-01T14:00:00Z") == 2
    assert "was decided already by Ana at 2026-01-01T13:00:00Z: rejected" in capsys.readouterr().err
    town.run("2026-01-02T00:00:00Z")
    assert say(town, "accept", first, "--value", "1", now="2026-01-02T01:00:00Z") == 2
    assert "was decided already by Ana" in capsys.readouterr().err


def test_events_by_other_hands_are_checked_as_well(town: Town) -> None:
    first = waiting(town.root)[0]["reading_id"]
    folder = town.root / "raw" / "reviews"
    folder.mkdir(parents=True)
    good = {"reading_id": first, "decision": "accepted", "by": "B", "at": "2026-01-01T13:00:00Z", "screen": "main"}
    lines = [
        {**good, "value": 1234567.0},
        {**good, "value": "120"},
        {**good, "reading_id": "p-1", "value": 1},
        {**good, "decision": "maybe", "value": 1},
        {**good, "value": 120.5},
        {**good, "value": 121.5, "at": "2026-01-01T14:00:00Z"},
        {**good, "value": 122.5, "at": "2029-01-01T14:00:00Z"},
    ]
    (folder / "office.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + "[]\n")
    outcome = town.run("2026-01-02T00:00:00Z")
    (row,) = town.readings(outcome)
    assert row["value"] == 120.5
    assert outcome.manifest["photos"]["reviews_refused"] == 6
    assert any("decided already" in fault for fault in outcome.manifest["photos"]["faults"])
    again = town.run("2026-01-02T12:00:00Z")
    assert town.readings(again) == []


def test_help_names_the_commands() -> None:
    from flows.cli.main import meterwright

    text = CliRunner().invoke(meterwright, ["review", "--help"]).output
    assert all(word in text for word in ("list", "accept", "reject"))


def test_the_contact_sheet_shows_small_copies_and_nothing_that_the_camera_noted(town: Town) -> None:
    original = (town.root / "raw" / "images" / "<b>a.jpg").read_bytes()
    assert b"Mrs Example" in original
    code, text = output(["review", "list", "--html", "--json", "--workspace", str(town.root)])
    assert code == 0
    page = Path(json.loads(text)["page"])
    assert page == town.root / "reports" / "review" / "index.html"
    html = page.read_text()
    pictures = [base64.b64decode(part) for part in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html)]
    assert len(pictures) == 2
    for jpeg in pictures:
        assert b"Mrs Example" not in jpeg and b"Exif" not in jpeg
        with Image.open(io.BytesIO(jpeg)) as picture:
            assert max(picture.size) == 640
            assert not picture.getexif() and not picture.info.keys() - {
                "jfif",
                "jfif_version",
                "jfif_unit",
                "jfif_density",
            }
    assert "<b>a.jpg" not in html and "&lt;b&gt;a.jpg" in html
    assert "555" not in re.sub(r"base64,[^\"]+|[0-9a-f]{12,}", "", html)  # digests hold any digits
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]
