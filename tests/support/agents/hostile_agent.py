"""An agent that tries what it should not, then does its work: what it got is in its output."""

import json
import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path

BASE, TASK = sys.argv[1:]
DOOR = Path("/run/model/socket")
BODY = {"model": "dearest", "messages": [{"role": "user", "content": "hello"}]}


def tell(what, found):
    print(f"{what}: {found}", flush=True)


def http(path, body, **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(BASE + path, data, headers, method="POST")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def attempt(act):
    try:
        return act()
    except OSError:
        return "refused"


def raw(data):
    """Past the relay, straight to the socket."""
    with socket.socket(socket.AF_UNIX) as door:
        door.connect(str(DOOR))
        door.sendall(data)
        return door.recv(20)


tell("delete the socket", attempt(DOOR.unlink))
tell("write beside it", attempt((DOOR.parent / "mine").touch))
tell("another path", http("/v1/files", BODY)[0])
tell("no JSON", http("/v1/chat/completions", b"nonsense")[0])
tell("another API", http("/v1/messages", BODY)[0])
tell("a search", http("/v1/chat/completions", {**BODY, "tools": [{"type": "web_search"}]})[0])
tell("too large", http("/v1/chat/completions", b"x" * (17 << 20))[0])
tell("another host", raw(b"GET http://elsewhere/v1/models HTTP/1.1\r\nHost: x\r\n\r\n"))
tell("garbage", raw(bytes(range(256)) + b"\r\n\r\n"))
idle = []
for _ in range(300):
    door = socket.socket(socket.AF_UNIX)
    try:
        door.connect(str(DOOR))
    except OSError:
        break
    idle.append(door)
tell("after many connections", http("/v1/chat/completions", BODY)[0])
tell("network", attempt(lambda: socket.create_connection(("10.0.0.1", 80), 2)))
Path("/app/answer.txt").write_text("50\n")
