"""Places one order as a process of its own: python place_once.py BASE_URL KEY. Tests kill it on the way."""

import asyncio
import sys

from actors.model.outcomes import Offers
from actors.model.secrets import Secret
from crm_adapters.rest import SPEC, RestConfig
from crm_adapters.testing import deps, offer_query, order_from


async def main(base_url: str, key: str) -> None:
    """Look for an offer and order it."""
    config = RestConfig(
        base_url=base_url,
        internal_hosts=("127.0.0.1",),
        manifest="tryton",
        api_key=Secret(key),
        variables={"database": "crm"},
    )
    async with SPEC.open(config, deps()) as adapter:
        offers = await adapter.find_offers(offer_query())
        assert isinstance(offers, Offers), offers
        sys.stdout.write(f"{await adapter.place_order(order_from(offers.offers[0]))}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
