"""A tiny foreign task of our own: count the letters of a file with a C program, fewer is better."""

from __future__ import annotations

from pathlib import Path

from tasks import Task, load_task

TASK = """\
version = "1.1"
[metadata]
domain = "puzzle_and_challenge"
[agent]
timeout_sec = 60
[verifier]
timeout_sec = {timeout}
[environment]
cpus = 1
memory_mb = 512
allow_internet = false
[optimization]
metric = "letters"
direction = "lower"
baseline = {{ score = 20, method = "long" }}
reference = {{ score = 5, method = "short" }}
"""
DOCKERFILE = """\
FROM debian:12
RUN apt-get update && apt-get install -y tmux gcc make && rm -rf /var/lib/apt/lists/*
COPY count.c Makefile text.txt /app/
WORKDIR /app
RUN mkdir -p /orig /logs/verifier && sha256sum /app/Makefile | cut -d' ' -f1 > /orig/Makefile.sha256
RUN make
"""
MAKEFILE = "count: count.c\n\tgcc -O1 -o count count.c\n"
COUNT = """\
#include <stdio.h>
int main(void) {
    FILE *f = fopen("text.txt", "r");
    int n = 0, c;
    while (f && (c = fgetc(f)) != EOF) n += c >= 'a' && c <= 'z';
    printf("letters=%d\\n", n);
    return 0;
}
"""
TEST = """\
#!/usr/bin/env bash
set -euo pipefail
cd /app
if [ "$(sha256sum Makefile | cut -d' ' -f1)" != "$(cat /orig/Makefile.sha256)" ]; then
    echo '{"reward": 0.0, "correctness": false, "reason": "makefile"}' > /logs/verifier/reward.json
    exit 0
fi
make 2>&1
N=$(./count | tee /dev/stderr | sed -n 's/.*letters=\\([0-9]*\\).*/\\1/p')
python3 - "$N" > /logs/verifier/reward.json <<'PY'
import json, sys
n = int(sys.argv[1])
print(json.dumps({"reward": max(0, (20 - n) / 20), "correctness": n > 0, "metric": n}))
PY
"""
TEXT = "twenty letters in all\n"  # 18 of them
SHORT = "five!\n"


def make(
    folder: Path,
    *,
    test: str = TEST,
    dockerfile: str = DOCKERFILE,
    timeout: float = 20,
    solve: str = "cp /solution/short.txt /app/text.txt\n",
) -> Task:
    """Write the task and load it."""
    files = {
        "task.toml": TASK.format(timeout=timeout),
        "instruction.md": "Make /app/text.txt short.\n",
        "environment/Dockerfile": dockerfile,
        "environment/count.c": COUNT,
        "environment/Makefile": MAKEFILE,
        "environment/text.txt": TEXT,
        # As root all tests share one folder of images: this gives each its own image to forget.
        "tests/whose.txt": f"{folder}\n",
        "tests/test.sh": test,
        "solution/solve.sh": solve,
        "solution/short.txt": SHORT,
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return load_task(folder)


def says(line: str) -> str:
    """A test.sh that writes `line` into its reward.json and ends well."""
    return f"cat > /logs/verifier/reward.json <<'EOF'\n{line}\nEOF\n"
