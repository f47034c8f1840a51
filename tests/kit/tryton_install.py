"""Tryton 8.2, installed from PyPI beside the repository's files, with a database that sells what sandboxes sell."""

import base64
import fcntl
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from free_ports import free_port
from msgspec import Struct

from crm_adapters.sandboxing import DEFAULT_CATALOG
from crm_adapters.testing import OWNER

HOME = Path(__file__).parents[2] / ".cache" / "tryton-8.2"
MODULES = ("sale", "party", "product", "project")
PASSWORD = "only-on-loopback"
STAMP = "1"  # raise it when the way of preparing changes


class NoTryton(Exception):
    """Tryton cannot be had here; the text says why."""


class Prepared(Struct, frozen=True, kw_only=True):
    """An installed Tryton and its database, not running."""

    binaries: Path
    database: Path
    key: str


def prepared() -> Prepared:
    """Return Tryton, installing it and making its database at the first time.

    Raises:
        NoTryton: it cannot be installed.
    """
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = HOME / "ready"
        if not stamp.exists() or stamp.read_text() != STAMP:
            _install()
            _make_database()
            stamp.write_text(STAMP)
    return Prepared(binaries=HOME / "venv/bin", database=HOME / "crm.sqlite", key=(HOME / "key").read_text())


def _install() -> None:
    python = HOME / "venv/bin/python"
    packages = ["trytond~=8.2.0", *(f"trytond_{name}~=8.2.0" for name in MODULES)]
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries=1", *packages]
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(HOME / "venv")], check=True, capture_output=True)
        subprocess.run(pip, check=True, capture_output=True, timeout=300, text=True)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise NoTryton(f"Tryton 8.2 cannot be installed: {said[-1] if said else error}") from error


def _make_database() -> None:
    folder = HOME / "making"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    port = free_port()
    config = write_config(folder, port)
    (folder / "crm.sqlite").touch()
    (folder / "password").write_text(PASSWORD + "\n")
    environment = {**os.environ, "TRYTONPASSFILE": str(folder / "password")}
    admin = [str(HOME / "venv/bin/trytond-admin"), "-c", str(config), "-d", "crm"]
    for more in (["--all", "--email", "hub@example.com"], ["-u", *MODULES, "--activate-dependencies"]):
        subprocess.run([*admin, *more], check=True, capture_output=True, env=environment, timeout=300)
    with running(HOME / "venv/bin", folder, port):
        key = _Seeding(f"http://127.0.0.1:{port}").key()
    with closing(sqlite3.connect(folder / "crm.sqlite")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # all of it into the one file that is copied
    shutil.move(folder / "crm.sqlite", HOME / "crm.sqlite")
    (HOME / "key").write_text(key)
    shutil.rmtree(folder)


@contextmanager
def running(binaries: Path, folder: Path, port: int) -> Generator[subprocess.Popen[bytes], None, None]:
    """Run the server over the database in a folder while the context lasts."""
    command = [str(binaries / "trytond"), "-c", str(write_config(folder, port)), "-d", "crm"]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_until_it_answers(process, port, folder)
        yield process
    finally:
        process.terminate()
        process.wait(20)


def write_config(folder: Path, port: int) -> Path:
    """Write the server's configuration."""
    path = folder / "trytond.conf"
    path.write_text(f"[database]\nuri = sqlite://\npath = {folder}\n[web]\nlisten = 127.0.0.1:{port}\n")
    return path


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            call(f"http://127.0.0.1:{port}/rpc/", "common.server.version", [])
        except (OSError, ValueError):
            process_waits(process, 0.05)
        else:
            return
    raise NoTryton(f"Tryton does not start: {(folder / 'log').read_text()[-400:]}")


def process_waits(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait for a process to end, at most this long."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def call(url: str, method: str, params: list[Any], session: str = "") -> Any:
    """Make one remote call of Tryton's own protocol."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": session} if session else {})
    content = json.dumps({"id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(url, content, headers)  # noqa: S310 -- our own loopback server
    with urllib.request.urlopen(request) as reply:  # noqa: S310 -- likewise
        answer = json.load(reply)
    result = answer["result"] if isinstance(answer, dict) and "result" in answer else answer
    if isinstance(result, dict) and result.get("error"):
        raise ValueError(f"{method}: {result['error']}")
    return result


def _decimal(text: str) -> dict[str, str]:
    return {"__class__": "Decimal", "decimal": text}


class _Seeding:
    """Enters what a seller has: a company, its customers and its articles."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/crm/rpc/"
        user, token, *_ = call(self._url, "common.db.login", ["admin", {"password": PASSWORD}])
        self._user = user
        self._session = "Session " + base64.b64encode(f"admin:{user}:{token}".encode()).decode()
        self._context: dict[str, Any] = {}

    def key(self) -> str:
        """Seed, and return the key of the hub's user."""
        self._company()
        for owner in (OWNER, "firm"):
            self._make("party.party", {"name": owner, "code": owner, "addresses": [["create", [{}]]]})
        unit = self._model("product.uom", "search", [["name", "=", "Unit"]], 0, 1, None)[0]
        for item in DEFAULT_CATALOG:
            price = _decimal(f"{item.price_minor // 100}.{item.price_minor % 100:02}")
            product = {"suffix_code": item.sku}
            template = {"name": item.title, "default_uom": unit, "sale_uom": unit, "salable": True, "type": "goods"}
            self._make("product.template", {**template, "list_price": price, "products": [["create", [product]]]})
        application = self._make("res.user.application", {"user": self._user, "application": "rest"})
        return str(self._model("res.user.application", "read", [application], ["key"])[0]["key"])

    def _company(self) -> None:
        euro = {"name": "Euro", "symbol": "€", "code": "EUR", "rounding": _decimal("0.01"), "digits": 2}
        currency = self._make("currency.currency", {**euro, "rates": [["create", [{"rate": _decimal("1")}]]]})
        party = self._make("party.party", {"name": "Seller", "addresses": [["create", [{}]]]})
        company = self._make("company.company", {"party": party, "currency": currency})
        self._model("res.user", "write", [self._user], {"companies": [["add", [company]]], "company": company})
        self._context = {"company": company}

    def _make(self, model: str, values: dict[str, Any]) -> int:
        return int(self._model(model, "create", [values])[0])

    def _model(self, model: str, method: str, *params: Any) -> Any:
        return call(self._url, f"model.{model}.{method}", [*params, self._context], self._session)
