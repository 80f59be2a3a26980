"""A small town for five days: commands reach devices that obey, refuse, lose or double them, and the errors shrink."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.closed_loop import Town, in_flight_at_once
from transforms.outbox.verify import verify

WINDOWS = 10


def test_a_town_in_a_closed_loop(tmp_path: Path) -> None:
    town = Town.build(
        tmp_path / "town", 40, WINDOWS / 2, seed=5, policy="[command]\nmin_flowing = 8\nmin_reach = 0.0\n"
    )
    for number in range(WINDOWS):
        town.step(number)
    assert len(town.sent) >= 2
    assert in_flight_at_once(town) == 0
    assert all(count == 1 for device in town.devices.values() for count in device.carried_out.values())
    sequences = [(command["feature_code"], command["sequence"]) for command in town.sent]
    assert len(set(sequences)) == len(sequences)
    # where a device obeyed, its meter is nearer to the truth than it would be
    obeyed = np.array([bool(device.in_force) for device in town.devices.values()])
    without, corrected = (town.error(WINDOWS - 1, corrected=c) for c in (False, True))
    seen = obeyed & np.isfinite(without)
    assert seen.any()
    assert np.abs(corrected[seen]).mean() < 0.5 * np.abs(without[seen]).mean()
    assert verify(town.workspace).findings == ()
