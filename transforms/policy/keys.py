"""The keys of policy.toml: each with its default, its range and what it does, in one place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, is_dataclass, replace
from datetime import timedelta
from typing import Any

from transforms.errors import UsageError
from transforms.windows import check_length, span_text


def _number(default: float, low: float, high: float, says: str, above: bool = False) -> Any:
    """A number between two bounds; ``above`` leaves the lower bound itself out."""
    return field(default=default, metadata={"low": low, "high": high, "above": above, "says": says})


def _choice(default: str | tuple[str, ...], known: tuple[str, ...], says: str) -> Any:
    return field(default=default, metadata={"known": known, "says": says})


def _says(says: str) -> dict[str, str]:
    return {"says": says}


@dataclass(frozen=True)
class WindowPolicy:
    length: timedelta = field(default=timedelta(hours=12), metadata=_says("the preset period; must divide the day"))
    parts: int = _number(4, 2, 48, "parts of a window between which a relation may not change")


@dataclass(frozen=True)
class PrecheckPolicy:
    tests: tuple[str, ...] = _choice(("threshold", "mapping"), ("threshold", "mapping"), "either makes a meter steady")


@dataclass(frozen=True)
class ThresholdPolicy:
    mode: str = _choice("proportion", ("all", "proportion", "mean"), "what must lie in the model's band")


@dataclass(frozen=True)
class FitPolicy:
    estimator: str = _choice(
        "weighted",
        ("ordinary", "weighted", "errors_in_both", "robust"),
        "least squares with equal weights, by flow bin, with errors in both flows (York), or Huber's M-estimator",
    )


@dataclass(frozen=True)
class BreakerPolicy:
    share: float = _number(
        0.1, 0.0, 1.0, "hold all commands when more of the judged fleet would be commanded", above=True
    )
    min_meters: int = _number(20, 1, 1_000_000, "in fleets smaller than this the share does not count")


@dataclass(frozen=True)
class CommandPolicy:
    expires: timedelta = field(default=timedelta(hours=72), metadata=_says("how long a command waits for its answer"))
    min_flowing: int = _number(20, 3, 100_000, "flowing pairs that a command wants in one window, or see prove_windows")
    min_reach: float = _number(
        0.05, 0.0, 1.0, "share of Q3 that the largest flow of the window must reach for a command, or see prove_windows"
    )
    prove_windows: int = _number(
        3,
        2,
        100,
        "windows, off to the same side and none healthy in between, that prove a relation which one window shows too little of",
    )


@dataclass(frozen=True)
class EvidencePolicy:
    min_pairs: int = _number(6, 3, 100_000, "instants with both readings, or the meter is not judged")
    min_flowing: int = _number(6, 3, 100_000, "such instants with flow at or above Q1")
    min_zone_pairs: int = _number(3, 1, 100_000, "such instants in a flow zone, or the zone is not judged")
    min_coverage: float = _number(0.5, 0.0, 1.0, "share of the window's expected instants that have both readings")


@dataclass(frozen=True)
class ReferencePolicy:
    uncertainty: float = _number(0.005, 0.0, 0.2, "of a flowmeter, relative, k = 2, where flowmeters.csv gives none")
    repeatability: float = _number(0.005, 0.0, 0.2, "relative scatter of a flowmeter's single reading")
    shared: float = _number(
        1.0, 0.0, 1.0, "share of a calibration's variance that is common to all flowmeters calibrated on one day"
    )
    settled: float = _number(
        0.1, 0.0, 1.0, "largest relative change between two momentary readings that still tells the mean between them"
    )
    batch_min: int = _number(
        5, 2, 1_000_000, "judged meters on references calibrated together that can make them suspect"
    )
    batch_share: float = _number(
        0.3, 0.0, 1.0, "share of them steadily off on one side above which the references are suspect", above=True
    )


@dataclass(frozen=True)
class JudgePolicy:
    significance: float = _number(1e-4, 0.0, 0.1, "chance of calling a steady relation unsteady", above=True)
    coverage_factor: float = _number(2.0, 1.0, 5.0, "k of the expanded uncertainties")
    prior_pairs: float = _number(
        2.0,
        0.0,
        1000.0,
        "how many pairs the registry's repeatability is worth where a meter's own scatter is estimated",
    )
    form_significance: float = _number(0.01, 0.0, 0.5, "chance of refusing a simpler form that is right", above=True)
    command_significance: float = _number(
        1e-4, 0.0, 0.1, "a command needs a deviation that a meter at the limit shows less often than this", above=True
    )
    second_look_share: float = _number(
        0.35, 0.0, 1.0, "at most this share of a bucket's meters is looked at sample by sample (but always 1,000)"
    )
    pool_windows: int = _number(
        28,
        0,
        366,
        "windows, this one included, whose sums are added up where one window is not enough to act on; 0 for none",
    )
    max_lag: int = _number(8, 0, 96, "by how many sampling intervals a clock may be off and still be recognised")


@dataclass(frozen=True)
class IngestPolicy:
    absurd_factor: float = _number(4.0, 1.0, 1000.0, "flows above this times the Q4 of the meter are quarantined")
    future_tolerance: timedelta = field(
        default=timedelta(hours=24), metadata=_says("by how much a stamp may lie in the future and still be believed")
    )


@dataclass(frozen=True)
class PhotosPolicy:
    clock: timedelta = field(
        default=timedelta(minutes=2), metadata=_says("how far the clock of a customer's terminal may be off")
    )
    plausible: timedelta = field(
        default=timedelta(hours=1),
        metadata=_says(
            "a register shown may differ from the one sent by what Q3 makes of this time, else a person looks"
        ),
    )
    keep: timedelta = field(
        default=timedelta(0),
        metadata={
            "zero": True,
            "says": "after this time originals are deleted whose reading is on record; 0h keeps them for ever",
        },
    )


@dataclass(frozen=True)
class PullPolicy:
    max_file_mb: float = _number(4096.0, 0.0, 1e6, "the largest file that is fetched from a source's place", above=True)
    max_total_mb: float = _number(
        65536.0, 0.0, 1e8, "how much one run fetches of a source at most; the rest comes with the next", above=True
    )
    timeout: timedelta = field(default=timedelta(seconds=60), metadata=_says("how long a server may stay silent"))
    retries: int = _number(2, 0, 20, "how often a fetch that broke off is taken up again within a run")


@dataclass(frozen=True)
class ReportPolicy:
    plots: int = _number(24, 0, 1000, "meters that get a plot in a run's report")
    photos: int = _number(50, 0, 500, "photos shown in a run's report")
    timezone: str = field(
        default="UTC", metadata=_says("whose clock reports for people are read by: Europe/Paris, or +12:00")
    )


@dataclass(frozen=True)
class Policy:
    """The policy in force. Lengths of time are timedeltas; everything else is as policy.toml writes it."""

    tolerance: float = _number(1.0, 0.0, 10.0, "factor on the maximum permissible error", above=True)
    reference_max_age_days: int = _number(31, 1, 3660, "days for which a calibration of a flowmeter counts")
    confirm_windows: int = _number(1, 1, 100, "windows in a row that must agree before a command goes out")
    max_attempts: int = _number(3, 1, 100, "commands without effect before a person must go")
    lateness: timedelta = field(
        default=timedelta(hours=48), metadata=_says("how late a sample may come and still count")
    )
    languages: str = field(default="en", metadata=_says("language of notices where terminals.csv names none"))
    window: WindowPolicy = WindowPolicy()
    precheck: PrecheckPolicy = PrecheckPolicy()
    threshold: ThresholdPolicy = ThresholdPolicy()
    fit: FitPolicy = FitPolicy()
    breaker: BreakerPolicy = BreakerPolicy()
    command: CommandPolicy = CommandPolicy()
    evidence: EvidencePolicy = EvidencePolicy()
    reference: ReferencePolicy = ReferencePolicy()
    judge: JudgePolicy = JudgePolicy()
    ingest: IngestPolicy = IngestPolicy()
    photos: PhotosPolicy = PhotosPolicy()
    pull: PullPolicy = PullPolicy()
    report: ReportPolicy = ReportPolicy()
    origins: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 over all values in force, wherever they come from."""
        values = {key: _canonical(value) for key, value, _ in leaves(self)}
        return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def rows(self) -> list[tuple[str, Any, Any, str]]:
        """Key, value, default and origin (``default``, or the line of policy.toml) of every key, in the file's order.

        Lengths of time are written as in the file, such as ``12h``; lists are lists. The rows can be written as JSON.
        """
        return [
            (key, written(value), written(spec.default), self.origins.get(key, "default"))
            for key, value, spec in leaves(self)
        ]

    def with_window(self, length: timedelta) -> Policy:
        """The same policy with the window length that the command line asks for.

        Raises
        ------
        UsageError
            If the length does not divide the day, or cannot be cut into ``window.parts``.
        """
        window = replace(self.window, length=check_length(length))
        if fault := parts_fault(window):
            raise UsageError(fault)
        return replace(self, window=window, origins={**self.origins, "window.length": "command line"})


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any, Field[Any]]]:
    """Every key in dotted form with its value and its specification."""
    for spec in fields(node):
        value = getattr(node, spec.name)
        if is_dataclass(value):
            yield from leaves(value, f"{spec.name}.")
        elif spec.name != "origins":
            yield f"{prefix}{spec.name}", value, spec


def parts_fault(window: WindowPolicy) -> str:
    if window.length % timedelta(seconds=window.parts):
        length = span_text(window.length)
        return f"a window of {length} cannot be cut into {window.parts} parts of whole seconds; change window.parts"
    return ""


def written(value: Any) -> Any:
    if isinstance(value, timedelta):
        return span_text(value)
    return list(value) if isinstance(value, tuple) else value


def _canonical(value: Any) -> Any:
    return round(value.total_seconds()) if isinstance(value, timedelta) else written(value)


def _toml(value: Any) -> str:
    return json.dumps(written(value))


def policy_template() -> str:
    """A policy.toml with every key commented out at its default, and what it does."""
    lines = [
        "# Everything that decides. Every key has a default, the value shown; to set another, take the '# ' away.",
        "# `meterwright policy` prints the values in force and where each comes from.",
    ]
    table = ""
    for key, value, spec in leaves(Policy()):
        *head, name = key.split(".")
        if head and head[0] != table:
            table = head[0]
            lines += ["", f"[{table}]"]
        lines += [f"# {name} = {_toml(value)}   # {spec.metadata['says']}"]
    return "\n".join(lines) + "\n"
