"""Runs in the environment of the official clients: what they make of a server, events and requests.

Reads one JSON object from stdin, `{"api", "url", "bad_url", "events", "requests"}`, and prints one:
what the client's own streaming understood at `url`, the class of the error it raised at `bad_url`,
every event that its types do not take (with why), and the requests as its types understand them.
"""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any

TOOL = {"type": "object", "properties": {"command": {"type": "string"}}}
ASKED = "What is there?"


def plain(value: Any) -> Any:
    """What pydantic made of a value, as JSON: lazy iterators and models too."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude_unset=True, by_alias=True)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    return value


class Chat:
    """OpenAI's chat completions."""

    def __init__(self) -> None:
        from openai.types.chat import ChatCompletionChunk
        from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming

        self.event, self.request = ChatCompletionChunk, CompletionCreateParamsStreaming

    def ask(self, url: str) -> dict[str, Any]:
        """The answer as the client's own accumulation has it."""
        from openai import OpenAI

        tool = {"type": "function", "function": {"name": "bash", "parameters": TOOL}}
        client = OpenAI(api_key="k", base_url=url, max_retries=0)
        with client.chat.completions.stream(
            model="tiny",
            messages=[{"role": "user", "content": ASKED}],
            tools=[tool],
            stream_options={"include_usage": True},
        ) as stream:
            for _ in stream:
                pass
            answer = stream.get_final_completion()
        said, usage = answer.choices[0].message, answer.usage
        return {
            "text": said.content or "",
            "reasoning": getattr(said, "reasoning_content", None) or "",
            "calls": [
                [c.id, c.function.name, json.loads(c.function.arguments)]
                for c in said.tool_calls or ()
            ],
            "stop": answer.choices[0].finish_reason,
            "sent": usage.prompt_tokens,
            "cached": usage.prompt_tokens_details.cached_tokens,
            "output": usage.completion_tokens,
            "thinking": usage.completion_tokens_details.reasoning_tokens,
        }


class Responses:
    """OpenAI's Responses."""

    def __init__(self) -> None:
        from openai.types.responses import ResponseStreamEvent
        from openai.types.responses.response_create_params import ResponseCreateParamsStreaming

        self.event, self.request = ResponseStreamEvent, ResponseCreateParamsStreaming

    def ask(self, url: str) -> dict[str, Any]:
        """The answer as the client's own accumulation has it."""
        from openai import OpenAI

        tool = {"type": "function", "name": "bash", "parameters": TOOL, "strict": False}
        client = OpenAI(api_key="k", base_url=url, max_retries=0)
        with client.responses.stream(model="tiny", input=ASKED, tools=[tool]) as stream:
            for _ in stream:
                pass
            answer = stream.get_final_response()
        thoughts = [i for i in answer.output if i.type == "reasoning"]
        calls = [i for i in answer.output if i.type == "function_call"]
        usage = answer.usage
        return {
            "text": answer.output_text,
            "reasoning": "".join(part.text for i in thoughts for part in i.summary),
            "signature": "".join(i.encrypted_content or "" for i in thoughts),
            "calls": [[c.call_id, c.name, json.loads(c.arguments)] for c in calls],
            "stop": answer.status,
            "sent": usage.input_tokens,
            "cached": usage.input_tokens_details.cached_tokens,
            "output": usage.output_tokens,
            "thinking": usage.output_tokens_details.reasoning_tokens,
        }


class Anthropic:
    """Anthropic's Messages."""

    def __init__(self) -> None:
        from anthropic.types import RawMessageStreamEvent
        from anthropic.types.message_create_params import MessageCreateParamsStreaming

        self.event, self.request = RawMessageStreamEvent, MessageCreateParamsStreaming

    def ask(self, url: str) -> dict[str, Any]:
        """The answer as the client's own accumulation has it."""
        import anthropic

        tool = {"name": "bash", "input_schema": TOOL}
        client = anthropic.Anthropic(api_key="k", base_url=url, max_retries=0)
        with client.messages.stream(
            model="tiny",
            max_tokens=100,
            messages=[{"role": "user", "content": ASKED}],
            tools=[tool],
        ) as stream:
            for _ in stream:
                pass
            answer = stream.get_final_message()
        thoughts = [b for b in answer.content if b.type == "thinking"]
        usage = answer.usage
        return {
            "text": "".join(b.text for b in answer.content if b.type == "text"),
            "reasoning": "".join(b.thinking for b in thoughts),
            "signature": "".join(b.signature for b in thoughts),
            "calls": [[b.id, b.name, b.input] for b in answer.content if b.type == "tool_use"],
            "stop": answer.stop_reason,
            "sent": usage.input_tokens + usage.cache_read_input_tokens,
            "cached": usage.cache_read_input_tokens,
            "output": usage.output_tokens,
            "thinking": usage.output_tokens_details.thinking_tokens,
        }


class Gemini:
    """Google's generateContent."""

    def __init__(self) -> None:
        from google.genai.types import GenerateContentResponse

        self.event, self.request = GenerateContentResponse, _gemini_request

    def ask(self, url: str) -> dict[str, Any]:
        """The pieces of the answer put together; this client leaves that to its user."""
        from google import genai
        from google.genai import types

        options = types.HttpOptions(base_url=url, api_version="v1beta")
        client = genai.Client(api_key="k", http_options=options)
        tool = types.Tool(
            function_declarations=[
                types.FunctionDeclaration(name="bash", parameters_json_schema=TOOL)
            ]
        )
        parts, stop, usage = [], None, None
        for piece in client.models.generate_content_stream(
            model="tiny", contents=ASKED, config=types.GenerateContentConfig(tools=[tool])
        ):
            candidate = piece.candidates[0]
            parts += candidate.content.parts
            stop, usage = candidate.finish_reason or stop, piece.usage_metadata or usage
        calls = [p.function_call for p in parts if p.function_call]
        signatures = [p.thought_signature for p in parts if p.thought_signature]
        return {
            "text": "".join(p.text for p in parts if p.text and not p.thought),
            "reasoning": "".join(p.text for p in parts if p.text and p.thought),
            "signature": b64encode(b"".join(signatures)).decode(),
            "calls": [[c.id, c.name, c.args] for c in calls],
            "stop": stop.value if stop else None,
            "sent": usage.prompt_token_count,
            "cached": usage.cached_content_token_count,
            "output": usage.candidates_token_count + usage.thoughts_token_count,
            "thinking": usage.thoughts_token_count,
        }


def _gemini_request(body: dict[str, Any]) -> dict[str, Any]:
    """This client has no type of a whole request, only of its parts."""
    from google.genai import types

    kinds = {
        "contents": types.Content,
        "tools": types.Tool,
        "systemInstruction": types.Content,
        "generationConfig": types.GenerationConfig,
    }
    return {
        key: [plain(kinds[key].model_validate(item)) for item in value]
        if isinstance(value, list)
        else plain(kinds[key].model_validate(value))
        for key, value in body.items()
    }


APIS = {"chat": Chat, "responses": Responses, "anthropic": Anthropic, "gemini": Gemini}


def refused(kind: Any, events: list[Any]) -> list[list[str]]:
    """[[event, why]] of what the client's types do not take."""
    from pydantic import TypeAdapter, ValidationError

    adapter, found = TypeAdapter(kind), []
    for event in events:
        try:
            adapter.validate_python(event)
        except ValidationError as error:
            found.append([json.dumps(event), str(error)])
    return found


def understood(kind: Any, body: dict[str, Any]) -> Any:
    """A request as the client's types have it: what they do not know is missing, or an error."""
    from pydantic import TypeAdapter, ValidationError

    try:
        if kind is _gemini_request:
            return kind(body)
        adapter = TypeAdapter(kind)  # kept until its lazy iterators are read: it panics otherwise
        return plain(adapter.validate_python(body))
    except ValidationError as error:
        return str(error)


def main() -> None:
    """See the module."""
    given = json.load(sys.stdin)
    client = APIS[given["api"]]()
    answer = client.ask(given["url"])
    try:
        client.ask(given["bad_url"])
        error = None
    except Exception as raised:
        error = [kind.__name__ for kind in type(raised).__mro__]
    print(
        json.dumps(
            {
                "answer": answer,
                "error": error,
                "refused": refused(client.event, given["events"]),
                "requests": [understood(client.request, body) for body in given["requests"]],
            }
        )
    )


if __name__ == "__main__":
    main()
