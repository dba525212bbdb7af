"""From a model's name to the provider that serves it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from engine.models.types import Price, Provider
from engine.paths import config_dir
from engine.settings import CONFIG_FILE, ProviderSettings, Settings


def _known_providers() -> dict[str, ProviderSettings]:
    return {
        "openai": ProviderSettings(base_url="https://api.openai.com/v1", key_env="OPENAI_API_KEY"),
        "openrouter": ProviderSettings(
            base_url="https://openrouter.ai/api/v1", key_env="OPENROUTER_API_KEY"
        ),
        "deepseek": ProviderSettings(
            base_url="https://api.deepseek.com/v1", key_env="DEEPSEEK_API_KEY"
        ),
    }


class ModelChoiceError(ValueError):
    """A model that cannot be asked; the message names it and the remedy."""


def choose_provider(
    model: str, settings: Settings, overrides: Mapping[str, Mapping[str, Any]]
) -> tuple[Provider, str, Price | None]:
    """The provider of `provider/name` with its key, the model's name there, and its price.

    Raises `ModelChoiceError` for an unknown provider and for a key that the environment lacks.
    """
    provider, slash, name = model.partition("/")
    if not slash or not provider or not name:
        raise ModelChoiceError(f"model {model!r} is not PROVIDER/NAME, such as openai/gpt-5.6")
    known = {**_known_providers(), **settings.providers}
    try:
        known.update({k: ProviderSettings(**v) for k, v in overrides.items()})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ModelChoiceError(
            f"provider key {key} = {first.get('input')!r} does not fit: {first['msg']}"
        ) from error
    if provider not in known:
        raise ModelChoiceError(
            f"there is no provider {provider!r} (of model {model!r}); known are "
            f"{', '.join(sorted(known))}; add one with --provider {provider}=BASE_URL or in "
            f"{config_dir() / CONFIG_FILE}"
        )
    chosen = known[provider]
    secret = os.environ.get(chosen.key_env) if chosen.key_env else None
    if chosen.key_env and not secret:
        raise ModelChoiceError(
            f"provider {provider!r} needs its key in {chosen.key_env}, which the engine's "
            f"environment lacks; export it, then `autolab engine stop`"
            " and start again"
        )
    price = chosen.prices.get(name)
    return (
        Provider(provider, chosen.base_url, secret, chosen.connect_seconds, chosen.silence_seconds),
        name,
        Price(price.input, price.output, price.cached) if price else None,
    )
