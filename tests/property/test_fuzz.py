"""Whatever bytes a dump, an ack or a registry file is made of: no crash, no hang, and every row accounted for.

A short form of `python -m tests.bench fuzzing`, which goes on for minutes and is led by coverage.
"""

from __future__ import annotations

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzzing import feed, feed_ack, feed_registry, mutated, registry_starts, starts

STARTS = starts()
ACKS = b"".join(
    b'{"command_id": "c-%d", "feature_code": "WM-%d", "status": "%s", "at": "2026-01-01T0%d:00:00Z", "detail": "x"}\n'
    % (k, k, status, k)
    for k, status in enumerate((b"applied", b"rejected", b"failed"))
)
REGISTRY = registry_starts()
short = settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@short
@given(which=st.integers(0, len(STARTS) - 1), seed=st.integers(0, 2**32))
def test_dumps(which: int, seed: int) -> None:
    feed(STARTS[which], mutated(STARTS[which].data, random.Random(seed)))


@short
@given(which=st.integers(0, len(STARTS) - 1), data=st.binary(max_size=300))
def test_dumps_of_any_bytes(which: int, data: bytes) -> None:
    feed(STARTS[which], data)


@short
@given(seed=st.integers(0, 2**32))
def test_acks(seed: int) -> None:
    feed_ack(mutated(ACKS, random.Random(seed)))


@short
@given(which=st.integers(0, len(REGISTRY) - 1), seed=st.integers(0, 2**32))
def test_registries(which: int, seed: int) -> None:
    name, data = REGISTRY[which]
    feed_registry(name, mutated(data, random.Random(seed)))
