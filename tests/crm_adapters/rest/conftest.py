from collections.abc import Callable
from pathlib import Path

import pytest

from crm_adapters.rest.reading import SHIPPED

Edit = tuple[str, str]


@pytest.fixture
def edited_shop(tmp_path: Path) -> Callable[..., Path]:
    """Write the shop's manifest with some texts replaced; each must be there."""

    def write(*edits: Edit) -> Path:
        text = (SHIPPED / "shop.toml").read_text()
        for old, new in edits:
            assert old in text, old
            text = text.replace(old, new)
        path = tmp_path / "edited.toml"
        path.write_text(text)
        return path

    return write
