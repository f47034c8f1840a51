"""The command ``iot2crm``: one module a subject, imported only when its command is called."""
