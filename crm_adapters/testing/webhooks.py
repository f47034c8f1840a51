"""Messages that a CRM sends by itself: hints, checked and read again."""

from msgspec.structs import replace

from actors.model.outcomes import Heard, Permanent, RecordStatus, Transient
from actors.ports import Webhook
from crm_adapters.sandboxing.client import receiving
from crm_adapters.testing.bench import ContractBase
from crm_adapters.testing.samples import ORDER_KEY


class WebhookContract(ContractBase):
    """What must hold for webhooks."""

    async def test_a_message_leads_to_the_record_as_it_is_now(self) -> None:
        """Whatever the message says: it may be late, doubled or out of order."""
        async with self.bench() as bench:
            if not bench.adapter.capabilities.webhooks:
                await bench.refuses("webhooks", bench.adapter.take_webhook(Webhook(headers={}, body=b"{}")))
                return
            placed = await bench.placed()
            async with receiving() as (url, messages):
                await bench.admin.subscribe(url)
                await bench.admin.advance(placed.record.record_id, RecordStatus.CONFIRMED)
                await bench.admin.advance(placed.record.record_id, RecordStatus.FULFILLED)
                message = await messages.get()
            for _ in range(2):
                heard = await bench.adapter.take_webhook(message)
                assert isinstance(heard, Heard), heard
                (record,) = heard.records
                assert (record.key, record.status) == (ORDER_KEY, RecordStatus.FULFILLED)

    async def test_a_message_of_somebody_else_is_refused_and_nothing_is_read(self) -> None:
        """Without the shared secret, or with another, nobody makes us ask the CRM."""
        async with self.bench() as bench:
            if not bench.adapter.capabilities.webhooks:
                return
            placed = await bench.placed()
            async with receiving() as (url, messages):
                await bench.admin.subscribe(url)
                await bench.admin.advance(placed.record.record_id, RecordStatus.FULFILLED)
                message = await messages.get()
            seen = len(await bench.admin.requests())
            wrong = {name: f"{value}x" for name, value in message.query.items()}
            for forged in (replace(message, headers={}, query={}), replace(message, headers={}, query=wrong)):
                refused = await bench.adapter.take_webhook(forged)
                assert isinstance(refused, Permanent), refused
                assert bench.adapter.doubt_webhook(forged) in {None, refused}
            assert bench.adapter.doubt_webhook(message) is None
            assert len(await bench.admin.requests()) == seen

    async def test_a_message_that_cannot_be_read_is_refused(self) -> None:
        """It is the sender's fault, and told as such."""
        async with self.bench() as bench:
            if not bench.adapter.capabilities.webhooks:
                return
            placed = await bench.placed()
            async with receiving() as (url, messages):
                await bench.admin.subscribe(url)
                await bench.admin.advance(placed.record.record_id, RecordStatus.FULFILLED)
                message = await messages.get()
            for body in (b"", b"[", b"[]", b'{"PrimaryEntityId": 7}'):
                outcome = await bench.adapter.take_webhook(replace(message, body=body))
                assert isinstance(outcome, Permanent | Transient | Heard), outcome
                assert not isinstance(outcome, Heard) or outcome.records == ()
