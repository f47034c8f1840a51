"""``iot2crm crm check`` and ``iot2crm crm prepare``: what a CRM lacks, and making it."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from actors.model.errors import ConfigError
from actors.ports import CrmAdapter
from crm_adapters.proving import Preview
from crm_adapters.readiness import Checks, Finding, Prepares, Step, StepState, Verdict, check_by_port
from hub.cli.connections import with_connection
from hub.cli.options import config_option, json_option
from hub.config import load

_MARKS = {Verdict.FINE: "fine  ", Verdict.UNSURE: "look  ", Verdict.WRONG: "WRONG "}
_STATES = {
    StepState.THERE: "there  ",
    StepState.MADE: "made   ",
    StepState.WANTED: "wanted ",
    StepState.BY_HAND: "by hand",
    StepState.FAILED: "FAILED ",
}


@click.command()
@click.argument("name")
@config_option
@json_option
def check(name: str, config_file: Path, *, as_json: bool) -> None:
    """Look whether the CRM behind the connection NAME has what things need there.

    Credentials, rights, fields, labels of picklists, prices, and the unique key that keeps a need from being ordered
    twice; for each what was found, what is expected, and what mends it. Reads only; what has to be tried is taken back
    in the same transaction. Exit code 0: things can order. Exit code 1: something is wrong.
    """
    config = load(config_file)

    async def run(adapter: CrmAdapter) -> Sequence[Finding]:
        return await (adapter.check() if isinstance(adapter, Checks) else check_by_port(adapter))

    findings = asyncio.run(with_connection(config, name, run))
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(findings), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(_finding_text(finding, name) for finding in findings))
        counts = Counter(finding.verdict for finding in findings)
        told = f"{counts[Verdict.FINE]} fine, {counts[Verdict.UNSURE]} to look at, {counts[Verdict.WRONG]} wrong"
        click.echo(f"[crm.{name}]: {told}")
    if any(finding.verdict is Verdict.WRONG for finding in findings):
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("name")
@click.option("--print", "only_print", is_flag=True, help="Print the requests and send nothing, for an administrator.")
@config_option
@json_option
def prepare(name: str, config_file: Path, *, only_print: bool, as_json: bool) -> None:
    """Make in the CRM behind the connection NAME what things need there: fields, keys, the right to see them.

    What is there is left as it is, so it may be called again. What the vendor's API cannot make is told, for a person.
    The credentials need an administrator's rights for it; --print shows what one would have to do. Exit code 0: nothing
    failed. Exit code 1: something did.
    """
    config = load(config_file)

    async def run(adapter: CrmAdapter) -> Sequence[Step]:
        if not isinstance(adapter, Prepares):
            raise ConfigError(f"[crm.{name}]: this adapter prepares nothing; its README tells what its CRM needs")
        return adapter.preparation() if only_print else await adapter.prepare()

    steps = asyncio.run(with_connection(config, name, run))
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(steps), indent=2, ensure_ascii=False))
    else:
        told = [_step_text(step, only_print=only_print, name=name) for step in steps]
        click.echo("\n".join(told) or f"[crm.{name}]: this CRM needs nothing of ours")
    if any(step.state is StepState.FAILED for step in steps):
        raise click.exceptions.Exit(1)


def request_text(preview: Preview) -> str:
    """Return a request as a person reads it."""
    headers = "".join(f"\n  {name}: {value}" for name, value in preview.headers.items())
    body = "" if preview.body is None else "\n  " + json.dumps(msgspec.to_builtins(preview.body), ensure_ascii=False)
    return f"# {preview.step}\n{preview.method} {preview.url}{headers}{body}\n"


def _finding_text(finding: Finding, name: str) -> str:
    line = f"{_MARKS[finding.verdict]} {finding.about}: {finding.found}"
    if finding.verdict is Verdict.FINE:
        return line
    return f"{line}\n         expected: {finding.expected}\n         remedy: {finding.remedy.replace('NAME', name)}"


def _step_text(step: Step, *, only_print: bool, name: str) -> str:
    said = f": {step.said.replace('NAME', name)}" if step.said else ""
    requests = "".join(f"\n{request_text(request)}" for request in step.requests) if only_print else ""
    return f"{_STATES[step.state]} {step.about}{said}{requests}"
