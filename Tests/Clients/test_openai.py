# SPDX-License-Identifier: Apache-2.0
"""OpenAI's own package, unchanged, over the socket and over TCP."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from sidecar import STITCHED, Sidecar, until

SYSTEM = "Use only what the reports say.\n\n"
REPORTS = [
    "The director of the Velstone yard is Hanas Stenden. The Velstone yard dates from 1723.\n\n",
    "Hanas Stenden works as a weaver. Trains were slow because of the fog.\n\n",
]
QUESTION = "Who is the director of the Velstone yard?"


@pytest.fixture(params=["socket", "tcp"])
def api(request: pytest.FixtureRequest, server: Sidecar) -> Iterator[OpenAI]:
    """The client of either transport."""
    if request.param == "socket":
        transport = httpx.HTTPTransport(uds=str(server.socket))
        http: Any = httpx.Client(transport=transport, timeout=60)
        client = OpenAI(
            base_url="http://localhost/v1", api_key="unused", http_client=http, max_retries=0)
    else:
        client = OpenAI(
            base_url=f"{server.url}/v1", api_key=server.token, max_retries=0, timeout=60)
    with client:
        yield client


def messages(system: str = SYSTEM, question: str = QUESTION) -> list[ChatCompletionMessageParam]:
    """A system text and a question."""
    return [{"role": "system", "content": system}, {"role": "user", "content": question}]


def chat(
    api: OpenAI, model: str, body: dict[str, Any] | None = None, **more: Any
) -> ChatCompletion:
    """A chat about the reports at temperature 0, unless told otherwise."""
    body = {"documents": REPORTS} | (body or {})
    options: dict[str, Any] = {
        "messages": messages(), "model": model, "temperature": 0, "max_tokens": 32}
    answer = api.chat.completions.create(**(options | more), extra_body=body)
    assert isinstance(answer, ChatCompletion)
    return answer


def text(answer: ChatCompletion) -> str:
    """What was answered."""
    return answer.choices[0].message.content or ""


def summary(answer: Any) -> dict[str, Any]:
    """The `tessera` object of an answer."""
    assert answer.model_extra is not None
    found: dict[str, Any] = answer.model_extra["tessera"]
    return found


def test_chat(api: OpenAI, model: str) -> None:
    answer = chat(api, model)
    assert answer.object == "chat.completion" and answer.model == model and answer.id
    assert len(answer.choices) == 1 and answer.choices[0].message.role == "assistant"
    assert "Hanas Stenden" in text(answer)
    assert answer.choices[0].finish_reason == "stop"
    usage = answer.usage
    assert usage is not None and usage.prompt_tokens > 0 and usage.completion_tokens > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert summary(answer)["assembly"] == "exact"
    assert summary(answer)["prompt_tokens"] == usage.prompt_tokens
    assert summary(answer)["time_to_first_token"] > 0


def test_content_in_parts(api: OpenAI, model: str) -> None:
    parts = [{"type": "text", "text": QUESTION[:10]}, {"type": "text", "text": QUESTION[10:]}]
    spoken = [messages()[0], {"role": "user", "content": parts}]
    assert text(chat(api, model, messages=spoken)) == text(chat(api, model))


def test_conversation(api: OpenAI, model: str) -> None:
    turns = [*messages(), {"role": "assistant", "content": "Hanas Stenden."},
             {"role": "user", "content": "What does Hanas Stenden work as?"}]
    assert text(chat(api, model, messages=turns))


def test_chat_stream(api: OpenAI, model: str) -> None:
    whole = chat(api, model)
    chunks = list(api.chat.completions.create(
        messages=messages(), model=model, temperature=0, max_tokens=32, stream=True,
        stream_options={"include_usage": True}, extra_body={"documents": REPORTS}))
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk.id for chunk in chunks}) == 1
    *answer, last = chunks
    assert answer[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in answer) == text(whole)
    reasons = [chunk.choices[0].finish_reason for chunk in answer]
    assert reasons[-1] == "stop" and set(reasons[:-1]) <= {None}
    assert summary(answer[-1])["prompt_tokens"] > 0
    assert last.choices == [] and last.usage is not None and whole.usage is not None
    assert last.usage.prompt_tokens == whole.usage.prompt_tokens
    assert last.usage.completion_tokens == whole.usage.completion_tokens


def test_stream_without_usage(api: OpenAI, model: str) -> None:
    chunks = list(api.chat.completions.create(
        messages=messages(), model=model, max_tokens=4, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


def test_completion(api: OpenAI, model: str) -> None:
    answer = api.completions.create(prompt=QUESTION, model=model, temperature=0, max_tokens=8)
    assert answer.object == "text_completion" and len(answer.choices) == 1
    assert answer.usage is not None and 0 < answer.usage.completion_tokens <= 8
    assert summary(answer)["prompt_tokens"] == answer.usage.prompt_tokens
    chunks = list(api.completions.create(
        prompt=QUESTION, model=model, temperature=0, max_tokens=8, stream=True,
        stream_options={"include_usage": True}))
    *parts, last = chunks
    assert "".join(part.choices[0].text for part in parts) == answer.choices[0].text
    assert parts[-1].choices[0].finish_reason == answer.choices[0].finish_reason
    assert last.choices == [] and last.usage == answer.usage


def test_prompt_of_tokens(api: OpenAI, model: str, client: httpx.Client) -> None:
    tokens = client.post("/tokenize", json={"text": QUESTION}).json()["tokens"]
    answers = [
        api.completions.create(prompt=prompt, model=model, temperature=0, max_tokens=8)
        for prompt in (tokens, [tokens])]
    assert answers[0].choices[0].text == answers[1].choices[0].text
    assert all(answer.usage and answer.usage.prompt_tokens >= len(tokens) for answer in answers)


@pytest.mark.parametrize("several", [False, True])
def test_stop(api: OpenAI, model: str, several: bool) -> None:
    whole = text(chat(api, model))
    middle = len(whole) // 2
    stop = whole[middle:middle + 3]
    answer = chat(api, model, stop=["never said", stop] if several else stop)
    assert text(answer) == whole[:whole.index(stop)]
    assert answer.choices[0].finish_reason == "stop"
    chunks = api.chat.completions.create(
        messages=messages(), model=model, temperature=0, max_tokens=32, stream=True, stop=stop,
        extra_body={"documents": REPORTS})
    parts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(parts) == text(answer)


def test_seed(api: OpenAI, model: str) -> None:
    def sampled(seed: int) -> str:
        return text(chat(api, model, temperature=2, seed=seed, max_tokens=24))

    answers = [sampled(seed) for seed in range(8)]
    assert len(set(answers)) > 1
    assert sampled(3) == answers[3]
    assert sampled(-5) == sampled(-5)


def test_max_tokens(api: OpenAI, model: str) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        most: dict[str, Any] = {"max_tokens": openai.omit, name: 2}
        answer = chat(api, model, **most)
        assert answer.usage is not None and answer.usage.completion_tokens == 2
        assert answer.choices[0].finish_reason == "length"
    newer = chat(api, model, max_tokens=9, max_completion_tokens=1)
    assert newer.usage is not None and newer.usage.completion_tokens == 1


def test_documents(api: OpenAI, model: str, client: httpx.Client) -> None:
    mark = "socket" if api.base_url.host == "localhost" else "port"
    shapes: list[Any] = [
        f"One {mark} report. It was a quiet month for everybody.",
        {"id": "2", "title": "Two", "text": f"Another {mark} report."},
        {"data": {"title": "Three", "snippet": f"A third {mark} report."}},
        {"data": f"A fourth {mark} report."},
        {"chunk": {"text": f"A fifth {mark} report."}},
        {"chunk": {"tokens": client.post("/tokenize", json={"text": mark}).json()["tokens"]}},
    ]
    body = {"documents": shapes, "tessera": STITCHED | {"explain": True}}
    first = summary(chat(api, model, body))
    assert (first["hits"], first["misses"]) == (0, len(shapes))
    assert first["assembly"] == "stitched" and first["selector"] == "none"
    assert len(first["explanation"]["contexts"]) == len(shapes)

    def all_hit() -> bool:
        found = summary(chat(api, model, body))
        return bool(found["hits"] == len(shapes) and found["provenance"] == "composed")

    until(all_hit, 20, "what was missing was not kept")


def test_documents_change_the_answer(api: OpenAI, model: str) -> None:
    other = [REPORTS[0].replace("Hanas Stenden", "Ivus Egric")]
    assert "Ivus Egric" in text(chat(api, model, {"documents": other}))


def test_cached_tokens(api: OpenAI, model: str) -> None:
    system = f"You are asked at {api.base_url}. " + SYSTEM + "Be short and exact. " * 8

    def cached(question: str) -> int:
        usage = chat(api, model, messages=messages(system, question)).usage
        assert usage is not None and usage.prompt_tokens_details is not None
        return usage.prompt_tokens_details.cached_tokens or 0

    before = cached(QUESTION)
    until(lambda: cached(QUESTION) > before, 20, "the system text was not kept")
    assert cached("What does Hanas Stenden work as?") > 40


def test_models(api: OpenAI, model: str) -> None:
    assert [found.id for found in api.models.list()] == [model]
    found = api.models.retrieve(model)
    assert found.object == "model" and found.owned_by == "tessera"
    assert summary(found)["context_length"] > 0 and len(summary(found)["fingerprint"]) == 64


def test_many_at_once(server: Sidecar, model: str) -> None:
    async def ask(api: AsyncOpenAI, number: int) -> str:
        question = QUESTION if number % 2 else "What does Hanas Stenden work as?"
        answer = await api.chat.completions.create(
            messages=messages(question=question), model=model, temperature=0, max_tokens=32,
            extra_body={"documents": REPORTS})
        return answer.choices[0].message.content or ""

    async def ask_all() -> list[str]:
        transport = httpx.AsyncHTTPTransport(uds=str(server.socket))
        http: Any = httpx.AsyncClient(transport=transport, timeout=60)
        async with AsyncOpenAI(
            base_url="http://localhost/v1", api_key="unused", http_client=http
        ) as api:
            return await asyncio.gather(*(ask(api, number) for number in range(16)))

    answers = asyncio.run(ask_all())
    assert all("Hanas Stenden" in answer for answer in answers[1::2])
    assert len(set(answers[0::2])) == 1 and len(set(answers[1::2])) == 1


@pytest.mark.parametrize("options", [
    {"n": 2}, {"temperature": 2.5}, {"temperature": -1}, {"top_p": 0}, {"max_tokens": 0},
    {"presence_penalty": 1}, {"logprobs": True}, {"logit_bias": {"5": 1}},
    {"response_format": {"type": "json_object"}}, {"stop": ["x"] * 17}, {"messages": []},
    {"messages": messages(question="word " * 4000)},
    {"messages": [{"role": "nobody", "content": "x"}]},
], ids=str)
def test_bad_request(api: OpenAI, model: str, options: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        chat(api, model, **options)
    assert caught.value.type == "invalid_request_error" and caught.value.code
    assert len(caught.value.message) > 20


@pytest.mark.parametrize("options", [
    {"ratio": 1.5}, {"assembly": "magic"}, {"selector": "magic"}, {"check_layer": 0},
    {"check_layer": 999}, {"k": -1}, {"alpha": -1}, {"variants": "magic"}, {"temperature": 0},
], ids=str)
def test_bad_reuse(api: OpenAI, model: str, options: dict[str, Any]) -> None:
    selector = "storedScore" if "alpha" in options else "deviation"
    assembly = "parallel" if "temperature" in options else "stitched"
    chosen = {"assembly": assembly, "ungated": True} | options
    if "k" in options:
        chosen["selector"] = "firstK"
    elif assembly == "stitched":
        chosen = {"selector": selector} | chosen
    with pytest.raises(openai.BadRequestError):
        chat(api, model, {"tessera": chosen})


def test_bad_request_of_a_stream(api: OpenAI, model: str) -> None:
    with pytest.raises(openai.BadRequestError):
        api.chat.completions.create(messages=messages(), model=model, stream=True, temperature=9)


def test_what_is_not_there(api: OpenAI, model: str) -> None:
    with pytest.raises(openai.NotFoundError):
        api.models.retrieve("another")
    with pytest.raises(openai.NotFoundError):
        chat(api, "another")
    with pytest.raises(openai.NotFoundError):
        api.embeddings.create(input="x", model=model)
    with pytest.raises(openai.NotFoundError):
        chat(api, model, {"documents": [{"chunk": "0f" * 32}]})


def test_tokens_of_others(server: Sidecar, model: str) -> None:
    for key in ("wrong", server.token[:-1], server.token + "0"):
        api = OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0)
        with api, pytest.raises(openai.AuthenticationError):
            chat(api, model)
    bare = httpx.get(f"{server.url}/v1/models")
    assert bare.status_code == 401 and bare.json()["error"]["type"] == "authentication_error"
