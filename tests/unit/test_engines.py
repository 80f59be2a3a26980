"""The plain engine, the choice of engine and what the environment decides: nothing here starts Prefect."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from flows import settings
from flows.engines import make_engine
from flows.engines.plain import PlainEngine
from flows.engines.signals import Terminated, exit_code, terminable
from flows.serve import serve
from transforms.errors import RegistryError, UsageError


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_map_keeps_the_order_of_items_whatever_finishes_first(workers: int) -> None:
    def slowest_first(k: int) -> int:
        time.sleep((10 - k) / 1000)
        return k * k

    assert PlainEngine(workers).map("square", slowest_first, range(10)) == [k * k for k in range(10)]


def test_map_works_on_as_many_items_at_once_as_there_are_workers() -> None:
    meeting = threading.Barrier(3, timeout=5)
    assert len(PlainEngine(3).map("meet", lambda _: meeting.wait(), range(3))) == 3


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failing_item_stops_the_rest_and_its_error_comes_out_as_it_is(workers: int) -> None:
    error = RegistryError("registry/meters.csv row 7: no such model")
    begun: list[int] = []

    def work(k: int) -> None:
        begun.append(k)
        if k == 1:
            raise error
        time.sleep(0.02)

    with pytest.raises(RegistryError) as caught:
        PlainEngine(workers).map("work", work, range(50))
    assert caught.value is error
    assert len(begun) < 10
    before = len(begun)
    time.sleep(0.1)
    assert len(begun) == before, "something was still at work after map had returned"


def test_of_several_errors_the_first_in_the_order_of_items_comes_out() -> None:
    together = threading.Barrier(2, timeout=5)

    def work(k: int) -> None:
        together.wait()
        time.sleep(0.05 * (1 - k))
        raise ValueError(k)

    with pytest.raises(ValueError, match="0"):
        PlainEngine(2).map("work", work, [0, 1])


def test_a_cycle_runs_through_the_engine_it_is_given() -> None:
    with make_engine("plain", 2, Path("unused")) as engine:

        def body(inner: object) -> list[int]:
            assert inner is engine
            begin = engine.step("begin", lambda: 10)
            squares = engine.map("square", lambda k: k * k, [begin, 2])
            engine.summary("cycle", "# nobody sees it")
            return squares

        assert engine.run("cycle", body) == [100, 4]


def test_map_of_nothing_is_nothing() -> None:
    assert PlainEngine(4).map("nothing", str, []) == []


def test_an_unknown_engine_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"'steam'.*prefect, plain"):
        make_engine("steam", 1, Path("unused"))


def test_the_plain_engine_does_not_load_prefect() -> None:
    code = (
        "import sys; from pathlib import Path; from flows.engines import make_engine; import flows.serve;"
        "make_engine('plain', 2, Path('x')); sys.exit('prefect' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("who", ["PlainEngine(2).map('wait', work, range(2))", "waiting(crew.Crew(2))"])
def test_ctrl_c_ends_the_wait_for_work_although_polars_is_there(who: str) -> None:
    code = f"""
import os, signal, threading, time
from concurrent.futures import ThreadPoolExecutor
signal.signal(signal.SIGINT, signal.default_int_handler)
import polars
from flows.audit import crew
from flows.engines.plain import PlainEngine
crew._desk = lambda: None
def work(*given):
    time.sleep(0.1)
    if given[-1] == 0:
        os.kill(os.getpid(), signal.SIGINT)
    time.sleep(3)
def waiting(hands):
    hands._pool, hands._caller = ThreadPoolExecutor(2), threading.Thread(target=int)
    hands._caller.start()
    list(hands.map(work, range(2)))
before = time.monotonic()
try:
    {who}
except KeyboardInterrupt:
    os._exit(0 if time.monotonic() - before < 2 else 1)
os._exit(2)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_sigterm_becomes_an_exception_and_an_exit_code() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated) as caught, terminable():
        signal.raise_signal(signal.SIGTERM)
    assert exit_code(caught.value) == 1
    assert exit_code(KeyboardInterrupt()) == 130
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("start_s", [0.0, 0.1], ids=["", "a thread takes long to start"])
@pytest.mark.parametrize("stop", [KeyboardInterrupt, Terminated])
def test_a_stop_that_python_drops_comes_again(
    stop: type[KeyboardInterrupt], start_s: float, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dying:
        def __del__(self) -> None:
            raise stop

    start = threading.Thread.start

    def slow(thread: threading.Thread) -> None:
        start(thread)
        time.sleep(start_s)

    monkeypatch.setattr(threading.Thread, "start", slow)
    hook = sys.unraisablehook
    # who starts the tests in the background has them ignore Ctrl-C
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt) as caught, terminable():
            Dying()
            time.sleep(2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert caught.type is stop
    assert capsys.readouterr().err == ""
    assert sys.unraisablehook is hook


def test_the_workspace_is_the_argument_else_the_variable_else_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("METERWRIGHT_WORKSPACE", str(tmp_path / "named"))
    assert settings.workspace_root(tmp_path / "given") == tmp_path / "given"
    assert settings.workspace_root() == tmp_path / "named"
    monkeypatch.delenv("METERWRIGHT_WORKSPACE")
    assert settings.workspace_root().name == "data"
    monkeypatch.setattr(settings, "_PROJECT", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert settings.workspace_root() == tmp_path / "data"


def test_workers_are_the_argument_else_the_variable_else_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METERWRIGHT_WORKERS", "3")
    assert settings.worker_count(5) == 5
    assert settings.worker_count() == 3
    monkeypatch.delenv("METERWRIGHT_WORKERS")
    assert settings.worker_count() >= 1


@pytest.mark.parametrize("wrong", ["0", "-1", "two", "1.5", "1000"])
def test_a_senseless_number_of_workers_is_refused(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("METERWRIGHT_WORKERS", wrong)
    with pytest.raises(UsageError, match="METERWRIGHT_WORKERS"):
        settings.worker_count()


def test_prefects_state_stays_in_the_workspace_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PREFECT_HOME", raising=False)
    inside = settings.prefect_environment(tmp_path)
    assert inside["PREFECT_HOME"] == str(tmp_path / ".prefect")
    assert inside["DO_NOT_TRACK"] == "1"
    assert inside["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "elsewhere"))
    assert settings.prefect_environment(tmp_path)["PREFECT_HOME"] == str(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("every", "delay"), [(timedelta(hours=7), timedelta(0)), (timedelta(hours=6), timedelta(hours=6))]
)
def test_a_schedule_that_does_not_fit_the_day_or_the_delay_is_refused(
    tmp_path: Path, every: timedelta, delay: timedelta
) -> None:
    with pytest.raises(UsageError):
        serve(tmp_path, every, lambda: "never", say=lambda _: None, delay=delay)
    assert not list(tmp_path.iterdir())
