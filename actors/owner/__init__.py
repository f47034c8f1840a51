"""An owner: mandates, budget, approvals, off switches."""
