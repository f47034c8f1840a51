"""A hub that answers from a table and remembers what it was asked."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


class FakeHub:
    """Answers by "METHOD /path"; everything else is a problem 404."""

    def __init__(self, folder: Path) -> None:
        self.answers: dict[str, tuple[int, Any]] = {}
        self.links: dict[str, str] = {}
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self.token_file = folder / "owner.token"
        self.token_file.write_text("canary-token\n")
        self.url = ""

    @property
    def options(self) -> list[str]:
        return ["--url", self.url, "--token-file", str(self.token_file)]

    def answer(self, line: str) -> tuple[int, Any]:
        missing = {"title": "Not found", "detail": f"nothing at {line}"}
        return self.answers.get(line, (404, missing))


@pytest.fixture
def fake_hub(tmp_path: Path) -> Iterator[FakeHub]:
    hub = FakeHub(tmp_path)

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            line = f"{self.command} {self.path}"
            hub.asked.append((line, {name.lower(): value for name, value in self.headers.items()}, body))
            status, content = hub.answer(line)
            payload = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(payload)))
            if line in hub.links:
                self.send_header("Link", f'<{hub.links[line]}>; rel="next"')
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 -- the names that http.server looks for

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        hub.url = f"http://127.0.0.1:{server.server_port}"
        yield hub
        server.shutdown()
        thread.join()
