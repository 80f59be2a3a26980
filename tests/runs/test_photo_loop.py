"""What follows from displays: visits, commands said again, parameters revised, and the loop closed with a photo."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import pytest

from flows.eyes import Eyes
from flows.window import Outcome
from tests.photo_town import REGISTER, Town, register
from tests.workspaces import Small, demand, noisy

Q = demand()
TRUE = noisy(Q, 0.002)
ENDS = ["2026-01-01T12:00:00Z", "2026-01-02T00:00:00Z", "2026-01-02T12:00:00Z", "2026-01-03T00:00:00Z"]


def off(a1: float, flows: Sequence[float] = TRUE) -> list[float]:
    return [a1 * flow for flow in flows]


def registers(flows: Sequence[float], begin: float = 120_000.0) -> list[float]:
    """The register [L] after each quarter of an hour."""
    return [begin + litres for litres in accumulate(flow / 4 for flow in flows)]


def shown(litres: float) -> tuple[str, str]:
    return "main", register(litres / 1000)


def ack(town: Town, command: dict[str, Any], at: str) -> None:
    folder = town.root / "raw" / "acks"
    folder.mkdir(parents=True, exist_ok=True)
    line = {**{key: command[key] for key in ("command_id", "feature_code")}, "status": "applied", "at": at}
    with (folder / "a.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def sent(town: Town, outcome: Outcome) -> list[dict[str, Any]]:
    return town.lines(outcome, "commands.jsonl")


def withheld(outcome: Outcome) -> list[str]:
    return [entry["reason"] for entry in outcome.manifest["withheld"]]


def consequences(town: Town, outcome: Outcome) -> dict[str, Any]:
    return {row["file"]: row["consequence"] for row in town.readings(outcome)}


def test_a_display_that_contradicts_the_wire_is_a_visit_and_no_correction(small: Small) -> None:
    """The meter reads 8 % high by wire; its display runs half a cubic metre ahead of that."""
    town = Town(small).registry()
    wire = registers(off(1.08) * 3)
    small.dump("meter", {"WM-1": wire}, column="volume_l").dump("flowmeter", {"WM-1": Q * 3})
    town.photo("a.jpg", "2026-01-01T05:00:00Z", shown(wire[20] + 500))
    first = town.run(ENDS[0])
    assert consequences(town, first) == {"a.jpg": "display_differs"}
    assert (sent(town, first), withheld(first)) == ([], ["display_differs"])
    (order,) = town.lines(first, "work_orders.jsonl")
    assert (order["reason"], order["since"]) == ("display_differs", "2026-01-01T05:00:00Z")
    told = order["evidence"]["display"]
    assert told["shown"] == pytest.approx((wire[20] + 500) / 1000, abs=0.001)
    assert told["difference"] == pytest.approx(0.5, abs=0.15)
    assert [notice["kind"] for notice in town.lines(first, "notices.jsonl")] == ["visit"]
    second = town.run(ENDS[1])
    assert [one["order_id"] for one in town.lines(second, "work_orders.jsonl")] == [order["order_id"]]
    assert (sent(town, second), town.lines(second, "notices.jsonl")) == ([], [])
    town.photo("b.jpg", "2026-01-02T05:00:00Z", shown(wire[116]))
    third = town.run(ENDS[2])
    assert consequences(town, third) == {"b.jpg": "agrees"}
    assert town.lines(third, "work_orders.jsonl") == []
    assert len(sent(town, third)) == 1, "nothing speaks against the correction any more"


def test_a_flow_display_contradicts_only_where_the_flow_does_not_move(small: Small) -> None:
    town = Town(small).registry()
    steady = [400.0] * 8 + Q[8:]
    small.dump("meter", {"WM-1": steady}).dump("flowmeter", {"WM-1": steady})
    town.photo("same.jpg", "2026-01-01T01:00:00Z", ("flow", "00.405"))
    town.photo("moving.jpg", "2026-01-01T05:40:00Z", ("flow", "00.950"))
    town.photo("other.jpg", "2026-01-01T01:10:00Z", ("flow", "00.480"))
    outcome = town.run(ENDS[0])
    assert consequences(town, outcome) == {
        "same.jpg": "agrees",
        "other.jpg": "display_differs",
        "moving.jpg": "agrees",
    }


def commanded(small: Small, *windows: Sequence[float | None]) -> tuple[Town, dict[str, Any]]:
    """A meter that sends flows, 8 % high, whose first command was sent and answered at 12:05."""
    town = Town(small).registry()
    small.dump("meter", {"WM-1": [flow for flows in (off(1.08), *windows) for flow in flows]})
    small.dump("flowmeter", {"WM-1": Q * (1 + len(windows))})
    (command,) = sent(town, town.run(ENDS[0]))
    ack(town, command, "2026-01-01T12:05:00Z")
    return town, command


def test_a_command_that_the_display_does_not_show_is_said_again(small: Small) -> None:
    still = off(1.08)
    town, command = commanded(small, still, still, TRUE)
    town.photo("a.jpg", "2026-01-01T12:10:00Z", ("gain", "1.0000"), command_id=command["command_id"])
    second = town.run(ENDS[1])
    (again,) = sent(town, second)
    (reading,) = town.readings(second)
    assert (again["repeats"], again["sequence"]) == (command["command_id"], 2)
    assert again["photos"] == [reading["reading_id"]]
    assert again["correction"] == command["correction"]
    assert reading["consequence"] == "said_again"
    town.photo("b.jpg", "2026-01-02T00:10:00Z", ("gain", "1.0000"))
    third = town.run(ENDS[2])
    assert consequences(town, third) == {"b.jpg": "in_flight"}
    assert sent(town, third) == [], "it is on its way, and not said twice"
    ack(town, again, "2026-01-02T12:01:00Z")
    gain = f"{command['correction']['gain']:.4f}"
    town.photo("c.jpg", "2026-01-02T12:10:00Z", ("gain", gain))
    fourth = town.run(ENDS[3])
    assert consequences(town, fourth) == {"c.jpg": "confirmed"}
    assert [effect["effect"] for effect in town.small.effects(fourth.manifest["run_id"])] == ["cured"]


def test_photos_of_parameters_from_before_the_command_or_of_none_say_nothing(small: Small) -> None:
    town, _ = commanded(small, TRUE)
    town.photo("before.jpg", "2026-01-01T11:50:00Z", ("gain", "1.0000"))
    second = town.run(ENDS[1])
    assert consequences(town, second) == {"before.jpg": "noted"}
    assert sent(town, second) == []


@pytest.mark.parametrize("real", [False, True])
def test_a_photo_revises_the_parameters_and_the_loop_closes(small: Small, real: bool) -> None:
    """The first command left the meter 5 % high, and its gateway fell silent: only two photos tell, and they suffice.

    Once with eyes that know what each photo shows, once with drawn displays and the eyes that read real ones.
    """
    if real and not Eyes.available():
        pytest.skip("the extra meterwright[photos] is not installed")
    town = Town(small, real=real).registry(screens=REGISTER)
    wire = registers(off(1.08) + off(1.05))
    told: list[float | None] = [*wire[:52], *[None] * 40, *wire[92:]]
    small.dump("meter", {"WM-1": told}, column="volume_l").dump("flowmeter", {"WM-1": Q * 2})
    first = town.run(ENDS[0])
    (command,) = sent(town, first)
    ack(town, command, "2026-01-01T12:05:00Z")
    town.photo("a.jpg", "2026-01-01T14:05:00Z", shown(wire[56]), command_id=command["command_id"])
    town.photo("b.jpg", "2026-01-01T23:05:00Z", shown(wire[92]), command_id=command["command_id"])
    second = town.run(ENDS[1])
    assert small.verdicts(second.manifest["run_id"])["WM-1"]["verdict"] == "inconclusive"
    rows = {row["file"]: row for row in town.readings(second)}
    assert {row["status"] for row in rows.values()} == {"accepted"}
    (revised,) = sent(town, second)
    assert consequences(town, second) == {"a.jpg": "revised", "b.jpg": "revised"}
    assert revised["photos"] == sorted(row["reading_id"] for row in rows.values())
    assert (revised["sequence"], revised["supersedes"]) == (2, command["command_id"])
    assert revised["a1"] == pytest.approx(1.05, abs=0.01)
    kinds = [notice["kind"] for notice in town.lines(second, "notices.jsonl")]
    assert "photo_request" not in kinds, "the photo has come"
    ack(town, revised, "2026-01-02T00:05:00Z")
    raw = [flow / command["correction"]["gain"] for flow in off(1.05)]
    correction = revised["correction"]
    cured = [max(0.0, correction["gain"] * flow + correction["offset_lph"]) if flow else 0.0 for flow in raw]
    begin = wire[-1]
    later = town.small
    later.dump("meter", {"WM-1": registers(cured, begin)}, column="volume_l", name="c.csv", start=_at(ENDS[1]))
    later.dump("flowmeter", {"WM-1": Q}, name="c.csv", start=_at(ENDS[1]))
    third = town.run(ENDS[2])
    assert [effect["effect"] for effect in small.effects(third.manifest["run_id"])] == ["cured"]
    assert "done" in [notice["kind"] for notice in town.lines(third, "notices.jsonl")]


def _at(text: str) -> Any:
    from transforms.windows import parse_time

    return parse_time(text)
