"""What goes wrong with a model call ends in a class that says what to do, through every format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.models.errors import from_response, from_stream
from engine.models.http import HttpClient
from engine.models.http_model import HttpModel
from engine.models.types import Api, KeySource, Message, ModelError, Provider
from engine.models.waits import duration, retry_after, wait_of
from tests.engine.models.asking import ask, failure, key_in, turn_of
from tests.support.model_server import APIS, Fault, ModelServer, Say
from tests.support.strict_model import Refusing, refusal

every_api = pytest.mark.parametrize("api", APIS)
JUNK = (
    b"data: {broken\n\n",
    b"data: [1]\n\n",
    b"data: 5\n\n",
    b"data: " + b'{"a":[' * 20_000 + b"\n\n",
)
GOOD = Say(text="Some words.", reasoning="Hm.", calls=(("c1", "bash", {"command": "ls"}),))


def anthropic(kind: str, message: str, **details: str) -> str:
    error = {"type": kind, "message": message, "details": details}
    return json.dumps({"type": "error", "error": error})


def google(code: int, status: str, message: str, *details: Any) -> str:
    error = {"code": code, "status": status, "message": message, "details": list(details)}
    return json.dumps({"error": error})


def openai(message: str, code: str | int | None, kind: str = "") -> str:
    return json.dumps({"error": {"message": message, "code": code, "type": kind}})


PER_MINUTE = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}],
}
PER_DAY = {**PER_MINUTE, "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]}
DELAY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "45.8s"}
BILLING_URL = "Slow down. To raise the limit see https://example.org/account/billing"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (429, openai("slow down", "rate_limit_exceeded"), "rate_limit"),
        (429, openai(BILLING_URL, "rate_limit_exceeded"), "rate_limit"),
        (429, openai("pay", "insufficient_quota"), "quota"),
        (402, openai("Insufficient Balance", "x"), "quota"),
        (429, anthropic("rate_limit_error", "later"), "rate_limit"),
        (
            429,
            anthropic("rate_limit_error", "no", error_code="enforced_spend_limit_reached"),
            "quota",
        ),
        (
            400,
            anthropic("invalid_request_error", "You have reached your specified API usage limits."),
            "quota",
        ),
        (
            400,
            anthropic("invalid_request_error", "Your credit balance is too low to go on"),
            "quota",
        ),
        (402, anthropic("billing_error", "no money"), "quota"),
        (529, anthropic("overloaded_error", "busy"), "overload"),
        (429, google(429, "RESOURCE_EXHAUSTED", "quota, see billing", PER_MINUTE), "rate_limit"),
        (429, google(429, "RESOURCE_EXHAUSTED", "quota, see billing", PER_DAY, DELAY), "quota"),
        (503, google(503, "UNAVAILABLE", "overloaded"), "overload"),
        (504, google(504, "DEADLINE_EXCEEDED", "slow"), "network"),
        (400, google(400, "INVALID_ARGUMENT", "API key not valid. Please pass one"), "auth"),
        (500, json.dumps({"detail": "oops"}), "server"),
        (503, "busy", "overload"),
        (401, openai("bad key", "invalid_api_key"), "auth"),
        (403, anthropic("permission_error", "not yours"), "auth"),
        (404, json.dumps({"error": "no such model"}), "bad_request"),
        (400, openai("unknown parameter", None), "bad_request"),
        (302, "", "bad_request"),
        (400, openai("too long", "context_length_exceeded"), "context"),
        (400, openai("x", None, "exceed_context_size_error"), "context"),
        (400, openai("You passed 1015 input tokens; context length is only 1024", 400), "context"),
        (400, openai("litellm.ContextWindowExceededError: no", "400"), "context"),
        (
            400,
            anthropic("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"),
            "context",
        ),
        (
            400,
            google(
                400,
                "INVALID_ARGUMENT",
                "The input token count (9) exceeds the maximum number of tokens allowed (8).",
            ),
            "context",
        ),
        (
            400,
            anthropic(
                "invalid_request_error",
                "input length and `max_tokens` exceed context limit: 9 + 3 > 10, decrease it",
            ),
            "context",
        ),
        (400, openai("Input is too long for requested model.", None), "context"),
        (400, openai("This model's maximum prompt length is 8 but you sent 9", None), "context"),
        (400, openai("Please reduce the length of the messages or completion.", None), "context"),
        (400, openai("the request exceeds the available context size", None), "context"),
        (413, anthropic("request_too_large", "Request exceeds the maximum size"), "context"),
        (413, openai("Request too large on tokens per minute", "rate_limit_exceeded"), "context"),
        (
            429,
            openai("Request too large for m on tokens per min: Limit 9", "rate_limit_exceeded"),
            "context",
        ),
        (413, "<html>Request Entity Too Large</html>", "context"),
        (400, openai("Range of input length should be [1, 9]", "invalid_parameter"), "context"),
        (
            429,
            openai(
                "Request too large for x on tokens per min (TPM): Limit 9, Requested 99. The input "
                "or output tokens must be reduced in order to run successfully.",
                "rate_limit_exceeded",
                "tokens",
            ),
            "context",
        ),
        (
            429,
            openai("Rate limit reached on tokens per min (TPM): Limit 9, Used 9, Requested 1", "x"),
            "rate_limit",
        ),
        (
            400,
            json.dumps(
                {
                    "error": {
                        "message": "Provider returned error",
                        "code": 400,
                        "metadata": {"raw": '{"message": "prompt is too long: 9 > 8"}'},
                    }
                }
            ),
            "context",
        ),
        (429, openai("pay", None, "exceeded_current_quota_error"), "quota"),
        (429, openai("x", "project_spend_limit_exceeded"), "quota"),
        (429, openai("x", "organization_usage_limit_exceeded"), "quota"),
        (429, openai("x", "credit_balance_exhausted"), "quota"),
        (429, openai("x", "billing_not_active"), "quota"),
        (412, openai("Your account is over its monthly spending limit", None), "quota"),
        (403, anthropic("permission_error", "x", error_code="user_profile_not_billable"), "quota"),
        (400, openai("no", "content_policy_violation"), "content_filter"),
        (400, openai("x", "cyber_policy"), "content_filter"),
        (400, openai("x", "data_inspection_failed"), "content_filter"),
        (
            400,
            openai("your prompt was flagged as potentially violating our usage policy", "y"),
            "content_filter",
        ),
        (400, "[" + google(400, "INVALID_ARGUMENT", "API key not valid.") + "]", "auth"),
    ],
)
def test_what_an_error_means(status: int, body: str, expected: str) -> None:
    error = from_response(status, {}, body.encode())
    assert error.failure == expected
    assert error.cause


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": 502, "message": "upstream is busy"}, "server"),
        ({"code": "429", "message": "later"}, "rate_limit"),
        ({"type": "overloaded_error", "message": "Overloaded"}, "overload"),
        ({"code": "rate_limit_exceeded", "message": "x"}, "rate_limit"),
        ({"code": "context_length_exceeded", "message": "x"}, "context"),
        ({"message": "Your input exceeds the context window of this model."}, "context"),
        ({"code": "insufficient_quota", "message": "x"}, "quota"),
        ({"type": "authentication_error", "message": "x"}, "auth"),
        ({"type": "invalid_request_error", "message": "x"}, "bad_request"),
        ({"code": "server_error", "message": "x"}, "server"),
        ({"code": "bio_policy", "message": "x"}, "content_filter"),
        ({"code": "misalignment_policy_violation", "message": "x"}, "content_filter"),
        ({"code": "data_residency_mismatch", "message": "x"}, "bad_request"),
        ({"code": "server_overloaded", "message": "x"}, "overload"),
        ({"code": "flex_unavailable", "message": "x"}, "overload"),
        ({"type": "error", "code": "usage_limit_exceeded", "message": "x"}, "quota"),
        ("just words", "server"),
        (None, "server"),
    ],
)
def test_what_an_error_inside_a_good_stream_means(error: Any, expected: str) -> None:
    assert from_stream(error).failure == expected


def test_a_rate_limit_that_the_provider_calls_final_is_none() -> None:
    body = anthropic("rate_limit_error", "later").encode()
    for said, expected in (("false", "quota"), ("true", "rate_limit"), ("", "rate_limit")):
        assert from_response(429, {"x-should-retry": said}, body).failure == expected
    # A server in trouble may say so too; a session has more patience than a client has.
    assert from_response(529, {"x-should-retry": "false"}, body).failure == "overload"


def test_what_stands_behind_a_router_is_told() -> None:
    error = {"message": "Provider returned error", "code": 502, "metadata": {"raw": "worn out"}}
    assert from_stream(error).detail == "Provider returned error: worn out"
    for raw in (None, 5, {"a": 1}):
        assert from_stream({**error, "metadata": {"raw": raw}}).detail == "Provider returned error"
    assert from_stream({**error, "metadata": "x"}).failure == "server"


@given(st.integers(100, 599), st.binary(max_size=60))
def test_any_error_body_is_classified(status: int, body: bytes) -> None:
    error = from_response(status, {}, body)
    assert error.kind in ("retry", "fatal", "context", "refusal")
    error.detail.encode()


# --- how long to wait -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"Retry-After-Ms": "250", "Retry-After": "9"}, 0.25),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-4"}, None),
        ({"Retry-After": "nan"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("45.5s", 45.5),
        ("6m0s", 360.0),
        ("250ms", 0.25),
        ("1h2m3s", 3723.0),
        ("soon", None),
        ("", None),
        ("5", None),
        ("1s later", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert duration(text) == seconds


@given(st.text(max_size=20), st.dictionaries(st.text(max_size=12), st.text(max_size=12)))
def test_no_words_break_the_wait(text: str, headers: dict[str, str]) -> None:
    found = wait_of(headers, {"error": {"details": [text, {"retryDelay": text}]}}, text)
    assert found is None or found >= 0.0


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (google(429, "RESOURCE_EXHAUSTED", "x", PER_MINUTE, DELAY), 45.8),
        (google(429, "RESOURCE_EXHAUSTED", "x. Please retry in 55.5s."), 55.5),
        (openai("Rate limit reached. Please try again in 6m0s.", "rate_limit_exceeded"), 360.0),
        (openai("Rate limit reached.", "rate_limit_exceeded"), None),
    ],
)
async def test_a_wait_that_stands_in_the_body(body: str, seconds: float | None) -> None:
    error = await failure("gemini", Fault(status=429, body=body))
    assert (error.failure, error.retry_after) == ("rate_limit", seconds)


@every_api
async def test_the_header_goes_before_the_body(api: Api) -> None:
    body = google(429, "RESOURCE_EXHAUSTED", "Please retry in 55.5s.")
    error = await failure(api, Fault(status=429, headers={"Retry-After": "2"}, body=body))
    assert error.retry_after == 2.0


# --- faults, through every format -----------------------------------------------------------------


@every_api
@pytest.mark.parametrize("cut", [0.0, 0.3, 0.6, 0.8])
async def test_a_stream_that_is_cut(api: Api, cut: float) -> None:
    say = Say(text="word " * 40)  # the cut lies before the end of the answer in every format
    error = await failure(api, Fault(say=say, cut=min(cut, 0.5) if api == "responses" else cut))
    assert error.kind == "retry"
    assert error.failure in ("network", "broken_stream")


@every_api
async def test_a_stream_without_an_end_marker(api: Api) -> None:
    error = await failure(api, Fault(say=GOOD, endless=True))
    assert (error.failure, error.cause) == ("broken_stream", "the stream broke off")


@every_api
async def test_a_silent_stream_is_left(api: Api) -> None:
    error = await failure(api, Fault(say=GOOD, stall=20.0), silence_seconds=0.2)
    assert (error.failure, error.cause) == ("network", "timeout")


@every_api
async def test_signs_of_life_alone_do_not_hold_a_stream(api: Api) -> None:
    step = Fault(say=GOOD, insert=b": alive\n\n" * 3)
    error = await failure(api, step, stall_seconds=1e-9)
    assert (error.failure, error.cause) == ("broken_stream", "the stream stalled")


@every_api
@pytest.mark.parametrize("junk", JUNK)
async def test_events_that_are_no_json_object(api: Api, junk: bytes) -> None:
    error = await failure(api, Fault(say=GOOD, insert=junk))
    assert (error.failure, error.cause) == ("broken_stream", "unreadable stream")


@every_api
async def test_a_chunk_that_comes_twice_spoils_nothing_but_itself(api: Api) -> None:
    with ModelServer([Fault(say=GOOD, twice=True), Say(text="Done.")]) as server:
        turn = await turn_of(server, api)
        assert {c.name for c in turn.tool_calls} == {"bash"}
        assert turn.stop == "tool_calls"
    if api == "responses":  # its events are numbered, and its finished items count
        assert json.loads(turn.tool_calls[0].arguments) == {"command": "ls"}
        assert turn.text == GOOD.text


@every_api
async def test_events_of_several_megabytes(api: Api) -> None:
    text = "x" * (3 << 20)
    with ModelServer([Say(text=text)], chunk=1 << 16) as server:
        assert (await turn_of(server, api)).text == text


@every_api
async def test_a_slow_trickle_arrives(api: Api) -> None:
    with ModelServer([GOOD], chunk=1) as server:
        assert (await turn_of(server, api)).text == GOOD.text


@every_api
async def test_a_page_instead_of_a_stream(api: Api) -> None:
    error = await failure(api, Fault(body="<html>Sign in</html>", content_type="text/html"))
    assert (error.failure, error.cause) == ("server", "no event stream")
    assert "text/html" in error.detail


@every_api
async def test_an_error_that_pretends_to_be_good(api: Api) -> None:
    body = openai("You have no money", "insufficient_quota")
    error = await failure(api, Fault(body=body, content_type="application/json"))
    assert error.failure == "quota"


@every_api
async def test_an_answer_of_nothing(api: Api) -> None:
    assert (await failure(api, Fault())).failure == "broken_stream"


@pytest.mark.parametrize(
    ("api", "event", "expected"),
    [
        (
            "responses",
            {
                "type": "response.failed",
                "response": {
                    "error": {
                        "code": "context_length_exceeded",
                        "message": "Your input exceeds the context window of this model.",
                    }
                },
            },
            "context",
        ),
        ("responses", {"type": "error", "code": "insufficient_quota", "message": "x"}, "quota"),
        (
            "anthropic",
            {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}},
            "overload",
        ),
        ("chat", {"error": {"code": 502, "message": "upstream"}}, "server"),
        ("gemini", {"error": {"code": 503, "status": "UNAVAILABLE", "message": "x"}}, "overload"),
        ("gemini", {"promptFeedback": {"blockReason": "SAFETY"}}, "content_filter"),
        ("gemini", {"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]}, "server"),
        ("gemini", {"candidates": [{"finishReason": "MALFORMED_RESPONSE"}]}, "server"),
        ("gemini", {"candidates": [{"finishReason": "PUP_LIMITED_DISABLED"}]}, "auth"),
        (
            "gemini",
            {"candidates": [{"finishReason": "MISSING_THOUGHT_SIGNATURE"}]},
            "bad_request",
        ),
    ],
)
async def test_failures_inside_a_good_stream(api: Api, event: Any, expected: str) -> None:
    body = f"data: {json.dumps(event)}\n\n"
    assert (await failure(api, Fault(body=body))).failure == expected


@every_api
@pytest.mark.parametrize("how", ["status", "stream"])
async def test_a_conversation_that_does_not_fit_is_told_from_all_else(
    api: Api, how: Refusing
) -> None:
    error = await failure(api, refusal(api, 5000, 4096, how))
    assert (error.failure, error.kind, error.retry_after) == ("context", "context", None)


@every_api
async def test_a_request_that_leads_nowhere(api: Api) -> None:
    with ModelServer([]) as server:
        url = server.url(api)
    with pytest.raises(ModelError) as caught:
        await ask(server, api, base_url=url)
    assert (caught.value.failure, caught.value.cause) == ("network", "no connection")


# --- the key is told to nobody --------------------------------------------------------------------


@every_api
async def test_what_a_server_says_of_the_key_is_not_passed_on(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-canary")
    filler = "x" * 390  # so that cutting the message to size would cut the key in half
    said = openai(f"{filler} sk-canary is no key", "invalid_api_key")
    for step in (
        Fault(status=401, body=said),
        Fault(body=said),
        Fault(body=f"data: {said}\n\n"),
        Fault(body=f"data: {json.dumps({'type': 'error', **json.loads(said)})}\n\n"),
    ):
        error = await failure(api, step, key=key_in("SOME_KEY"))
        assert "sk-c" not in str(error)
    with ModelServer([Say(text="sk-canary" + "." * 20)]) as server:
        turn = await turn_of(server, api, key=key_in("SOME_KEY"))
    assert turn.text == "[key]" + "." * 20


@every_api
async def test_a_key_that_comes_in_pieces_is_not_kept(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server sends each text in two halves: here the key is cut in two."""
    monkeypatch.setenv("SOME_KEY", "sk-canary-1")
    say = Say(
        text="sk-canary-1",
        reasoning="sk-canary-1",
        signature="c2lnbmVk",
        calls=(("c1", "bash", {"command": "sk-canary-1"}),),
    )
    with ModelServer([say], chunk=5) as server:
        turn = await turn_of(server, api, key=key_in("SOME_KEY"))
    assert "sk-canary-1" not in repr(turn)
    assert (turn.text, turn.reasoning) == ("[key]", "[key]")
    assert json.loads(turn.tool_calls[0].arguments) == {"command": "[key]"}
    assert "c2lnbmVk" in repr(turn.carried)


@every_api
@pytest.mark.parametrize("placeholder", ["x", "test", "EMPTY"])
async def test_a_placeholder_for_a_key_is_cut_out_of_nothing(
    api: Api, placeholder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one sets for a server of one's own that wants no key."""
    monkeypatch.setenv("SOME_KEY", placeholder)
    say = Say(text=f"Run the {placeholder}.", calls=(("c1", "bash", {"command": placeholder}),))
    with ModelServer([say]) as server:
        turn = await turn_of(server, api, key=key_in("SOME_KEY"))
        assert placeholder in " ".join(server.headers[0].values())
    assert turn.text == say.text
    assert json.loads(turn.tool_calls[0].arguments) == {"command": placeholder}
    assert turn.usage.tokens == 110


@every_api
async def test_a_key_file_that_was_mended_is_read_again(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    http = HttpClient()
    with ModelServer([Fault(status=401, body="no"), Say(text="Ok.")]) as server:
        provider = Provider("lab", server.url(api), KeySource(file=str(file)), api)
        model = HttpModel(http, provider, "tiny")
        with pytest.raises(ModelError, match="401"):
            _ = [delta async for delta in model.ask((Message("user", "Go."),), ())]
        file.write_text("new")
        _ = [delta async for delta in model.ask((Message("user", "Go."),), ())]
        sent = [" ".join(headers.values()) for headers in server.headers]
    await http.close()
    assert "old" in sent[0]
    assert "new" in sent[1]
    assert "old" not in sent[1]
