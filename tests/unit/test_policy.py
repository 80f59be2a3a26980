"""policy.toml: defaults, ranges, origins and digest."""

import json
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.errors import PolicyError, UsageError
from transforms.policy import Policy, load_policy, policy_template, span_text
from transforms.windows import parse_span


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "registry").mkdir()
    return tmp_path / "registry" / "policy.toml"


def fault(file: Path, text: str) -> str:
    file.write_text(text)
    with pytest.raises(PolicyError) as caught:
        load_policy(file)
    return str(caught.value)


def test_the_promised_defaults() -> None:
    found = {key: default for key, _, default, _ in Policy().rows()}
    assert found == {
        "tolerance": 1.0,
        "reference_max_age_days": 31,
        "confirm_windows": 1,
        "max_attempts": 3,
        "lateness": "48h",
        "languages": "en",
        "window.length": "12h",
        "window.parts": 4,
        "precheck.tests": ["threshold", "mapping"],
        "threshold.mode": "proportion",
        "fit.estimator": "weighted",
        "breaker.share": 0.1,
        "breaker.min_meters": 20,
        "command.expires": "72h",
        "command.min_flowing": 20,
        "command.min_reach": 0.05,
        "command.prove_windows": 3,
        "evidence.min_pairs": 6,
        "evidence.min_flowing": 6,
        "evidence.min_zone_pairs": 3,
        "evidence.min_coverage": 0.5,
        "reference.uncertainty": 0.005,
        "reference.repeatability": 0.005,
        "reference.shared": 1.0,
        "reference.settled": 0.1,
        "reference.batch_min": 5,
        "reference.batch_share": 0.3,
        "judge.significance": 1e-4,
        "judge.coverage_factor": 2.0,
        "judge.prior_pairs": 2.0,
        "judge.form_significance": 0.01,
        "judge.command_significance": 1e-4,
        "judge.second_look_share": 0.35,
        "judge.pool_windows": 28,
        "judge.max_lag": 8,
        "ingest.absurd_factor": 4.0,
        "ingest.future_tolerance": "24h",
        "photos.clock": "2m",
        "photos.plausible": "1h",
        "photos.keep": "0h",
        "pull.max_file_mb": 4096.0,
        "pull.max_total_mb": 65536.0,
        "pull.timeout": "1m",
        "pull.retries": 2,
        "report.plots": 24,
        "report.timezone": "UTC",
        "report.photos": 50,
    }


def test_without_a_file_the_defaults_hold(file: Path) -> None:
    assert load_policy(None) == load_policy(file) == Policy()
    assert {origin for *_, origin in Policy().rows()} == {"default"}


def test_values_and_where_they_come_from(file: Path) -> None:
    file.write_text(
        '# ours\ntolerance = 2\nlateness = "3d"\n\n[window]\nlength = "6h"\n[precheck]\ntests = ["mapping"]\n'
    )
    policy = load_policy(file)
    assert policy.tolerance == 2.0
    assert policy.lateness == timedelta(days=3)
    assert policy.window.length == timedelta(hours=6)
    assert policy.precheck.tests == ("mapping",)
    rows = {key: (value, default, origin) for key, value, default, origin in policy.rows()}
    assert rows["tolerance"] == (2.0, 1.0, "policy.toml line 2")
    assert rows["lateness"] == ("72h", "48h", "policy.toml line 3")
    assert rows["window.length"] == ("6h", "12h", "policy.toml line 6")
    assert rows["window.parts"] == (4, 4, "default")
    assert json.loads(json.dumps(policy.rows()))


def test_the_template_changes_nothing_commented_or_not(file: Path) -> None:
    file.write_text(policy_template())
    assert load_policy(file) == Policy()
    lines = policy_template().splitlines()
    file.write_text("\n".join(line.removeprefix("# ") if " = " in line else line for line in lines))
    policy = load_policy(file)
    assert policy == Policy()
    assert policy.digest == Policy().digest
    assert all(origin.startswith("policy.toml line ") for *_, origin in policy.rows())


def test_the_digest_is_of_the_values_not_of_the_text(file: Path) -> None:
    file.write_text('[window]\nlength = "720m"\n')
    assert load_policy(file).digest == Policy().digest
    file.write_text('[precheck]\ntests = ["mapping", "threshold"]\n')
    assert load_policy(file).digest == Policy().digest
    digests = set()
    for text in ("tolerance = 1.5", "confirm_windows = 2", "[judge]\nsignificance = 1e-3", '[window]\nlength = "6h"'):
        file.write_text(text)
        digests.add(load_policy(file).digest)
    assert len(digests | {Policy().digest}) == 5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tolerence = 1.0", "policy.toml line 1: unknown key 'tolerence'; did you mean 'tolerance'?"),
        ("[breaker]\nshares = 0.1", "policy.toml line 2: unknown key 'breaker.shares'; did you mean 'share'?"),
        ("[workers]\ncount = 2", "unknown key 'workers'"),
        ("tolerance = 0", "tolerance = 0; give a number above 0 and up to 10"),
        ("tolerance = nan", "tolerance = nan; give a number"),
        ("tolerance = true", "tolerance = True; give a number"),
        ('tolerance = "1"', "tolerance = '1'; give a number"),
        ("confirm_windows = 1.5", "confirm_windows = 1.5; give a whole number from 1 to 100"),
        ("max_attempts = 0", "max_attempts = 0; give a whole number from 1"),
        ("lateness = 48", "lateness = 48; give a length of time in quotes"),
        ('lateness = "soon"', "lateness = 'soon'; 'soon' is not a length of time"),
        ('lateness = "9999999999999d"', "give at most 366 days"),
        ('[window]\nlength = "5h"', "window.length = '5h'; a window of 5h does not divide the day"),
        ('[window]\nlength = "1s"\n', "cannot be cut into 4 parts"),
        ("window = 12", "window = 12; write a table [window]"),
        ("[precheck]\ntests = []", "give a list with one or more of"),
        ('[precheck]\ntests = ["both"]', "precheck.tests = ['both']"),
        ('[precheck]\ntests = "mapping"', "precheck.tests = 'mapping'"),
        ('[threshold]\nmode = "any"', 'give one of "all", "proportion", "mean"'),
        ('[fit]\nestimator = "magic"', 'give one of "ordinary", "weighted"'),
        ("[breaker]\nshare = 10", "breaker.share = 10; give a number above 0 and up to 1"),
        ("[evidence]\nmin_coverage = -0.1", "evidence.min_coverage = -0.1; give a number from 0 to 1"),
        ("[judge]\nsignificance = 0", "judge.significance = 0"),
        ('[report]\ntimezone = "Europe/Pariss"', "there is no such zone; did you mean 'Europe/Paris'?"),
        ("[report]\ntimezone = 2", "give the name of a time zone in quotes"),
        ('languages = "English!"', "languages = 'English!'; give a language tag"),
        ("tolerance = = 1", "policy.toml line 1: this is not TOML"),
        ("tolerance = 1\ntolerance = 2", "policy.toml line 2: this is not TOML"),
        ("tolerance = " + "9" * 5000, "a number is too long"),
        ("tolerance = 0x" + "f" * 5000, "tolerance = a number of thousands of digits; give a number"),
        ("x = " + "[" * 5000, "policy.toml"),
    ],
)
def test_faults_name_line_key_finding_and_allowance(file: Path, text: str, says: str) -> None:
    message = fault(file, text)
    assert says in message
    assert message.startswith("registry/policy.toml")


def test_all_faults_are_listed_in_the_order_of_lines(file: Path) -> None:
    message = fault(file, "tolerance = -1\n[breaker]\nshare = 2\nmin_meters = 0\n[nonsense]\n")
    assert [line.split(":")[0] for line in message.splitlines()] == [
        f"registry/policy.toml line {line}" for line in (1, 3, 4, 5)
    ]


def test_the_command_line_may_set_the_window() -> None:
    policy = Policy().with_window(timedelta(hours=6))
    assert policy.window.length == timedelta(hours=6)
    assert ("window.length", "6h", "12h", "command line") in policy.rows()
    assert policy.digest != Policy().digest
    with pytest.raises(UsageError, match="does not divide the day"):
        Policy().with_window(timedelta(hours=7))


@given(st.integers(1, 366 * 86400))
def test_spans_survive_being_written(seconds: int) -> None:
    span = timedelta(seconds=seconds)
    assert parse_span(span_text(span)) == span


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_sentence(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "policy.toml"
    file.write_text(text, encoding="utf-8", newline="")
    try:
        load_policy(file)
    except PolicyError as error:
        assert "policy.toml" in str(error)
    else:
        assert isinstance(tomllib.loads(text.removeprefix("\ufeff")), dict)
