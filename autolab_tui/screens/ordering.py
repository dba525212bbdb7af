"""Orders that a screen gives for the sessions that are chosen on it."""

from __future__ import annotations

from abc import abstractmethod

from autolab_tui.analyses import compute
from autolab_tui.local import Local
from autolab_tui.screens.base import DrawnScreen


class OrderingScreen(DrawnScreen):
    """A screen with sessions on it, one or several of which can be chosen."""

    @property
    @abstractmethod
    def chosen(self) -> list[str]:
        """The sessions that an order is for."""

    def action_pause(self) -> None:
        """Pause the sessions that are chosen, or let them go on."""
        self.host.orders.pause_or_resume(self.chosen)

    def action_stop(self) -> None:
        """Stop the sessions that are chosen."""
        self.host.orders.stop(self.chosen)

    def action_extend(self) -> None:
        """Change the budgets of the sessions that are chosen."""
        self.host.orders.extend(self.chosen)

    def action_tell(self) -> None:
        """Say something to the models of the sessions that are chosen."""
        self.host.orders.tell(self.chosen)

    def action_verify(self) -> None:
        """Have the files of the sessions that are chosen judged as they are."""
        self.host.orders.verify(self.chosen)

    def action_acknowledge(self) -> None:
        """Say that the alerts of the sessions that are chosen are known."""
        self.host.orders.acknowledge(self.chosen)

    def action_report(self) -> None:
        """Write the runs of the sessions that are chosen as pages and tables."""
        local, sessions = self.here(), self.host.store.state.sessions
        runs = list(dict.fromkeys(sessions[s].run for s in self.chosen if s in sessions))
        if local is not None and runs:
            compute(self.app, "report", "write the report", lambda: local.report(runs))

    def here(self) -> Local | None:
        """What is on this machine; the operator is told where there is nothing."""
        if self.host.local is None:
            self.app.notify("this screen does not know the engine's folder", title="Not here")
        return self.host.local
