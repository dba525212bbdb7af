"""From a model's name to the provider that serves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from engine.models.keys import KeyMissingError, read_key
from engine.models.types import Api, KeySource, Provider
from engine.models.wire import merged
from engine.paths import config_dir
from engine.settings import (
    CONFIG_FILE,
    ModelSettings,
    ProviderSettings,
    Settings,
    what_is_wrong,
)
from tasks.nearest import nearest

# What a provider given for one run may take over from a known one of its name. The key is not
# among it: it would be sent to another address.
_INHERITED = ("api", "version", "body", "max_output_tokens", "prices", "list_prices", "models")


def known_providers(settings: Settings) -> dict[str, ProviderSettings]:
    """The providers by name: those that are built in, and those of the settings."""
    return {**_built_in(), **settings.providers}


def _built_in() -> dict[str, ProviderSettings]:
    def made(base_url: str, key_env: str, api: Api = "chat") -> ProviderSettings:
        return ProviderSettings(base_url=base_url, key_env=key_env, api=api)

    return {
        "anthropic": made("https://api.anthropic.com", "ANTHROPIC_API_KEY", "anthropic"),
        "openai": made("https://api.openai.com/v1", "OPENAI_API_KEY", "responses"),
        "google": made("https://generativelanguage.googleapis.com", "GEMINI_API_KEY", "gemini"),
        "openrouter": made("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
        "deepseek": made("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    }


class ModelChoiceError(ValueError):
    """A model that cannot be asked; the message names it and the remedy."""


def choose_provider(
    model: str, settings: Settings, overrides: Mapping[str, Mapping[str, Any]]
) -> tuple[Provider, str]:
    """The provider of `provider/name` and the model's name there. The key is not read.

    Raises `ModelChoiceError` for a provider that is unknown or does not fit.
    """
    provider, chosen, name = chosen_settings(model, settings, overrides)
    return _provider(provider, chosen, chosen.models.get(name, ModelSettings())), name


def chosen_settings(
    model: str, settings: Settings, overrides: Mapping[str, Mapping[str, Any]]
) -> tuple[str, ProviderSettings, str]:
    """The provider's name, what is said of it, and the model's name there.

    Raises `ModelChoiceError` for a provider that is unknown or does not fit.
    """
    provider, slash, name = model.partition("/")
    if not slash or not provider or not name:
        raise ModelChoiceError(f"model {model!r} is not PROVIDER/NAME, such as openai/gpt-5.6")
    known = known_providers(settings)
    try:
        known.update({k: _overridden(known.get(k), dict(v)) for k, v in overrides.items()})
    except ValidationError as error:
        key, wrong = what_is_wrong(error)
        raise ModelChoiceError(f"provider key {key} {wrong}") from error
    if provider not in known:
        meant = nearest(provider, known)
        there = (
            f"did you mean {meant!r}? If not,"
            if meant
            else f"known are {', '.join(sorted(known))};"
        )
        raise ModelChoiceError(
            f"there is no provider {provider!r} (of model {model!r}); {there} add one with "
            f"--provider {provider}=BASE_URL or in {config_dir() / CONFIG_FILE}"
        )
    return provider, known[provider], name


def check_key(provider: Provider) -> None:
    """Make sure that the key can be had now. Raises `ModelChoiceError`.

    May run the provider's key command, so it belongs on a thread.
    """
    try:
        read_key(provider.key)
    except KeyMissingError as error:
        raise ModelChoiceError(
            f"provider {provider.name!r} has no key: {error}; mend it (a variable must be "
            "exported before the engine starts: export it, then `autolab engine restart`)"
        ) from None


def _overridden(known: ProviderSettings | None, given: dict[str, Any]) -> ProviderSettings:
    given = {key: value for key, value in given.items() if value is not None}
    stated = known.model_dump(exclude_unset=True) if known is not None else {}
    kept = {key: stated[key] for key in _INHERITED if key in stated}
    return ProviderSettings(**{**kept, **given})


def _provider(name: str, chosen: ProviderSettings, model: ModelSettings) -> Provider:
    return Provider(
        name=name,
        base_url=chosen.base_url,
        key=KeySource(chosen.key_env, chosen.key_file, chosen.key_command),
        api=chosen.api,
        version=chosen.version,
        max_output_tokens=model.max_output_tokens or chosen.max_output_tokens,
        headers=chosen.headers,
        body=merged(chosen.body, model.body),
        connect_seconds=chosen.connect_seconds,
        silence_seconds=chosen.silence_seconds,
        stall_seconds=chosen.stall_seconds,
    )
