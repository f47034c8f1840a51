"""The generic actor system: knows no things, no money, no CRM."""
