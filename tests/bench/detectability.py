"""What can be detected: the theory of `transforms.judge.detectability` against verdicts counted on simulated moments."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from math import isnan
from typing import TYPE_CHECKING, Any

from tests.bench.measuring import PROJECT, apart
from tests.bench.session import Session, say
from tests.bench.tables import Cell, show

if TYPE_CHECKING:  # in the measuring process itself NumPy and Polars would be in the way, see `measure`
    import numpy as np

    from tests.judging import Kind
    from transforms.judge.detectability import Setting
    from transforms.registry.models import Model
    from transforms.simulate.devices import MeterModel

PAIRS = (6, 10, 20, 40, 100)
CHECKED_PAIRS = (6, 20, 40)
POWER = 0.9
METERS = 4_000
#: below so many steps of the reading rounding does not average out where flows hardly vary
STEPS = 10
#: flows lie within this factor of their level
SPREAD = 1.2

Rows = list[tuple[Cell, ...]]


def shipped_models() -> list[Model | MeterModel]:
    """The models of the sample's registry, and the simulated one that sends whole litres every quarter of an hour."""
    from transforms.registry import load_registry
    from transforms.simulate.devices import register_models

    known = load_registry(PROJECT / "data" / "registry").models
    return [*known.values(), register_models(timedelta(minutes=15))[0]]


def levels(model: Model | MeterModel) -> list[tuple[str, float, float]]:
    """Name, flow [L/h] and permissible error of the levels looked at: between Q1 and Q2, and 2, 10 and 50 % of Q3.

    Those that lie in their zone and hold at least `STEPS` steps of the reading.
    """
    from transforms.metrology import MPE

    low, high = MPE[model.accuracy_class]
    between = (model.q1 * model.q2) ** 0.5
    shares = [(f"{100 * share:g} % of Q3", share * model.q3, high) for share in (0.02, 0.1, 0.5)]
    known = [("Q1 to Q2", between, low), *(each for each in shares if each[1] > SPREAD * model.q2)]
    return [each for each in known if each[1] >= STEPS * model.resolution]


def setting_of(model: Model | MeterModel, flow: float, mpe: float) -> Setting:
    """The setting of a shipped model under the default policy."""
    from transforms.judge.detectability import Setting
    from transforms.policy import Policy

    return Setting.under(Policy(), flow, mpe, model.repeatability, model.resolution)


def table(question: str) -> Rows:
    """The deviation at the border of an answer, in percent, by model, level and pairs."""
    from transforms.judge.detectability import detectable

    rows: Rows = []
    for model in shipped_models():
        for name, flow, mpe in levels(model):
            found = detectable(question, PAIRS, setting_of(model, flow, mpe), POWER)
            rows.append(
                (model.name, name, round(flow, 1), 100 * mpe, *(None if isnan(d) else float(100 * d) for d in found))
            )
    return rows


def checks(seed: int, meters: int) -> Rows:
    """Percent of simulated meters with each answer, at the deviation that theory gives 90 %."""
    import numpy as np

    from transforms.judge.detectability import QUESTIONS, detectable

    rng = np.random.default_rng(seed)
    rows: Rows = []
    for model in shipped_models():
        for name, flow, mpe in levels(model):
            plain = setting_of(model, flow, mpe)
            # A flow that is rounded once scatters by r^2/12, the judge allows for the two roundings of a register.
            real = np.sqrt(plain.expected**2 - plain.resolution_lph**2 / 12 / flow**2)
            setting = replace(plain, scatter_ratio=float(real / plain.expected))
            for pairs in CHECKED_PAIRS:
                counted: list[Cell] = []
                for question in QUESTIONS:
                    deviation = float(detectable(question, pairs, setting, POWER))
                    if isnan(deviation):
                        counted += [None, None]
                    else:
                        told = _count(question, deviation, pairs, model, setting, meters, rng)
                        counted += [100 * deviation, told]
                rows.append((model.name, name, pairs, *counted))
    return rows


def _count(
    question: str,
    deviation: float,
    pairs: int,
    model: Model | MeterModel,
    setting: Setting,
    meters: int,
    rng: np.random.Generator,
) -> float:
    import numpy as np

    from tests.judging import Kind, judge_moments
    from transforms.judge.precision import marginal
    from transforms.policy import Policy

    kind: Kind = Kind(
        model.q1, model.q3, model.accuracy_class, tuple(model.band), model.repeatability, model.resolution
    )
    us = np.tile(np.linspace(0, 11.75 * 3600e6, pairs).astype(np.int64), (meters, 1))
    shape = (meters, pairs)
    flow = setting.flow_lph * SPREAD ** rng.uniform(-1, 1, shape)
    common = 1 + setting.reference_uncertainty / 2 * rng.standard_normal((meters, 1))
    q = flow * common * (1 + setting.reference_repeatability * rng.standard_normal(shape))
    shown = flow * (1 + deviation) * (1 + setting.repeatability * rng.standard_normal(shape))
    q_meter = np.rint(shown / model.resolution) * model.resolution
    policy = Policy()
    judged: Any = judge_moments(us, q, q_meter, kind, policy, setting.reference_uncertainty)
    answers = {
        "outside": judged.standing.outside,
        "commanded": judged.standing.outside & ~marginal(judged.found, policy),
        "healthy": judged.verdict == "healthy",
    }
    return float(100 * answers[question].mean())


def run(session: Session) -> None:
    """Print what theory says, and what it says against what is counted."""
    header = ("model", "level", "flow [L/h]", "permissible [%]", *(f"{n} pairs" for n in PAIRS))
    for question, title in (
        ("outside", "Smallest deviation [%] that is outside"),
        ("commanded", "Smallest deviation [%] that is not marginal, so that a command may go out"),
        ("healthy", "Largest deviation [%] that is called healthy"),
    ):
        show(f"{title}, with a chance of {100 * POWER:g} %", header, apart(table, question))
    say("detectability: count verdicts on simulated moments")
    meters = METERS // 10 if session.quick else METERS
    show(
        f"Counted: percent of {meters:,} simulated meters with the answer, wanted {100 * POWER:g}",
        (
            "model",
            "level",
            "pairs",
            *("outside at [%]", "counted [%]", "commanded at [%]", "counted [%]", "healthy at [%]", "counted [%]"),
        ),
        apart(checks, 1, meters),
        ["Flows within a fifth of the level; scatter as the registry states it, one rounding, references off by u."],
    )
