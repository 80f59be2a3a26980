"""The report of a run: its words, its numbers, what it never does, and that its bytes depend on nothing else."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from html.parser import HTMLParser

import polars as pl
import pytest

from reports import wording
from reports.run import RunReport, render_run
from reports.run_meters import fleet_charts
from reports.run_sections import accounting, changes, inconclusive, second_look, verdict_counts
from tests.run_report_fixture import COMMANDED, HOSTILE, ORDERED, digest, fake_report, hostile_report
from transforms.reasons import sentence
from transforms.schemas import EFFECTS

VOID = {"meta", "br", "img", "link", "hr", "input"}
THIN, MINUS = wording.THIN, wording.MINUS


class Page(HTMLParser):
    """Ids, references, elements and plain text of a page; complains about elements that do not close in order."""

    def __init__(self, page: str):
        super().__init__(convert_charrefs=True)
        self.ids: list[str] = []
        self.references: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name in {"href", "xlink:href", "src"}:
                self.references.append(value or "")
            elif name == "aria-labelledby":
                self.references += [f"#{each}" for each in (value or "").split()]
            self.references += re.findall(r"url\(([^)]*)\)", value or "")
            assert not name.startswith("on"), name

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text += data


@cache
def plain() -> RunReport:
    return fake_report()


@cache
def plain_page() -> str:
    return render_run(plain())


def text_of(report: RunReport) -> str:
    return re.sub(r"\s+", " ", Page(render_run(report)).text.replace(THIN, "~")).replace("~", THIN)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((1.031, 4.2), "reads 3.1 % high and 4.2 L/h too much"),
        ((0.942, -6.1), "reads 5.8 % low and 6.1 L/h too little"),
        ((0.975, 11.9), "reads 2.5 % low but 11.9 L/h too much"),
        ((1.0, -14.3), "reads 14.3 L/h too little"),
        ((1.004, 0.0), "reads 0.40 % high"),
        ((None, 9.6), "reads 9.6 L/h too much"),
        ((1.0, 0.0), "reads as the reference does"),
        ((1 / 1.446, 0.0), "reads 30.8 % low"),
    ],
)
def test_deviation_in_words(given: tuple[float | None, float], expected: str) -> None:
    assert wording.deviation(*given).replace(THIN, " ") == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"gain": 0.96993, "offset_lph": -4.0737}, "multiplies its raw flow by 0.970 and subtracts 4.1 L/h"),
        ({"gain": 1.0, "offset_lph": -4.2}, "subtracts 4.2 L/h from its raw flow"),
        ({"gain": 1.0, "offset_lph": 14.3}, "adds 14.3 L/h to its raw flow"),
        ({"gain": 1.0616, "offset_lph": 0.0}, "multiplies its raw flow by 1.062"),
        ({"gain": 1.0002, "offset_lph": 0.0}, "multiplies its raw flow by 1.00020"),
        ({"gain": 1.0, "offset_lph": 0.0}, "uses its raw flow unchanged"),
        (
            {"points": [[20.0, 19.0], [400.0, 410.0], [1500.0, 1480.0]]},
            (
                "maps its raw flow along a curve of 3 points, drawn from 20.0 L/h to 1 500 L/h "
                "and continued by its end segments"
            ),
        ),
    ],
)
def test_correction_in_words(given: dict[str, object], expected: str) -> None:
    assert wording.correction(given).replace(THIN, " ") == expected


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (wording.percent(0.0314), "+3.14 %"),
        (wording.percent(-0.3084), f"{MINUS}30.8 %"),
        (wording.percent(-0.000001), "0.00 %"),
        (wording.percent(0.09999), "+10.0 %"),
        (wording.percent(None), "–"),
        (wording.percent(float("nan")), "–"),
        (wording.flow(99.96), "100 L/h"),
        (wording.flow(-4.04), f"{MINUS}4.0 L/h"),
        (wording.flow(12345.6), "12 346 L/h"),
        (wording.flow(float("inf")), "–"),
        (wording.number(-0.04, 1), "0.0"),
        (wording.share(1, 100_000), "< 0.1 %"),
        (wording.share(99_999, 100_000), "> 99.9 %"),
        (wording.share(0, 10), "0 %"),
        (wording.share(10, 10), "100 %"),
        (wording.share(0, 0), "–"),
        (wording.moment("2026-01-01T12:00:00Z"), "2026-01-01 12:00 UTC"),
        (wording.moment("2026-01-01T13:00:07+13:00"), "2026-01-01 00:00:07 UTC"),
    ],
)
def test_numbers_and_times_look_the_same_everywhere(shown: str, expected: str) -> None:
    assert shown.replace(THIN, " ") == expected


def test_a_window_is_said_in_utc() -> None:
    day = datetime(2026, 1, 1, tzinfo=UTC)
    assert wording.span(day, day.replace(hour=12)) == "Thursday 1 January 2026, 00:00 to 12:00 UTC"
    assert wording.span(day.replace(hour=12), day.replace(day=2)) == "Thursday 1 January 2026, 12:00 to 24:00 UTC"
    assert wording.span(day, day.replace(day=3, hour=6)).endswith("00:00 to Saturday 3 January 2026, 06:00 UTC")


def test_evidence_gets_units_from_its_names() -> None:
    given = {
        "volume_error": -0.31,
        "q_min_lph": 21.4,
        "lag_s": 900,
        "n_flowing": 28,
        "r2": 0.83,
        "none": None,
        "stuck": True,
        "a1": 0.69,
        "a1_se": 0.0011,
        "a2": 0.1,
        "a2_se": None,
    }
    assert [(name, shown.replace(THIN, " ")) for name, shown in wording.evidence(given)] == [
        ("volume error", f"{MINUS}31.0 %"),
        ("lowest flow", "21.4 L/h"),
        ("lag", "900 s"),
        ("flowing pairs", "28"),
        ("R²", "0.8300"),
        ("stuck", "yes"),
        ("slope a1", "0.6900 ± 0.0011"),
        ("offset a2", "0.1 L/h"),
    ]


def test_the_page_says_what_happened_and_what_needs_a_person() -> None:
    text = text_of(plain())
    assert (
        "Of 150 meters, 118 read inside their permissible error, 7 are steadily off (6 get new parameters, "
        "2 of them held for approval), 3 are off in no steady way, and 22 could not be judged." in text
    )
    assert "Look at the references and the dumps: 2 commands held" in text
    assert "Visit 4 meters, 2 of high priority." in text
    assert "3 meters not judged: have the reference flowmeters calibrated" in text
    assert "17 rows of the dumps went into quarantine" in text
    assert "meterwright run --window 12h --until 2026-01-01T12:00:00Z --now 2026-01-03T12:05:00Z" in text


def test_each_command_is_said_in_words_and_a_held_one_waits() -> None:
    text = text_of(plain()).replace(THIN, " ")
    assert (
        "It reads 3.1 % high and 4.2 L/h too much (seen from 21.4 L/h to 1 310 L/h); from now on it multiplies its "
        "raw flow by 0.970 and subtracts 4.1 L/h." in text
    )
    assert (
        "It reads 14.3 L/h too little (seen from 21.4 L/h to 1 310 L/h); once a person approves, it adds 14.3 L/h"
        in text
    )
    assert text.count("nothing is sent to this meter until a person approves") == 2


def test_work_orders_come_by_priority_with_their_sentences() -> None:
    page = plain_page()
    places = [page.index(f'<code title="{order["order_id"]}">') for order in plain().work_orders]
    by_priority = sorted(zip(plain().work_orders, places, strict=True), key=lambda pair: pair[1])
    assert [order["priority"] for order, _ in by_priority] == ["high", "high", "normal", "low"]
    text = text_of(plain())
    for reason, _, _ in ORDERED.values():
        said = sentence(reason)
        assert f"{said[0].upper()}{said[1:]}." in text


def test_every_charted_meter_has_two_charts_that_a_screen_reader_can_say() -> None:
    page = Page(plain_page())
    charts = 2 * (len(COMMANDED) + len(ORDERED)) + 2  # and the fleet's, wide and narrow
    assert page.tags.count("svg") == charts
    assert page.tags.count("desc") == charts
    assert plain_page().count('role="img"') == charts


def test_ids_are_unique_and_every_reference_stays_in_the_page() -> None:
    for made in (plain_page(), render_run(hostile_report())):
        page = Page(made)
        assert len(page.ids) == len(set(page.ids))
        assert {reference for reference in page.references if not reference.startswith("#")} == set()
        assert {reference[1:] for reference in page.references} <= set(page.ids)


def test_the_page_asks_for_nothing_and_runs_nothing() -> None:
    page = plain_page()
    assert "script" not in Page(page).tags
    assert 'content="default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;' in page
    addresses = set(re.findall(r"[a-z]+://[^\"\s<]+", page))
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "@import" not in page
    assert "dc:date" not in page


def test_names_from_outside_stay_text() -> None:
    made = render_run(hostile_report())
    page = Page(made)
    assert not {"script", "img", "b"} & set(page.tags)
    for name in HOSTILE:
        assert wording.visible(name) in page.text
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u2028\x00-\x08\x0b-\x1f]", made)
    assert "WM-[U+202E]9990-LTR[U+2066][U+200F]" in page.text
    assert "{{ 7 * 7 }}" in page.text


def test_only_what_the_page_knows_is_taken_from_the_manifest() -> None:
    phone = "+64 21 555 0199"
    report = dataclasses.replace(
        plain(), manifest=plain().manifest | {"terminals": [{"terminal_id": phone}], "note": phone}
    )
    assert render_run(report) == plain_page()


def test_bytes_do_not_depend_on_order_or_settings() -> None:
    import matplotlib as mpl

    report = plain()
    assert report.previous is not None
    turned = RunReport(
        manifest=report.manifest | {"inputs": report.manifest["inputs"][::-1]},
        verdicts=report.verdicts.reverse(),
        commands=report.commands[::-1],
        work_orders=report.work_orders[::-1],
        samples=report.samples.reverse(),
        previous=report.previous.reverse(),
        limits=report.limits.reverse(),
    )
    with mpl.rc_context({"svg.fonttype": "path", "font.size": 30, "svg.hashsalt": None, "lines.linewidth": 9}):
        assert render_run(turned) == plain_page()
        assert mpl.rcParams["font.size"] == 30  # and what others have set stays set


def test_not_judged_never_looks_like_passed() -> None:
    page = plain_page()
    text = text_of(plain())
    assert "They have not passed." in text
    assert "Meters that were not judged are not in this chart." in text
    assert "Over the 128 meters that were judged" in text
    assert 'class="tile v-inconclusive"' in page
    styles = re.search(r"\.tile\.v-inconclusive[^}]*}", page)
    assert styles and "dashed" in styles[0] and "repeating-linear-gradient" in styles[0]


def test_an_unknown_verdict_is_shown_and_not_taken_for_a_known_one() -> None:
    odd = plain().verdicts.with_columns(
        verdict=pl.when(pl.col("feature_code") == "WM-0001").then(pl.lit("puzzled")).otherwise("verdict")
    )
    tiles = verdict_counts(odd)
    assert [tile["name"] for tile in tiles] == ["healthy", "steady", "unsteady", "inconclusive", "puzzled"]
    assert sum(tile["many"] for tile in tiles) == 150
    assert 'class="tile v-other"' in render_run(dataclasses.replace(plain(), verdicts=odd))


def test_what_changed_is_counted_and_named() -> None:
    before = pl.DataFrame(
        {
            "feature_code": ["A", "B", "C", "D", "E"],
            "verdict": ["healthy", "steady", "steady", "healthy", "inconclusive"],
            "reason": ["within_mpe", "linear_mapping", "linear_mapping", "within_mpe", "no_flow"],
        }
    )
    now = pl.DataFrame(
        {
            "feature_code": ["A", "B", "C", "F", "E"],
            "verdict": ["unsteady", "healthy", "inconclusive", "healthy", "inconclusive"],
            "reason": ["scatter", "within_mpe", "no_flow", "within_mpe", "meter_missing"],
        }
    )
    found = changes(now, before)
    assert found is not None
    assert (found["moved"], found["same"], found["other_reason"]) == ("3", "1", "1")
    assert {group["title"]: group["codes"] for group in found["groups"]} == {
        "Newly unsteady": ["A"],
        "Healthy again": ["B"],
        "Off before, not judged now": ["C"],
        "New in the registry or the dumps": ["F"],
        "Gone from the registry and the dumps": ["D"],
    }
    assert changes(now, None) is None
    assert "This is the first run" in text_of(dataclasses.replace(plain(), previous=None))


def test_long_lists_are_capped_and_say_so() -> None:
    fleet = pl.DataFrame(
        {"feature_code": [f"M{k:04d}" for k in range(130)], "verdict": "inconclusive", "reason": "no_flow"}
    )
    (group,) = inconclusive(fleet)
    assert (group["n"], len(group["codes"]), group["more"]) == ("130", 100, "30")
    assert group["codes"] == sorted(group["codes"])


def test_sums_that_do_not_agree_are_said_aloud() -> None:
    manifest = plain().manifest
    broken = [manifest["inputs"][0] | {"accepted": 5_183}, *manifest["inputs"][1:]]
    report = dataclasses.replace(plain(), manifest=manifest | {"inputs": broken})
    assert accounting(report.manifest)["files"][0]["balanced"] is False
    assert "Does not add up: read is not accepted + duplicate + quarantined." in text_of(report)
    assert "Does not add up" not in text_of(plain())


def test_steady_meters_kept_back_are_named_with_the_guard() -> None:
    kept = [{"feature_code": "WM-0044", "reason": "unconfirmed"}]
    text = text_of(dataclasses.replace(plain(), manifest=plain().manifest | {"withheld": kept}))
    assert f"Kept back: 1 · {sentence('unconfirmed')} WM-0044" in text
    assert "Kept back" not in text_of(plain())


def test_acks_that_could_not_be_read_are_listed() -> None:
    said = "raw/acks/<a>.jsonl line 3: not a JSON object"
    text = text_of(
        dataclasses.replace(plain(), manifest=plain().manifest | {"feedback": {"acks": 4, "faults": [said]}})
    )
    assert f"Acks that could not be read: 1 {said}" in text


def test_an_empty_run_is_a_page_too() -> None:
    report = plain()
    manifest = report.manifest | {"rows": {}, "inputs": []}
    empty = RunReport(manifest, report.verdicts.clear(), [], [], report.samples.clear(), None, report.limits.clear())
    text = text_of(empty)
    assert "There is no meter in the registry and none reported." in text
    assert "Nothing needs a person" in text
    assert "No meter could be judged in this window." in text
    assert "No meter gets new parameters." in text
    assert "No visit is needed." in text


def test_meters_without_evidence_do_not_break_the_page() -> None:
    report = plain()
    numbers = [name for name, kind in report.verdicts.schema.items() if kind == pl.Float64]
    bare = dataclasses.replace(
        report,
        verdicts=report.verdicts.with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in numbers),
        samples=report.samples.with_columns(q_lph=pl.lit(float("nan"))),
        limits=report.limits.clear(),
        work_orders=[order | {"evidence": {}} for order in report.work_orders],
    )
    page = render_run(bare)
    assert not re.search(r"\b(nan|None|inf)\b", Page(page).text)
    assert Page(page).tags.count("svg") == 0


def test_a_curve_is_shown_with_its_points() -> None:
    points = [[20.0, 24.0], [300.0, 310.0], [1400.0, 1350.0]]
    curve = {"form": "curve", "a1": None, "a2": None, "supersedes": None, "correction": {"points": points}}
    report = plain()
    text = text_of(dataclasses.replace(report, commands=[report.commands[0] | curve])).replace(THIN, " ")
    assert "by an amount that varies with flow" in text
    assert "maps its raw flow along a curve of 3 points, drawn from 20.0 L/h to 1 400 L/h" in text
    assert "1 350 L/h" in text


def test_the_chart_of_a_curve_draws_the_measured_points_whatever_was_in_force() -> None:
    """A later command's correction starts from raw flow: only its own measured points tell what the chart shows."""
    measured = [[20.0, 24.0], [300.0, 310.0], [700.0, 680.0]]
    raw = [[22.0, 20.0], [280.0, 300.0], [1500.0, 1400.0]]
    first = {"form": "curve", "a1": 0.97, "a2": 4.0, "supersedes": None, "curve": {"points": measured}}
    later = first | {"supersedes": digest("older"), "correction": {"points": raw}, "approximation_lph": 0.42}
    drawn = []
    for command in (later, later | {"curve": {"points": [[q, q] for q, _ in measured]}}, later | {"curve": None}):
        page = render_run(dataclasses.replace(plain(), commands=[plain().commands[0] | command]))
        card = page.split('id="c1"')[1].split("</article>")[0]
        assert ("fitted</span>" in card) == (command["curve"] is not None)
        drawn.append(re.findall(r'<path d="([^"]*)" stroke="#d55e00"', card))
    (bent,), (identity,), none = drawn
    assert none == []
    (x1, y1), (x2, y2), (x3, y3) = re.findall(r"[ML]([\d.]+) ([\d.]+)", bent)
    (u1, v1), (u2, v2), (u3, v3) = re.findall(r"[ML]([\d.]+) ([\d.]+)", identity)
    assert (x1, x2, x3) == (u1, u2, u3)
    scale = (float(v1) - float(v3)) / 680  # units of the drawing per L/h; they grow downwards
    above = [(float(v) - float(y)) / scale for y, v in ((y1, v1), (y2, v2), (y3, v3))]
    assert above == pytest.approx([4.0, 10.0, -20.0], abs=0.3)
    text = text_of(dataclasses.replace(plain(), commands=[plain().commands[0] | later])).replace(THIN, " ")
    assert "largest error of the points0.4 L/h" in text
    assert "maps its raw flow along a curve of 3 points, drawn from 22.0 L/h to 1 500 L/h" in text


def test_a_straight_deviation_on_a_curve_in_force_is_still_said_in_words() -> None:
    points = {"points": [[22.0, 20.0], [280.0, 300.0], [1500.0, 1400.0]]}
    text = text_of(dataclasses.replace(plain(), commands=[plain().commands[0] | {"correction": points}]))
    assert "reads 3.1 % high and 4.2 L/h too much" in text.replace(THIN, " ")
    assert "by an amount that varies with flow" not in text


def test_suspect_references_head_the_page_with_what_was_seen_and_what_to_do() -> None:
    batch = {"by": "calibrated_on", "reference": "2025-12-20", "side": "high", "judged": 40, "off": 34}
    batch |= {"median_volume_error": 0.031, "share_elsewhere": 0.02}
    single = {"by": "flowmeter_id", "reference": "FM-<b>9", "side": "low", "judged": 6, "off": 6}
    single |= {"median_volume_error": -0.052, "share_elsewhere": None}
    report = dataclasses.replace(plain(), manifest=plain().manifest | {"suspect_references": [batch, single]})
    text = text_of(report).replace(THIN, " ")
    assert (
        "What needs a person Check the flowmeters calibrated on 2025-12-20: 34 of 40 judged meters steadily high, far "
        "more often than elsewhere. Most likely the flowmeters read too low; no meter behind them gets new parameters "
        "for now. See suspect referencesCheck the flowmeter FM-<b>9: 6 of 6 judged meters steadily low"
    ) in text
    assert (
        "flowmeters calibrated on 2025-12-2034 of 40 judged meters steadily high+3.10 %2.00 %the flowmeters read too low"
        "have them calibrated again, and enter the date in flowmeters.csv"
    ) in text
    assert "flowmeter FM-<b>96 of 6 judged meters steadily low−5.20 %–the flowmeter reads too high" in text
    assert Page(render_run(report)).tags.count("b") == 0
    assert "Suspect references" not in text_of(plain())


def test_a_hundred_thousand_meters_make_a_page_under_three_megabytes() -> None:
    report = plain()
    many = 100_000
    codes = pl.DataFrame({"feature_code": [f"{k:06d}".rjust(128, "M") for k in range(many)], "row": range(many)})
    template = report.verdicts.drop("feature_code").with_row_index("row").cast({"row": pl.Int64})
    fleet = codes.with_columns(pl.col("row") % report.verdicts.height).join(template, on="row").drop("row")
    verdicts = pl.concat([report.verdicts, fleet.select(report.verdicts.columns)])
    names = codes["feature_code"].to_list()
    held = [report.commands[0] | {"feature_code": name, "state": "held"} for name in names[:5_000]]
    orders = [report.work_orders[0] | {"feature_code": name} for name in names[:5_000]]
    inputs = [report.manifest["inputs"][1] | {"file": f"raw/{k}.csv", "sha256": digest(str(k))} for k in range(2_000)]
    big = dataclasses.replace(
        report,
        manifest=report.manifest | {"inputs": inputs},
        verdicts=verdicts,
        commands=[*held, *report.commands],
        work_orders=[*orders, *report.work_orders],
        previous=verdicts.select("feature_code", "reason", verdict=pl.lit("healthy")),
    )
    page = render_run(big)
    assert len(page.encode()) < 3_000_000
    parsed = Page(page)
    assert parsed.tags.count("svg") == 2 * (len(COMMANDED) + len(ORDERED)) + 2  # charted meters are never left out
    assert f"and 4{THIN}756 more; the full list is in commands.jsonl" in parsed.text
    assert "more; the full list is in verdicts.parquet" in parsed.text
    assert f"and 1{THIN}850 more dumps" in parsed.text


def test_importing_the_report_loads_nothing_heavy() -> None:
    asked = "import sys, reports.run; print(sorted({'matplotlib', 'jinja2', 'scipy', 'pandas'} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({}, ""),
        ({"second_look": {"flagged": 0, "looked_at": 0}}, "settled every meter"),
        ({"second_look": {"flagged": 1, "looked_at": 1}}, "left 1 meter in doubt, which"),
        ({"second_look": {"flagged": 1300, "looked_at": 1000}}, f"Only 1{THIN}000 of them"),
        ({"second_look": {"flagged": 1300, "looked_at": 1000}}, "the other 300 get no command from this window alone"),
    ],
)
def test_how_many_got_a_second_look(counts: dict[str, object], words: str) -> None:
    said = second_look({"counts": counts})
    assert words in said
    assert bool(said) == bool(counts)


@pytest.mark.parametrize(
    ("reason", "evidence", "words"),
    [
        ("step", {"changed_at": "2026-01-01T06:37:30Z"}, "It changed at about 2026-01-01 06:37:30 UTC."),
        ("clock_skew", {"lag_s": 2700.0}, f"It comes 45{THIN}min after the reference."),
        ("clock_skew", {"lag_s": -900.0}, f"It comes 15{THIN}min before the reference."),
        ("dropout", {"dead_share": 0.375}, f"It misses 37.5{THIN}% of them."),
    ],
)
def test_a_work_order_says_the_number_that_belongs_to_its_reason(
    reason: str, evidence: dict[str, object], words: str
) -> None:
    order = plain().work_orders[0] | {"reason": reason, "evidence": evidence | {"a1": 7.77, "n_flowing": 28}}
    said = text_of(dataclasses.replace(plain(), work_orders=[order]))
    assert words in said
    assert "7.77" not in said


def test_effects_and_late_readings_are_told_the_worst_first() -> None:
    at = datetime(2026, 1, 1, 13, tzinfo=UTC)
    told = pl.DataFrame(
        [
            ("WM-2", "c-2", 1, at, "cured", 0.08, 0.001),
            ("WM-<1>", "c-1", 2, at, "worse", 0.04, 0.11),
        ],
        schema=EFFECTS,
        orient="row",
    )
    report = plain()
    noted = [{"feature_code": "WM-3", "command_id": digest("gone"), "status": "applied"}]
    counts = {**report.manifest["counts"], "commands": 2, "changed_verdicts": 3}
    manifest = {**report.manifest, "revises": "20260101T000000Z_12h_r1", "noted": noted, "counts": counts}
    text = text_of(dataclasses.replace(report, effects=told, manifest=manifest)).replace(THIN, " ")
    assert "1 meter worse; 1 meter cured" in text
    table = text[text.index("What became of earlier commands") :]
    assert table.index("WM-<1>worse+4.00 %+11.0 %") < table.index("WM-2cured+8.00 %+0.10 %")
    assert "Readings that came late gave 3 meters another verdict; 2 commands still in flight are taken back." in text
    assert "WM-3: command" in text
    assert "but was applied already" in text
    assert "What became of earlier commands" not in text_of(report)
    assert "Late readings" not in text_of(report)


NINE_IN_TEN = "nine in ten lie between +0.50 % and +9.50 %"


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ([0.01], "The volume error of the one meter that was judged is +1.00 %."),
        (
            [0.03, 0.0, -0.01, 0.02, 0.01, 0.2],
            "Over the 6 meters that were judged, the median volume error is +1.50 %; all 6 lie between −1.00 % and +20.0 %.",
        ),
        # of 101 the 6th and the 96th
        (
            [k / 1000 for k in range(101)],
            f"Over the 101 meters that were judged, the median volume error is +5.00 %; {NINE_IN_TEN}.",
        ),
    ],
)
def test_few_meters_are_told_by_their_number(errors: list[float], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.run_meters.fleet_chart", lambda *_, **__: "")
    verdicts = pl.DataFrame({"verdict": ["healthy"] * len(errors), "volume_error": errors})
    told = fleet_charts(verdicts, pl.DataFrame({"mpe_low": [0.05], "mpe_high": [0.02]}))
    assert told is not None
    assert told["sentence"].replace(THIN, " ").replace("\u2009", " ") == said
