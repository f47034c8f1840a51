"""What every test starts with."""

import logging
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Take back a set-up of the log that a test made, as commands do which run in the test's own process."""
    root = logging.getLogger()  # noqa: TID251 -- what is taken back is the root's
    handlers, level, config = root.handlers[:], root.level, structlog.get_config()
    processors = list(config["processors"])
    yield
    root.handlers[:], root.level = handlers, level
    config["processors"][:] = processors
    structlog.configure(**config)
