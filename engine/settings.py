"""Settings: `AUTOLAB_*` in the environment, then `autolab.toml` in the configuration folder.

Keys of providers are never settings: a provider names the environment variable, the file or the
command that has its key, and the key is read when a model is called.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from engine.models.types import Api
from engine.paths import config_dir
from engine.runs.outcomes import Thresholds
from tasks.nearest import hint
from verifier.verdict import AnchorSource

CONFIG_FILE = "autolab.toml"
_SECRET_HEADERS = frozenset(
    {"authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie", "proxy-authorization"}
)
Positive = Annotated[float, Field(gt=0)]


class SettingsError(ValueError):
    """A setting that does not fit; the message names file or variable, value and remedy."""


class RateSettings(BaseModel):
    """US dollars for a million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)
    cache_write: float | None = Field(default=None, ge=0)


class TierSettings(RateSettings):
    """The rates of a whole call that sends more than `above` tokens."""

    above: int = Field(ge=1)


class PriceSettings(RateSettings):
    """A model's price; long calls may have another."""

    tiers: tuple[TierSettings, ...] = ()


class ModelSettings(BaseModel):
    """What is said to one model of a provider only."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    body: dict[str, Any] = Field(default_factory=dict)
    max_output_tokens: int | None = Field(default=None, ge=1)


class ProviderSettings(BaseModel):
    """Where and how models are reached, and who knows the key."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    base_url: str = Field(pattern=r"^https?://[^\s@]+$")
    api: Api = "chat"
    version: str = Field(default="", pattern=r"^[\w.-]*$")
    key_env: str | None = None
    key_file: str | None = None
    key_command: tuple[str, ...] = ()
    headers: dict[str, str] = Field(default_factory=dict)
    body: dict[str, Any] = Field(default_factory=dict)
    max_output_tokens: int | None = Field(default=None, ge=1)
    connect_seconds: Positive = 10.0
    silence_seconds: Positive = 300.0
    stall_seconds: Positive = 1800.0
    prices: dict[str, PriceSettings] = Field(default_factory=dict)
    list_prices: str = Field(default="", pattern=r"^[\w.-]*$")
    models: dict[str, ModelSettings] = Field(default_factory=dict)

    @field_validator("headers")
    @classmethod
    def _no_secrets(cls, headers: dict[str, str]) -> dict[str, str]:
        for name in headers:
            if name.lower() in _SECRET_HEADERS:
                raise ValueError(
                    f"{name} is a place for keys, and settings hold none; use key_env, key_file "
                    "or key_command"
                )
        return headers

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        given = [k for k in ("key_env", "key_file", "key_command") if getattr(self, k)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are given; keep one of them")
        return self


class OutcomeSettings(BaseModel):
    """Where the outcome classes begin; see `engine.runs.outcomes.Thresholds`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    noise: float = 0.02
    early: float = 0.5
    late: float = 0.9
    improving: float = 0.1
    stalled: float = 0.25
    exhausted: float = 0.4
    begun: float = 0.1
    nearly: float = 0.75
    patience: float = Field(default=120.0, ge=0)


class NotifySettings(BaseModel):
    """Where news goes when nobody looks. Addresses often hold tokens, so they are kept secret."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    urls: tuple[SecretStr, ...] = ()
    when: Literal["away", "always", "never"] = "away"
    away_seconds: Positive = 300.0
    gather_seconds: float = Field(default=10.0, ge=0, le=600)


class Settings(BaseSettings):
    """What an engine may be told. Unknown keys in the file are errors."""

    model_config = SettingsConfigDict(
        env_prefix="AUTOLAB_", env_nested_delimiter="__", extra="forbid", frozen=True
    )
    concurrency: int | None = Field(default=None, ge=1, le=1000)
    verification_share: float = Field(default=0.25, gt=0, le=1)
    snapshot_seconds: Positive = 60.0
    retry_attempts: int = Field(default=10, ge=1)
    retry_patience_seconds: Positive = 1800.0
    anchors: AnchorSource = "task"
    providers: dict[str, ProviderSettings] = Field(default_factory=dict)
    outcomes: OutcomeSettings = OutcomeSettings()
    notify: NotifySettings = NotifySettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file."""
        file = TomlConfigSettingsSource(settings_cls, config_dir() / CONFIG_FILE)
        return init_settings, env_settings, file

    def thresholds(self) -> Thresholds:
        """The outcome settings as the classifier takes them."""
        return Thresholds(**self.outcomes.model_dump())


def what_is_wrong(error: ValidationError) -> tuple[str, str]:
    """(the first key that does not fit, its value and why in words).

    A value that may hold a secret (a table, an address with a user in it, something called key)
    is not repeated.
    """
    first = error.errors()[0]
    key, value = ".".join(str(part) for part in first["loc"]), first.get("input")
    called = key.rpartition(".")[2].lower()
    hidden = (
        isinstance(value, dict | list | tuple)
        or "@" in str(value)
        or any(word in called for word in ("key", "token", "secret", "password", "urls"))
    )
    shown = "" if hidden else f"= {value!r} "
    if first["type"] == "extra_forbidden":
        return key, f"{shown}is unknown; {_known_beside(first['loc'])}"
    if first["type"] == "missing":
        return key, "is missing"
    if first["type"] == "string_pattern_mismatch" and called == "base_url":
        return key, f"{shown}is no address; write http://127.0.0.1:8000/v1, without user and key"
    words = first["msg"].removeprefix("Value error, ")
    return key, f"{shown}does not fit: {words[:1].lower()}{words[1:]}"


def _known_beside(place: tuple[int | str, ...]) -> str:
    """What may stand where an unknown key stands."""
    table: Any = Settings
    for part in place[:-1]:
        fields = table.model_fields if table is not None else {}
        field = fields.get(part)
        # Below a table of tables stands a name of the operator's: the table stays the same.
        table = _table_of(field.annotation) if field is not None else table
    names = list(table.model_fields) if table is not None else []
    return hint(str(place[-1]), names, f"it can be {', '.join(names)}")


def _table_of(annotation: Any) -> Any:
    """The settings table in an annotation, at whatever depth; None where there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_table_of(inner) for inner in getattr(annotation, "__args__", ()))
    return next((each for each in found if each is not None), None)


def load_settings() -> Settings:
    """Read the settings. Raises `SettingsError`."""
    file = config_dir() / CONFIG_FILE
    if file.parent.exists() and not file.parent.is_dir():
        raise SettingsError(f"{file.parent} is no folder; AUTOLAB_CONFIG names the one of settings")
    if file.exists() and not file.is_file():
        raise SettingsError(f"{file} is no file; remove it, or write the settings there")
    try:
        return Settings()
    except ValidationError as error:
        key, wrong = what_is_wrong(error)
        raise SettingsError(
            f"setting {key} {wrong}; mend it in {file} or in the environment "
            f"(AUTOLAB_{key.replace('.', '__').upper()})"
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file} is not UTF-8 text (byte {error.start}); save it so") from error
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}; mend its rights") from error
    except ValueError as error:
        raise SettingsError(f"{file} cannot be read: {error}; mend it") from error
