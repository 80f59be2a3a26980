"""What a cycle tells whoever called for it: lines for a person, an object for a program, and the exit code."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from reports.wording import visible
from transforms.reasons import sentence

if TYPE_CHECKING:
    from flows.pulling import Pulled
    from flows.window import Outcome
    from transforms.ingest import IngestResult

#: how many dumps or faults of a kind are named on the terminal
LISTED = 20


@dataclass(frozen=True)
class Done:
    """What one call came to: what was fetched, what was ingested, and the runs of the windows."""

    pulled: list[Pulled]
    taken: IngestResult
    outcomes: list[Outcome]


def exit_code(done: Done) -> int:
    """4 if commands of these runs are held, else 3 if input was quarantined or could not be fetched, else 0."""
    taken, outcomes = done.taken, done.outcomes
    if any(outcome.manifest["counts"]["held"] for outcome in outcomes):
        return 4
    fresh = [outcome for outcome in outcomes if outcome.fresh]
    if any(one.failures for one in done.pulled):
        return 3
    if taken.quarantined or any(outcome.manifest["rows"]["quarantined"] for outcome in fresh):
        return 3
    told = [part for outcome in fresh for part in (outcome.manifest["feedback"], outcome.manifest.get("photos") or {})]
    if any(part.get("faults") for part in told):
        return 3
    return 0


def fetched(pulled: list[Pulled]) -> list[dict[str, Any]]:
    """What was fetched, as JSON."""
    return [asdict(one) for one in pulled]


def pull_lines(pulled: list[Pulled]) -> list[str]:
    """What was fetched from where, and what could not be."""
    lines = [
        visible(f"Source {one.source}: {len(one.files):,} files fetched ({one.size:,} bytes), {one.known:,} known")
        for one in pulled
    ]
    return lines + _some([failure for one in pulled for failure in one.failures])


def intake(taken: IngestResult) -> dict[str, Any]:
    """What was ingested, as JSON."""
    return {
        "dumps": len(taken.new_dumps),
        "skipped": taken.skipped,
        "read": taken.read,
        "accepted": taken.accepted,
        "duplicate": taken.duplicate,
        "quarantined": taken.quarantined,
        "replaced": taken.replaced,
        "others": taken.others,
        "faulty": _faulty(taken),
        "ignored": [{"file": file, "reason": reason} for file, reason in taken.ignored],
    }


def _faulty(taken: IngestResult) -> list[dict[str, Any]]:
    """The new dumps that a person should know of: with rows set aside, or without any row."""
    return [
        {
            "file": dump.file,
            "stream": dump.stream,
            "reasons": dict(dump.reasons),
            "note": dump.note or (None if dump.read else "no_rows"),
        }
        for dump in taken.new_dumps
        if dump.quarantined or dump.note or not dump.read
    ]


def intake_lines(taken: IngestResult) -> list[str]:
    """What was ingested, and which dumps a person should look at."""
    rows = (
        f"{taken.read:,} read = {taken.accepted:,} accepted + {taken.duplicate:,} duplicate + "
        f"{taken.quarantined:,} quarantined"
    )
    lines = [f"Dumps: {len(taken.new_dumps)} new, {taken.skipped} known; rows: {rows}"]
    if taken.replaced:
        lines.append(f"  {replaced_in_words(taken.replaced)}")
    if taken.others:
        lines.append(f"  {taken.others:,} rows more were left to other sources of their files")
    faulty = _faulty(taken)
    for dump in faulty[:LISTED]:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in dump["reasons"].items())
        told = "; ".join(part for part in (reasons, dump["note"]) if part)
        lines.append(f"  {visible(dump['file'])} ({dump['stream']}): {told}")
    if len(faulty) > LISTED:
        lines.append(f"  ... and {len(faulty) - LISTED} more dumps; every row set aside is in quarantine/")
    lines += _some([f"raw/{file} was not read: {sentence(reason)}" for file, reason in taken.ignored])
    return lines


def replaced_in_words(count: int) -> str:
    """That readings were corrected, and what follows."""
    return (
        f"of those accepted {count:,} differ from another reading of the same instant; of these the newest dump's is used, "
        "as its name or `version` in sources.toml tells"
    )


def _some(sentences: list[str]) -> list[str]:
    rest = [f"  ... and {len(sentences) - LISTED} more"] if len(sentences) > LISTED else []
    return [f"  {visible(text)}" for text in sentences[:LISTED]] + rest


def outcome_lines(outcomes: list[Outcome]) -> list[str]:
    """What the runs found, and what waits for a person."""
    lines = []
    for outcome in outcomes:
        counts = outcome.manifest["counts"]
        verdicts = ", ".join(f"{number:,} {name}" for name, number in counts["verdict"].items()) or "no meters"
        lines.append(
            f"{outcome.manifest['run_id']}{'' if outcome.fresh else ' (done before)'}: {verdicts}; "
            f"{counts['commands']} commands, {counts['held']} held, {counts['work_orders']} work orders"
        )
    faults = [fault for outcome in outcomes if outcome.fresh for fault in outcome.manifest["feedback"]["faults"]]
    lines += _some([f"{fault}; the ack was left aside" for fault in dict.fromkeys(faults)])
    lines += _photo_lines([outcome.manifest for outcome in outcomes if outcome.fresh])
    held = [outcome.manifest["run_id"] for outcome in outcomes if outcome.manifest["counts"]["held"]]
    if held:
        lines.append(
            "Commands are HELD: too much of the fleet would be commanded at once. Look at the reference first."
        )
        lines.append(f"If all is well with it, release them with: meterwright outbox approve {held[-1]}")
    looks = [outcome.manifest["counts"].get("second_look") for outcome in outcomes]
    left_out = sum(look["flagged"] - look["looked_at"] for look in looks if look)
    if left_out:
        lines.append(
            f"{left_out:,} meters wanted a look at their single readings and got none, so this window alone gives them no "
            "command: more of the fleet was in doubt than judge.second_look_share allows."
        )
    if outcomes:
        lines.append(f"Report: {outcomes[-1].report}")
    return lines


def _photo_lines(manifests: list[dict[str, Any]]) -> list[str]:
    """What came of photos, and what about them could not be used; nothing where there were none."""
    many: Counter[str] = Counter()
    for manifest in manifests:
        many.update(manifest["counts"].get("readings", {}))
    faults = [fault for manifest in manifests for fault in (manifest.get("photos") or {}).get("faults", ())]
    lines = []
    if many:
        told = ", ".join(f"{many[name]:,} {name}" for name in ("accepted", "review", "rejected"))
        hint = "; see: meterwright review list" if many["review"] else ""
        lines.append(f"Photos: {told}{hint}")
    return lines + _some(list(dict.fromkeys(faults)))


def result(done: Done) -> dict[str, Any]:
    """All of it as JSON."""
    runs = [
        {
            "run_id": outcome.manifest["run_id"],
            "fresh": outcome.fresh,
            "counts": outcome.manifest["counts"],
            "rows": outcome.manifest["rows"],
            "report": str(outcome.report),
        }
        for outcome in done.outcomes
    ]
    return {"pull": fetched(done.pulled), "ingest": intake(done.taken), "runs": runs}
