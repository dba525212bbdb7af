"""Dockerfiles as recipes: pure reading, nothing is run."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.foreign import making
from verifier.foreign import packages, recipe
from verifier.foreign.availability import limits_problem, why_not
from verifier.foreign.dockerfile import DockerfileError, parse, substitute
from verifier.foreign.recipe import Copy, Recipe, Run


def read(folder: Path, dockerfile: str) -> Recipe:
    return recipe.read(making.make(folder, dockerfile=dockerfile))


def test_lines_comments_and_here_documents() -> None:
    text = (
        "# syntax=docker\nFROM a\nRUN one && \\\n  # said between\n  two\n"
        "RUN python3 <<'EOF'\nx = 1\nEOF\nCMD [\"bash\"]\n"
    )
    found = parse(text)
    assert [(one.line, one.word) for one in found] == [
        (2, "FROM"),
        (3, "RUN"),
        (6, "RUN"),
        (9, "CMD"),
    ]
    assert found[1].text.split() == ["one", "&&", "two"]
    assert found[2].text == "python3 <<'EOF'\nx = 1\nEOF"
    assert found[3].array() == ["bash"]
    with pytest.raises(DockerfileError, match="line 1"):
        parse("RUN cat <<EOF\nno end")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(DockerfileError):
        parse(text)


def test_variables() -> None:
    known = {"A": "1", "EMPTY": ""}
    assert substitute("$A ${A}x ${B:-two} ${EMPTY:-e} ${A:+yes} \\$A", known) == "1 1x two e yes $A"


def test_the_steps_of_an_ordinary_file(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        'ARG V=1\nFROM python:3.$V-slim\nENV X=a Y="b c"\nWORKDIR /app/sub/..\n'
        "COPY --chmod=755 count.c renamed.c\nCOPY *.txt Makefile ./\nCOPY . /data/\n"
        "RUN echo > /orig/x\nCMD bash\n",
    )
    assert found.problems == []
    assert (found.workdir, found.env["Y"], found.tools) == ("/app", "b c", True)
    copies = [step for step in found.steps if isinstance(step, Copy)]
    assert copies[0].placed == {"/app/renamed.c": "count.c"} and copies[0].mode == 0o755
    assert copies[1].placed == {"/app/text.txt": "text.txt", "/app/Makefile": "Makefile"}
    assert copies[2].placed["/data/Dockerfile"] == "Dockerfile"
    assert {"app", "data", "orig"} <= found.folders
    runs = [step for step in found.steps if isinstance(step, Run)]
    assert runs[0].argv == ("/bin/sh", "-c", "echo > /orig/x") and runs[0].cwd == "/app"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("RUN curl -L https://x | sh", "line 2: RUN curl -L https://x | sh: needs the network"),
        ("RUN --mount=type=cache,target=/c make", "needs Docker"),
        ("COPY --from=builder /a /b", "--from needs Docker"),
        ("COPY ../secret /app/", "leads out of environment/"),
        ("COPY missing.c /app/", "there is no environment/missing.c"),
        ("ADD https://x/y.tar /app/", "unpacks or downloads"),
        ("FROM debian:12", "several stages"),
        ("ONBUILD RUN true", "ONBUILD is not understood"),
        ("RUN apk add gcc", "only apt and pip"),
        ("RUN pip install git+https://x/y", "comes from the network"),
        ("WORKDIR /srv", "a session works in /app"),
    ],
)
def test_what_needs_docker_is_named_with_its_line(tmp_path: Path, line: str, words: str) -> None:
    problems = " ".join(read(tmp_path, f"FROM debian:12\n{line}\n").problems)
    assert words in problems


def test_bases_that_cannot_be_stood_in_for(tmp_path: Path) -> None:
    assert "GPU" in read(tmp_path / "a", "FROM nvidia/cuda:12\n").problems[0]
    assert "alpine" in read(tmp_path / "b", "FROM alpine:3\n").problems[0]


def test_packages_are_left_out_and_asked_for(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "FROM debian:12\nRUN apt-get update && apt-get install -y gcc=4:12 valgrind libodd3 && "
        "rm -rf /var/lib/apt/lists/* && pip install 'numpy==1.26.4' && make all\n",
    )
    assert [step.argv[-1] for step in found.steps if isinstance(step, Run)] == ["make all"]
    asked = {need.name for need in found.needs}
    assert asked == {"gcc", "stdio.h", "numpy"} and set(found.system) == {"libodd3"}
    task = making.make(tmp_path)
    absent = why_not(task, found, dict.fromkeys(found.needs, False), {"libodd3": False}) or ""
    assert "Python module numpy (line 2: pip package numpy==1.26.4)" in absent
    assert "package libodd3" in absent and "apt-get" in absent
    there = why_not(task, found, dict.fromkeys(found.needs, True), {"libodd3": True})
    assert there is None


def test_installing_is_told_from_working() -> None:
    assert packages.split("apt-get install -y a b").apt == ["a", "b"]
    assert packages.split("rm -rf /app").rest == "rm -rf /app"
    assert packages.split("make && apt-get install x").rest == "make && apt-get install x"
    assert packages.split("apt-get update; make").rest == "apt-get update; make"


def test_what_a_machine_cannot_give(tmp_path: Path) -> None:
    task = making.make(tmp_path)
    assert limits_problem(task) is None
    environment = task.config.environment
    for change, words in (
        ({"gpus": 1, "gpu_types": ("H100",)}, "needs 1 GPU (H100)"),
        ({"memory_mb": 1 << 40}, "MB of memory"),
        ({"os": "windows"}, "needs windows"),
    ):
        altered = environment.model_copy(update=change)
        config = task.config.model_copy(update={"environment": altered})
        found = limits_problem(dataclasses.replace(task, config=config)) or ""
        assert words in found
