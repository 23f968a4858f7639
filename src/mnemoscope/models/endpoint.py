"""A model behind an address as the judge of reformulation: any server that speaks the chat-completions format.

The texts of the pairs are sent there: this is the one place where text leaves the machine, and only for an address
that the user gave. No torch here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from mnemoscope.errors import ConfigError, ModelError
from mnemoscope.models.question import Tick, Verdict, ask

ANSWER_TOKENS = 8
"""What a server may write at most: one word is asked for, and some put a sign or a line break before it."""

RETRIES = 2
"""The client's own default: it tries again after a refused connection, a timeout, 429 and 5xx."""

_ANSWER = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)


class Endpoint(NamedTuple):
    """Where a judge answers."""

    url: str
    """Base address of the server, such as http://localhost:8000/v1."""
    model: str
    """The name that the server knows the model by."""


def parse_judge(judge: str) -> Endpoint | None:
    """The endpoint that "http(s)://HOST/v1#MODEL" means; None where `judge` names a local model.

    Raises:
        ConfigError: an address without a host or without a model's name.

    >>> parse_judge("http://localhost:8000/v1#qwen3")
    Endpoint(url='http://localhost:8000/v1', model='qwen3')
    """
    if not re.match("https?://", judge, re.IGNORECASE):
        return None
    url, _, model = judge.partition("#")
    if not model or not _has_host(url) or "@" in url or "?" in url:
        raise ConfigError(
            "a judge behind an address needs a host and a model's name, and takes no password: write "
            "http://HOST:PORT/v1#MODEL and put the key into OPENAI_API_KEY"
        )
    return Endpoint(url, model)


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is no number
        return False


def judge_endpoint(
    url: str, model: str, pairs: Sequence[tuple[str, str]], tick: Tick = lambda _: None, *, retries: int = RETRIES
) -> list[Verdict]:
    """What the model behind `url` says of each pair, at temperature 0: `same` is 1, 0, or None for neither word.

    The key is read from OPENAI_API_KEY; a local server needs none. Timeouts are the client's own.

    Args:
        url: base address of the server.
        model: the name that the server knows the model by.
        pairs: first and second text, each.
        tick: told the pairs done.
        retries: how often the client tries again.

    Raises:
        ModelError: the client is not installed, the server cannot be reached, refuses, or answers in another format.
    """
    openai = _library()
    client = openai.OpenAI(base_url=url, api_key=os.environ.get("OPENAI_API_KEY") or "none needed", max_retries=retries)
    verdicts = []
    with client:
        for first, second in pairs:
            prompt = ask(first, second)
            answer = _answer(openai, client, Endpoint(url, model), prompt)
            verdicts.append(Verdict(prompt, answer, read_answer(answer)))
            tick(1)
    return verdicts


def read_answer(answer: str) -> float | None:
    """1.0 where an answer begins with the word yes, 0.0 with no, in any case and after any signs; else None."""
    found = _ANSWER.match(answer)
    return None if found is None else float(found[1].lower() == "yes")


def _library() -> ModuleType:
    try:
        import openai
    except ImportError:
        raise ModelError(
            "a judge behind an address is asked through the openai client, which is not installed: "
            "pip install mnemoscope[judge]"
        ) from None
    return openai


def _answer(openai: Any, client: Any, endpoint: Endpoint, prompt: str) -> str:
    """The text that came back; a message of the server is never shown, because it may hold the prompt."""
    try:
        completion = client.chat.completions.create(
            model=endpoint.model,
            messages=[{"role": "user", "content": prompt}],
            temperature=0,
            max_tokens=ANSWER_TOKENS,
        )
        return str(completion.choices[0].message.content or "")
    except openai.APIStatusError as error:
        raise _refused(endpoint, int(error.status_code)) from None
    except openai.APIConnectionError:
        raise ModelError(f"no judge answers at {_place(endpoint)}: start the server, or mend the address") from None
    except (openai.OpenAIError, AttributeError, TypeError, IndexError, ValueError):
        raise ModelError(
            f"{_place(endpoint)} does not answer in the chat-completions format: give the address that ends in /v1"
        ) from None


def _refused(endpoint: Endpoint, status: int) -> ModelError:
    advice = {
        401: "set OPENAI_API_KEY to a key that it knows",
        403: "set OPENAI_API_KEY to a key that may do this",
        404: f"check the address and the model's name {endpoint.model!r}",
    }
    found = advice.get(status, "look into its log, then call again")
    return ModelError(f"the judge at {_place(endpoint)} refused with HTTP {status}: {found}")


def _place(endpoint: Endpoint) -> str:
    """Host and port, without a password that an address may hold."""
    return urlsplit(endpoint.url).netloc.rpartition("@")[2]
