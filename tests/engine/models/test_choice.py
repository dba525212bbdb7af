"""From names and settings to providers, and from there to keys that are never shown."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from engine.models.choice import ModelChoiceError, check_key, choose_provider
from engine.models.keys import KeyMissingError, read_key
from engine.models.types import KeySource
from engine.settings import ProviderSettings, Settings, SettingsError, load_settings


def settings(**providers: Any) -> Settings:
    made = {k: ProviderSettings(**v) for k, v in providers.items()}
    return Settings(providers=made)


@pytest.mark.parametrize(
    ("model", "api"),
    [
        ("anthropic/x", "anthropic"),
        ("openai/x", "responses"),
        ("google/x", "gemini"),
        ("openrouter/some/x", "chat"),
        ("deepseek/x", "chat"),
    ],
)
def test_known_providers_speak_their_own_format(model: str, api: str) -> None:
    provider, name = choose_provider(model, Settings(), {})
    assert provider.api == api
    assert provider.key.env
    assert name == model.partition("/")[2]


def test_a_provider_is_added_by_settings_alone() -> None:
    known = settings(
        lab={
            "base_url": "http://lab:1/v1",
            "headers": {"X-Team": "a"},
            "body": {"temperature": 0.5, "reasoning": {"effort": "low", "summary": "auto"}},
            "max_output_tokens": 100,
            "models": {
                "big": {"body": {"reasoning": {"effort": "high"}}, "max_output_tokens": 200}
            },
        }
    )
    big, _ = choose_provider("lab/big", known, {})
    small, _ = choose_provider("lab/small", known, {})
    assert big.body == {"temperature": 0.5, "reasoning": {"effort": "high", "summary": "auto"}}
    assert (big.max_output_tokens, small.max_output_tokens) == (200, 100)
    assert small.body["reasoning"] == {"effort": "low", "summary": "auto"}
    assert big.headers == {"X-Team": "a"}


def test_another_address_takes_over_the_format_and_never_the_key() -> None:
    given = {"anthropic": {"base_url": "http://127.0.0.1:1", "key_env": None, "api": None}}
    provider, _ = choose_provider("anthropic/x", Settings(), given)
    assert provider.api == "anthropic"
    assert provider.key == KeySource()
    given = {"anthropic": {"base_url": "http://127.0.0.1:1/v1", "api": "chat"}}
    assert choose_provider("anthropic/x", Settings(), given)[0].api == "chat"


@pytest.mark.parametrize("model", ["x", "/x", "x/", ""])
def test_a_model_is_named_by_provider_and_name(model: str) -> None:
    with pytest.raises(ModelChoiceError, match="PROVIDER/NAME"):
        choose_provider(model, Settings(), {})


def test_an_unknown_provider_is_told_the_known_ones() -> None:
    with pytest.raises(ModelChoiceError, match=r"'lab'.*anthropic, deepseek.*--provider lab="):
        choose_provider("lab/x", Settings(), {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('headers = { Authorization = "Bearer sk-secret" }', "place for keys"),
        ('headers = { X-Api-Key = "sk-secret" }', "place for keys"),
        ('key_env = "sk-secret"\nkey_file = "y"', "key_env and key_file are given"),
        ('api = "smoke"', r"providers.lab.api = 'smoke'"),
        ("silence_seconds = 0", r"silence_seconds = 0"),
        ('key = "sk-secret"', r"lab.key is unknown; it can be base_url"),
    ],
)
def test_settings_that_do_not_fit_are_named_and_secrets_are_not(
    tmp_path: Path, text: str, said: str
) -> None:
    write(tmp_path, f'[providers.lab]\nbase_url = "http://lab/v1"\n{text}\n')
    with pytest.raises(SettingsError, match=said) as caught:
        load_settings()
    assert "sk-secret" not in str(caught.value)


def test_an_address_with_a_password_in_it_is_refused_and_not_repeated(tmp_path: Path) -> None:
    write(tmp_path, '[providers.lab]\nbase_url = "http://me:sk-secret@lab/v1"\n')
    with pytest.raises(SettingsError, match=r"providers.lab.base_url") as caught:
        load_settings()
    assert "sk-secret" not in str(caught.value)


def write(tmp_path: Path, text: str) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (config / "autolab.toml").write_text(text)


# --- keys -----------------------------------------------------------------------------------------


def test_a_key_comes_from_a_variable_a_file_or_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text("  k2\n")
    monkeypatch.setenv("K", "k1")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read_key(KeySource(env="K")) == "k1"
    assert read_key(KeySource(file=str(file))) == "k2"
    assert read_key(KeySource(file="~/key")) == "k2"
    assert read_key(KeySource(command=("printf", "k3 "))) == "k3"
    assert read_key(KeySource()) is None


def test_a_key_that_cannot_be_had_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("K", raising=False)
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "odd").write_text("sk\nsecond line")
    script = tmp_path / "loud"
    script.write_text("#!/bin/sh\necho sk-secret; echo sk-secret >&2; exit 3\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    for source, said in (
        (KeySource(env="K"), "variable K holds no key"),
        (KeySource(file=str(tmp_path / "none")), "none cannot be read"),
        (KeySource(file=str(tmp_path / "empty")), "holds no key"),
        (KeySource(file=str(tmp_path / "odd")), "is no key"),
        (KeySource(command=(str(tmp_path / "none"),)), "No such file"),
        (KeySource(command=(str(script),)), "ended with code 3"),
    ):
        with pytest.raises(KeyMissingError, match=said) as caught:
            read_key(source)
        assert "sk" not in str(caught.value).replace(str(tmp_path), "")


def test_a_run_is_refused_while_its_key_cannot_be_had() -> None:
    known = settings(lab={"base_url": "http://lab/v1", "key_file": "/nowhere/key"})
    provider, _ = choose_provider("lab/x", known, {})
    with pytest.raises(ModelChoiceError, match=r"'lab' has no key.*/nowhere/key"):
        check_key(provider)
