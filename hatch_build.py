"""Compiles the parts in C while the package is built; without a compiler it is built all the same, and works slower."""

import hashlib
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HEADER = "actors/runtime/slots.h"
SOURCES = {"actors.runtime._turns": "actors/runtime/_turns.c", "actors.thing._quiet": "actors/thing/_quiet.c"}


class Compiling(BuildHookInterface):
    """Puts each module beside its source, for wheels and for editable installations alike."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the files are gathered."""
        del version
        if self.target_name != "wheel":
            return
        try:
            self._compile()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a tool chain does, there is a way without it
            self.app.display_warning(f"the parts in C were not compiled ({error}): the hub works without them, slower")
            return
        build_data["artifacts"] += [f"/{name.replace('.', '/')}.*.so" for name in SOURCES]
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def _compile(self) -> None:
        from setuptools import Distribution, Extension  # noqa: PLC0415 - it may be missing
        from setuptools.command.build_ext import build_ext  # noqa: PLC0415 - likewise

        root = Path(self.root)
        flags = [] if sys.platform == "win32" else ["-O3", "-Wall", "-Wextra"]
        modules = [
            Extension(
                name,
                [str(root / path)],
                define_macros=[("SOURCES", f'"{self._digest(path)}"')],
                extra_compile_args=flags,
            )
            for name, path in SOURCES.items()
        ]
        command = build_ext(Distribution({"name": "iot2crm", "ext_modules": modules, "package_dir": {"": str(root)}}))
        command.build_lib = str(root)
        command.build_temp = str(root / "build" / "c")
        command.force = True  # what was compiled before may be of another header
        command.ensure_finalized()
        command.run()

    def _digest(self, path: str) -> str:
        """Return what a module is known by to be made of; see actors/runtime/swift.py."""
        return hashlib.sha256(b"".join((Path(self.root) / each).read_bytes() for each in (path, HEADER))).hexdigest()
