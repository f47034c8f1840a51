"""Salesforce REST."""
