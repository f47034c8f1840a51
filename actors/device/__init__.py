"""The device actor of a thing: what the thing itself asks of the hub, and what the hub wants the thing to do."""
