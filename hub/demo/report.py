"""The demo's report: a file that another program can judge."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from hub.demo.telling import Told


def report_of(told: Mapping[str, Told], **more: Any) -> dict[str, Any]:
    """Return the report: the stories, what each rests on under ``evidence``, and ``more``."""
    stories = {
        name: {"ok": each.ok, "orders": each.evidence.orders, "trace": each.evidence.trace, "why": each.why}
        for name, each in told.items()
    }
    evidence = {
        name: {
            "checks": {check.what: check.holds for check in each.checks},
            "records": each.evidence.records,
            "facts": each.evidence.facts,
        }
        for name, each in told.items()
    }
    return {"stories": stories, "evidence": evidence, **more}


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Write the report, readable for people too."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
