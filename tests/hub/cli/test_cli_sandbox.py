"""``iot2crm sandbox`` as a process of its own."""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_a_sandbox_tells_its_address_and_credentials_serves_and_ends_on_sigterm(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hub", "sandbox", "rest", "--url-file", "url", "--credential", "client_id=me"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            url = (tmp_path / "url").read_text().strip()
            with urllib.request.urlopen(f"{url}/_sandbox/records", timeout=10) as answer:  # noqa: S310 -- our own address
                assert answer.read() == b"[]"
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.stdout is not None
            assert process.stderr is not None
            out, err = process.stdout.read(), process.stderr.read()  # communicate would lose what is buffered
            process.wait(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert first.endswith(f"listens at {url}\n")
    assert "client_id = me" in out
