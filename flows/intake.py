"""Taking in: what is new at the places of the sources, and new dumps into the lake.

It comes before all else, so it imports nothing of what judges: that has time while the dumps are parsed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flows.context import MEMORY_MB, Context
from flows.engines import Engine
from transforms.fingerprint import ReadAhead
from transforms.ingest import IngestResult, ingest

if TYPE_CHECKING:
    from flows.pulling import Pulled


def pull_dumps(context: Context, engine: Engine, now: datetime) -> list[Pulled]:
    """Fetch what is new at the places of the sources; nothing is imported or done where no source has one."""
    sources = [source for source in context.registry.sources if source.place]
    if not sources:
        return []
    from flows.pulling import pull

    return engine.step("pull", lambda: pull(context.workspace, sources, context.policy.pull, now, context.progress))


def ingest_dumps(
    context: Context, engine: Engine, now: datetime | None = None, meanwhile: Callable[[], None] | None = None
) -> IngestResult:
    """Bring new raw dumps into the lake; ``meanwhile`` as `transforms.ingest.ingest` has it.

    What counts as the future begins after ``now`` and after the clock's time, whichever is later: a run for an old window
    must not set aside what was measured since.
    """
    return engine.step("ingest", lambda: _ingest(context, now, ahead=context.ahead, meanwhile=meanwhile))


def retry_dumps(context: Context, files: Collection[str]) -> IngestResult:
    """Read dumps once more of which rows were set aside, under the mappings as they are now; see `transforms.ingest.retry`."""
    return _ingest(context, None, retry=files)


def _ingest(
    context: Context,
    now: datetime | None,
    *,
    ahead: ReadAhead | None = None,
    retry: Collection[str] | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> IngestResult:
    factor = context.policy.ingest.absurd_factor
    absurd = {model.name: factor * model.q4 for model in context.registry.models.values()}
    clock = datetime.now(UTC)
    return ingest(
        context.workspace,
        context.registry,
        absurd_flow_lph=max(absurd.values(), default=factor * 1e9),
        absurd_by_model=absurd,
        not_after=(max(now, clock) if now else clock) + context.policy.ingest.future_tolerance,
        threads=context.workers,
        memory_mb=MEMORY_MB,
        progress=context.progress,
        ahead=ahead,
        retry=retry,
        meanwhile=meanwhile,
    )
