"""What every test starts with."""

import logging
import signal
from collections.abc import Iterator

import hypothesis
import pytest
import structlog

# Whether an example is quick says more about what else the machine does than about the code: benchmarks measure.
hypothesis.settings.register_profile("suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("suite")

LONG = (
    "test_demo_end_to_end.py",
    "test_sigkill.py",
    "test_universes.py",
    "test_tryton.py",
    "test_trimming_liars.py",
    "test_opcua_node_peer.py",
    "test_forgotten_lives.py",
    "test_fault_matrix.py",
    "test_openapi.py",
)
"""Files that take long, longest first: dealt out early, so that no process is left alone with one at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long files; the others, and the tests in a file, keep their order."""
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONG)))


@pytest.fixture(autouse=True, scope="session")
def _ctrl_c_is_heard() -> None:
    """Let programs that tests start hear SIGINT, which shells let nobody hear whom they start in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
