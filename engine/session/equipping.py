"""What an agent sits down to: its harness, model, conversation and tools, put together.

A task or transcript that is not what it was waits for the operator's word here.
"""

from __future__ import annotations

from engine import harnesses
from engine.agents.toolbox import Toolbox
from engine.events import (
    SessionPaused,
)
from engine.models.choice import choose_provider
from engine.models.http_model import HttpModel
from engine.models.retry import RetryPolicy
from engine.proxy.door import Door
from engine.runs import budgets
from engine.service.house import House
from engine.session.laying_out import agent_uid
from engine.session.live import Live
from engine.session.meter import Meter
from engine.session.outside import Outside
from engine.session.services import Services
from engine.session.setting_up import unchanged
from engine.session.workbench import Workbench
from engine.session.workspace import Workspace
from engine.state import SessionState
from engine.storage.transcripts import Transcript, TranscriptDamagedError, transcript_path
from tasks import Task, TaskError


class Equipping:
    """For one session. `services` is the session itself."""

    def __init__(self, house: House, services: Services, meter: Meter, live: Live) -> None:
        self._house = house
        self._services = services
        self._meter = meter
        self._live = live

    async def bench(self, task: Task, desk: Workspace) -> Workbench:
        """The bench of a session whose sandbox stands, as soon as all it needs is as it was."""
        facts, house = self._services.facts, self._house
        await self._same_task(task)
        harness = self.harness()
        toolbox = Toolbox(
            desk,
            harness.command_timeout_sec,
            harness.command_timeout_max_sec,
            harness.output_chars,
        )
        settings = house.settings
        policy = RetryPolicy(settings.retry_attempts, patience=settings.retry_patience_seconds)
        model, transcript = self._model(facts), await self._transcript()
        doing = house.trace.of(self._services.facts.id)
        outside = None
        if model is not None and desk.place.door is not None:
            outside = Outside(
                desk=desk,
                door=Door(desk.place.door, agent_uid(desk.place.slot)),
                model=model,
                services=self._services,
                transcript=transcript,
                live=self._live,
                meter=self._meter,
                clock=house.clock,
                policy=policy,
                doing=doing,
            )
        return Workbench(
            task=task,
            harness=harness,
            budget=budgets.in_words(facts.budget),
            active_sec=budgets.counted(facts.budget, facts.counts) or 0.0,
            size=house.view.state.runs[facts.run].spec.get("size", "full"),
            services=self._services,
            transcript=transcript,
            toolbox=toolbox,
            meter=self._meter,
            model=model,
            live=self._live,
            clock=house.clock,
            policy=policy,
            outside=outside,
            doing=doing,
        )

    def harness(self) -> harnesses.Harness:
        """The session's harness. Raises `HarnessError` when it is not what it was."""
        facts = self._services.facts
        harness = harnesses.load(facts.harness if facts.model else harnesses.DEFAULT)
        if facts.model and harness.hash != facts.harness_hash:
            raise harnesses.HarnessError(
                f"the harness {facts.harness} was changed after the run was created; restore it, "
                "or launch the run again"
            )
        return harness

    async def _same_task(self, task: Task) -> None:
        """Go on only with the task as it was; one that was changed waits for the operator."""
        while True:
            try:
                return await unchanged(self._house, task, self._services.facts)
            except (ValueError, TaskError) as error:
                await self._services.record(SessionPaused(cause="damaged", why=str(error)))
                await self._services.gate.passed()

    async def _transcript(self) -> Transcript:
        """The conversation so far; one that is damaged waits for the operator's word."""
        house, path = self._house, transcript_path(self._house.state_dir, self._services.facts.id)
        try:
            return Transcript.open(
                path,
                self._services.note,
                house.clock,
                self._services.facts.transcript_bytes,
                house.disk,
            )
        except TranscriptDamagedError as error:
            await self._services.record(SessionPaused(cause="damaged", why=str(error)))
            await self._services.gate.passed()
        return Transcript.mend(
            path,
            self._services.note,
            house.clock,
            self._services.facts.transcript_bytes,
            house.disk,
        )

    def _model(self, facts: SessionState) -> HttpModel | None:
        if facts.model is None:
            return None
        overrides = self._house.view.state.runs[facts.run].spec.get("providers") or {}
        provider, name = choose_provider(facts.model, self._house.settings, overrides)
        pace = self._house.paces.of(provider)
        # The price of the day on which the session was created, whatever is known by now.
        return HttpModel(self._house.http, provider, name, facts.price, pace)
