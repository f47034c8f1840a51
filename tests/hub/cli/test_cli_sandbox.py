"""``iot2crm sandbox`` as a process of its own."""

import os
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from tls_sandbox import write_certificate

from hub.cli.root import cli

ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a sandbox in a folder, and end it; it writes its address to the file ``url`` there."""
    with subprocess.Popen(
        [sys.executable, "-m", "hub", "sandbox", *arguments, "--url-file", "url"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Return what it wrote after its first line, and its errors."""
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = process.stdout.read(), process.stderr.read()  # communicate would lose what is buffered
    process.wait(timeout=100)
    return out, err


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_sandbox_tells_its_address_and_credentials_serves_and_ends_on_sigterm(tmp_path: Path) -> None:
    with running(tmp_path, "rest", "--credential", "client_id=me") as process:
        first = first_line(process)
        url = (tmp_path / "url").read_text().strip()
        with urllib.request.urlopen(f"{url}/_sandbox/records", timeout=60) as answer:  # noqa: S310 -- our own address
            assert answer.read() == b"[]"
        out, err = ended(process)
    assert (process.returncode, err) == (0, "")
    assert first.endswith(f"listens at {url}\n")
    assert "client_id = me" in out


def test_a_sandbox_serves_https_and_reads_credentials_from_files(tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path)
    (tmp_path / "app.pem").write_text("-----BEGIN\nthe rest\n")
    with running(tmp_path, "dynamics", "--tls", str(certificate), "--credential", "certificate=@app.pem") as process:
        first_line(process)
        url = (tmp_path / "url").read_text().strip()
        trusting = ssl.create_default_context(cafile=certificate)
        with urllib.request.urlopen(f"{url}/_sandbox/records", timeout=60, context=trusting) as answer:  # noqa: S310 -- our own address
            assert answer.read() == b"[]"
        out, err = ended(process)
    assert (url.partition(":")[0], err) == ("https", "")
    assert "certificate = -----BEGIN\n" in out


@pytest.mark.parametrize("arguments", [("--tls", "absent.pem"), ("--credential", "certificate=@absent.pem")])
def test_a_file_that_cannot_be_read_is_told(arguments: tuple[str, str]) -> None:
    result = CliRunner().invoke(cli, ["sandbox", "dynamics", *arguments])
    assert (result.exit_code, "absent.pem" in result.stderr) == (2, True)
