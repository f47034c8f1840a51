"""An OPC UA server that is not ours: node-opcua, installed by npm into the repository's cache, as a process."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hub.bench import npm

PACKAGE = "node-opcua@2.182.2"
NAMESPACE = "urn:iot2crm:sim"
_SCRIPT = Path(__file__).with_name("node_opcua_server.js")


class NoNodeOpcua(Exception):
    """node-opcua cannot be had here; the text says why."""


def installed() -> Path:
    """Return the folder of node's modules.

    Raises:
        NoNodeOpcua: node, npm or the package cannot be had.
    """
    return npm.installed(PACKAGE, NoNodeOpcua)


class CannotDo(Exception):
    """The server did not do what a command says."""


class NodeServer:
    """A running server; every method returns when it has answered."""

    def __init__(self, pki: Path, **options: Any) -> None:
        settings = {"port": 0, "variables": 10, "pki": str(pki)} | options
        command = [str(shutil.which("node")), str(_SCRIPT), str(installed()), json.dumps(settings)]
        self.process = subprocess.Popen(  # noqa: S603 - our own script
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            self.port = int(self._answer()["port"])
        except BaseException:
            self.kill()
            raise
        self.url = f"opc.tcp://127.0.0.1:{self.port}/UA/Sim"

    def do(self, command: str, **more: Any) -> Mapping[str, Any]:
        """Carry out one command of the script."""
        stdin = self.process.stdin
        if stdin is None:
            raise NoNodeOpcua("the server of node-opcua was started without input")
        stdin.write(json.dumps({"do": command, **more}) + "\n")
        stdin.flush()
        return self._answer()

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.close()

    def close(self) -> None:
        """End it and wait for it."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)

    def _answer(self) -> dict[str, Any]:
        for line in self.process.stdout or ():
            if line.startswith('{"ok":'):  # it also prints advice
                answer: dict[str, Any] = json.loads(line)
                if not answer.pop("ok"):
                    raise CannotDo(str(answer["error"]))
                return answer
        raise NoNodeOpcua("the server of node-opcua ended by itself")
