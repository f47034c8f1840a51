"""Several turn engines as one: actors spread over shards, each with a journal of its own.

A tell to an actor of another shard is a letter. It is written to the sender's outbox in the turn that decided it, and
its shard's courier carries it to the gate of the receiving shard, which takes each letter once. So a letter is neither
lost nor doubled wherever a process dies, and what one shard tells another arrives in the order in which it was told.
"""

from actors.runtime.shards.gate import GateCore
from actors.runtime.shards.host import ShardHost
from actors.runtime.shards.letters import SHARD_RELAY, gate_address, is_gate

__all__ = ["SHARD_RELAY", "GateCore", "ShardHost", "gate_address", "is_gate"]
