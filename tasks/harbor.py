"""Harbor's task.toml, schema 1.0 to 1.4, as frozen models.

Written from the format's description: defaults are those of schema 1.1 and later, and
`HarborTask` fills in what 1.0 assumed. Keys that a version does not know are kept (`model_extra`).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from tasks.tables import Lenient, Strings

SCHEMA_VERSIONS = ("1.0", "1.1", "1.2", "1.3", "1.4")
NetworkMode = Literal["public", "no-network", "allowlist"]
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT])(?:i?B)?", re.IGNORECASE)
_SIZE_MB = {"K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0 * 1024}
_PORTABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def _rows(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _artifacts(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return tuple({"source": item} if isinstance(item, str) else item for item in value)


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def megabytes(text: str) -> int:
    """An old size such as "2G" or "512M" in MiB, rounded up; raises `ValueError`."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError('should be a number with K, M or G, such as "2G"')
    return -int(-float(match[1]) * _SIZE_MB[match[2].upper()] // 1)


class Network(Lenient):
    """What may be reached; the same keys stand in three tables. None: as the environment says."""

    network_mode: NetworkMode | None = None
    allowed_hosts: Strings | None = None

    @field_validator("allowed_hosts")
    @classmethod
    def _needs_allowlist(cls, value: Strings | None, info: ValidationInfo) -> Strings | None:
        if value and info.data.get("network_mode") not in ("allowlist", None):
            raise ValueError('is only allowed with network_mode = "allowlist"')
        return value


class Healthcheck(Lenient):
    """When the environment counts as up. Times in seconds."""

    command: str
    interval_sec: float = 5.0
    timeout_sec: float = 30.0
    start_period_sec: float = 0.0
    start_interval_sec: float = 5.0
    retries: int = 3


class Tpu(Lenient):
    """A TPU slice, such as topology "2x4"."""

    type: str
    topology: str


class McpServer(Lenient):
    """A tool server that the agent may use."""

    name: str
    transport: Literal["sse", "streamable-http", "stdio", "http"] = "sse"
    url: str | None = None
    command: str | None = None
    args: Strings = ()
    headers: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _reachable(self) -> McpServer:
        wanted = "command" if self.transport == "stdio" else "url"
        if getattr(self, wanted) is None:
            raise ValueError(f'transport "{self.transport}" needs the key {wanted}')
        return self


class Environment(Network):
    """The image and its limits. Memory and storage in MiB; None: as the host likes."""

    build_timeout_sec: float = 600.0
    docker_image: str | None = None
    os: Annotated[Literal["linux", "windows"], BeforeValidator(_lower)] = "linux"
    cpus: float | None = Field(default=None, gt=0)
    memory_mb: int | None = Field(default=None, gt=0)
    storage_mb: int | None = Field(default=None, gt=0)
    memory: str | None = None
    storage: str | None = None
    gpus: int | None = Field(default=None, ge=0)
    gpu_types: Strings | None = None
    tpu: Tpu | None = None
    allow_internet: bool | None = None
    env: dict[str, str] = Field(default_factory=dict)
    workdir: str | None = None
    skills_dir: str | None = None
    healthcheck: Healthcheck | None = None
    mcp_servers: Annotated[tuple[McpServer, ...], BeforeValidator(_rows)] = ()

    @field_validator("memory", "storage")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        if value is not None:
            megabytes(value)
        return value

    @property
    def memory_limit_mb(self) -> int | None:
        """MiB, from `memory_mb` or the old `memory`."""
        if self.memory_mb is not None or self.memory is None:
            return self.memory_mb
        return megabytes(self.memory)

    @property
    def storage_limit_mb(self) -> int | None:
        """MiB, from `storage_mb` or the old `storage`."""
        if self.storage_mb is not None or self.storage is None:
            return self.storage_mb
        return megabytes(self.storage)

    @property
    def network(self) -> NetworkMode:
        """The mode that holds: `network_mode`, else the old `allow_internet`, else public."""
        if self.network_mode is not None:
            return self.network_mode
        return "no-network" if self.allow_internet is False else "public"


class Agent(Network):
    """The agent's phase. `timeout_sec` None means no limit."""

    timeout_sec: float | None = Field(default=None, gt=0)
    user: str | int | None = None


class Collect(Lenient):
    """A command run after the agent's phase, before artifacts are taken."""

    command: str
    service: str = "main"
    timeout_sec: float = 60.0
    user: str | int | None = None


class Verifier(Network):
    """The verifier's phase."""

    timeout_sec: float = Field(default=600.0, gt=0)
    env: dict[str, str] = Field(default_factory=dict)
    user: str | int | None = None
    environment_mode: Literal["shared", "separate"] | None = None
    environment: Environment | None = None
    collect: Annotated[tuple[Collect, ...], BeforeValidator(_rows)] = ()

    @model_validator(mode="after")
    def _one_mode(self) -> Verifier:
        if self.environment is not None and self.environment_mode == "shared":
            raise ValueError('environment_mode "shared" contradicts [verifier.environment]')
        return self

    @property
    def mode(self) -> Literal["shared", "separate"]:
        """The mode that holds when none is stated."""
        if self.environment_mode is not None:
            return self.environment_mode
        return "shared" if self.environment is None else "separate"


class Solution(Lenient):
    """For the oracle only."""

    env: dict[str, str] = Field(default_factory=dict)


class Author(Lenient):
    """Who wrote the task."""

    name: str = ""
    email: str | None = None


class Package(Lenient):
    """The `[task]` table: how a registry knows the task."""

    name: str = Field(min_length=1)
    version: str | None = Field(default=None, min_length=1)
    description: str = ""
    authors: Annotated[tuple[Author, ...], BeforeValidator(_rows)] = ()
    keywords: Strings = ()


class Artifact(Lenient):
    """A file or directory that is collected after the agent's phase."""

    source: str
    destination: str | None = None
    exclude: Strings = ()
    service: str | None = None

    @field_validator("source", "destination")
    @classmethod
    def _stays_inside(cls, value: str | None) -> str | None:
        if value is not None and ".." in value.split("/"):
            raise ValueError('must not contain ".."')
        return value


Artifacts = Annotated[tuple[Artifact, ...], BeforeValidator(_artifacts)]


class HarborStep(Lenient):
    """One step of a task that is asked in several (`[[steps]]`)."""

    name: str
    agent: Agent = Agent()
    verifier: Verifier = Verifier()
    min_reward: float | dict[str, float] | None = None
    healthcheck: Healthcheck | None = None
    artifacts: Artifacts = ()

    @field_validator("name")
    @classmethod
    def _portable(cls, value: str) -> str:
        if not _PORTABLE.fullmatch(value):
            raise ValueError("should be a portable directory name (letters, digits, . _ -)")
        return value


class HarborTask(Lenient):
    """A whole task.toml, without the two tables of `tasks.autolab`."""

    schema_version: str = Field(
        default="1.4", validation_alias=AliasChoices("schema_version", "version")
    )
    source: str | None = None
    multi_step_reward_strategy: Literal["mean", "final"] | None = None
    artifacts: Artifacts = ()
    metadata: dict[str, Any] = Field(default_factory=dict)
    task: Package | None = None
    agent: Agent = Agent()
    verifier: Verifier = Verifier()
    solution: Solution = Solution()
    environment: Environment = Environment()
    steps: Annotated[tuple[HarborStep, ...], BeforeValidator(_rows)] = ()

    @field_validator("steps")
    @classmethod
    def _unique(cls, value: tuple[HarborStep, ...]) -> tuple[HarborStep, ...]:
        names = [step.name for step in value]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f'has two steps named "{twice}"')
        return value

    @model_validator(mode="before")
    @classmethod
    def _assume_what_1_0_assumed(cls, table: Any) -> Any:
        if not isinstance(table, dict):
            return table
        stated = table.get("schema_version", table.get("version"))
        if str(stated) not in ("1.0", "1"):
            return table
        agent, environment = table.get("agent", {}), table.get("environment", {})
        if not isinstance(agent, dict) or not isinstance(environment, dict):
            return table
        assumed: dict[str, Any] = {"cpus": 1, "gpus": 0}
        if "memory" not in environment:
            assumed["memory_mb"] = 2048
        if "storage" not in environment:
            assumed["storage_mb"] = 10240
        return {
            **table,
            "agent": {"timeout_sec": 600.0, **agent},
            "environment": {**assumed, **environment},
        }
