"""The actor of one CRM connection: what the CRM's records say now reaches the orders they belong to."""
