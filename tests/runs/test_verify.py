"""`outbox verify`: every kind of alteration is named, by file and run, and an outbox as it was written passes."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.cli.main import main
from tests.workspaces import Small, demand, noisy
from transforms.signature import SigningKey

Q = demand()
TRUE = noisy(Q, 0.002)
ENDS = ["2026-01-01T12:00:00Z", "2026-01-02T00:00:00Z", "2026-01-02T12:00:00Z"]
RUNS = ["20260101T000000Z_12h_r1", "20260101T120000Z_12h_r1", "20260102T000000Z_12h_r1"]
KEY = base64.b64encode(bytes(range(32))).decode()
PUBLIC = SigningKey.read(KEY, "here").public
OTHER = SigningKey.read(base64.b64encode(bytes(32)).decode(), "here")
TERMINALS = "feature_code,terminal_id,channel,language\nGAIN,+64215550101,sms,en\n"
Change = Callable[[Path], None]


def build(root: Path, key: str | None = KEY) -> Small:
    small = Small(root)
    small.registry(["GOOD", "GAIN"], terminals_csv=TERMINALS, policy_toml="[report]\nplots = 0\n")
    if key:
        file = root / "registry" / "signing_key.pem"
        file.touch(0o600)
        file.write_text(key)
    gain = [1.08 * v for v in TRUE]
    small.dump("meter", {"GOOD": TRUE * 3, "GAIN": gain * 3}).dump("flowmeter", {"GOOD": Q * 3, "GAIN": Q * 3})
    for end in ENDS:
        assert small.run("--now", end, until=end) == 0
    return small


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Small:
    return build(tmp_path_factory.mktemp("signed") / "workspace")


@pytest.fixture(scope="module")
def unsigned(tmp_path_factory: pytest.TempPathFactory) -> Small:
    return build(tmp_path_factory.mktemp("unsigned") / "workspace", key=None)


def copy(small: Small, folder: Path) -> Small:
    shutil.copytree(small.root, folder / "workspace")
    return Small(folder / "workspace")


def verify_text(small: Small, *more: str) -> tuple[int, str]:
    out = io.StringIO()
    with redirect_stdout(out):
        code = main(["outbox", "verify", "--workspace", str(small.root), *more])
    return code, out.getvalue()


def verify(small: Small, *more: str) -> tuple[int, dict[str, Any]]:
    code, out = verify_text(small, "--json", *more)
    return code, json.loads(out)


def findings(told: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Which run, which file and what."""
    told_of = [f for run in told["runs"] for f in run["findings"]] + told["strangers"]
    return {(f["run_id"], f["file"], f["what"]) for f in told_of}


def rewrite(file: Path, **changes: Any) -> None:
    """Alter a manifest and write it as Meterwright would."""
    manifest = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")


def test_as_it_was_written(signed: Small) -> None:
    code, told = verify(signed)
    assert (code, told["ok"], told["expected_keys"]) == (0, True, [PUBLIC])
    assert [run["run_id"] for run in told["runs"]] == RUNS
    assert {(run["signature"], run["public_key"]) for run in told["runs"]} == {("signed", PUBLIC)}
    newest = hashlib.sha256((signed.folder(RUNS[2]) / "manifest.json").read_bytes()).hexdigest()
    assert told["newest"] == {"run_id": RUNS[2], "manifest_sha256": newest}
    code, text = verify_text(signed)
    assert code == 0
    assert f"3 signed by {PUBLIC}, the key expected" in text
    assert text.endswith("All as written: 3 runs\n")


def test_each_run_names_the_one_before_it(signed: Small) -> None:
    links = [signed.manifest(run)["previous"] for run in RUNS]
    assert links[0] is None
    for before, link in zip(RUNS, links[1:], strict=False):
        digest = hashlib.sha256((signed.folder(before) / "manifest.json").read_bytes()).hexdigest()
        assert link == {"run_id": before, "manifest_sha256": digest}


def test_the_same_input_and_key_give_the_same_bytes(signed: Small, tmp_path: Path) -> None:
    again = build(tmp_path / "workspace")
    for run in RUNS:
        for file in signed.folder(run).iterdir():
            assert file.read_bytes() == (again.folder(run) / file.name).read_bytes(), file


def test_unsigned_is_said_and_is_no_fault(unsigned: Small, capfd: pytest.CaptureFixture[str]) -> None:
    code, told = verify(unsigned)
    assert (code, told["ok"]) == (0, True)
    assert {run["signature"] for run in told["runs"]} == {"unsigned"}
    assert f"3 unsigned, {RUNS[0]} to {RUNS[2]}" in verify_text(unsigned)[1]
    capfd.readouterr()
    unsigned.run("--from", "2026-01-01T00:00:00Z", until=ENDS[2])
    assert capfd.readouterr().err.count("manifests will be unsigned") == 1


def test_an_empty_workspace_has_nothing_to_verify(small: Small) -> None:
    small.registry(["GOOD"])
    assert verify(small) == (0, {"ok": True, "expected_keys": [], "newest": None, "runs": [], "strangers": []})
    assert "nothing to verify" in verify_text(small)[1]
    assert verify_text(small, RUNS[0])[0] == 2


def append(name: str, text: str) -> Change:
    def change(folder: Path) -> None:
        with (folder / name).open("a") as file:
            file.write(text)

    return change


def one_byte(name: str) -> Change:
    def change(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(bytes(content))

    return change


def fewer_rows(folder: Path) -> None:
    pl.read_parquet(folder / "verdicts.parquet").head(1).write_parquet(folder / "verdicts.parquet")


def linked(folder: Path) -> None:
    (folder / "readings.parquet").rename(folder.parent.parent / "elsewhere.parquet")
    (folder / "readings.parquet").symlink_to(folder.parent.parent / "elsewhere.parquet")


@pytest.mark.parametrize(
    ("change", "file", "whats"),
    [
        (append("commands.jsonl", "{}\n"), "commands.jsonl", {"bytes", "sha256", "rows"}),
        (append("work_orders.jsonl", "{}\n"), "work_orders.jsonl", {"bytes", "sha256", "rows"}),
        (one_byte("notices.jsonl"), "notices.jsonl", {"sha256"}),
        (one_byte("commands.jsonl"), "commands.jsonl", {"sha256"}),
        (one_byte("verdicts.parquet"), "verdicts.parquet", {"sha256"}),
        (one_byte("effects.parquet"), "effects.parquet", {"sha256"}),
        (one_byte("readings.parquet"), "readings.parquet", {"sha256"}),
        (fewer_rows, "verdicts.parquet", {"bytes", "sha256", "rows"}),
        (lambda folder: (folder / "effects.parquet").unlink(), "effects.parquet", {"missing"}),
        (linked, "readings.parquet", {"missing"}),
        (append("more.jsonl", ""), "more.jsonl", {"added"}),
        (lambda folder: (folder / "deeper").mkdir(), "deeper", {"added"}),
        (append("manifest.json", "{"), "manifest.json", {"unreadable", "sha256"}),
        (lambda folder: (folder / "manifest.json").unlink(), "manifest.json", {"unreadable", "sha256"}),
        (lambda folder: rewrite(folder / "manifest.json", revision=2), "manifest.json", {"unreadable", "sha256"}),
        (lambda folder: rewrite(folder / "manifest.json", withheld=[1]), "manifest.json", {"signature", "sha256"}),
    ],
)
def test_what_was_altered_is_named(signed: Small, tmp_path: Path, change: Change, file: str, whats: set[str]) -> None:
    small = copy(signed, tmp_path)
    change(small.folder(RUNS[0]))
    code, told = verify(small)
    assert code == 1
    assert {found[:2] for found in findings(told)} == {(RUNS[0], file)}
    assert whats <= {found[2] for found in findings(told)}
    code, text = verify_text(small)
    assert code == 1
    assert f"outbox/{RUNS[0]}/{file}: " in text
    assert "NOT as written" in text
    assert verify(small, RUNS[0])[0] == 1
    assert verify(small, RUNS[2])[0] == 0, "the run after next knows nothing of it"


def test_a_finding_says_what_was_found_and_what_was_expected(signed: Small, tmp_path: Path) -> None:
    small = copy(signed, tmp_path)
    file = small.folder(RUNS[0]) / "commands.jsonl"
    before = file.read_bytes()
    append("commands.jsonl", "{}\n")(file.parent)
    found = {f["what"]: f for f in verify(small)[1]["runs"][0]["findings"]}
    assert (found["rows"]["found"], found["rows"]["expected"]) == ("2", "1")
    assert (found["bytes"]["found"], found["bytes"]["expected"]) == (str(len(before) + 3), str(len(before)))
    assert found["sha256"]["found"] == hashlib.sha256(before + b"{}\n").hexdigest()
    assert found["sha256"]["expected"] == hashlib.sha256(before).hexdigest()


def test_files_and_digests_altered_together_break_signature_and_chain(signed: Small, tmp_path: Path) -> None:
    small = copy(signed, tmp_path)
    folder = small.folder(RUNS[1])
    content = (folder / "work_orders.jsonl").read_bytes() + b"{}\n"
    (folder / "work_orders.jsonl").write_bytes(content)
    files = small.manifest(RUNS[1])["files"]
    files["work_orders.jsonl"] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "rows": 1}
    rewrite(folder / "manifest.json", files=files)
    assert findings(verify(small)[1]) == {(RUNS[1], "manifest.json", w) for w in ("signature", "sha256")}
    rewrite(folder / "manifest.json", signature=None)
    assert findings(verify(small)[1]) == {(RUNS[1], "manifest.json", w) for w in ("unsigned", "sha256")}
    told = verify(small, RUNS[2])[1]
    assert findings(told) == {(RUNS[1], "manifest.json", "sha256")}, "the next run bears witness"
    assert told["runs"][0]["findings"][0]["witness"] == RUNS[2]


def test_in_an_unsigned_outbox_the_chain_still_tells(unsigned: Small, tmp_path: Path) -> None:
    small = copy(unsigned, tmp_path)
    rewrite(small.folder(RUNS[0]) / "manifest.json", code_version="other")
    assert findings(verify(small)[1]) == {(RUNS[0], "manifest.json", "sha256")}


def test_a_run_that_was_removed_is_missing(signed: Small, tmp_path: Path) -> None:
    small = copy(signed, tmp_path)
    shutil.rmtree(small.folder(RUNS[1]))
    assert findings(verify(small)[1]) == {(RUNS[1], "", "missing")}
    assert f"outbox/{RUNS[1]}: missing: found no such run, expected the run before {RUNS[2]}" in verify_text(small)[1]


def test_what_no_run_has_written_is_named(signed: Small, tmp_path: Path) -> None:
    small = copy(signed, tmp_path)
    shutil.copytree(small.folder(RUNS[0]), small.root / "outbox" / "20260101T000000Z_12h_r1 (copy)")
    (small.root / "outbox" / "commands.jsonl").write_text("{}\n")
    (small.root / "outbox" / ".hidden").write_text("")
    assert findings(verify(small)[1]) == {
        ("20260101T000000Z_12h_r1 (copy)", "", "added"),
        ("commands.jsonl", "", "added"),
    }


def test_a_run_put_in_by_hand_breaks_the_chain(signed: Small, tmp_path: Path) -> None:
    small = copy(signed, tmp_path)
    forged = "20260102T120000Z_12h_r1"
    shutil.copytree(small.folder(RUNS[2]), small.folder(forged))
    rewrite(
        small.folder(forged) / "manifest.json",
        run_id=forged,
        window_start="2026-01-02T12:00:00Z",
        window_end="2026-01-03T00:00:00Z",
        signature=None,
    )
    found = findings(verify(small)[1])
    assert (forged, "manifest.json", "unsigned") in found
    assert (RUNS[1], "manifest.json", "chain") in found
    rewrite(small.folder(forged) / "manifest.json", previous=None)
    assert (forged, "manifest.json", "chain") in findings(verify(small)[1])


def test_signed_by_another_key(signed: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, told = verify(signed, "--public-key", OTHER.public)
    assert code == 1
    assert findings(told) == {(run, "manifest.json", "key") for run in RUNS}
    assert "NOT a key expected" in verify_text(signed, "--public-key", OTHER.public)[1]
    assert verify(signed, "--public-key", OTHER.public, "--public-key", PUBLIC)[0] == 0
    pem = tmp_path / "public.pem"
    pem.write_text(SigningKey.read(KEY, "here").public_pem())
    assert verify(signed, "--public-key", str(pem))[0] == 0
    monkeypatch.setenv("METERWRIGHT_SIGNING_KEY", OTHER.pem())
    assert verify(signed)[0] == 1
    assert verify_text(signed, "--public-key", "no such file")[0] == 2


def test_with_a_public_key_given_every_run_must_be_signed(unsigned: Small) -> None:
    code, told = verify(unsigned, "--public-key", PUBLIC)
    assert code == 1
    assert findings(told) == {(run, "manifest.json", "unsigned") for run in RUNS}


def test_the_key_is_made_once_and_for_its_owner(small: Small, capfd: pytest.CaptureFixture[str]) -> None:
    small.registry(["GOOD"]).dump("meter", {"GOOD": TRUE}).dump("flowmeter", {"GOOD": Q})
    arguments = ["outbox", "key", "--workspace", str(small.root)]
    assert main(arguments) == 0
    file = small.root / "registry" / "signing_key.pem"
    assert file.stat().st_mode & 0o777 == 0o600
    secret = file.read_text()
    assert main(arguments) == 2
    assert file.read_text() == secret
    assert small.run() == 0
    assert verify(small)[1]["runs"][0]["signature"] == "signed"
    out, err = capfd.readouterr()
    assert not any(line in out + err for line in secret.splitlines()[1:-1])
    file.unlink()
    assert verify(small)[1]["expected_keys"] == [small.manifest()["signature"]["public_key"]], "by public_key.pem"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_key_that_others_may_read_is_refused(small: Small, capfd: pytest.CaptureFixture[str], mode: int) -> None:
    small.registry(["GOOD"]).dump("meter", {"GOOD": TRUE}).dump("flowmeter", {"GOOD": Q})
    file = small.root / "registry" / "signing_key.pem"
    file.write_text(KEY)
    file.chmod(mode)
    assert small.run() == 2
    assert f"run: chmod 600 {file}" in capfd.readouterr().err
    assert not (small.root / "outbox").exists()
    file.chmod(0o600)
    assert small.run() == 0


def test_the_key_from_the_environment(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    small.registry(["GOOD"]).dump("meter", {"GOOD": TRUE}).dump("flowmeter", {"GOOD": Q})
    named = tmp_path / "key"
    monkeypatch.setenv("METERWRIGHT_SIGNING_KEY_FILE", str(named))
    assert small.run() == 2
    assert f"the signing key {named} cannot be read" in capfd.readouterr().err
    named.touch(0o600)
    named.write_text(OTHER.pem())
    assert small.run() == 0
    assert small.manifest()["signature"]["public_key"] == OTHER.public
    monkeypatch.setenv("METERWRIGHT_SIGNING_KEY", "nonsense")
    assert small.run() == 2
    assert "METERWRIGHT_SIGNING_KEY is no signing key" in capfd.readouterr().err
