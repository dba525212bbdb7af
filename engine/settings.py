"""Settings: `AUTOLAB_*` in the environment, then `autolab.toml` in the configuration folder.

Keys of providers are never settings: a provider names the environment variable that holds its key,
and the key is read when a model is called.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from engine.outcomes import Thresholds
from engine.paths import config_dir

CONFIG_FILE = "autolab.toml"
Positive = Annotated[float, Field(gt=0)]


class SettingsError(ValueError):
    """A setting that does not fit; the message names file or variable, value and remedy."""


class PriceSettings(BaseModel):
    """US dollars for a million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)


class ProviderSettings(BaseModel):
    """Where models are reached: an OpenAI-compatible base URL, and who knows the key."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    base_url: str = Field(pattern=r"^https?://[^\s]+$")
    key_env: str | None = None
    connect_seconds: Positive = 10.0
    silence_seconds: Positive = 300.0
    prices: dict[str, PriceSettings] = Field(default_factory=dict)


class OutcomeSettings(BaseModel):
    """Where the outcome classes begin; see `engine.outcomes.Thresholds`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    noise: float = 0.02
    early: float = 0.5
    late: float = 0.9
    improving: float = 0.1
    stalled: float = 0.25
    exhausted: float = 0.4


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
    providers: dict[str, ProviderSettings] = Field(default_factory=dict)
    outcomes: OutcomeSettings = OutcomeSettings()

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


def load_settings() -> Settings:
    """Read the settings. Raises `SettingsError`."""
    file = config_dir() / CONFIG_FILE
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            f"setting {key} = {first.get('input')!r} does not fit: {first['msg']}; mend it in "
            f"{file} or in the environment (AUTOLAB_{key.replace('.', '__').upper()})"
        ) from error
    except ValueError as error:
        raise SettingsError(f"{file} cannot be read: {error}; mend it") from error
