"""Working out: all steps from the moments of paired meters to their verdicts, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from transforms.fit.lines import Floats, Ints
from transforms.judge.estimate import with_robust
from transforms.judge.evidence import Model, Reference
from transforms.judge.findings import Findings, first_findings, picked, with_details
from transforms.judge.ladder import Standing, climb, stand
from transforms.judge.paired import Paired
from transforms.judge.second_look import Look, SecondLook, choose_whom, take_second_look
from transforms.judge.words import Numbers
from transforms.policy import Policy
from transforms.summarise.moments import Moments
from transforms.windows import Window


@dataclass(frozen=True)
class Worked:
    """All steps from the moments of paired meters to their verdicts, arrays over the meters; verdicts, reasons and forms by
    number (`transforms.judge.words`)."""

    model: Model
    reference: Reference
    found: Findings
    n_pairs: np.ndarray
    coverage: Floats
    standing: Standing
    second: SecondLook
    verdict: Numbers
    reason: Numbers
    form: Numbers


def work_out(
    paired: Paired,
    moments: Moments,
    policy: Policy,
    window: Window,
    look: Look | SecondLook,
    number: Ints | None = None,
    *,
    sparing: bool = False,
) -> Worked:
    """Judge the paired meters, one step after the other.

    Parameters
    ----------
    window
        The window, or, of several, any of them.
    look
        Gives samples for a second look; or what such a look found earlier, and then nobody is looked at again.
    number
        The window of each row, where the rows are those of several windows of one length.
    sparing
        Work out in detail only the meters in doubt, and of the second look what verdicts rest on: no other verdict says
        anything of what the rest would add.
    """
    model, reference = paired.model, paired.reference
    found = first_findings(moments, model, reference, policy)
    n_pairs = moments.total("n")
    window_us = window.length.total_seconds() * 1e6
    coverage = np.minimum(n_pairs * paired.interval_us / window_us, 1.0)
    standing = stand(paired.blocked, moments, found, model, coverage, policy)
    rows = np.flatnonzero(standing.doubtful) if sparing else np.arange(len(n_pairs))
    found = with_details(found, moments, model, reference, policy, rows)
    if isinstance(look, SecondLook):
        second = look.only(standing.doubtful & look.looked)
    else:
        whom = choose_whom(standing.doubtful, found, policy, number)
        second = take_second_look(whom, look, found, paired, policy, sparing=sparing)
    if second.robust:
        asked = found.asked
        robust = {name: values[asked] for name, values in second.robust.items()}
        known = robust, found.choice.index[asked], picked(reference, asked)
        found = replace(found, published=with_robust(found.published, *known))
    verdict, reason, form = climb(standing, found, second, model, policy)
    return Worked(model, reference, found, n_pairs, coverage, standing, second, verdict, reason, form)
