"""``python tests/fuzz --inputs N``: fuzzes everything; progress on standard error, figures as JSON in the last line."""

import argparse
import json
import sys
import time

import msgspec
from fuzzing import fuzz
from targets import TARGETS


def main() -> int:
    """Fuzz, tell, and return 1 when something crashed or took too long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=200_000, help="inputs for each target")
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    figures: dict[str, object] = {}
    failures = 0
    for target in TARGETS:
        began = time.monotonic()
        try:
            figures[target.name] = msgspec.to_builtins(fuzz(target, told.inputs, told.seed))
        except Exception as error:  # noqa: BLE001 - whatever an input raises is the finding
            failures += 1
            figures[target.name] = {"failed": f"{type(error).__name__}: {error}", "notes": _notes(error)}
        print(f"{target.name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)  # noqa: T201 - a program
    print(json.dumps({"inputs": told.inputs, "seed": told.seed, "failures": failures, "targets": figures}))  # noqa: T201 - its answer
    return 1 if failures else 0


def _notes(error: BaseException) -> list[str]:
    return [str(note)[:2000] for note in getattr(error, "__notes__", [])]


if __name__ == "__main__":
    sys.exit(main())
