"""Looking at a server once, outside a running hub."""

from collections.abc import Sequence
from datetime import datetime

from actors.model.errors import HubError
from protocols.opcua.config import EndpointConfig
from protocols.opcua.connection import Connection
from protocols.opcua.discovery import Discovery, Machine
from protocols.opcua.faults import explain, is_link_trouble


async def look_at(config: EndpointConfig, name: str, now: datetime) -> Sequence[Machine]:
    """Return the machines of a server; one of this name, or the only one there is, with all that it has.

    Raises:
        HubError: the server cannot be talked to; the text says why and what helps.
    """
    connection: Connection | None = None
    try:
        connection = await Connection.establish(config, None, now)
        discovery = Discovery(connection, (await connection.facts()).namespaces)
        machines = await discovery.machines()
        chosen = [machine for machine in machines if name in ("", machine.name)]
        return [await discovery.whole(chosen[0])] if len(chosen) == 1 else machines
    except HubError:
        raise
    except Exception as error:
        if is_link_trouble(error):
            raise explain(error, config.url) from error
        raise
    finally:
        if connection is not None:
            await connection.close()
