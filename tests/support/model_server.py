"""A model server on the loopback interface that speaks all four wire formats from one script.

A script is a list of `Say` (an answer) and `Fault` (something goes wrong), one for each request.
The path of a request decides in which format it is answered. What was asked is kept.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from engine.models.types import Api

APIS: tuple[Api, ...] = ("chat", "responses", "anthropic", "gemini")
Json = dict[str, Any]
_LONGEST = 60.0
_DROP = 16


@dataclass(frozen=True)
class Say:
    """An answer: what is thought, said and called, and what it used.

    `input` counts what was sent and not in a cache; `signature` makes the thinking one that must
    come back. `stop` None follows from the calls; only Anthropic has `pause`. `half` ends the
    answer in the middle of its last call, as far as an API sends calls in pieces.
    """

    text: str = ""
    reasoning: str = ""
    signature: str = ""
    calls: tuple[tuple[str, str, Json], ...] = ()
    stop: Literal["stop", "length", "refusal", "pause"] | None = None
    half: bool = False
    input: int = 60
    cached: int = 40
    cache_write: int = 0
    output: int = 10
    thinking: int = 3


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong with one request.

    `status` and `body` answer with an error. Otherwise `say` is answered and spoilt: only the
    first `cut` of its bytes come (0..1), nothing comes for `stall` seconds in its middle, `insert`
    is put there, the event in its middle comes twice, the end markers are left out, or it comes in
    a `trickle`, a few bytes and so many seconds at a time. `silent`: not even a status comes before
    the server is closed.
    """

    status: int = 200
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    say: Say | None = None
    cut: float | None = None
    stall: float = 0.0
    insert: bytes = b""
    twice: bool = False
    endless: bool = False  # no end marker
    content_type: str = "text/event-stream"
    silent: bool = False
    trickle: float = 0.0


Script = Sequence[Say | Fault]


def events(api: Api, say: Say) -> list[tuple[str, Json | str]]:
    """The events of an answer as (type, data)."""
    return list(
        {"chat": _chat, "responses": _responses, "anthropic": _anthropic}.get(api, _gemini)(say)
    )


def encode(found: Sequence[tuple[str, Json | str]]) -> list[bytes]:
    """Events as the bytes of a stream, one piece each."""
    return [
        (f"event: {kind}\n" if kind else "").encode()
        + f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()
        for kind, data in found
    ]


def _halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [part for part in (text[:middle], text[middle:]) if part]


def _pieces(say: Say, number: int) -> list[str]:
    """The arguments of a call in pieces; those of a call that is cut off lack the second."""
    pieces = _halves(json.dumps(say.calls[number][2]))
    return pieces[:1] if say.half and number == len(say.calls) - 1 else pieces


def _chat(say: Say) -> Iterator[tuple[str, Json | str]]:
    envelope = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": "tiny",
    }

    def chunk(delta: Json, finish: str | None = None) -> tuple[str, Json]:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        return "", {**envelope, "choices": choices}

    yield chunk({"role": "assistant", "content": ""})
    for part in _halves(say.reasoning):
        yield chunk({"reasoning_content": part})
    if say.signature:
        detail = {"type": "reasoning.encrypted", "data": say.signature, "index": 0}
        yield chunk({"reasoning_details": [detail]})
    for part in _halves(say.text):
        yield chunk({"content": part})
    for n, (call, name, _) in enumerate(say.calls):
        function = {"name": name, "arguments": ""}
        first = {"index": n, "id": call, "type": "function", "function": function}
        yield chunk({"tool_calls": [first]})
        for part in _pieces(say, n):
            yield chunk({"tool_calls": [{"index": n, "function": {"arguments": part}}]})
    stops = {"stop": "stop", "length": "length", "refusal": "content_filter"}
    yield chunk({}, stops[say.stop] if say.stop else "tool_calls" if say.calls else "stop")
    sent = say.input + say.cached + say.cache_write
    usage = {
        "prompt_tokens": sent,
        "completion_tokens": say.output,
        "total_tokens": sent + say.output,
        "prompt_tokens_details": {
            "cached_tokens": say.cached,
            "cache_write_tokens": say.cache_write,
        },
        "completion_tokens_details": {"reasoning_tokens": say.thinking},
    }
    yield "", {**envelope, "choices": [], "usage": usage}
    yield "", "[DONE]"


def _responses(say: Say) -> Iterator[tuple[str, Json | str]]:
    number = -1
    output: list[Json] = []

    def event(kind: str, **more: Any) -> tuple[str, Json]:
        nonlocal number
        number += 1
        return kind, {"type": kind, "sequence_number": number, **more}

    def response(status: str, **more: Any) -> Json:
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": 1_790_000_000,
            "model": "tiny",
            "status": status,
            "output": list(output),
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "error": None,
            "usage": None,
            **more,
        }

    def added(item: Json) -> tuple[str, Json]:
        return event("response.output_item.added", output_index=len(output), item=item)

    def done(item: Json) -> tuple[str, Json]:
        output.append(item)
        return event("response.output_item.done", output_index=len(output) - 1, item=item)

    yield event("response.created", response=response("in_progress"))
    if say.reasoning or say.signature:
        item: Json = {"type": "reasoning", "id": "rs_1", "summary": []}
        yield added(item)
        place = {"item_id": "rs_1", "output_index": 0, "summary_index": 0}
        part = {"type": "summary_text", "text": ""}
        yield event("response.reasoning_summary_part.added", **place, part=part)
        for text in _halves(say.reasoning):
            yield event("response.reasoning_summary_text.delta", **place, delta=text)
        whole = {"type": "summary_text", "text": say.reasoning}
        yield event("response.reasoning_summary_part.done", **place, part=whole)
        signed = {"encrypted_content": say.signature} if say.signature else {}
        yield done({**item, "summary": [whole], **signed})
    if say.text:
        item = {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "in_progress",
            "content": [],
        }
        refused = say.stop == "refusal"
        kind, key = ("refusal", "refusal") if refused else ("output_text", "text")
        more: Json = {} if refused else {"annotations": [], "logprobs": []}
        yield added(item)
        place = {"item_id": "msg_1", "output_index": len(output), "content_index": 0}
        part = {"type": kind, key: "", **more}
        yield event("response.content_part.added", **place, part=part)
        for text in _halves(say.text):
            logprobs: Json = {} if refused else {"logprobs": []}
            yield event(f"response.{kind}.delta", **place, delta=text, **logprobs)
        part = {"type": kind, key: say.text, **more}
        yield event("response.content_part.done", **place, part=part)
        yield done({**item, "status": "completed", "content": [part]})
    for n, (call, name, _) in enumerate(say.calls):
        at = len(output)
        item = {
            "type": "function_call",
            "id": f"fc_{at}",
            "call_id": call,
            "name": name,
            "status": "in_progress",
        }
        yield added({**item, "arguments": ""})
        place = {"item_id": item["id"], "output_index": at}
        pieces = _pieces(say, n)
        for text in pieces:
            yield event("response.function_call_arguments.delta", **place, delta=text)
        yield done({**item, "status": "completed", "arguments": "".join(pieces)})
    sent = say.input + say.cached + say.cache_write
    usage = {
        "input_tokens": sent,
        "input_tokens_details": {
            "cached_tokens": say.cached,
            "cache_write_tokens": say.cache_write,
        },
        "output_tokens": say.output,
        "output_tokens_details": {"reasoning_tokens": say.thinking},
        "total_tokens": sent + say.output,
    }
    if say.stop == "length":
        why = {"reason": "max_output_tokens"}
        cut = response("incomplete", usage=usage, incomplete_details=why)
        yield event("response.incomplete", response=cut)
    else:
        yield event("response.completed", response=response("completed", usage=usage))


def _anthropic(say: Say) -> Iterator[tuple[str, Json | str]]:
    def event(kind: str, **more: Any) -> tuple[str, Json]:
        return kind, {"type": kind, **more}

    at = -1
    start = {
        "input_tokens": say.input,
        "cache_read_input_tokens": say.cached,
        "cache_creation_input_tokens": say.cache_write,
        "output_tokens": 1,
    }
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "tiny",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": start,
    }
    yield event("message_start", message=message)
    yield event("ping")
    if say.reasoning or say.signature:
        at += 1
        block: Json = {"type": "thinking", "thinking": "", "signature": ""}
        yield event("content_block_start", index=at, content_block=block)
        for part in _halves(say.reasoning):
            delta = {"type": "thinking_delta", "thinking": part}
            yield event("content_block_delta", index=at, delta=delta)
        signed = {"type": "signature_delta", "signature": say.signature}
        yield event("content_block_delta", index=at, delta=signed)
        yield event("content_block_stop", index=at)
    if say.text:
        at += 1
        yield event("content_block_start", index=at, content_block={"type": "text", "text": ""})
        for part in _halves(say.text):
            yield event("content_block_delta", index=at, delta={"type": "text_delta", "text": part})
        yield event("content_block_stop", index=at)
    for n, (call, name, arguments) in enumerate(say.calls):
        at += 1
        block = {"type": "tool_use", "id": call, "name": name, "input": {}}
        yield event("content_block_start", index=at, content_block=block)
        for part in _pieces(say, n) if arguments else ():
            delta = {"type": "input_json_delta", "partial_json": part}
            yield event("content_block_delta", index=at, delta=delta)
        yield event("content_block_stop", index=at)
    stops = {"stop": "end_turn", "length": "max_tokens", "refusal": "refusal"}
    stops["pause"] = "pause_turn"
    stop = stops[say.stop] if say.stop else "tool_use" if say.calls else "end_turn"
    usage = {
        "output_tokens": say.output,
        "output_tokens_details": {"thinking_tokens": say.thinking},
    }
    ending = {"stop_reason": stop, "stop_sequence": None}
    yield event("message_delta", delta=ending, usage=usage)
    yield event("message_stop")


def _gemini(say: Say) -> Iterator[tuple[str, Json | str]]:
    def response(*parts: Json, **more: Any) -> tuple[str, Json]:
        return "", {"candidates": [{"content": {"role": "model", "parts": list(parts)}, **more}]}

    for part in _halves(say.reasoning):
        yield response({"text": part, "thought": True})
    for part in _halves(say.text):
        yield response({"text": part})
    for n, (call, name, arguments) in enumerate(say.calls[: -1 if say.half else None]):
        made: Json = {"functionCall": {"id": call, "name": name, "args": arguments}}
        if say.signature and n == 0:
            made["thoughtSignature"] = say.signature
        yield response(made)
    if say.signature and not say.calls:
        yield response({"text": "", "thoughtSignature": say.signature})
    stops = {"stop": "STOP", "length": "MAX_TOKENS", "refusal": "SAFETY"}
    kind, last = response({"text": ""}, finishReason=stops[say.stop] if say.stop else "STOP")
    last["usageMetadata"] = {
        "promptTokenCount": say.input + say.cached + say.cache_write,
        "cachedContentTokenCount": say.cached,
        "candidatesTokenCount": say.output - say.thinking,
        "thoughtsTokenCount": say.thinking,
    }
    yield kind, last


def whole(api: Api, say: Say) -> Json:
    """The answer to a request that asked for no stream."""
    found = [data for _, data in events(api, say) if isinstance(data, dict)]
    match api:
        case "chat":
            message: Json = {"role": "assistant", "content": say.text}
            if say.reasoning:
                message["reasoning_content"] = say.reasoning
            if say.calls:
                message["tool_calls"] = [
                    {
                        "id": call,
                        "type": "function",
                        "function": {"name": name, "arguments": json.dumps(arguments)},
                    }
                    for call, name, arguments in say.calls
                ]
            ends = [c["choices"][0]["finish_reason"] for c in found if c["choices"]]
            choice = {"index": 0, "message": message, "finish_reason": ends[-1]}
            return {
                "object": "chat.completion",
                "choices": [choice],
                "usage": found[-1]["usage"],
            }
        case "responses":
            status = "incomplete" if say.stop == "length" else "completed"
            return {"object": "response", "status": status, **found[-1]["response"]}
        case "anthropic":
            content: list[Json] = []
            if say.reasoning or say.signature:
                thinking = {"thinking": say.reasoning, "signature": say.signature}
                content.append({"type": "thinking", **thinking})
            if say.text:
                content.append({"type": "text", "text": say.text})
            for call, name, arguments in say.calls:
                used = {"id": call, "name": name, "input": arguments}
                content.append({"type": "tool_use", **used})
            start = next(d for d in found if d["type"] == "message_start")["message"]["usage"]
            end = next(d for d in found if d["type"] == "message_delta")
            usage = {**start, **end["usage"]}
            return {"type": "message", "content": content, **end["delta"], "usage": usage}
    parts = [part for d in found for part in d["candidates"][0]["content"]["parts"]]
    last = found[-1]
    one = {**last["candidates"][0], "content": {"role": "model", "parts": parts}}
    return {"candidates": [one], "usageMetadata": last["usageMetadata"]}


def _wants_a_stream(path: str, body: Json) -> bool:
    return ":streamGenerateContent" in path or body.get("stream") is True


_ENDS = ("[DONE]", "finish_reason", "finishReason", "message_delta", "message_stop")
_ENDS += ("response.completed", "response.incomplete")


def _is_end(event: bytes) -> bool:
    text = event.decode().replace('"finish_reason": null', "")
    return any(mark in text for mark in _ENDS)


def pieces_of(api: Api, step: Say | Fault) -> tuple[list[bytes], Fault]:
    """The stream of a step in pieces, and the fault (one that spoils nothing for a `Say`)."""
    fault = step if isinstance(step, Fault) else Fault(say=step)
    if fault.say is None:
        return [fault.body.encode()], fault
    found = encode(events(api, fault.say))
    if fault.endless:
        found = [event for event in found if not _is_end(event)]
    middle = len(found) // 2
    if fault.twice:
        found.insert(middle, found[middle])
    if fault.insert:
        found.insert(middle, fault.insert)
    if fault.cut is not None:
        whole = b"".join(found)
        found = [whole[: int(len(whole) * fault.cut)]]
    return found, fault


Refusal = Literal["overload", "context", "quota"]
_OPENAI_CODES: dict[Refusal, str] = {
    "overload": "server_overloaded",
    "context": "context_length_exceeded",
    "quota": "insufficient_quota",
}
_ANTHROPIC_TYPES: dict[Refusal, str] = {
    "overload": "overloaded_error",
    "context": "invalid_request_error",
    "quota": "billing_error",
}
_GOOGLE_STATUSES: dict[Refusal, tuple[int, str]] = {
    "overload": (503, "UNAVAILABLE"),
    "context": (400, "INVALID_ARGUMENT"),
    "quota": (429, "RESOURCE_EXHAUSTED"),
}
_REFUSING: dict[Refusal, str] = {
    "overload": "Please come back later.",
    "context": "prompt is too long: 9 tokens > 8 maximum",
    "quota": "You have no credit.",
}
_PER_DAY = {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]}


def refusal_in_stream(api: Api, what: Refusal) -> str:
    """A refusal that comes as the event of a stream with status 200, in each API's own words."""
    message = _REFUSING[what]
    error: Json = {"code": _OPENAI_CODES[what], "message": message}
    event: Json = {"error": error}
    if api == "responses":
        event = {"type": "response.failed", "response": {"status": "failed", "error": error}}
    elif api == "anthropic":
        event = {"type": "error", "error": {"type": _ANTHROPIC_TYPES[what], "message": message}}
    elif api == "gemini":
        code, status = _GOOGLE_STATUSES[what]
        details = [_PER_DAY] if what == "quota" else []
        error = {"code": code, "status": status, "message": message, "details": details}
        event = {"error": error}
    return encode([(str(event.get("type", "")), event)])[0].decode()


def api_of(path: str) -> Api | None:
    """The format that a path asks for."""
    for mark, api in (
        ("/chat/completions", "chat"),
        ("/responses", "responses"),
        ("/messages", "anthropic"),
        (":streamGenerateContent", "gemini"),
        (":generateContent", "gemini"),
    ):
        if mark in path:
            return api  # type: ignore[return-value]  # the literals above are the formats
    return None


class ModelServer:
    """Plays a script; also usable with a function from the request's number to a step.

    `requests` are the bodies with their `path`, `headers` what came with them.
    """

    def __init__(self, script: Script | Callable[[Json, int], Say | Fault], chunk: int = 0) -> None:
        self.requests: list[Json] = []
        self.headers: list[dict[str, str]] = []
        self._chunk = chunk
        self._released = threading.Event()
        lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with lock:
                    number = len(outer.requests)
                    outer.requests.append({"path": self.path, **body})
                    outer.headers.append({k.lower(): v for k, v in self.headers.items()})
                api = api_of(self.path)
                step: Say | Fault
                if api is None:
                    step = Fault(status=404, body='{"error": {"message": "no such path"}}')
                elif callable(script):
                    step = script(body, number)
                else:
                    step = script[number]
                if isinstance(step, Say) and not _wants_a_stream(self.path, body):
                    found = json.dumps(whole(api or "chat", step))
                    step = Fault(status=200, body=found, content_type="application/json")
                asked = body.get("stream_options") or {}
                outer._answer(self, api or "chat", step, asked.get("include_usage") is True)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients leave
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def _answer(
        self, to: BaseHTTPRequestHandler, api: Api, step: Say | Fault, with_usage: bool
    ) -> None:
        found, fault = pieces_of(api, step)
        if fault.silent:
            self._released.wait(_LONGEST)
            to.close_connection = True
            return
        if api == "chat" and not with_usage:
            found = [piece for piece in found if b'"choices": [], "usage"' not in piece]
        to.send_response(fault.status)
        for name, value in fault.headers.items():
            to.send_header(name, value)
        to.send_header(
            "Content-Type",
            "application/json" if fault.status != 200 else fault.content_type,
        )
        if fault.status != 200:
            to.send_header("Content-Length", str(len(found[0])))
            to.end_headers()
            to.wfile.write(found[0])
            return
        to.send_header("Transfer-Encoding", "chunked")
        to.end_headers()
        middle = len(found) // 2
        for number, piece in enumerate(found):
            if fault.stall and number == middle:
                self._released.wait(fault.stall)
            size = _DROP if fault.trickle else self._chunk or len(piece) or 1
            for at in range(0, len(piece), size):
                part = piece[at : at + size]
                to.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                to.wfile.flush()
                if fault.trickle:
                    self._released.wait(fault.trickle)
        if fault.cut is None:
            to.wfile.write(b"0\r\n\r\n")
        else:
            to.close_connection = True

    def url(self, api: Api) -> str:
        """The base URL for a provider of that format."""
        tail = "/v1" if api in ("chat", "responses") else ""
        return f"http://127.0.0.1:{self._server.server_port}{tail}"

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> ModelServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
