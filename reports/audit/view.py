"""What a report of an audit is made from, and what of it each audience may see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from transforms.match.register_findings import FINDINGS
from transforms.schemas import NOT_JUDGED

#: who reads: operator (everything), supervisor (no sites, no file names), customer (one meter, plain words)
AUDIENCES = ("operator", "supervisor", "customer")

#: the columns of `AuditView.limits`: a part of `transforms.fleet.fleet_table`
LIMITS: dict[str, pl.DataType | type[pl.DataType]] = {
    "feature_code": pl.String,
    "model": pl.String,
    **dict.fromkeys(("q1_lph", "q2_lph", "q3_lph", "q4_lph", "mpe_low", "mpe_high"), pl.Float64),
}


@dataclass(frozen=True)
class AuditView:
    """An audit's numbers, ready to be shown. Flows in L/h, volumes in L, errors relative, times UTC.

    Parameters
    ----------
    meters, regimes, fleet : the tables AUDIT_METERS, REGIMES and AUDIT_FLEET of `transforms.schemas`
    windows : gives the columns asked for of AUDIT_WINDOWS of the meters asked for, sorted by meter and time
    points : gives a sample of PAIRS of one meter, None if there are none
    summary : as `transforms.audit.summary` gives it; ``volume`` (totals and their interval) and ``assumptions`` are shown,
        a total that is missing is summed from ``meters`` and shown without an interval
    facts : ``from``, ``to`` (ISO 8601), ``window`` (``12h``), ``workspace`` (a name), ``digest``, ``code_version``,
        ``policy`` (its text), ``policy_digest``, ``registry_digest``, ``versions``, ``command`` (repeats the audit),
        ``inputs`` and ``rows`` (row accounting as in a run's manifest)
    what_if : None, or a comparison with a second policy: ``summary`` as `transforms.audit.comparison_summary` gives it, the
        frames ``pairs``, ``meters`` and ``differing_windows`` of `transforms.audit.Comparison`, ``a`` and ``b`` with
        ``name``, ``digest`` and ``policy`` (its text) of each policy, ``notes`` (sentences)
    language : of the customer, as in terminals.csv
    limits : rows of `transforms.fleet.fleet_table`, whose permissible errors are those on verification
    in_service : by how much the permissible error in service is larger than on verification
    registers : FINDINGS of `transforms.match.register_findings`, of the meters that were looked at one by one
    not_judged : the table NOT_JUDGED: windows without a verdict, by meter and reason
    """

    meters: pl.DataFrame
    regimes: pl.DataFrame
    fleet: pl.DataFrame
    windows: Callable[[Sequence[str], Sequence[str]], pl.DataFrame]
    points: Callable[[str], pl.DataFrame | None]
    summary: dict[str, Any]
    facts: dict[str, Any]
    what_if: dict[str, Any] | None = None
    language: str = "en"
    limits: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=LIMITS))
    in_service: float = 1.0
    registers: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=FINDINGS))
    not_judged: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=NOT_JUDGED))


def for_audience(view: AuditView, audience: str) -> AuditView:
    """The view that an audience may see: without sites, and without the names of files, for all but the operator."""
    if audience == "operator":
        return view
    return replace(
        view,
        meters=view.meters.with_columns(site=pl.lit(None, pl.String)),
        fleet=view.fleet.filter(pl.col("by") != "site"),
        summary=_without_sites(view.summary),
        facts={**view.facts, "inputs": [_nameless(entry) for entry in view.facts.get("inputs") or []]},
        what_if=None if view.what_if is None else _without_sites(view.what_if),
    )


def _nameless(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A dump without its name, which may be an address; its digest tells which one it is."""
    return {**entry, "file": "", "source": "", "note": ""}


def _without_sites(value: Any) -> Any:
    """The same without whatever is kept under a key that speaks of sites, however deep."""
    if isinstance(value, Mapping):
        return {key: _without_sites(each) for key, each in value.items() if "site" not in str(key)}
    if isinstance(value, list | tuple):
        kept = [each for each in value if not (isinstance(each, Mapping) and each.get("by") == "site")]
        return [_without_sites(each) for each in kept]
    if isinstance(value, pl.DataFrame):
        return value.drop([name for name in value.columns if "site" in name])
    return value
