"""One meter's verdict on one screen: the sentence, the checks rung by rung, a plot, the last runs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from itertools import groupby

import numpy as np
import polars as pl

from reports.clock import local
from reports.explain import Explanation, caveats, plain_sentence
from reports.terminal_plot import Zone, error_plot
from reports.wording import count, percent, stretch, visible
from transforms.judge.dossier import Check, Diagnostic, Diagnostics

#: a screen; one with much to say may be a few lines longer
WIDTH, HEIGHT = 100, 44
WORDS = {"passed": "passed", "failed": "FAILED", "open": "open", "not_evaluated": "not evaluated"}
_OUTLOOKS = {"nothing to see": "nothing seen", "look": "LOOK", "not evaluated": "not evaluated"}
_MARK, _NAME = 16, 25
#: rungs on which what passed needs no numbers
_BRIEF = ("can it be judged", "what else it looks like", "may a command go out")


def screen(given: Explanation) -> list[str]:
    """Lines for a terminal, none wider than `WIDTH`, all text from outside made safe to show."""
    row, window = given.verdict, given.window
    run = f"run {given.run_id}" if given.run_id else "no run yet"
    shown = f"{row['verdict'].upper()} ({visible(row['reason'])})"
    lines = _wrapped(f"{shown}  {stretch(window.start, window.end)}, {run}")
    lines += _wrapped(plain_sentence(given))
    if given.dossier.needs:
        lines += _wrapped(f"What it would take: {visible(given.dossier.needs)}.")
    lines += [line for note in caveats(given) for line in _wrapped(f"Note: {visible(note)}.")]
    for stage, checks in groupby(given.checks, key=lambda check: check.stage):
        lines += _rung(stage, list(checks))
    lines += _diagnosed(given.dossier.diagnostics)
    past = _past(given)
    room = HEIGHT - len(lines) - len(past) - 3
    return [*lines, *plot(given, height=9 if room >= 9 else 7), *past]


def _wrapped(text: str, indent: int = 0) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False)


def _rung(stage: str, checks: list[Check]) -> list[str]:
    """A heading, and one line a check that says something of its own; alike ones share a line."""
    title = f"{stage[:1].upper()}{stage[1:]}{'' if stage.startswith('what') else '?'}"
    reasons = {check.sentence if check.outcome == "not_evaluated" else "" for check in checks}
    if len(reasons) == 1 and "" not in reasons:
        return _wrapped(f"{title}  not evaluated: {visible(reasons.pop().removeprefix('not asked: '))}", indent=4)
    passed = [_short(check.name) for check in checks if check.outcome == "passed" and stage in _BRIEF]
    brief = list(dict.fromkeys(passed))  # several of one kind, told apart in parentheses, are said once
    if len(passed) == len(checks):
        return _wrapped(f"{title}  passed: {', '.join(brief)}", indent=4)
    lines = [title]
    if brief:
        lines += _line(WORDS["passed"], "", ", ".join(brief))
    for check in checks:
        if check.outcome != "not_evaluated" and not (check.outcome == "passed" and stage in _BRIEF):
            lines += _line(WORDS[check.outcome], _short(check.name), check.sentence)
    unasked = _alike(check for check in checks if check.outcome == "not_evaluated")
    return [*lines, *_line(WORDS["not_evaluated"], "", unasked)] if unasked else lines


def _short(name: str) -> str:
    """A name without the test behind it."""
    return name.partition(" (")[0]


def _alike(unasked: Iterable[Check | Diagnostic]) -> str:
    """Names of what was not evaluated, by the reason why."""
    reasons: dict[str, list[str]] = {}
    for each in unasked:
        reasons.setdefault(each.sentence, []).append(_short(each.name))
    return "; ".join(f"{', '.join(names)} ({why})" for why, names in reasons.items())


def _line(mark: str, name: str, text: str) -> list[str]:
    head = f"  {mark:<{_MARK - 2}}" + (f"{name:<{_NAME}} " if name else "")
    return textwrap.wrap(
        visible(text), WIDTH, initial_indent=head, subsequent_indent=" " * _MARK, break_on_hyphens=False
    )


def _diagnosed(found: Diagnostics) -> list[str]:
    """What statsmodels says of the line: the second opinion, at length what is worth a look, and the rest by name."""
    title = "Diagnostics of the fit, by statsmodels (they decide nothing; ± of the pairs alone)"
    if found.why:
        return _wrapped(f"{title}  none: {visible(found.why).removeprefix('not asked: ')}", indent=4)
    opinion, *others = found.told
    quiet = [_short(each.name) for each in others if each.outlook == "nothing to see"]
    anew = f"{found.line}, {count(found.pairs, 'flowing pair')}, fitted anew: {opinion.sentence}"
    if not found.looks:
        lines = _wrapped(
            f"{title}  nothing to see: {'; '.join([anew, ', '.join(quiet)] if quiet else [anew])}", indent=4
        )
    else:
        lines = [title, *_line(_OUTLOOKS[opinion.outlook], "", anew)]
        for each in (each for each in others if each.outlook == "look"):
            lines += _line(_OUTLOOKS["look"], _short(each.name), each.sentence)
        lines += _line(_OUTLOOKS["nothing to see"], "", ", ".join(quiet)) if quiet else []
    if found.note:
        lines += _line("note", "", found.note)
    unasked = _alike(each for each in others if each.outlook == "not evaluated")
    return [*lines, *_line(_OUTLOOKS["not evaluated"], "", unasked)] if unasked else lines


def plot(given: Explanation, height: int) -> list[str]:
    """The errors of the flowing pairs against flow."""
    least = given.limits.get("q1_lph", 0.0) or 0.0
    flowing = given.pairs.filter((pl.col("q_lph") >= max(least, 1e-9)) & pl.col("q_meter_lph").is_finite())
    if flowing.is_empty():
        return ["", "No flowing pair to plot."]
    q, q_meter = (flowing[name].to_numpy().astype(np.float64) for name in ("q_lph", "q_meter_lph"))
    title = "Error (q' - q) / q against flow q; o one pair, 8 several, - permissible error"
    return ["", title, *error_plot(q, q_meter, zones_of(given), height=height)]


def zones_of(given: Explanation) -> list[Zone]:
    """Where which permissible error holds; nothing for a meter that is not registered."""
    limits = given.limits
    if not limits.get("q1_lph"):
        return []
    return [
        (limits["q1_lph"], limits["q2_lph"], limits["mpe_low"]),
        (limits["q2_lph"], limits["q4_lph"], limits["mpe_high"]),
    ]


def _past(given: Explanation) -> list[str]:
    if not given.history:
        return []
    told = []
    for each in given.history:
        off = f" {percent(each.volume_error)}" if each.volume_error is not None else ""
        sent = f" [{', '.join(visible(name)[:10] for name in each.sent)}]" if each.sent else ""
        told.append(f"{local(each.start):%m-%d %H:%M} {each.verdict or 'not in the run'}{off}{sent}")
    return _wrapped(f"Last runs: {'; '.join(told)}")
