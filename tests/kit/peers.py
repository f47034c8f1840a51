"""Installs the programs that are not ours, before the tests begin: ``python tests/kit/peers.py``.

Each would be installed by the first test that asks for it, too; here they come beside each other, once, and outside of
any test's time limit. Where one cannot be had, it is said why, and its tests skip.
"""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import libcoap
import lwm2m_node
import mosquitto
import td_schema
import tryton_install

from hub.bench import node_opcua

PEERS: dict[str, tuple[Callable[[], Any], type[Exception]]] = {
    "Tryton": (tryton_install.prepared, tryton_install.NoTryton),
    "node-opcua": (node_opcua.installed, node_opcua.NoNodeOpcua),
    "lwm2m-node-lib": (lwm2m_node.installed, lwm2m_node.NoNodeLib),
    "the schema of Thing Descriptions": (td_schema.td_schema, td_schema.NoSchema),
    "mosquitto": (mosquitto.program, mosquitto.NoMosquitto),
    "libcoap": (libcoap.client, libcoap.NoLibcoap),
}


def missing(name: str) -> str:
    """Install one; return why it cannot be had, or nothing."""
    install, refusal = PEERS[name]
    try:
        install()
    except refusal as why:
        return f"{why}: its tests will skip."
    return ""


def main() -> int:
    """Install all of them; return 1 when one cannot be had."""
    with ThreadPoolExecutor(len(PEERS)) as pool:
        told = [why for why in pool.map(missing, PEERS) if why]
    for why in told:
        sys.stderr.write(why + "\n")
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
