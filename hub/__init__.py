"""Composition: configuration, storage, HTTP application, command line and demo."""
