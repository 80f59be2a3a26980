"""Dumps are fetched from real servers on the loopback: each once, whole, under a harmless name, and without a secret told."""

from __future__ import annotations

import hashlib
import json
import shutil
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import flows.pulling.puller as pulling
from flows.cli.main import main
from flows.pulling import Pulled, pull
from flows.pulling.credentials import Credentials
from flows.pulling.fetch import fetch
from flows.pulling.names import local_name
from flows.pulling.remote import connect
from tests.servers import Behaviour, certificate, ftp_server, s3_server, sftp_server, web_server
from tests.workspaces import Small, demand
from transforms.policy.keys import PullPolicy
from transforms.sources import Column, Place, Source
from transforms.workspace import Workspace

NOW = datetime(2026, 1, 3, 8, tzinfo=UTC)
DATA = bytes(range(256)) * 1200
DUMP = b"feature_code,timestamp,flow_lph\nM-1,2026-01-01T00:00:00Z,5\n"
QUICK = PullPolicy(timeout=timedelta(seconds=5), retries=2)
SECRET = "s3cr3t-pa55"


def place(scheme: str, port: int | None, path: str, **more: Any) -> Place:
    return Place(scheme, "127.0.0.1", port, path, **more)


def source(where: Place, glob: str = "*") -> Source:
    columns = {"feature_code": Column(("feature_code",))}
    return Source("vendor", "meter", glob, "csv", columns=columns, place=where)


def fetched(
    root: Path, where: Place, glob: str = "*", policy: PullPolicy = QUICK, said: list[str] | None = None, **secrets: str
) -> Pulled:
    (done,) = pull(
        Workspace(root),
        [source(where, glob)],
        policy,
        NOW,
        (said if said is not None else []).append,
        lambda _: Credentials(**secrets),
        wait=lambda _: None,
    )
    return done


def held(root: Path) -> dict[str, bytes]:
    """The visible files of the source's folder."""
    folder = root / "raw" / "pulled" / "vendor"
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def test_a_folder_is_pulled_once_and_a_changed_file_comes_beside_the_old_one(tmp_path: Path) -> None:
    there = tmp_path / "there"
    (there / "deep").mkdir(parents=True)
    (there / "a.csv").write_bytes(DUMP)
    (there / "deep" / "b.csv.gz").write_bytes(DATA)
    (there / "half.csv.part").write_bytes(b"x")
    (there / ".hidden.csv").write_bytes(b"x")
    (there / "link.csv").symlink_to(there / "a.csv")
    root = tmp_path / "work"
    where = Place("file", "", None, str(there))
    done = fetched(root, where, "**/*")
    assert held(root) == {"a.csv": DUMP, "deep/b.csv.gz": DATA}
    assert sorted(done.files) == ["pulled/vendor/a.csv", "pulled/vendor/deep/b.csv.gz"]
    again = fetched(root, where, "**/*")
    assert (again.files, again.known, again.failures) == ([], 2, [])
    (there / "a.csv").write_bytes(DUMP + b"more\n")
    assert fetched(root, where, "**/*").files == ["pulled/vendor/a~v2.csv"]
    assert held(root)["a.csv"] == DUMP


def test_the_web_is_pulled_by_links_with_resume(tmp_path: Path) -> None:
    behaviour = Behaviour(cut_after=100_000, cuts=2)
    with web_server({"x/a.csv": DATA, "x/b.txt": b"other", "y.csv": b"no"}, behaviour) as port:
        done = fetched(tmp_path, place("http", port, "/x/"), "*.csv")
        assert held(tmp_path) == {"a.csv": DATA}
        assert (done.resumed, done.failures) == (1, [])
        ranges = [span for method, path, span in behaviour.requests if method == "GET" and path == "/x/a.csv" and span]
        assert ranges
        assert all(int(span.removeprefix("bytes=").split("-")[0]) >= 90_000 for span in ranges)
        fetched(tmp_path, place("http", port, "/x/"), "*.csv")
        assert (
            sum(method == "GET" and path == "/x/a.csv" and not span for method, path, span in behaviour.requests) == 1
        )


def test_a_dated_address_means_the_last_days_and_days_without_a_file_do_not_matter(tmp_path: Path) -> None:
    files = {"e/2026-01-01.csv": b"one", "e/2026-01-03.csv": b"three"}
    with web_server(files, Behaviour()) as port:
        where = place("http", port, "/e/{date:%Y-%m-%d}.csv", days=3)
        done = fetched(tmp_path, where)
        assert held(tmp_path) == {"2026-01-01.csv": b"one", "2026-01-03.csv": b"three"}
        assert done.failures == []
        missing = fetched(tmp_path, place("http", port, "/e/other.csv"))
        assert "there is no such file" in missing.failures[0]


def test_a_certificate_must_be_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with web_server({"a.csv": DUMP}, Behaviour(), context=context) as port:
        (failure,) = fetched(tmp_path / "w", place("https", port, "/a.csv")).failures
        assert "certificate" in failure.lower()
        assert held(tmp_path / "w") == {}
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        assert fetched(tmp_path / "w", place("https", port, "/a.csv")).failures == []
        assert held(tmp_path / "w") == {"a.csv": DUMP}


def test_who_needs_a_password_and_has_none_is_told_so_and_secrets_are_never_said(tmp_path: Path) -> None:
    with web_server({"a.csv": DUMP}, Behaviour(), authorization="Bearer " + SECRET) as port:
        said: list[str] = []
        (failure,) = fetched(tmp_path, place("http", port, "/a.csv"), said=said, token="wrong-" + SECRET).failures
        assert "401" in failure
        assert fetched(tmp_path, place("http", port, "/a.csv"), said=said, token=SECRET).failures == []
        everything = failure + "".join(said) + "".join(p.read_text() for p in tmp_path.rglob(".journal*"))
        assert SECRET not in everything
        assert SECRET not in repr(Credentials(token=SECRET))


@pytest.mark.parametrize("tls", [False, True])
def test_ftp_and_ftps(tmp_path: Path, tls: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "there"
    (there / "sub").mkdir(parents=True)
    (there / "sub" / "a.csv").write_bytes(DATA)
    pem = certificate(tmp_path) if tls else None
    with ftp_server(there, "u", SECRET, pem) as port:
        where = place("ftps" if tls else "ftp", port, "/sub")
        if pem:
            assert "certificate" in fetched(tmp_path / "w", where, user="u", password=SECRET).failures[0].lower()
            monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        (failure,) = fetched(tmp_path / "w", where, user="u", password="wrong").failures
        assert "wrong" not in failure
        part = tmp_path / "w" / "raw" / "pulled" / "vendor"
        assert fetched(tmp_path / "w", where, user="u", password=SECRET).failures == []
        assert held(tmp_path / "w") == {"a.csv": DATA}
        assert not list(part.glob("*.part"))
        assert fetched(tmp_path / "w", where, user="u", password=SECRET).known == 1


def test_sftp_trusts_only_the_key_that_is_named_and_goes_on_after_a_break(tmp_path: Path) -> None:
    with sftp_server({"a.csv": DATA}, "u", SECRET, break_after=150_000) as (port, fingerprint):
        other = "SHA256:" + "A" * 43
        (failure,) = fetched(tmp_path, place("sftp", port, "/", host_key=other), user="u", password=SECRET).failures
        assert fingerprint in failure
        (unnamed,) = fetched(tmp_path, place("sftp", port, "/"), user="u", password=SECRET).failures
        assert "known_hosts" in unnamed
        done = fetched(tmp_path, place("sftp", port, "/", host_key=fingerprint), user="u", password=SECRET)
        assert (done.failures, done.resumed) == ([], 1)
        assert held(tmp_path) == {"a.csv": DATA}


def test_s3_by_pages_and_ranges(tmp_path: Path) -> None:
    files = {f"in/{k}.csv": DATA + bytes([k]) for k in range(5)} | {"other/x.csv": b"no"}
    behaviour = Behaviour()
    with s3_server(files, behaviour) as port:
        where = Place("s3", "exports", None, "/in/")
        secrets = {"key": "id", "secret": SECRET, "endpoint": f"http://127.0.0.1:{port}"}
        done = fetched(tmp_path, where, "*.csv", **secrets)
        assert done.failures == []
        assert held(tmp_path) == {name.removeprefix("in/"): data for name, data in files.items() if "in/" in name}
        before = len(behaviour.requests)
        assert fetched(tmp_path, where, "*.csv", **secrets).known == 5
        assert all("list-type" in path for _, path, _ in behaviour.requests[before:])
        elsewhere = Place("s3", "nothing", None, "/in/")
        assert fetched(tmp_path, elsewhere, "*.csv", **secrets).failures


def test_a_server_that_drips_or_lies_is_left(tmp_path: Path) -> None:
    slow = PullPolicy(timeout=timedelta(seconds=1), retries=0)
    with web_server({"a.csv": b"x" * 10_000}, Behaviour(drip=0.05)) as port:
        (failure,) = fetched(tmp_path, place("http", port, "/a.csv"), policy=slow).failures
        assert "less than 1024 bytes a second" in failure
    with web_server({"a.csv": DATA}, Behaviour(lies=50)) as port:
        (failure,) = fetched(tmp_path, place("http", port, "/a.csv"), policy=slow).failures
        assert "a.csv" in failure
    with web_server({"a.csv": DATA}, Behaviour()) as port:
        small = PullPolicy(max_file_mb=0.1)
        assert "max_file_mb" in fetched(tmp_path, place("http", port, "/a.csv"), policy=small).failures[0]
    assert held(tmp_path) == {}


def test_what_lies_there_and_is_longer_than_the_file_is_fetched_anew(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a.csv").write_bytes(DATA)
    remote = connect(Place("file", "", None, str(tmp_path / "there")), Credentials(), 5.0)
    (found,) = remote.list("*", NOW)
    part = tmp_path / ".a.part"
    part.write_bytes(DATA + b"of a server that sends more than it says, as the program was killed")
    about = {"name": found.name, "size": found.size, "stamp": found.stamp}
    (tmp_path / ".a.about.part").write_text(json.dumps(about))
    done = fetch(remote, found, part, limit=10**9, timeout_s=5.0)
    assert (done.resumed_at, done.sha256) == (0, hashlib.sha256(DATA).hexdigest())


def test_a_total_is_kept_to_and_the_rest_comes_next_time(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    for name in "abc":
        (there / f"{name}.csv").write_bytes(name.encode() * 400_000)
    policy = PullPolicy(max_total_mb=1.0)
    done = fetched(tmp_path, Place("file", "", None, str(there)), policy=policy)
    assert len(done.files) == 2
    assert "max_total_mb" in done.failures[0]
    assert len(fetched(tmp_path, Place("file", "", None, str(there)), policy=policy).files) == 1
    assert len(held(tmp_path)) == 3


@pytest.mark.parametrize(
    "hostile",
    ["../up.csv", "/etc/passwd", "a\nb.csv", "x" * 400 + ".csv", "con:x.csv", ".ssh/x.csv", "ä/ü.csv.gz", "", "a/../b"],
)
def test_no_name_leads_out_of_the_folder(hostile: str, tmp_path: Path) -> None:
    name = local_name(hostile)
    assert (tmp_path / name).resolve().is_relative_to(tmp_path)
    assert name.isascii()
    assert name.isprintable()
    assert all(len(part) <= 100 and not part.startswith(".") for part in name.split("/"))
    if hostile.endswith(".csv"):
        assert name.endswith(".csv")


def test_names_that_differ_only_in_case_stay_apart(tmp_path: Path) -> None:
    with web_server({"x/a.csv": b"1", "x/A.csv": b"2"}, Behaviour()) as port:
        fetched(tmp_path, place("http", port, "/x/"))
    assert sorted(held(tmp_path).values()) == [b"1", b"2"]
    assert len({name.casefold() for name in held(tmp_path)}) == 2


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("moment", ["note", "finish"])
def test_killed_between_fetch_and_name_nothing_is_lost_or_doubled(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "a.csv").write_bytes(DATA)
    where = Place("file", "", None, str(there))
    with monkeypatch.context() as patched:

        def die(*_: Any) -> None:
            raise Killed

        patched.setattr(pulling, moment, die)
        with pytest.raises(Killed):
            fetched(tmp_path, where)
    assert held(tmp_path) == {}
    done = fetched(tmp_path, where)
    assert held(tmp_path) == {"a.csv": DATA}
    assert done.failures == []
    journal = tmp_path / "raw" / "pulled" / "vendor" / ".journal.jsonl"
    assert len(journal.read_text().splitlines()) == 1
    journal.unlink()
    assert fetched(tmp_path, where).files == []
    assert held(tmp_path) == {"a.csv": DATA}


SOURCES = """
[sources.vendor]
stream = "meter"
format = "csv"
place = "{place}"
glob = "*.csv"

[sources.vendor.columns]
feature_code = "feature_code"
timestamp = "timestamp"
flow_lph = "flow_lph"
"""


def test_a_run_fetches_judges_and_tells_what_could_not_be_fetched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = Small(tmp_path / "w").registry(["M-1"])
    small.dump("meter", {"M-1": demand()}).dump("flowmeter", {"M-1": demand()})
    there = tmp_path / "there"
    there.mkdir()
    shutil.move(small.root / "raw" / "meter" / "a.csv", there / "day.csv")
    sources = small.root / "registry" / "sources.toml"
    sources.write_text(SOURCES.format(place=there))
    assert small.run() == 0
    assert small.verdicts()["M-1"]["verdict"] == "healthy"
    assert "1 files fetched" in capsys.readouterr().out
    shutil.rmtree(there)
    assert small.run() == 3
    assert "there is no such file or folder" in capsys.readouterr().out
    assert small.run("--no-pull") == 0
    capsys.readouterr()
    assert main(["pull", "--workspace", str(small.root), "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["pull"][0]["source"] == "vendor"


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("sftp://user:hunter2@host/x/", "METERWRIGHT_SOURCE_"),
        ("gopher://host/x", "not known"),
        ("https://host/x?token=1", "'?'"),
        ("relative/folder", "from the root on"),
        ("https://host/../x/", "'..'"),
        ("https://host/{day}.csv", "no date"),
        ("https://host:99999/x", "no address"),
    ],
)
def test_places_that_make_no_sense_are_refused_with_a_reason(
    written: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = Small(tmp_path).registry(["M-1"])
    (tmp_path / "registry" / "sources.toml").write_text(SOURCES.format(place=written))
    assert main(["pull", "--workspace", str(small.root)]) == 2
    told = capsys.readouterr().err
    assert complaint in told
    assert "place" in told
    assert "hunter2" not in told
