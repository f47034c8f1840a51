"""Things that speak in lines over TCP."""

from actors.ports import ProtocolSpec
from iot2crm_lines.adapter import LinesAdapter, open_lines
from iot2crm_lines.config import LinesConfig

SPEC = ProtocolSpec(name="lines", title="Lines over TCP", config_type=LinesConfig, open=open_lines, stability="example")

__all__ = ["SPEC", "LinesAdapter", "LinesConfig"]
