"""The pages of an audit: well formed, linked, the same bytes every time, harmless, and fit for each audience."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from html import unescape
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from reports.audit import AuditView, write_audit_report
from reports.audit.anchors import anchor
from reports.audit.customer import language_of, letter
from reports.audit.meters import listed, ranked
from reports.audit.overview import groups, sentences, standings, totals
from reports.audit.pages import meter_pages, overview_page, sheaves
from reports.audit.unjudged import of_one
from reports.audit.view import for_audience
from reports.audit.what_if import what_if
from reports.audit.write import parts_of
from reports.charts import FleetErrors, _fleet_words
from reports.svg import drawing
from reports.wording import THIN, number
from tests.audit_report_fixture import fake_audit, hostile_audit
from tests.unit.test_run_report import Page
from transforms.errors import UsageError
from transforms.match.register_findings import FINDINGS
from transforms.reasons import sentence
from transforms.schemas import AUDIT_FLEET, AUDIT_METERS, AUDIT_WINDOWS, NOT_JUDGED, REGIMES


@cache
def small() -> AuditView:
    return fake_audit(meters=24, flagged=6, days=20)


@cache
def overview() -> str:
    return overview_page(small(), "operator")


@cache
def pages() -> dict[str, str]:
    return dict(meter_pages(small()))


@cache
def hostile_pages() -> dict[str, str]:
    view = hostile_audit()
    return {"index.html": overview_page(view, "operator"), **dict(meter_pages(view, 12))}


def words_of(page: str) -> str:
    return re.sub(r"\s+", " ", Page(page).text.replace(THIN, " "))


def test_three_sentences_say_what_was_found() -> None:
    view = small()
    first, second, third = (said.replace(THIN, " ") for said in sentences(view))
    inside = view.meters.filter(pl.col("in_service") == "inside").height
    assert first == (
        "24 meters were compared with their references over 20 days, in up to 40 windows of 12h; 23 could be judged."
    )
    assert second.startswith(f"In service {inside} of 23 are inside the permissible error")
    assert second.endswith("6 meters are flagged.")
    assert "EUR were under-billed and" in third


def test_standings_count_every_meter_once() -> None:
    meters = pl.DataFrame({"in_service": ["inside", "inside", "open", None, "outside", "nonsense"]})
    assert [(each["name"], each["many"]) for each in standings(meters, "in_service")] == [
        ("inside", 2),
        ("open", 1),
        ("outside", 1),
        ("not judged", 2),
    ]


def test_totals_without_an_interval_say_none() -> None:
    view = fake_audit(meters=6, flagged=2, days=10, summary={})
    given = totals(view)
    assert given["interval"] == ""
    assert given["missed"] == pytest.approx(view.meters["misregistered_l"].sum())


def test_the_worst_comes_first_and_has_page_one() -> None:
    view = small()
    sizes = ranked(view)["misregistered_l"].abs().to_list()
    assert sizes == sorted(sizes, reverse=True)
    rows = listed(view, pages=2)
    assert [row["page"] for row in rows] == ["meters/0001.html", "meters/0002.html", "", "", "", ""]
    assert anchor(rows[0]["code"]) == rows[0]["anchor"]


def test_groups_tell_of_drifts_that_are_told_from_none() -> None:
    fleet = small().fleet.with_columns(
        drift_low=pl.when(pl.col("group") == "UWM-20 R160").then(-0.003).otherwise(-0.001),
        drift_high=pl.when(pl.col("group") == "UWM-20 R160").then(-0.001).otherwise(0.001),
        median_drift_per_month=pl.lit(-0.002),
    )
    models, *rest = groups(fake_audit(meters=6, flagged=2, days=10, fleet=fleet))
    assert models["drifting"].replace(THIN, " ") == "Shown to drift: UWM-20 R160 by −0.20 % a month."
    assert [cut["by"] for cut in rest] == ["age", "size", "site"]


def test_a_drift_that_cannot_be_told_is_not_said_to_be_none() -> None:
    unknown = small().fleet.with_columns(drift_low=pl.lit(None, pl.Float64), drift_high=pl.lit(None, pl.Float64))
    models, *_ = groups(replace(small(), fleet=unknown))
    assert models["drifting"] == "Whether a model drifts cannot be told: too few of its meters tell of a drift."
    one = small().fleet.with_columns(
        drift_low=pl.when(pl.col("group") == "UWM-20 R160").then(-0.001),
        drift_high=pl.when(pl.col("group") == "UWM-20 R160").then(0.001),
        median_drift_per_month=pl.lit(0.0),
    )
    models, *_ = groups(replace(small(), fleet=one))
    assert models["drifting"] == (
        "No model is shown to drift: each interval of a drift holds zero. Of the others too few meters tell of a drift."
    )


def test_of_a_span_without_readings_no_numbers_are_said() -> None:
    view = small()
    nothing = view.meters.with_columns(
        n_inconclusive="n_windows",
        on_verification=pl.lit(None, pl.String),
        in_service=pl.lit(None, pl.String),
        flagged=pl.lit(False),
        **dict.fromkeys(("volume_l", "misregistered_l", "misregistered_low_l", "misregistered_high_l"), pl.lit(0.0)),
    )
    assert sentences(replace(view, meters=nothing, summary={})) == [
        "24 meters were to be compared with their references over 20 days, in up to 40 windows of 12h; 0 could be judged.",
        "No meter could be held against the limits; 0 meters are flagged.",
        "No water flowed that could be compared, so nothing is said about volumes.",
    ]


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ([0.01], "1 judged meter (1 inside): +1.00 %."),
        ([-0.01, 0.0, 0.03], "3 judged meters (3 inside). Median 0.00 %; all lie between −1.00 % and +3.00 %."),
        ([0.0] * 30, "30 judged meters (30 inside). Median 0.00 %; nine in ten lie between 0.00 % and 0.00 %."),
    ],
)
def test_few_errors_are_told_as_they_are(errors: list[float], said: str) -> None:
    spread = np.array(errors)
    assert _fleet_words(FleetErrors({"inside": spread}, ()), spread).replace(THIN, " ") == said


@pytest.mark.parametrize("which", ["overview", "meter"])
def test_pages_are_well_formed_and_their_ids_unique(which: str) -> None:
    page = Page(overview() if which == "overview" else pages()["meters/0001.html"])
    assert len(page.ids) == len(set(page.ids))
    local = {reference[1:] for reference in page.references if reference.startswith("#")}
    assert local <= set(page.ids)
    assert not [reference for reference in page.references if "//" in reference]


def test_links_lead_to_pages_and_back() -> None:
    rows = listed(small())
    index = Page(overview())
    for place, (name, text) in enumerate(pages().items(), start=1):
        assert name == f"meters/{place:04d}.html"
        assert name in index.references
        code = rows[place - 1]["code"]
        page = Page(text)
        assert f"../index.html#{code}" in page.references
        assert code in index.ids and code in page.ids


def test_a_meters_page_holds_its_charts_and_tables() -> None:
    view = small()
    codes = ranked(view)["feature_code"].to_list()
    for code, text in zip(codes, pages().values(), strict=True):
        said = words_of(text)
        assert text.count('<svg class="chart"') == (5 if view.points(code) is not None else 4)
        assert "In service" in said and "Q2 to Q3" in said and "mis-registered" in said
        regimes = view.regimes.filter(pl.col("feature_code") == code).height
        assert text.count('<span class="swatch') == regimes


def test_a_meters_page_says_what_stands_in_its_register() -> None:
    worst = ranked(small())["feature_code"][0]
    rows = [
        (worst, "register_backwards", 3, 12.0),
        (worst, "register_gap", 1, 400.0),
        ("nobody", "register_frozen", 9, 0.0),
    ]
    view = dataclasses.replace(small(), registers=pl.DataFrame(rows, schema=FINDINGS, orient="row"))
    first, second = (words_of(text) for _, text in meter_pages(view, 2))
    assert "The register ran back a little: a flow below zero (3 times, 12 L in all)." in first
    assert "volume without a time, which gives no flow (1 time, 400 L in all)." in first
    assert "he register " not in second


def test_what_could_not_be_judged_is_told_with_its_reasons() -> None:
    view = small()
    code = view.meters["feature_code"][0]
    silent = pl.col("feature_code") == code
    meters = view.meters.with_columns(
        n_inconclusive=pl.when(silent).then("n_windows").otherwise("n_inconclusive"), n_healthy=pl.lit(0, pl.Int64)
    )
    rows = pl.DataFrame(
        {
            "feature_code": [code, code, view.meters["feature_code"][1]],
            "reason": ["meter_missing", "no_flow", "no_flow"],
            "n_windows": [40, 3, 2],
            "first": [datetime(2026, 1, 2, tzinfo=UTC)] * 3,
            "last": [datetime(2026, 1, 30, 12, tzinfo=UTC)] * 3,
            "volume_l": [0.0, 2.0, 1_500.0],
        },
        schema=NOT_JUDGED,
    )
    changed = replace(view, meters=meters, not_judged=rows)
    said = words_of(overview_page(changed, "operator"))
    windows = int(meters["n_windows"].sum())
    assert f"45 of {number(windows)} windows" in said
    assert f"{sentence('no_flow')}511.1 %21 502 L" in said
    assert "1 meter has no verdict in the whole span" in said
    assert of_one(rows.filter(silent).to_dicts()) == [
        f"40 windows not judged, between 2026-01-02 and 2026-01-30 12:00: {sentence('meter_missing')}.",
        f"3 windows not judged, between 2026-01-02 and 2026-01-30 12:00: {sentence('no_flow')}.",
    ]


def test_the_list_says_which_readings_its_errors_count() -> None:
    assert "Error counts readings at which water flows (Q1 and above), mis-registered all of them." in words_of(
        overview()
    )


def test_money_is_told_with_its_interval_and_with_the_litres_that_have_no_price() -> None:
    view = small()
    given = view.meters.with_columns(unpriced_l=pl.lit(125.0))
    summary = {
        **view.summary,
        "money": {"currency": "EUR", "net_under_billed_low": -4.0, "net_under_billed_high": 12.5},
    }
    *_, cost = sentences(replace(view, meters=given, summary=summary))
    assert cost.replace(THIN, " ").endswith(" net (95 % interval −4.00 to 12.50 EUR).")
    told = totals(replace(view, meters=given, summary=summary))
    assert told["unpriced"].replace(THIN, " ") == (
        "No tariff holds for 3 000 L of what was registered too little or too much; that is in no amount."
    )
    page = words_of(dict(meter_pages(replace(view, meters=given), 1))["meters/0001.html"])
    assert re.search(r"under-billed less over-billed.?−?\d+\.\d\d EUR \(−?\d+\.\d\d to −?\d+\.\d\d EUR\)", page)
    assert "mis-registered without a price125 L" in page


def test_the_only_script_is_ours_and_known_by_its_digest() -> None:
    page = overview()
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    assert script and page.count("<script") == 1
    policy = re.search(r"script-src 'sha256-([^']+)'", unescape(page))
    assert policy
    assert base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode() == policy[1]
    assert all("<script" not in text and "script-src" not in text for text in pages().values())


def test_the_page_says_what_it_rests_on() -> None:
    said = words_of(overview())
    for wanted in (
        *("raw/meter/2024-07.csv.gz", "7 200 000", "significance = 0.0001", "meterwright audit --from"),
        *("823412d1eacb", "polars", "2.1.0"),
    ):
        assert wanted in said


def test_two_policies_side_by_side() -> None:
    given = what_if(small())
    assert given is not None
    assert [side["commanded"] for side in given["sides"]] == ["46", "60"]
    assert len(given["moves"]) == 1  # windows that agree are no move
    assert given["difference"].splitlines()[-2:] == ["-significance = 0.0001", "+significance = 0.01"]
    assert "What if" in words_of(overview())
    assert what_if(fake_audit(meters=4, flagged=1, days=6, what_if=None)) is None


def test_hostile_names_stay_text() -> None:
    for text in hostile_pages().values():
        page = Page(text)
        assert page.tags.count("script") == (1 if "audit of" in text and "_list" in page.ids else 0)
        assert not {"img", "b"} & set(page.tags)
        assert "\u202e" not in text and "\u2066" not in text and "\x07" not in text
        assert len(page.ids) == len(set(page.ids))
    assert "=cmd|' /C calc'!A0" in Page(hostile_pages()["index.html"]).text
    assert "../../etc/passwd" in Page(hostile_pages()["index.html"]).text
    assert all(re.fullmatch(r"index\.html|meters/\d{4}\.html", name) for name in hostile_pages())


def test_a_supervisor_sees_no_site_and_no_file_name() -> None:
    view = for_audience(small(), "supervisor")
    said = words_of(overview_page(view, "supervisor")) + "".join(words_of(text) for _, text in meter_pages(view, 2))
    for site in small().meters["site"].unique():
        assert site not in said
    assert "raw/meter" not in said and "By site" not in said
    assert "4aadff410171" in said and "Compliance" in said


def test_the_same_view_gives_the_same_bytes_in_whatever_order_its_parts_are_made(tmp_path: Path) -> None:
    digests = []
    for place in ("a", "b"):
        view = fake_audit(meters=8, flagged=2, days=10)
        if place == "a":
            write_audit_report(tmp_path / place, view)
        else:
            for write in reversed(parts_of(tmp_path / place, view)):
                write()
        files = sorted(file for file in (tmp_path / place).rglob("*") if file.is_file())
        digests.append(
            {str(f.relative_to(tmp_path / place)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}
        )
    assert digests[0] == digests[1]
    assert set(digests[0]) == {
        *("index.html", "report.pdf", "tables.xlsx"),
        *("meters/0001.html", "meters/0002.html"),
    }


def test_a_part_of_the_pages_knows_no_other_meters() -> None:
    view = small()
    two, last = sheaves(view, most=3, size=2)
    assert (two.meters.height, last.meters.height) == (2, 1)
    assert sorted([*two.meters["place"], *last.meters["place"]]) == [1, 2, 3]
    assert two.view.meters["feature_code"].to_list() == sorted(two.meters["feature_code"])
    assert set(two.view.regimes["feature_code"]) <= set(two.meters["feature_code"])
    assert "inputs" in view.facts and "inputs" not in two.view.facts
    assert dict(two.pages()).items() <= dict(meter_pages(view, 3)).items()


def test_an_audit_of_nothing_is_said_plainly(tmp_path: Path) -> None:
    view = small()
    empty = AuditView(
        meters=pl.DataFrame(schema=AUDIT_METERS),
        regimes=pl.DataFrame(schema=REGIMES),
        fleet=pl.DataFrame(schema=AUDIT_FLEET),
        windows=lambda _, columns: pl.DataFrame(schema={name: AUDIT_WINDOWS[name] for name in columns}),
        points=lambda _: None,
        summary={},
        facts={"from": view.facts["from"], "to": view.facts["to"], "window": "12h"},
    )
    write_audit_report(tmp_path, empty)
    said = words_of((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert "0 meters were to be compared" in said and "No meter is flagged." in said
    assert (tmp_path / "report.pdf").stat().st_size > 1000


@pytest.mark.parametrize(
    ("wanted", "expected"), [("zh-CN", "zh"), ("de", "de"), ("FR_ca", "fr"), ("xx", "en"), (None, "en")]
)
def test_the_customers_language(wanted: str | None, expected: str) -> None:
    assert language_of(wanted) == expected


def test_a_customer_reads_of_one_meter_in_plain_words(tmp_path: Path) -> None:
    view = fake_audit(meters=24, flagged=6, days=20, language="de")
    code = view.meters.filter(pl.col("flagged") & (pl.col("flag") != "scatter"))["feature_code"][0]
    write_audit_report(tmp_path, view, "customer", code)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["index.html", "report.pdf"]
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert '<html lang="de">' in text
    said = words_of(text)
    assert f"Ihr Wasserzähler {code}" in said and "Liter" in said and "Juli 2024" in said
    others = [other for other in view.meters["feature_code"] if other != code]
    assert not [other for other in others if other in said]
    assert not [site for site in view.meters["site"].unique() if site in said]


def test_what_a_customer_is_told_follows_from_the_meter() -> None:
    view = small()

    def state(**changes: pl.Expr) -> str:
        code = view.meters.filter(pl.col("flag") == "linear_mapping")["feature_code"][0]
        meters = view.meters.with_columns(**{name: each for name, each in changes.items() if name in AUDIT_METERS})
        forms = {name: each for name, each in changes.items() if name in REGIMES and name not in AUDIT_METERS}
        changed = dataclasses.replace(view, meters=meters, regimes=view.regimes.with_columns(**forms))
        with drawing():
            return letter(changed, code).state

    assert state() in {"high", "low"}
    assert state(form=pl.lit("unsteady")) == "unreliable"
    assert state(form=pl.lit("healthy")) == "recovered"
    assert state(n_inconclusive=pl.col("n_windows")) == "unclear"
    assert state(flagged=pl.lit(False), in_service=pl.lit("inside")) == "right"
    assert state(flagged=pl.lit(False), in_service=pl.lit("open"), on_verification=pl.lit("open")) == "unclear"


def test_a_customer_is_told_no_more_than_the_numbers_carry() -> None:
    view = small()
    code = view.meters.filter(pl.col("flag") == "linear_mapping")["feature_code"][0]

    def told(meters: pl.DataFrame, regimes: pl.DataFrame) -> str:
        with drawing():
            return " ".join(letter(replace(view, meters=meters, regimes=regimes), code).sentences)

    # a meter that drops out shows too little month after month, and never too much
    unsteady = view.regimes.with_columns(form=pl.lit("unsteady"))
    assert "too much" not in told(view.meters.with_columns(under_billed=None, over_billed=None), unsteady)
    assert "no tariff held" not in told(view.meters, view.regimes)
    assert "For 250 L of what it showed wrongly no tariff held" in told(
        view.meters.with_columns(unpriced_l=pl.lit(250.0)), view.regimes
    ).replace(THIN, " ").replace("\xa0", " ")


def test_a_customer_is_told_when_it_began_to_be_as_it_is() -> None:
    view = small()
    code = view.regimes.filter((pl.col("regime") == 2) & (pl.col("form") != "healthy"))["feature_code"][0]

    def told(earlier: float, form: str) -> str:
        first = (pl.col("feature_code") == code) & (pl.col("regime") == 1)
        regimes = view.regimes.with_columns(
            volume_error=pl.when(first).then(pl.col("volume_error") * 0 + earlier).otherwise("volume_error"),
            form=pl.when(first).then(pl.lit(form)).otherwise("form"),
        )
        with drawing():
            return " ".join(letter(dataclasses.replace(view, regimes=regimes), code).sentences)

    now = view.regimes.filter((pl.col("feature_code") == code) & (pl.col("regime") == 2))["volume_error"][0]
    assert "It began around" in told(0.001, "healthy")
    assert "It began around" in told(-now, "linear")  # to the other side before
    assert "It began around" not in told(2 * now, "linear")  # it was so before the audit


def test_wrong_use_is_refused(tmp_path: Path) -> None:
    view = small()
    with pytest.raises(UsageError, match="one of operator, supervisor, customer"):
        write_audit_report(tmp_path, view, "public")
    with pytest.raises(UsageError, match="about one meter"):
        write_audit_report(tmp_path, view, "customer")
    with pytest.raises(UsageError, match=r"no meter 'WM-\[U\+202E\]'"):
        write_audit_report(tmp_path, view, "customer", "WM-\u202e")
    assert list(tmp_path.iterdir()) == []
