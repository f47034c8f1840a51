"""The contract suite that every CRM adapter passes."""
