"""From a Dockerfile to the steps that make the same folders here, without Docker.

Understood are FROM (a plain Debian, Ubuntu or language image), COPY, ADD of plain files, WORKDIR,
ENV, ARG, SHELL and RUN. A RUN that only installs packages is left out when they are there; any
other RUN is carried out offline in a sandbox. Everything else makes the task unavailable, with the
line named.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks import Task, TaskError, files, globs
from verifier.foreign import packages
from verifier.foreign.dockerfile import DockerfileError, Instruction, pairs, parse, substitute
from verifier.sandbox.arguments import HOME, PATH
from verifier.sandbox.needs import Need

DOCKERFILE = "environment/Dockerfile"
APP = "/app"
TOOLS = "/usr/local/bin"  # what images add to the system's commands; a folder of the image here
# The system's own folders, which the sandbox shows as the host has them.
_SYSTEM = frozenset(
    {"bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "proc", "run"}
    | {"sbin", "sys", "tmp", "usr", "var"}
)
_BASES: Mapping[str, tuple[Need, ...]] = {
    "buildpack-deps": packages.APT["build-essential"],
    "debian": (),
    "gcc": packages.APT["build-essential"],
    "golang": (Need("command", "go"),),
    "python": (Need("command", "python3"),),
    "rust": (Need("command", "cargo"), Need("command", "rustc")),
    "ubuntu": (),
}
_IGNORED = frozenset(
    {"CMD", "ENTRYPOINT", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "STOPSIGNAL", "USER"}
)
_ABSOLUTE = re.compile(r"(?<![\w.$}/*\\\])])/([A-Za-z0-9_][A-Za-z0-9_.-]*)(?=[/\s'\";&|)]|$)")
_NETWORK = re.compile(
    r"\b(curl|wget|git clone|git fetch|huggingface-cli|hf download|snapshot_download|"
    r"load_dataset|add-apt-repository|npm install|go install|cargo install)\b"
)
_PACKAGE_MANAGERS = re.compile(r"^\s*(apk|dnf|yum|microdnf|zypper|pacman|conda|mamba)\b")
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")


@dataclass(frozen=True, slots=True)
class Copy:
    """Files of environment/ (by their path there) that go to absolute paths inside."""

    line: int
    shown: str
    placed: Mapping[str, str]  # path inside: path below environment/
    mode: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A command to carry out offline."""

    line: int
    shown: str
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]


@dataclass(slots=True)
class Recipe:
    """What a Dockerfile asks for.

    `problems` are the reasons why it cannot be followed here, each naming its line. `needs` must be
    found in the sandbox, `system` packages on the host; `missing_tools` may be absent.
    """

    steps: list[Copy | Run] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    base: str = ""
    needs: dict[Need, str] = field(default_factory=dict)  # what asks for it
    system: dict[str, str] = field(default_factory=dict)
    folders: set[str] = field(default_factory=lambda: {"app"})
    problems: list[str] = field(default_factory=list)

    @property
    def tools(self) -> bool:
        """Whether the image has commands of its own in /usr/local/bin."""
        return TOOLS in self.folders


def read(task: Task) -> Recipe:
    """The recipe of a task. Never raises for what the task holds: it is in `problems`."""
    recipe = Recipe()
    if task.config.environment.docker_image is not None:
        image = task.config.environment.docker_image
        recipe.problems.append(f"task.toml wants the image {image}: images need Docker")
        return recipe
    try:
        text = files.read_text(task.path, DOCKERFILE)
        _Reader(task, recipe).read(parse(text))
    except FileNotFoundError:
        recipe.problems.append(f"there is no {DOCKERFILE}")
    except (DockerfileError, TaskError) as error:
        recipe.problems.append(str(error))
    stated = task.config.environment.workdir
    if stated is not None:
        recipe.workdir = posixpath.normpath(stated)
    if recipe.workdir == "/":
        recipe.workdir = APP
    if recipe.workdir != APP and not recipe.problems:
        recipe.problems.append(
            f"its working directory is {recipe.workdir}, and a session works in {APP}"
        )
    return recipe


class _Reader:
    def __init__(self, task: Task, recipe: Recipe) -> None:
        self._recipe = recipe
        self._task = task
        self._context = files.tree(task.path, "environment")
        self._arguments: dict[str, str] = {}
        self._env: dict[str, str] = {"PATH": PATH, "HOME": HOME}
        self._shell: tuple[str, ...] = ("/bin/sh", "-c")
        self._cwd = "/"
        self._folders = {"/", APP, "/tmp"}  # known to be folders inside

    def read(self, instructions: list[Instruction]) -> None:
        for one in instructions:
            try:
                self._follow(one)
            except DockerfileError as error:
                self._recipe.problems.append(str(error))
        if not self._recipe.base:
            self._recipe.problems.append(f"{DOCKERFILE} has no FROM")
        self._recipe.workdir = self._cwd
        del self._env["HOME"]
        self._recipe.env = dict(self._env)

    def _follow(self, one: Instruction) -> None:
        match one.word:
            case "FROM":
                self._from(one)
            case "WORKDIR":
                self._cwd = self._absolute(self._filled(one.text))
                self._mark(self._cwd, folder=True)
            case "ENV":
                for name, value in pairs(one):
                    self._env[name] = self._filled(value)
            case "ARG":
                for name, value in pairs(one):
                    self._arguments.setdefault(name, self._filled(value))
            case "SHELL":
                self._shell = tuple(one.array() or self._shell)
            case "COPY" | "ADD":
                self._copy(one)
            case "RUN":
                self._run(one)
            case word if word not in _IGNORED:
                raise DockerfileError(one.line, f"{one.shown}: {word} is not understood")

    def _filled(self, text: str) -> str:
        return substitute(text, {**self._arguments, **self._env})

    def _absolute(self, path: str) -> str:
        return posixpath.normpath(posixpath.join(self._cwd, path))

    def _mark(self, path: str, *, folder: bool = False) -> None:
        """Note that the image has this path: its first folder is one of the image's own."""
        top = path.lstrip("/").partition("/")[0]
        if path == TOOLS or path.startswith(TOOLS + "/"):
            self._recipe.folders.add(TOOLS)
        elif top and top not in _SYSTEM:
            self._recipe.folders.add(top)
        if folder:
            self._folders.add(path)

    def _from(self, one: Instruction) -> None:
        if self._recipe.base:
            raise DockerfileError(one.line, f"{one.shown}: an image in several stages needs Docker")
        words = [w for w in self._filled(one.text).split() if not w.startswith("--")]
        image = words[0] if words else ""
        self._recipe.base = image or "?"
        name = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
        if "nvidia" in image or "cuda" in image:
            raise DockerfileError(one.line, f"FROM {image}: needs a GPU and CUDA's compiler")
        if name not in _BASES:
            known = ", ".join(sorted(_BASES))
            raise DockerfileError(
                one.line, f"FROM {image} needs Docker; stood in for are images of {known}"
            )
        for need in _BASES[name]:
            self._recipe.needs.setdefault(need, f"line {one.line}: FROM {image}")
        if name == "python":
            self._recipe.folders.add(TOOLS)  # such images call their interpreter `python` too

    def _copy(self, one: Instruction) -> None:
        array = one.array()
        words = array or one.text.split("\n")[0].split()
        options = [w for w in words if w.startswith("--")]
        plain = [self._filled(w) for w in words if not w.startswith("--")]
        mode = None
        for option in options:
            name, _, value = option.partition("=")
            if name == "--chmod" and re.fullmatch(r"0?[0-7]{3}", value):
                mode = int(value, 8)
            elif name not in ("--chown", "--link"):
                raise DockerfileError(one.line, f"{one.shown}: {name} needs Docker")
        if len(plain) < 2 or "<<" in one.text:
            raise DockerfileError(one.line, f"{one.shown}: is not a plain COPY")
        *sources, target = plain
        if one.word == "ADD" and any("://" in s or s.endswith(_ARCHIVES) for s in sources):
            raise DockerfileError(one.line, f"{one.shown}: an ADD that unpacks or downloads")
        inside = self._absolute(target)
        folder = target.endswith(("/", "/.")) or target == "." or inside in self._folders
        placed = self._placed(one, sources, inside, folder=folder or len(sources) > 1)
        for path in placed:
            self._mark(path)
            self._folders.update(_above(path))
        self._recipe.steps.append(Copy(one.line, one.shown, placed, mode))

    def _placed(
        self, one: Instruction, sources: list[str], inside: str, *, folder: bool
    ) -> dict[str, str]:
        placed: dict[str, str] = {}
        for source in sources:
            clean = posixpath.normpath(source.lstrip("/"))
            if clean.startswith(".."):
                raise DockerfileError(one.line, f"{one.shown}: {source} leads out of environment/")
            named = [name for name in self._context if _named(clean, name)]
            if not named:
                raise DockerfileError(one.line, f"{one.shown}: there is no environment/{clean}")
            for name in named:
                if clean == "." or name.startswith(f"{clean}/"):  # a folder: what is in it
                    below = name if clean == "." else name.removeprefix(f"{clean}/")
                    placed[posixpath.join(inside, below)] = name
                else:
                    last = posixpath.basename(name)
                    wild = name != clean
                    placed[posixpath.join(inside, last) if folder or wild else inside] = name
        return placed

    def _run(self, one: Instruction) -> None:
        text = one.text
        if text.startswith("--"):
            raise DockerfileError(one.line, f"{one.shown}: RUN with {text.split()[0]} needs Docker")
        array = one.array()
        if array is None:
            installs = packages.split(text)
            self._install(one, installs)
            text = installs.rest
            if not text:
                return
            if re.fullmatch(r"ln -sf? /usr/bin/python3 /usr/(local/)?bin/python", text):
                self._recipe.folders.add(TOOLS)
                return
        found = _NETWORK.search(text)
        if found is not None:
            raise DockerfileError(one.line, f"{one.shown}: needs the network ({found[1]})")
        if _PACKAGE_MANAGERS.match(text):
            raise DockerfileError(one.line, f"{one.shown}: only apt and pip lines can be left out")
        for top in _ABSOLUTE.findall(text):
            self._mark(f"/{top}")
        if TOOLS in text:
            self._recipe.folders.add(TOOLS)
        self._folders.update(re.findall(r"(?<=\s)(/[\w./-]+)", text) if "mkdir" in text else ())
        env = {**self._arguments, **self._env}
        argv = tuple(array) if array else (*self._shell, text)
        self._recipe.steps.append(Run(one.line, one.shown, argv, self._cwd, env))

    def _install(self, one: Instruction, installs: packages.Installs) -> None:
        for name in installs.apt:
            if name in packages.CONVENIENCES:
                continue
            if name in packages.APT:
                for need in packages.APT[name]:
                    self._recipe.needs.setdefault(need, f"line {one.line}: apt package {name}")
            else:
                self._recipe.system.setdefault(name, f"line {one.line}")
        wanted = list(installs.pip)
        for file in installs.requirement_files:
            wanted += self._requirements(one, file)
        for requirement in wanted:
            name = packages.pip_name(requirement) or ""
            if not name:
                raise DockerfileError(
                    one.line, f"{one.shown}: {requirement} comes from the network"
                )
            for need in packages.pip_needs(name):
                self._recipe.needs.setdefault(need, f"line {one.line}: pip package {requirement}")

    def _requirements(self, one: Instruction, file: str) -> list[str]:
        inside = self._absolute(file)
        for step in self._recipe.steps:
            if isinstance(step, Copy) and inside in step.placed:
                name = f"environment/{step.placed[inside]}"
                return packages.requirements(files.read_text(self._task.path, name))
        raise DockerfileError(one.line, f"{one.shown}: {file} was not copied before")


def _named(pattern: str, name: str) -> bool:
    """Whether COPY's source `pattern` names the file or a folder above it; `*` within a folder."""
    if pattern in (".", name) or name.startswith(f"{pattern}/"):
        return True
    if not any(c in pattern for c in "*?["):
        return False
    return globs.matches(pattern, name)


def _above(path: str) -> set[str]:
    folders = set()
    while (path := posixpath.dirname(path)) != "/":
        folders.add(path)
    return folders
