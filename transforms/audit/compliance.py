"""Compliance: errors by flow zone against the limits of OIML R 49 / ISO 4064, on verification and in service.

On verification the limits are the maximum permissible errors (OIML R 49-1:2013, 4.2). In service national rules allow
more, usually twice as much (e.g. the German Mess- und Eichverordnung, section 22); a policy that sets ``tolerance`` names
the factor itself. A limit is kept or exceeded only with the expanded uncertainty counted (JCGM 106:2012, guarded
decisions). Nor may a meter exploit its limits to favour one party (directive 2014/32/EU, annex III): where all errors have
one sign, one of them at least must be within half of its limit (OIML R 49-2:2013, 7.4.5).
"""

from __future__ import annotations

import numpy as np

from transforms.audit.series import Bools, Floats
from transforms.judge.evidence import Zones
from transforms.policy import Policy

#: factor on the maximum permissible errors in service, unless the policy sets ``tolerance``
IN_SERVICE = 2.0
#: share of its limit within which one error must be if all have one sign
HALF = 0.5


def in_service_factor(policy: Policy) -> float:
    """The factor on the maximum permissible errors for meters in service."""
    named = "tolerance" in policy.origins or policy.tolerance != type(policy)().tolerance
    return policy.tolerance if named else IN_SERVICE


def in_words(count: int, *said: tuple[Bools | np.bool_, str]) -> np.ndarray:
    """One word per meter, the last that is true of it; None where none is."""
    words = np.full(count, None, dtype=object)
    for where, word in said:
        words[np.asarray(where)] = word
    return words


def against(zones: Zones, limit: Floats, least: int) -> np.ndarray:
    """``inside``, ``outside``, ``open``, or None where no zone has evidence; shape (meters,).

    Inside takes the zone with most volume inside and none open or outside; outside takes one zone.

    Parameters
    ----------
    limit : ndarray
        Of each zone [relative], shape (3, meters).
    least : int
        Pairs that a zone needs.
    """
    evidence = (zones.n >= least) & np.isfinite(zones.error) & np.isfinite(zones.expanded)
    size = np.abs(zones.error)
    outside = evidence & (size - zones.expanded > limit)
    inside = evidence & (size + zones.expanded <= limit)
    # a zone too unsure to see its limit says nothing, unless it is the main one
    main = np.arange(len(limit))[:, None] == np.argmax(zones.volume, axis=0)
    unsure = evidence & ~inside & ~outside & ((zones.expanded <= limit) | main)
    return in_words(
        len(limit[0]),
        (evidence.any(axis=0), "open"),
        (inside.any(axis=0), "inside"),
        (unsure.any(axis=0), "open"),
        (outside.any(axis=0), "outside"),
    )


def one_sign(zones: Zones, least: int) -> np.ndarray:
    """``high`` or ``low`` where all zones with evidence err to one side, ``mixed`` where not; None below two zones."""
    evidence = (zones.n >= least) & np.isfinite(zones.error) & (zones.expanded < 1)
    high = (zones.error > 0) | ~evidence
    low = (zones.error < 0) | ~evidence
    several = evidence.sum(axis=0) >= 2
    return in_words(
        zones.n.shape[1], (several, "mixed"), (several & low.all(axis=0), "low"), (several & high.all(axis=0), "high")
    )


def favours_one_party(zones: Zones, limit: Floats, least: int) -> Bools:
    """Whether all errors have one sign and, uncertainty counted, none is within half of its limit."""
    evidence = (zones.n >= least) & np.isfinite(zones.error) & np.isfinite(zones.expanded)
    beyond = (np.abs(zones.error) - zones.expanded > HALF * limit) | ~evidence
    sign = one_sign(zones, least)
    return np.asarray(((sign == "high") | (sign == "low")) & beyond.all(axis=0))
