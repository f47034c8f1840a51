"""CRM adapters: orders out, confirmations in. Siblings are strangers."""
