"""`autolab models`: where models are reached, and whether one can be asked."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from autolab_tui.cli.failures import DONE, NEGATIVE, CommandError, UsageError
from autolab_tui.cli.output import emit, plain, table
from autolab_tui.cli.parser import Commands, command, group
from verifier.numerals import numeral

if TYPE_CHECKING:
    from engine.events import Usage
    from engine.models.proving import Proof
    from engine.models.types import KeySource
    from engine.money import Price
    from engine.settings import ProviderSettings, Settings

_LIST_DETAILS = """\
A model is named PROVIDER/NAME. A provider that is not listed needs two lines in autolab.toml of the
configuration folder:

  [providers.lab]
  base_url = "http://10.0.0.5:8000/v1"

Prices are those of the settings and, for models that these name without a price, of the price list
that came with autolab. With PROVIDER: everything that the price list has of that provider.

examples:
  autolab models list
  autolab models list openai

docs/settings.md has every key, docs/models.md what each API wants."""
_CHECK_DETAILS = """\
examples:
  autolab models check anthropic/claude-opus-5
  autolab models check lab/qwen --provider lab=http://127.0.0.1:8000/v1

The key is looked up in the environment of this command. exit codes: 0 all is well, 1 the settings
cannot be read, 2 there is no such provider, 3 the check found something"""


def add_to(commands: Commands) -> None:
    """Declare the noun."""
    verbs = group(commands, "models", "where models are reached: list, check")
    listing = command(
        verbs,
        "list",
        list_models,
        summary="the providers, what they speak, whether their key is there; the prices",
        details=_LIST_DETAILS,
    )
    listing.add_argument("provider", metavar="PROVIDER", nargs="?")
    check = command(
        verbs,
        "check",
        check_model,
        summary="one cheap call that proves key, streaming and tool calls, and tells the limits",
        details=_CHECK_DETAILS,
    )
    check.add_argument("model", metavar="PROVIDER/NAME")
    check.add_argument("--provider", action="append", metavar="NAME=BASE_URL", default=[])
    check.add_argument("--provider-key-env", action="append", metavar="NAME=VARIABLE", default=[])


def list_models(args: argparse.Namespace) -> int:
    """Print the providers. Nothing is asked of them, and no key command is run."""
    from engine.models.choice import known_providers

    settings = _settings()
    known = known_providers(settings)
    if args.provider is not None and args.provider not in known:
        raise UsageError(
            f"there is no provider {args.provider!r}; known are {', '.join(sorted(known))}"
        )
    wanted = sorted(known) if args.provider is None else [args.provider]
    rows = [_provider(name, known[name], settings, args.provider is not None) for name in wanted]
    if args.json:
        emit("models", {"providers": rows})
        return DONE
    cells = (
        (r["name"], r["api"], r["base_url"], r["key"] or "none needed", _found(r["key_found"]))
        for r in rows
    )
    print(table(("provider", "api", "address", "key", "there"), cells))
    priced = [
        (f"{row['name']}/{model['name']}", *_dollars(model["price"]))
        for row in rows
        for model in row["models"]
    ]
    if priced:
        heads = ("model", "input", "cached", "cache write", "output", "who says so")
        print("\nUS dollars for a million tokens\n" + table(heads, priced, right=(1, 2, 3, 4)))
    return DONE


def check_model(args: argparse.Namespace) -> int:
    """Ask the model once and print what that showed; exit code 3 when anything is wrong."""
    import asyncio

    from autolab_tui.cli.run import providers_of
    from engine.models.choice import ModelChoiceError
    from engine.models.proving import prove

    overrides = providers_of(args.provider, args.provider_key_env, [args.model])
    try:
        proof = asyncio.run(prove(args.model, _settings(), overrides))
    except ModelChoiceError as error:
        raise UsageError(str(error)) from None
    if args.json:
        emit("models-check", _proof(args.model, proof))
    else:
        print(_in_words(args.model, proof))
    return NEGATIVE if proof.problem else DONE


def _settings() -> Settings:
    from engine.settings import SettingsError, load_settings

    try:
        return load_settings()
    except SettingsError as error:
        raise CommandError(str(error)) from None


def _provider(
    name: str, provider: ProviderSettings, settings: Settings, every: bool
) -> dict[str, Any]:
    from engine.models.prices import listed_prices, price_of
    from engine.models.types import KeySource

    source = KeySource(provider.key_env, provider.key_file, provider.key_command)
    named = {*provider.prices, *provider.models}
    prices: dict[str, Price | None] = dict(listed_prices(provider)) if every else {}
    prices |= {model: price_of(f"{name}/{model}", settings, {}).price for model in named}
    return {
        "name": name,
        "api": provider.api,
        "base_url": provider.base_url,
        "key": _where(source),
        "key_found": _there(source),
        "models": [{"name": m, "price": _price(p)} for m, p in sorted(prices.items())],
    }


def _where(source: KeySource) -> str | None:
    if source.env is not None:
        return f"variable {source.env}"
    if source.file is not None:
        return f"file {source.file}"
    return f"command {source.command[0]}" if source.command else None


def _there(source: KeySource) -> bool | None:
    """Whether the key can be had; None when none is needed, or only a command knows."""
    from engine.models.keys import KeyMissingError, read_key

    if source.env is None and source.file is None:
        return None
    try:
        return read_key(source) is not None
    except KeyMissingError:
        return False


def _price(price: Price | None) -> dict[str, Any] | None:
    import msgspec

    return None if price is None else msgspec.to_builtins(price)


def _dollars(price: dict[str, Any] | None) -> tuple[str, ...]:
    known = price or {}
    rates = [known.get(k) for k in ("input", "cached", "cache_write", "output")]
    figures = ("-" if rate is None else numeral(rate, 6) for rate in rates)
    return (*figures, _who_says(known) if known else "nobody: unknown")


def _who_says(price: dict[str, Any]) -> str:
    more = [f"above {tier['above']} tokens sent" for tier in price["tiers"]]
    more += ["at some hours"] if price["hours"] else []
    return f"{price['source']}{'; other ' if more else ''}{' and '.join(more)}"


def _found(there: bool | None) -> str:
    return {True: "yes", False: "no", None: "-"}[there]


def _proof(model: str, proof: Proof) -> dict[str, Any]:
    import msgspec

    return {
        "model": model,
        "api": proof.provider.api,
        "base_url": proof.provider.base_url,
        "ok": not proof.problem,
        "problem": proof.problem or None,
        "failure": proof.failure,
        "streamed": proof.streamed,
        "tool_call": proof.tool_call,
        "reasoning": proof.reasoning,
        "seconds": proof.seconds,
        "first_seconds": proof.first_seconds,
        "usage": None if proof.usage is None else msgspec.to_builtins(proof.usage),
        "price": _price(proof.found.price),
        "price_unknown": proof.found.why_not or None,
        "limits": dict(proof.limits),
    }


def _in_words(model: str, proof: Proof) -> str:
    lines = [f"{model}: {proof.provider.api} at {proof.provider.base_url}"]
    if proof.usage is not None and not proof.failure:
        lines += [
            f"key taken, {'streamed' if proof.streamed else 'not streamed'}, answered in "
            f"{proof.seconds:.1f} s",
            f"reasoning {'comes' if proof.reasoning else 'does not come'} with the answer",
        ]
    if proof.usage is not None:
        lines.append(_spent(proof.usage, proof.found.price))
    if proof.found.price is None:
        lines.append(f"price unknown: {proof.found.why_not}")
    limits = [f"{name} {value}" for name, value in sorted(proof.limits.items())]
    lines.append("limits: " + (", ".join(limits) if limits else "the provider tells none"))
    lines.append(f"wrong: {proof.problem}" if proof.problem else "ok: key, streaming, tool calls")
    return "\n".join(plain(line) for line in lines)


def _spent(used: Usage, price: Price | None) -> str:
    """What the call used, what that costs, and who says so."""
    if not used.tokens and used.cost is None:
        return "the provider does not tell what the call used"
    if used.cost is None:
        cost = "cost unknown"
    else:
        least = "at least " if used.unpriced else ""
        source = "the provider" if used.stated or price is None else price.source
        cost = f"{least}{used.cost:.6f} US dollars ({source})"
    return f"{used.sent} tokens sent, {used.output} got, {cost}"
