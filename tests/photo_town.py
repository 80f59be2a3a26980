"""Workspaces with photos: pictures that are no displays but unique, eyes that know what each shows, and lines about them.

The eyes that read real pictures have tests of their own; here it matters what follows from what was seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image

from flows.cli.common import make_context
from flows.cycle import run_cycle
from flows.engines.plain import PlainEngine
from flows.window import Outcome
from tests.workspaces import MODEL, Small
from transforms.display import Candidate, Sight
from transforms.screens import Screen
from transforms.windows import Window, newest_complete, parse_time

#: what the displays of the test's model show
REGISTER = """
display = {quantity = "volume", unit = "m3", digits = 8, decimals = 3}
"""
SCREENS = f"""{REGISTER}
[models."T-R160".screens.flow]
quantity = "flow"
unit = "m3/h"
digits = 5
decimals = 3
[models."T-R160".screens.gain]
quantity = "gain"
digits = 5
decimals = 4
[models."T-R160".screens.offset]
quantity = "offset"
unit = "L/h"
digits = 4
decimals = 1
"""
TERMINAL = "+64 21 555 0101"


@dataclass
class FakeEyes:
    """Sees on each file what the test says it shows: ``sees[file name] = (screen, text)`` or a whole `Sight`."""

    sees: dict[str, tuple[str, str] | Sight] = field(default_factory=dict)
    looked: list[str] = field(default_factory=list)

    @contextmanager
    def __call__(self) -> Iterator[FakeEyes]:
        yield self

    def read(self, path: Path, screens: Sequence[Screen]) -> Sight:
        self.looked.append(path.name)
        seen = self.sees[path.name]
        if isinstance(seen, Sight):
            return seen
        name, text = seen
        screen = next(one for one in screens if one.name == name)
        return Sight("sure", "", (Candidate(screen, text, float(text), 0.999),), 1)


@dataclass
class Town:
    """A small workspace with terminals and displays, and the fake eyes that its runs use."""

    small: Small
    eyes: FakeEyes = field(default_factory=FakeEyes)
    made: int = 0
    real: bool = False

    @property
    def root(self) -> Path:
        return self.small.root

    def registry(self, codes: Sequence[str] = ("WM-1",), policy: str = "", screens: str = SCREENS) -> Town:
        rows = "".join(f"{code},{TERMINAL},sms,en\n" for code in codes)
        self.small.registry(
            codes,
            terminals_csv="feature_code,terminal_id,channel,language\n" + rows,
            policy_toml=policy + "\n[report]\nplots = 0\n",
        )
        (self.root / "registry" / "models.toml").write_text(MODEL + screens)
        (self.root / "registry" / "terminals.csv").chmod(0o600)
        return self

    def picture(self, name: str, shade: int | None = None) -> Path:
        """A JPEG that differs from all others, with a place and a name in its metadata."""
        self.made += 1
        path = self.root / "raw" / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.new("RGB", (640, 480), (shade or self.made * 16 % 256, self.made, 120))
        exif = Image.Exif()
        exif[0x010E] = "Kitchen of Mrs Example"
        exif.get_ifd(0x8825).update({1: "S", 2: (41.0, 17.0, 12.0), 3: "E", 4: (174.0, 46.0, 38.0)})
        picture.save(path, "JPEG", exif=exif)
        return path

    def photo(
        self,
        name: str,
        at: str,
        shows: tuple[str, str] | Sight,
        code: str = "WM-1",
        terminal: str = TERMINAL,
        **more: Any,
    ) -> Path:
        """A picture, the line about it, and what the eyes see on it."""
        path = self.drawn(name, shows) if self.real else self.picture(name)
        self.eyes.sees[name] = shows
        self.line({"feature_code": code, "terminal_id": terminal, "captured_at": at, "file": name, **more})
        return path

    def drawn(self, name: str, shows: tuple[str, str] | Sight) -> Path:
        """A picture of a display that shows the main screen's text, for real eyes to read."""
        from tests.displays.scene import Scene, jpeg, picture

        assert not isinstance(shows, Sight)
        self.made += 1
        path = self.root / "raw" / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(picture(shows[1].replace(".", ""), 3, Scene(turn=1.5), self.made)))
        return path

    def line(self, said: Mapping[str, Any] | str) -> None:
        folder = self.root / "raw" / "images"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "manifest.jsonl").open("a") as file:
            file.write((said if isinstance(said, str) else json.dumps(said)) + "\n")

    def run(
        self, until: str = "2026-01-01T12:00:00Z", now: str | None = None, *, blind: bool = False, report: bool = False
    ) -> Outcome:
        """One cycle. Without ``report`` an empty one is there already, which is left as it is and saves a third of the time."""
        context = replace(make_context(self.root, 1), progress=lambda _: None)
        if not self.real:
            context = replace(context, eyes=lambda: None if blind else self.eyes)
        end = parse_time(until)
        windows: list[Window] = [newest_complete(end, context.policy.window.length)]
        for window in windows if not report else ():
            page = context.workspace.report(window.run_id(1)) / "index.html"
            page.parent.mkdir(parents=True, exist_ok=True)
            page.touch()
        _, outcomes = run_cycle(context, PlainEngine(1), windows, parse_time(now or until))
        return outcomes[-1]

    def readings(self, outcome: Outcome) -> list[dict[str, Any]]:
        return pl.read_parquet(self.small.folder(outcome.manifest["run_id"]) / "readings.parquet").to_dicts()

    def lines(self, outcome: Outcome, name: str) -> list[dict[str, Any]]:
        return self.small.lines(name, outcome.manifest["run_id"])


def register(text_m3: float) -> str:
    """A register as the test's display shows it: whole litres, the rest cut off."""
    return f"{int(text_m3 * 1000 + 1e-6) / 1000:09.3f}"
