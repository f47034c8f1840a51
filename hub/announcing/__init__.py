"""Telling owners' endpoints what happens to their things: webhooks that leave the hub.

The notes of decisions, which are on disk, are followed (``tail``); what concerns an endpoint becomes a message to its
actor (``actors.endpoint``), and each delivery an effect in the outbox (``sender``).
"""
