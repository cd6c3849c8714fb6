"""A signature under a seal: it tells whose the files are, and nobody else can write it."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from striate.cli import main
from striate.errors import ConfigError, RunError
from striate.runs.run import Run
from striate.signature import NAME, new_key, sign, verify
from striate.system.checksums import damages, seal

pytest.importorskip("cryptography")


@pytest.fixture
def run(digits_run: Run, tmp_path: Path) -> Run:
    return Run(shutil.copytree(digits_run.path, tmp_path / "run"))


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "me.pem", new_key(tmp_path / "me.pem")


def test_what_was_signed_is_verified_and_by_that_key_alone(run: Run, keys: tuple[Path, Path], tmp_path: Path):
    private, public = keys
    sign(run.path, private)
    verify(run.path, public)
    assert damages(run.path) == [] and run.state == "finished"
    with pytest.raises(RunError, match="not one of this key"):
        verify(run.path, new_key(tmp_path / "other.pem"))


def test_whoever_seals_a_change_anew_cannot_sign_it(run: Run, keys: tuple[Path, Path]):
    private, public = keys
    sign(run.path, private)
    (run.path / "report.json").write_text("{}")
    seal(run.path)
    assert damages(run.path) == []
    with pytest.raises(RunError, match="not one of this key"):
        verify(run.path, public)


@pytest.mark.parametrize("content", [b"", b"?", b"AAAA", b"\xff" * 100_000])
def test_a_signature_that_is_none_is_refused(run: Run, keys: tuple[Path, Path], content: bytes):
    sign(run.path, keys[0])
    (run.path / NAME).write_bytes(content)
    with pytest.raises(RunError, match="not one of this key"):
        verify(run.path, keys[1])
    (run.path / NAME).unlink()
    with pytest.raises(RunError, match="not signed"):
        verify(run.path, keys[1])


def test_what_has_changed_is_not_signed(run: Run, keys: tuple[Path, Path]):
    (run.path / "report.json").write_text("{}")
    with pytest.raises(RunError, match=r"not signed. Received: report\.json \(changed\)"):
        sign(run.path, keys[0])


def test_keys_are_ones_own_and_never_overwritten(keys: tuple[Path, Path], run: Run, tmp_path: Path):
    private, public = keys
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="already"):
        new_key(private)
    with pytest.raises(ConfigError, match="no key that can be used"):
        sign(run.path, public)
    with pytest.raises(ConfigError, match="cannot be read"):
        verify(run.path, tmp_path / "gone.pem")


def test_a_key_of_openssl_serves_and_one_of_another_kind_does_not(run: Run, tmp_path: Path):
    for kind in ("ed25519", "x25519"):
        subprocess.run(["openssl", "genpkey", "-algorithm", kind, "-out", f"{kind}.pem"], cwd=tmp_path, check=True)
    sign(run.path, tmp_path / "ed25519.pem")
    with pytest.raises(ConfigError, match="another kind of key"):
        sign(run.path, tmp_path / "x25519.pem")


def test_from_the_command_line(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    key = str(tmp_path / "k.pem")
    assert main(["sign", str(run.path), "--key", key, "--new-key"]) == 0
    assert capsys.readouterr().out.count("Signed:") == 2
    words = ["verify", str(run.path), str(run.path / "classifier"), "--key", str(tmp_path / "k.pub.pem")]
    assert main(words) == 0
    assert capsys.readouterr().out.count("whole; signed with this key") == 2
    new_key(tmp_path / "other.pem")
    assert main([*words[:-1], str(tmp_path / "other.pub.pem")]) == 1
    assert "whole; NOT signed with this key" in capsys.readouterr().out
    assert main(["sign", "--key", key]) == 2
