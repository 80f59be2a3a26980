"""The devices of a simulated fleet: meter models, and what each instrument adds to the flow it sees."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from transforms.metrology import MPE
from transforms.simulate.demand import Array


@dataclass(frozen=True)
class MeterModel:
    """A model as models.toml describes it, its share of the fleet, and how such a meter really behaves.

    Attributes
    ----------
    q3, ratio
        Permanent flow rate [L/h] and R = Q3/Q1.
    band
        Preset threshold range of abs(q' - q) [L/h].
    repeatability
        What the registry states: the relative scatter that is normal for this model.
    noise
        The relative scatter that the simulated meters have (one standard deviation).
    register_l
        Step of the register that such a meter sends [L]; 0 for a meter that sends its flow.
    """

    name: str
    q3: float
    ratio: float
    accuracy_class: int
    band: tuple[float, float]
    share: float
    repeatability: float = 0.01
    resolution: float = 1.0
    noise: float = 0.008
    register_l: float = 0.0

    @property
    def q1(self) -> float:
        return self.q3 / self.ratio

    @property
    def q2(self) -> float:
        return 1.6 * self.q1

    @property
    def q4(self) -> float:
        return 1.25 * self.q3

    @property
    def mpe(self) -> float:
        """Maximum permissible error between Q2 and Q4, relative."""
        return MPE[self.accuracy_class][1]


#: The band's foot is above what the resolution and the scatter of an ordinary flow make, its head a few percent of Q3.
MODELS: tuple[MeterModel, ...] = (
    MeterModel("US-DN15-R160", 2500.0, 160.0, 2, (4.0, 60.0), 0.65),
    MeterModel("US-DN20-R160", 4000.0, 160.0, 2, (6.4, 96.0), 0.25),
    MeterModel("US-DN15-R250", 2500.0, 250.0, 1, (4.0, 60.0), 0.10, repeatability=0.006, noise=0.005),
)

#: an outlying reading scatters by this many times the noise (Tukey's contaminated normal distribution)
OUTLYING = 4.0

#: what a meter resolves before its register counts it [L/h]
REGISTER_RESOLUTION_LPH = 0.001


def register_models(interval: timedelta) -> tuple[MeterModel, ...]:
    """Models with registers of whole litres and whole cubic metres, which only some behaviours have.

    A register's resolution as a flow is its step over one interval: 4 L/h for a litre in a quarter of an hour.
    """
    hours = interval / timedelta(hours=1)
    return tuple(
        MeterModel(name, 2500.0, 160.0, 2, (4.0, 60.0), 0.0, resolution=round(step / hours, 6), register_l=step)
        for name, step in (("US-DN15-R160-LITRE", 1.0), ("US-DN15-R160-M3", 1000.0))
    )


@dataclass(frozen=True)
class Instruments:
    """What a set of instruments adds to the flow, one entry per instrument.

    Attributes
    ----------
    noise
        Repeatability: relative standard deviation of a reading.
    cutoff
        Flow [L/h] below which the instrument shows zero.
    resolution
        Step of the reading [L/h].
    outliers
        Share of the readings that scatter by `OUTLYING` times the noise.
    """

    noise: Array
    cutoff: Array
    resolution: Array
    outliers: float = 0.0

    def read(self, shown: Array, flow: Array, rng: np.random.Generator) -> Array:
        """Readings [L/h] for what the instruments make of the flow: zero flow reads zero, NaN stays NaN.

        Parameters
        ----------
        shown
            What the instruments would show if they were perfectly repeatable [L/h], (instruments, samples).
        flow
            The true flow [L/h], of the same shape: the cut-off acts on it.
        """
        scatter = self.noise[:, None] * rng.standard_normal(shown.shape)
        if self.outliers:
            scatter *= np.where(rng.random(shown.shape) < self.outliers, OUTLYING, 1.0)
        noisy = shown * (1.0 + scatter)
        seen = np.where(np.abs(flow) >= self.cutoff[:, None], noisy, shown * 0.0)
        steps = np.rint(seen / self.resolution[:, None])
        # the rounding keeps 12.3 from being written as 12.300000000000001
        return np.asarray(np.round(steps * self.resolution[:, None], 6), dtype=np.float64)
