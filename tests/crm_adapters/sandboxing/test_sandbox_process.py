import json
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

PROGRAM = """
import sys
from pathlib import Path
from crm_adapters.sandboxing import SandboxOptions, announce_in, run_sandbox
from hub.clock import SystemClock

folder = Path(sys.argv[1])
options = SandboxOptions(clock=SystemClock(), data_file=folder / "shop.db")
run_sandbox("rest", options, announce_in(folder / "url"))
"""
ORDER = {
    "customer": "owner-1",
    "machine": {"id": "printer-7"},
    "lines": [{"sku": "FILTER-7", "quantity": 1}],
    "currency": "EUR",
}


def start(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder)])
    announced, deadline = folder / "url", time.monotonic() + 100
    while not announced.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    url = announced.read_text().strip()
    announced.unlink()
    return process, url


def call(method: str, url: str, body: Any = None) -> Any:
    headers = {"X-Api-Key": "not-a-key-shop", "If-None-Match": "*"}
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, method=method, data=content, headers=headers)  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310 - as above
        return json.load(reply)


def test_a_killed_sandbox_still_knows_what_it_answered(tmp_path: Path) -> None:
    process, url = start(tmp_path)
    created = call("PUT", f"{url}/api/v1/orders/A", ORDER)
    process.kill()
    assert process.wait(10) == -signal.SIGKILL
    process, url = start(tmp_path)
    records = call("GET", f"{url}/_sandbox/records")
    process.terminate()
    assert process.wait(10) == 0
    assert [(record["record_id"], record["key"]) for record in records] == [(created["id"], "A")]
