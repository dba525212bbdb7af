"""A second one: Anthropic's Messages, streamed, over a bare connection."""

import http.client
import json
import subprocess
import sys
from pathlib import Path

BASE, MODEL, TASK = sys.argv[1:]
BASH = {"name": "bash", "description": "Run a command.", "input_schema": {"type": "object"}}


def ask(messages):
    body = {"model": MODEL, "max_tokens": 500, "messages": messages, "tools": [BASH]}
    connection = http.client.HTTPConnection(BASE.removeprefix("http://"))
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "x-1", "x-api-key": "nothing"}
    connection.request("POST", "/v1/messages", json.dumps({**body, "stream": True}), headers)
    answer = connection.getresponse()
    if answer.status != 200:
        sys.exit(f"HTTP {answer.status}: {answer.read().decode()}")
    blocks, arguments = {}, {}
    for line in answer:
        if not line.startswith(b"data:"):
            continue
        event = json.loads(line[5:])
        if event["type"] == "content_block_start":
            blocks[event["index"]] = dict(event["content_block"])
            arguments[event["index"]] = ""
        elif event["type"] == "content_block_delta":
            block, delta = blocks[event["index"]], event["delta"]
            for field in ("text", "thinking", "signature"):
                if field in delta:
                    block[field] += delta[field]
            arguments[event["index"]] += delta.get("partial_json", "")
    for index, block in blocks.items():
        if block["type"] == "tool_use":
            block["input"] = json.loads(arguments[index] or "{}")
    return list(blocks.values())


conversation = [{"role": "user", "content": Path(TASK).read_text()}]
while True:
    content = ask(conversation)
    conversation.append({"role": "assistant", "content": content})
    results = []
    for block in content:
        if block["type"] == "text":
            print(block["text"], flush=True)
        if block["type"] == "tool_use":
            done = subprocess.run(
                block["input"]["command"], shell=True, text=True, capture_output=True, check=False
            )
            print(done.stdout + done.stderr, end="", flush=True)
            result = {"type": "tool_result", "tool_use_id": block["id"], "content": done.stdout}
            results.append(result)
    if not results:
        break
    conversation.append({"role": "user", "content": results})
