"""A small agent as somebody else might have written it: chat completions, one tool, no library.

It runs inside a sandbox, is told everything on its command line, and knows nothing of AutoLab.
"""

import argparse
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

BASH = {
    "type": "function",
    "function": {
        "name": "bash",
        "description": "Run a command.",
        "parameters": {"type": "object", "properties": {"command": {"type": "string"}}},
    },
}


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")
    request.add_header("Content-Type", "application/json")
    request.add_header("Authorization", "Bearer nothing")
    return urllib.request.urlopen(request)


def whole(options, messages):
    body = {"model": options.model, "messages": messages, "tools": [BASH]}
    with post(f"{options.base_url}/v1/chat/completions", body) as answer:
        return json.load(answer)["choices"][0]["message"]


def streamed(options, messages):
    """As a client that never heard of usage chunks: each chunk has a choice, or it breaks."""
    body = {"model": options.model, "messages": messages, "tools": [BASH], "stream": True}
    text, calls, ended = "", {}, False
    with post(f"{options.base_url}/chat/completions", body) as answer:
        for line in answer:
            data = line.decode().strip().removeprefix("data:").strip()
            if not data or data == "[DONE]":
                continue
            choice = json.loads(data)["choices"][0]
            ended = ended or choice.get("finish_reason") is not None
            text += choice["delta"].get("content") or ""
            for part in choice["delta"].get("tool_calls") or []:
                call = calls.setdefault(part["index"], {"id": "", "name": "", "arguments": ""})
                call["id"] = part.get("id") or call["id"]
                call["name"] = part["function"].get("name") or call["name"]
                call["arguments"] += part["function"].get("arguments") or ""
    if not ended:
        raise ConnectionError("the answer broke off")
    made = [
        {"id": c["id"], "type": "function", "function": {k: c[k] for k in ("name", "arguments")}}
        for c in calls.values()
    ]
    return {"role": "assistant", "content": text, **({"tool_calls": made} if made else {})}


def ask(options, messages):
    for attempt in range(options.tries):
        try:
            return (streamed if options.stream else whole)(options, messages)
        except urllib.error.HTTPError as error:
            print(f"HTTP {error.code}: {error.read().decode()}", flush=True)
            if error.code < 429:
                sys.exit(3)
        except (OSError, ValueError) as error:
            print(f"no answer: {error}", flush=True)
        time.sleep(0.2 * attempt)
    sys.exit(4)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    parser.add_argument("--base-url")
    parser.add_argument("--task")
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--tries", type=int, default=5)
    options = parser.parse_args()
    messages = [{"role": "user", "content": Path(options.task).read_text()}]
    while True:
        message = ask(options, messages)
        messages.append(message)
        print(f"model: {message.get('content')}", flush=True)
        if not message.get("tool_calls"):
            return
        for call in message["tool_calls"]:
            command = json.loads(call["function"]["arguments"])["command"]
            print(f"$ {command}", flush=True)
            done = subprocess.run(command, shell=True, text=True, capture_output=True, check=False)
            print(done.stdout + done.stderr, end="", flush=True)
            result = {"role": "tool", "tool_call_id": call["id"], "content": done.stdout}
            messages.append(result)


main()
