"""Canonical JSON and digests: the same content has the same bytes and the same id on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces. NaN and infinity are refused."""
    return _ENCODER.encode(value)


def digest_of(value: Mapping[str, Any], prefix: str) -> str:
    """A short id made from content: a letter that tells the kind, then 32 hexadecimal digits of SHA-256."""
    return f"{prefix}-{hashlib.sha256(canonical(value).encode()).hexdigest()[:32]}"


def rounded(value: float | None, digits: int = 9) -> float | None:
    """A number to significant digits, so that ids do not hang on the last bit of a processor's arithmetic."""
    return None if value is None else float(f"{value:.{digits}g}")
