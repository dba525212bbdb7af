"""The reducer, the wire format of events, and the clocks, over made-up histories."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine import events as ev
from engine.clock import Clocks
from engine.events import Event, Limit, Usage, decode, encode
from engine.state import FEED_LENGTH, State, reduce
from verifier.verdict import Gate, Metric, Seal, Speedup, Verdict

SESSIONS = ("a-01", "a-02")
words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=12)
amounts = st.floats(0, 1e6, allow_nan=False)
whole = st.integers(0, 10**6)
rewards = st.none() | st.floats(0, 1)


@st.composite
def verdicts(draw: st.DrawFn) -> Verdict:
    reward = draw(rewards)
    failed = draw(st.booleans())
    return Verdict(
        id=draw(words),
        session=draw(st.sampled_from(SESSIONS)),
        task="t",
        task_hash="h",
        snapshot=draw(words),
        stage=draw(st.sampled_from(["checkpoint", "final"])),
        gates=(Gate("correct", not failed, draw(words)),),
        metric=draw(st.none() | st.builds(Metric, words, amounts, words, st.just("lower"))),
        speedup=draw(st.none() | st.builds(Speedup, amounts)),
        reward=reward,
        status=draw(st.sampled_from(["scored", "zero", "rejected", "not_judged", "suspect"])),
        seal=Seal("full", "driver", draw(st.booleans())),
        reason=draw(words),
        seconds=draw(amounts),
        at="2026-01-01T00:00:00.000Z",
    )


phases = st.sampled_from(ev.SessionPhase.__args__)
session_bodies = st.one_of(
    st.builds(ev.SessionMoved, state=phases, reason=words),
    st.builds(
        ev.ClockMoved,
        to=st.sampled_from(["working", "frozen", "waiting", "paused", "stopped"]),
        reason=words,
        moment=amounts,
        cause=st.sampled_from(["", "operator", "rate limit", "verifying", "engine down"]),
        moment_boot=st.sampled_from(["", "b1", "b2"]),
    ),
    st.builds(
        ev.SessionPaused,
        cause=st.sampled_from(["operator", "soft limit", "missing key"]),
        why=words,
        by=words,
        now=st.booleans(),
        until=st.none() | amounts,
        limit=st.sampled_from(["", "cost", "tokens"]),
        scope=st.sampled_from(["session", "run"]),
    ),
    st.builds(ev.SessionResumed, by=words, why=words),
    st.builds(ev.StopAsked, by=words, why=words),
    st.builds(ev.VerificationAsked, by=words, why=words),
    st.builds(ev.VerificationDropped, why=words),
    st.builds(ev.BudgetChanged, budget=st.just({"cost": Limit(2.0, 1.0)}), by=words),
    st.builds(ev.MessageLeft, text=words, by=words),
    st.builds(ev.MessageTold, message=whole),
    st.builds(ev.SessionRebuilt, source=st.sampled_from(["workspace", "snapshot"]), why=words),
    st.builds(ev.TurnAbandoned, turn=whole, why=words),
    st.builds(ev.ActivityChanged, activity=words),
    st.builds(ev.TurnStarted, turn=whole),
    st.builds(
        ev.TurnFinished,
        turn=whole,
        usage=st.builds(Usage, whole, whole, whole, whole, whole, st.none() | amounts),
        seconds=amounts,
        stop_reason=words,
    ),
    st.builds(
        ev.TurnFailed,
        turn=whole,
        cause=words,
        usage=st.builds(Usage, input=whole, cost=st.none() | amounts, unpriced=whole),
    ),
    st.builds(ev.ModelRetried, attempt=whole, cause=words, wait=amounts, detail=words),
    st.builds(
        ev.ContextCompacted,
        entry=whole,
        how=st.sampled_from(ev.CompactedHow.__args__),
        because=st.sampled_from(ev.CompactedBecause.__args__),
        before=whole,
        after=whole,
        turns=whole,
    ),
    st.builds(ev.ToolStarted, call=words, tool=words, summary=words),
    st.builds(ev.ToolFinished, call=words, tool=words, code=st.none() | whole, seconds=amounts),
    st.builds(ev.TranscriptGrew, start=whole, end=whole, entries=whole),
    st.builds(
        ev.SnapshotTaken,
        snapshot=words,
        files=st.lists(words, max_size=2).map(tuple),
        size=whole,
        active=amounts,
    ),
    st.builds(
        ev.BaselineKept, snapshot=words, files=st.lists(words, max_size=2).map(tuple), size=whole
    ),
    st.builds(ev.Intervened, what=words, by=words, why=words, snapshot=st.none() | words),
    st.builds(ev.VerificationStarted, snapshot=words, stage=st.just("checkpoint")),
    st.builds(ev.VerdictGiven, verdict=verdicts(), active=amounts, wall=amounts),
    st.builds(
        ev.SessionEnded,
        ended_by=st.just("agent"),
        outcome=st.just("ended"),
        evidence=words,
        final_reward=rewards,
    ),
    st.builds(ev.AlertRaised, alert=words, text=words),
    st.builds(ev.AlertCleared, alert=words),
    st.builds(ev.Unknown, st.just("later.version"), st.dictionaries(st.just("x"), whole)),
)
other_bodies = st.one_of(
    st.builds(ev.EngineStarted, version=words, pid=whole, host=words),
    st.builds(ev.EngineStopped, reason=words),
    st.builds(ev.Noted, text=words),
    st.builds(ev.BudgetChanged, budget=st.just({}), by=words, run=st.sampled_from(["a", "b"])),
    st.builds(ev.ModelPaced, provider=words, limit=whole, cause=words),
)


def created(session: str) -> ev.SessionCreated:
    return ev.SessionCreated(
        run="a",
        task="t",
        task_path="/t",
        task_hash="h",
        domain="d",
        model=None,
        agent="nop",
        harness="none",
        harness_hash="",
        attempt=1,
        budget={"active": Limit(hard=60.0)},
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    bodies = [
        (None, ev.RunCreated(run="a", sessions=SESSIONS, spec={"size": "quick"})),
        *((s, created(s)) for s in SESSIONS),
    ]
    more = st.tuples(st.sampled_from((*SESSIONS, "unknown")), session_bodies)
    bodies += draw(st.lists(more | st.tuples(st.none(), other_bodies), max_size=40))
    stamps = sorted(draw(st.lists(amounts, min_size=len(bodies), max_size=len(bodies))))
    boot = draw(st.sampled_from(["b1", "b2"]))
    return [
        Event("e", n, 1_700_000_000.0 + n, boot, stamp, session, body)
        for n, ((session, body), stamp) in enumerate(zip(bodies, stamps, strict=True), 1)
    ]


def fold(state: State, events: list[Event]) -> State:
    for event in events:
        reduce(state, event)
    return state


def as_json(state: State) -> bytes:
    return msgspec.json.encode(state)


@given(histories(), st.data())
def test_a_state_and_the_events_after_it_give_the_whole(events: list[Event], data: object) -> None:
    whole_state = as_json(fold(State(), events))
    cut = data.draw(st.integers(0, len(events)))
    overlap = data.draw(st.integers(0, cut))
    prefix = as_json(fold(State(), events[:cut]))
    taken = msgspec.json.decode(prefix, type=State)
    assert as_json(taken) == prefix
    assert as_json(fold(taken, events[cut - overlap :])) == whole_state


@given(histories())
def test_events_survive_the_wire(events: list[Event]) -> None:
    assert [decode(encode(event)) for event in events] == events
    replayed = fold(State(), [decode(encode(event)) for event in events])
    assert as_json(replayed) == as_json(fold(State(), events))


@given(histories())
def test_best_never_falls_and_the_feed_stays_short(events: list[Event]) -> None:
    state, best = State(), dict.fromkeys(SESSIONS, 0.0)
    for event in events:
        reduce(state, event)
        for session in state.sessions.values():
            now = session.best_reward or 0.0
            assert now >= best[session.id]
            best[session.id] = now
        assert len(state.feed) <= FEED_LENGTH
    for session in state.sessions.values():
        assert all(
            p.best >= (q.best) for q, p in zip(session.points, session.points[1:], strict=False)
        )


@given(histories())
def test_a_journal_gives_the_same_seconds_to_the_millisecond_and_a_run_spans_its_sessions(
    events: list[Event],
) -> None:
    state = fold(State(), events)
    again = fold(State(), [decode(encode(event)) for event in events])
    now = max((e.stamp for e in events), default=0.0) + 1.0
    for name, session in state.sessions.items():
        for boot in ("b1", "b2"):
            one, other = session.clocks, again.sessions[name].clocks
            assert round(one.active(boot, now), 3) == round(other.active(boot, now), 3)
            assert one.by_cause(boot, now) == other.by_cause(boot, now)
    for run in state.runs.values():
        assert 0 <= run.span.open <= len(run.sessions)
        assert run.span.closed >= 0.0


@given(histories())
def test_a_pause_lasts_until_it_is_lifted_and_a_soft_limit_counts_once(
    events: list[Event],
) -> None:
    state = State()
    for event in events:
        reduce(state, event)
        session = state.sessions.get(event.session or "")
        if session is None:
            continue
        match event.body:
            case ev.SessionPaused(limit=limit, scope="session"):
                assert session.pause is not None
                assert not limit or limit in session.soft_passed
            case ev.SessionResumed() | ev.SessionEnded():
                assert session.pause is None
            case ev.BudgetChanged(budget=budget):
                assert session.budget == budget
        assert session.soft_passed == sorted(set(session.soft_passed))


moves = st.lists(
    st.tuples(
        st.sampled_from(["working", "frozen", "waiting", "paused", "stopped"]),
        st.sampled_from(["b1", "b2"]),
        amounts,
    ),
    max_size=30,
)


@given(moves, st.sampled_from(["b1", "b2"]), amounts)
def test_active_is_within_wall_and_neither_is_negative(
    path: list[tuple[str, str, float]], boot: str, now: float
) -> None:
    clocks, before = Clocks(), (0.0, 0.0)
    for to, at_boot, moment in path:
        clocks.move(to, "", at_boot, moment)
        closed = (clocks.working, clocks.working + clocks.frozen + clocks.waiting)
        assert closed >= before
        before = closed
    assert 0.0 <= clocks.active(boot, now) <= clocks.wall(boot, now)
    every = sum(clocks.seconds(s, boot, now) for s in ("working", "frozen", "waiting"))
    assert abs(every - clocks.wall(boot, now)) < 1e-6 * max(1.0, every)


def test_a_reboot_and_a_step_back_count_nothing() -> None:
    clocks = Clocks()
    clocks.move("working", "", "b1", 100.0)
    clocks.move("waiting", "", "b1", 110.0)
    clocks.move("working", "", "b2", 5.0)  # the machine was started anew
    clocks.move("paused", "", "b2", 3.0)
    assert clocks.active("b2", 1000.0) == 10.0
    assert clocks.wall("b2", 1000.0) == 10.0
    assert clocks.seconds("paused", "b2", 1000.0) == 995.0  # from 5: no second counts twice
    assert clocks.seconds("paused", "b3", 1000.0) == 0.0


def test_a_resumed_session_keeps_no_alert_of_its_pause_whoever_raised_it() -> None:
    bodies = (
        created("a-01"),
        ev.AlertRaised(alert="paused", text="mend the key"),
        ev.AlertRaised(alert="model", text="failed"),
        ev.SessionPaused(cause="missing key"),
        ev.SessionResumed(by="ann"),
    )
    made = [Event("e", n, 0.0, "b1", float(n), "a-01", body) for n, body in enumerate(bodies, 1)]
    session = fold(State(), made).sessions["a-01"]
    assert [alert.id for alert in session.alerts] == ["model"]


def test_a_session_that_is_over_waits_for_no_verdict() -> None:
    from engine.events import VerificationStarted
    from tests.app.journal import three_sessions

    journal = three_sessions()
    journal.write(VerificationStarted(snapshot="5" * 64, stage="checkpoint"), "s-rising")
    assert journal.state().sessions["s-rising"].verifying
    journal.end("s-rising", 0.4, "converged", "done")
    assert journal.state().sessions["s-rising"].verifying is None
    journal.write(VerificationStarted(snapshot="6" * 64, stage="checkpoint"), "s-rising")
    assert journal.state().sessions["s-rising"].verifying is None
