"""What a manifest says its CRM must have: looked for, shown, and made."""

from collections.abc import Mapping, Sequence
from typing import Any

from actors.model.outcomes import AuthFailed, Failure
from crm_adapters.proving import Preview, said_of
from crm_adapters.readiness import Finding, Step, StepState, failed, fine, wrong
from crm_adapters.redaction import Redactor
from crm_adapters.rest.answers import Answer
from crm_adapters.rest.expressions import ExpressionError
from crm_adapters.rest.manifest import Meaning
from crm_adapters.rest.preview import previews_of_operation
from crm_adapters.rest.program import CompiledNeed, Program
from crm_adapters.rest.running import Runner

Context = Mapping[str, Any]


class Needs:
    """The needs of one connection."""

    def __init__(self, program: Program, runner: Runner, base_url: str, redactor: Redactor) -> None:
        self._program = program
        self._runner = runner
        self._base_url = base_url
        self._redactor = redactor

    async def findings(self) -> list[Finding]:
        """Return whether each is there; nothing is written."""
        return [await self._finding(need, context) for need, context in self._all()]

    def preparation(self) -> list[Step]:
        """Return what a CRM without any of it needs; nothing is sent."""
        return [self._wanted(need, context) for need, context in self._all()]

    async def prepare(self) -> list[Step]:
        """Make what is missing and say what became of each."""
        return [await self._made(need, context) for need, context in self._all()]

    def _all(self) -> list[tuple[CompiledNeed, Context]]:
        given: dict[str, Any] = {
            "config": self._program.variables,
            "found": {},
            "in": None,
            "record": None,
            "raw": None,
        }
        return [(need, {**given, "item": item}) for need in self._program.needs for item in need.items]

    async def _finding(self, need: CompiledNeed, context: Context) -> Finding:
        about, expected = str(need.about(context)), str(need.expected(context))
        remedy = str(need.remedy(context))
        if need.prepare is not None:
            remedy = f"{remedy} (iot2crm crm prepare NAME)"
        _, answer = await self._runner.send(need.request, context, writes=False)
        if isinstance(answer, AuthFailed):
            said = "let the connection's user read the CRM's definitions"
            return wrong(about, found=answer.reason, expected=expected, remedy=f"{said}; {remedy}")
        if not isinstance(answer, Answer):
            return failed(about, answer, expected=expected, remedy=remedy)
        if answer.meaning is not Meaning.ABSENT and self._holds(need, answer.context):
            return fine(about, "there", expected=expected)
        return wrong(about, found=self._found(need, answer), expected=expected, remedy=remedy)

    def _wanted(self, need: CompiledNeed, context: Context) -> Step:
        about = str(need.about(context))
        if need.prepare is None:
            return Step(about=about, state=StepState.BY_HAND, said=str(need.remedy(context)))
        requests: Sequence[Preview] = previews_of_operation("create", need.prepare, self._base_url, context)
        return Step(about=about, state=StepState.WANTED, requests=tuple(requests))

    async def _made(self, need: CompiledNeed, context: Context) -> Step:
        about = str(need.about(context))
        _, answer = await self._runner.send(need.request, context, writes=False)
        if not isinstance(answer, Answer):
            return Step(about=about, state=StepState.FAILED, said=said_of(answer))
        if answer.meaning is not Meaning.ABSENT and self._holds(need, answer.context):
            return Step(about=about, state=StepState.THERE)
        if need.prepare is None:
            return Step(about=about, state=StepState.BY_HAND, said=str(need.remedy(context)))
        if answer.meaning is not Meaning.ABSENT and need.found is not None and self._found(need, answer) != _NOTHING:
            said = f"it is there, but not as it should be: {self._found(need, answer)}; {need.remedy(context)}"
            return Step(about=about, state=StepState.BY_HAND, said=said)
        _, made = await self._runner.ask(need.prepare, context, writes=True)
        if isinstance(made, Failure):
            return Step(about=about, state=StepState.FAILED, said=f"{said_of(made)}; {need.remedy(context)}")
        return Step(about=about, state=StepState.MADE)

    def _holds(self, need: CompiledNeed, context: Context) -> bool:
        try:
            return need.holds.value(context) is True
        except ExpressionError:
            return False

    def _found(self, need: CompiledNeed, answer: Answer) -> str:
        """Return what is there instead, in the CRM's words."""
        if need.found is None or answer.meaning is Meaning.ABSENT:
            return _NOTHING
        try:
            value = need.found.value(answer.context)
        except ExpressionError:
            value = None
        return _NOTHING if value is None else self._redactor.clean(str(value))


_NOTHING = "not there"
