"""Runs a program with clients that are not ours, in a process of its own, against a sandbox over TLS."""

import asyncio
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tls_sandbox import over_tls

from crm_adapters.sandboxing import Fault, SandboxOptions, SandboxSpec

JUDGES = Path(__file__).with_name("judges")
LONGEST_S = 200.0


def judgement(
    judge: str,
    arguments: Iterable[str],
    *,
    spec: SandboxSpec,
    options: SandboxOptions,
    certificate: Path,
    faults: Iterable[Fault] = (),
) -> dict[str, Any]:
    """Return what the program's uses came to. Its arguments are the sandbox's address and ``arguments``."""

    async def run() -> bytes:
        async with over_tls(spec, options, certificate, faults=faults) as base_url:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(JUDGES / judge),
                base_url,
                *arguments,
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, "REQUESTS_CA_BUNDLE": str(certificate)},
            )
            try:
                async with asyncio.timeout(LONGEST_S):
                    written, _ = await process.communicate()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            return written

    uses: dict[str, Any] = json.loads(asyncio.run(run()))
    return uses
