"""State of the fleet's parameters: the fold of what was sent and what came back, never stored a second time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from transforms.correction import Correction
from transforms.windows import parse_time

#: effects that an error does not have by itself: they show that a command was carried out though nothing said so
SHOWN = ("cured", "improved")


@dataclass(frozen=True)
class Attempt:
    """One command that left, and what became of it.

    ``status`` is ``applied``, ``rejected``, ``failed``, ``expired`` or ``in_flight``; ``at`` when that was said, ``effect``
    what the first judgeable window after it showed, None where that is still open.
    """

    command_id: str
    sequence: int
    window_start: str
    issued_at: str
    status: str
    at: str | None = None
    effect: str | None = None
    undoes: str | None = None

    def told(self) -> dict[str, Any]:
        """As a work order's evidence tells it."""
        return {name: value for name, value in self.__dict__.items() if value is not None}


@dataclass(frozen=True)
class MeterState:
    """One meter as its commands, acks and effects tell.

    ``in_force`` is the correction last known to be applied, ``in_force_by`` the command that brought it, ``before`` the
    correction that it replaced, ``changed_at`` when; ``pending`` the newest command that the meter may still carry out:
    neither answered nor expired, and none with a higher sequence was applied; ``sequence`` the highest ever used.
    ``awaiting`` is the applied command whose effect no window has shown yet. ``attempts`` are the commands since the meter
    was last cured, oldest first, undoing ones included.
    """

    sequence: int = 0
    in_force: Correction = field(default_factory=Correction)
    before: Correction = field(default_factory=Correction)
    changed_at: datetime | None = None
    in_force_by: str | None = None
    last_command: str | None = None
    pending: str | None = None
    pending_until: datetime | None = None
    awaiting: str | None = None
    attempts: tuple[Attempt, ...] = ()

    @property
    def tried(self) -> int:
        """How many commands were answered since the meter was last cured, or made better, from where the next goes on;
        undoing ones left out."""
        count = 0
        for attempt in reversed(self.attempts):
            if attempt.effect in SHOWN:
                break
            count += attempt.undoes is None and attempt.status in ("applied", "rejected", "failed")
        return count

    @property
    def silent(self) -> Attempt | None:
        """The last command, if it expired unanswered and no window has shown yet that it was carried out all the same."""
        last = self.attempts[-1] if self.attempts else None
        return last if last and last.status == "expired" and last.effect not in SHOWN else None

    @property
    def same_since(self) -> datetime | None:
        """From when on the meter surely works with what it works with now, None for always: a command that expired
        unanswered may have been carried out at any time before."""
        over = [parse_time(attempt.at) for attempt in self.attempts if attempt.status == "expired" and attempt.at]
        return max([*over, *([self.changed_at] if self.changed_at else [])], default=None)

    @property
    def unanswered(self) -> int:
        """How many commands in a row expired without an answer, up to now."""
        count = 0
        for attempt in reversed(self.attempts):
            if attempt.status != "expired":
                break
            count += 1
        return count


#: a meter that was never commanded
UNTOUCHED: Final = MeterState()


@dataclass(frozen=True)
class Episode:
    """An open need for a visit: since when, and why."""

    reason: str
    since: str
    order_id: str


def fold_commands(
    commands: Iterable[Mapping[str, Any]],
    acks: Iterable[Mapping[str, Any]],
    now: datetime,
    effects: Mapping[str, str] | None = None,
    installed: Mapping[str, datetime] | None = None,
) -> dict[str, MeterState]:
    """Fold commands, in the order they were issued, with the acks that came back by ``now``.

    Held commands have not left and change nothing but the sequence. Of several acks to one command the earliest
    counts, so an ack that arrives twice does no harm; one from the future is left for later.

    Parameters
    ----------
    effects : mapping
        Command id -> effect, as earlier runs judged it.
    installed : mapping
        Feature code -> when the meter that carries it now was installed. Commands issued before that went to another
        device: of them only the sequence counts, and the new meter starts with no correction. But one that was still under
        way then may reach the new meter: it is pending until it expires, and in force if it was applied after that moment.
    """
    answers = _answers(ack for ack in acks if parse_time(ack["at"]) <= now)
    states: dict[str, MeterState] = {}
    for command in sorted(commands, key=lambda c: (c["feature_code"], c["sequence"])):
        code = command["feature_code"]
        before = states.get(code, UNTOUCHED)
        since = (installed or {}).get(code)
        answer = answers.get(command["command_id"])
        if command["state"] != "ready":
            states[code] = replace(before, sequence=command["sequence"])
        elif since is not None and parse_time(command["issued_at"]) < since:
            states[code] = _strayed(before, command, answer, since, now)
        else:
            states[code] = _after(before, command, answer, now, effects or {})
    return states


def _strayed(
    before: MeterState, command: Mapping[str, Any], answer: Mapping[str, Any] | None, since: datetime, now: datetime
) -> MeterState:
    """The state after a command that was meant for the meter before this one, which was installed at ``since``.

    What it did to this one says nothing of how well it was chosen, so it is no attempt, and no effect is asked of it.
    """
    if answer and _by_the_new(answer, since):
        return replace(_after(before, command, answer, now, {}), attempts=before.attempts, awaiting=None)
    expires = parse_time(command["expires_at"])
    if answer is None and expires > max(since, now):
        return replace(before, sequence=command["sequence"], pending=command["command_id"], pending_until=expires)
    return replace(before, sequence=command["sequence"])


def _by_the_new(answer: Mapping[str, Any], since: datetime) -> bool:
    return bool(answer["status"] == "applied" and parse_time(answer["at"]) >= since)


def applied(
    commands: Iterable[Mapping[str, Any]],
    acks: Iterable[Mapping[str, Any]],
    installed: Mapping[str, datetime] | None = None,
    effects: Mapping[str, str] | None = None,
) -> list[tuple[str, datetime]]:
    """Feature code and instant of each time that a meter that is still there carried out a command, as `fold_commands` has
    it: it said so, however late, or never answered, and later windows showed it."""
    answers = _answers(acks)
    found = []
    for command in commands:
        answer = answers.get(command["command_id"])
        since = (installed or {}).get(command["feature_code"])
        another = since is not None and parse_time(command["issued_at"]) < since
        another = another and not (since and answer and _by_the_new(answer, since))
        if command["state"] != "ready" or another:
            continue
        if answer and answer["status"] == "applied":
            found.append((command["feature_code"], max(parse_time(answer["at"]), parse_time(command["issued_at"]))))
        elif answer is None and (effects or {}).get(command["command_id"]) in SHOWN:
            found.append((command["feature_code"], parse_time(command["expires_at"])))
    return sorted(set(found))


def _answers(acks: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The ack of each command that counts: the earliest."""
    answers: dict[str, Mapping[str, Any]] = {}
    for ack in sorted(acks, key=lambda a: (parse_time(a["at"]), a["status"])):
        answers.setdefault(ack["command_id"], ack)
    return answers


def _after(
    before: MeterState,
    command: Mapping[str, Any],
    answer: Mapping[str, Any] | None,
    now: datetime,
    effects: Mapping[str, str],
) -> MeterState:
    """The state after one more command that left, and its answer."""
    name = command["command_id"]
    expires = parse_time(command["expires_at"])
    status = answer["status"] if answer else "in_flight" if expires > now else "expired"
    attempt = Attempt(
        command_id=name,
        sequence=command["sequence"],
        window_start=command.get("window_start", ""),
        issued_at=command["issued_at"],
        status=status,
        at=answer["at"] if answer else command["expires_at"] if status == "expired" else None,
        effect=effects.get(name),
        undoes=command.get("undoes") or command.get("withdraws"),
    )
    # One that was refused or expired leaves an earlier one that it was to follow as it was.
    pending, until = (name, expires) if status == "in_flight" else (before.pending, before.pending_until)
    after = replace(
        before,
        sequence=command["sequence"],
        last_command=name,
        pending=pending,
        pending_until=until,
        attempts=() if attempt.effect == "cured" else (*before.attempts, attempt),
    )
    changed_at = _carried_out_at(attempt, expires)
    if changed_at is None:
        return after
    return replace(
        after,
        in_force=Correction.from_json(command["correction"]),
        # a command that was said again replaces what its first saying replaced, whether that was carried out or not
        before=before.before if command.get("repeats") else before.in_force,
        in_force_by=name,
        # A clock may be slow, but no meter uses what it has not been sent yet.
        changed_at=max(changed_at, parse_time(command["issued_at"])),
        pending=None,
        pending_until=None,
        awaiting=None if attempt.effect or attempt.undoes else name,
    )


def _carried_out_at(attempt: Attempt, expires: datetime) -> datetime | None:
    """When a command was carried out, as far as is known.

    One that expired without an answer counts as carried out, by then at the latest, if the windows after it showed its
    effect: only the answer was lost.
    """
    if attempt.status == "applied" and attempt.at:
        return parse_time(attempt.at)
    return expires if attempt.status == "expired" and attempt.effect in SHOWN else None


def fold_orders(orders: Iterable[Mapping[str, Any]], healthy_since: Mapping[str, str]) -> dict[str, Episode]:
    """The need for a visit that is open for each meter: its newest work order, unless it was healthy later.

    Parameters
    ----------
    orders : iterable of mapping
        Work orders in the order of their windows; each has ``window_start`` beside its own keys.
    healthy_since : mapping
        Feature code -> start (ISO) of the newest window in which it was healthy.
    """
    episodes: dict[str, Episode] = {}
    for order in orders:
        code = order["feature_code"]
        if healthy_since.get(code, "") > order["window_start"]:
            episodes.pop(code, None)
            continue
        episodes[code] = Episode(order["reason"], order["since"], order["order_id"])
    return episodes
