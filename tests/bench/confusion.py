"""How right the verdicts, commands and parameters are: simulated fleets whose truth is known, over several seeds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.labelled import labelled_fleet
from tests.bench.measuring import apart
from tests.bench.session import Session
from tests.bench.tables import Cell, show

if TYPE_CHECKING:  # in the measuring process itself Polars would be in the way, see `measure`
    import polars as pl

METERS, QUICK_METERS = 20_000, 2_000
_SEEDS = (1, 2, 3, 4, 5)
_VERDICTS = ("healthy", "steady", "unsteady", "inconclusive")
#: a steady meter counts from this many flowing pairs on, and if it is off by this many permissible errors
_PAIRS, _TIMES = 20, 1.5

Rows = list[tuple[Cell, ...]]


def tables(files: list[Path]) -> dict[str, Rows]:
    """The rows of every table over all fleets, by the name of the function that makes them."""
    import polars as pl

    fleet = pl.concat([pl.read_parquet(file) for file in files])
    makers: tuple[Callable[[pl.DataFrame], Rows], ...] = (verdicts, reasons, commands, steady, coverage, worth)
    return {maker.__name__: maker(fleet) for maker in makers}


def verdicts(fleet: pl.DataFrame) -> Rows:
    """Truth against verdict, meters."""
    rows: Rows = []
    for behaviour, group in _by_behaviour(fleet):
        told = dict(group.group_by("verdict").len().iter_rows())
        rows.append(
            (behaviour, group["true_verdict"][0], group.height, *(told.get(verdict, 0) for verdict in _VERDICTS))
        )
    return rows


def reasons(fleet: pl.DataFrame) -> Rows:
    """Truth against reason, in percent, the most frequent first."""
    rows: Rows = []
    for behaviour, group in _by_behaviour(fleet):
        counts = group.group_by("verdict", "reason").len().sort("len", "reason", descending=[True, False])
        told = [f"{reason} {_percent(count, group.height):.3g}" for _, reason, count in counts.iter_rows()]
        rows.append((behaviour, ", ".join(told)))
    return rows


def commands(fleet: pl.DataFrame) -> Rows:
    """Commands to meters that are not steady, first those of all, then by behaviour."""
    import polars as pl

    wrong = fleet.filter(pl.col("true_verdict") != "steady")
    single = wrong.filter(pl.col("behaviour") != "reference_biased")
    listed = [("all", wrong), ("all but reference_biased", single), *_by_behaviour(wrong)]
    return [
        (name, group.height, n := int(group["commanded"].sum()), _percent(n, group.height)) for name, group in listed
    ]


def steady(fleet: pl.DataFrame) -> Rows:
    """Steady meters that must be found: the share found, and of these the share with the right form."""
    import polars as pl

    off = fleet.filter(
        (pl.col("true_verdict") == "steady")
        & (pl.col("true_volume_error").abs() >= _TIMES * pl.col("mpe_high"))
        & (pl.col("n_flowing") >= _PAIRS)
    )
    rows: Rows = []
    for name, group in [("all", off), *_by_behaviour(off)]:
        found = group.filter(pl.col("verdict") == "steady")
        right = found.filter(pl.col("form") == pl.col("true_form")).height
        forms = found.group_by("form").len().sort("len", descending=True)
        rows.append(
            (
                name,
                group.height,
                _percent(found.height, group.height),
                _percent(right, found.height),
                ", ".join(f"{form} {_percent(n, found.height):.3g}" for form, n in forms.iter_rows()),
            )
        )
    return rows


def coverage(fleet: pl.DataFrame) -> Rows:
    """Share of the 95 % intervals (1.96 standard errors) that hold the truth, by what is true and what was fitted."""
    import polars as pl

    lines = fleet.filter(
        pl.col("true_form").is_in(["linear", "offset"])
        & (pl.col("verdict") == "steady")
        & pl.col("form").is_in(["linear", "offset"])
    )
    right = lines.filter(pl.col("form") == pl.col("true_form"))
    kinds = [("all with the right form", right)]
    for (true, fitted), group in lines.group_by("true_form", "form", maintain_order=True):
        if true != fitted:
            kinds.append((f"{true}, taken for {fitted}", group))
            continue
        kinds += [
            (f"{true}, {how}", part)
            for how, part in (
                ("both fitted", group.filter((pl.col("a1_se") > 0) & (pl.col("a2_se") > 0))),
                ("gain only", group.filter(pl.col("a2_se") == 0)),
                ("offset only", group.filter(pl.col("a1_se") == 0)),
            )
            if part.height
        ]
    return [(name, group.height, *(_held(group, parameter) for parameter in ("a1", "a2"))) for name, group in kinds]


def worth(fleet: pl.DataFrame) -> Rows:
    """Commanded meters in the window after: the share inside the permissible error, and how far off the rest are."""
    import polars as pl

    sent = fleet.filter(pl.col("error_after").is_not_null())
    truly = sent.filter(pl.col("true_verdict") == "steady")
    rows: Rows = []
    for name, group in [("all steady", truly), *_by_behaviour(sent)]:
        inside = group.filter(pl.col("error_after").abs() <= pl.col("mpe_high"))
        before = group.filter(pl.col("error_before").abs() <= pl.col("mpe_high"))
        rest = group.filter(pl.col("error_after").abs() > pl.col("mpe_high"))["error_after"].abs()
        far = [rest.quantile(q, "linear") for q in (0.5, 0.9, 1.0)]
        rows.append(
            (
                name,
                group.height,
                _percent(before.height, group.height),
                _percent(inside.height, group.height),
                *(None if value is None else 100 * value for value in far),
            )
        )
    return rows


def run(session: Session) -> None:
    """Print what the verdicts, commands and parameters say against what is true."""
    meters = QUICK_METERS if session.quick else METERS
    seeds = _SEEDS[: session.repetitions(len(_SEEDS))]
    rows = apart(tables, [labelled_fleet(session, meters, seed) for seed in seeds])
    size = f"{len(seeds)} x {meters:,} meters, seeds {', '.join(map(str, seeds))}, one window of 12 h"
    show(f"Verdicts: {size}", ("truth", "right verdict", "meters", *_VERDICTS), rows["verdicts"])
    show("Verdicts: their reasons [%]", ("truth", "reasons"), rows["reasons"])
    show(
        "Commands to meters that are not steady",
        ("truth", "meters", "commands", "%"),
        rows["commands"],
        ["Wanted: at most 0.1 % of all. Held commands count like ready ones."],
    )
    show(
        f"Steady meters off by {_TIMES:g} permissible errors or more, with {_PAIRS} flowing pairs or more",
        ("truth", "meters", "found steady [%]", "of these right form [%]", "forms found [%]"),
        rows["steady"],
        ["Wanted: at least 99 % found, at least 95 % with the right form. Permissible: that of Q2 to Q4."],
    )
    show(
        "Coverage of the 95 % intervals of a1 and a2 [%]",
        ("true form", "meters", "a1", "a2"),
        rows["coverage"],
        ["Wanted: 93 to 97 %. All that were found steady, at 1.96 standard errors; a fixed parameter has no interval."],
    )
    show(
        "Corrected meters over the next 12 h, against the true flow",
        ("truth", "meters", "inside before [%]", "inside [%]", "the rest: median error [%]", "90 %", "largest"),
        rows["worth"],
        [
            "Wanted: at least 99 % inside the permissible error of Q2 to Q4.",
            "Of those commanded, with at least 5 instants at Q1 or more; registers as they count, not as they show.",
        ],
    )


def _by_behaviour(fleet: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    return [(str(key[0]), group) for key, group in sorted(fleet.group_by("behaviour"), key=lambda pair: str(pair[0]))]


def _percent(part: int, whole: int) -> float:
    return 100 * part / max(whole, 1)


def _held(group: pl.DataFrame, parameter: str) -> float | None:
    """Percent of the intervals of a parameter that hold the truth; None where none has an interval."""
    import polars as pl

    open_ = group.filter(pl.col(f"{parameter}_se") > 0)
    held = (open_[parameter] - open_[f"true_{parameter}"]).abs() <= 1.96 * open_[f"{parameter}_se"]
    return _percent(int(held.sum()), open_.height) if open_.height else None
