"""The inside: vocabulary, ports, rules and the actor runtime. Knows no adapter and does no I/O."""
