"""The endpoint client against a local server that fails: errors are retried, reported, or end the run in one line."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cambrian_eval import UserError
from cambrian_eval.endpoint.address import place_of
from cambrian_eval.endpoint.budget import Budget, BudgetReached, Price, estimated_tokens, price_of
from cambrian_eval.endpoint.client import Endpoint, Failure, FinishedRequest
from cambrian_eval.endpoint.parameters import ChatRequest
from cambrian_eval.endpoint.rate_limit import ConcurrencyLimit, backoff, retry_after
from cambrian_eval.endpoint.responses import ChatResponse
from tests.judge.chat_server import Act, ChatServer, Seen, error
from tests.judge.conftest import KEY

pytestmark = pytest.mark.slow

Script = Callable[[Seen, int], Act]


def requests(n: int) -> Iterator[tuple[int, ChatRequest]]:
    return ((i, ChatRequest(({"role": "user", "content": f"q{i}"},), 10, 5)) for i in range(n))


def send(script: Script, n: int = 12, **more: object) -> tuple[list[FinishedRequest[int]], list[Seen]]:
    with ChatServer(script) as server:
        endpoint = Endpoint("m", server.url, **more)  # type: ignore[arg-type]
        return list(endpoint.send(requests(n))), server.seen


def texts(found: list[FinishedRequest[int]]) -> dict[int, str]:
    return {a.tag: a.outcome.text for a in found if isinstance(a.outcome, ChatResponse)}


def echo(seen: Seen, n: int) -> Act:
    return Act(f"re {seen.user}")


EVERYTHING = {i: f"re q{i}" for i in range(12)}


@pytest.mark.parametrize(
    "failure",
    [
        error(500, "oops"),
        error(503, "busy", headers={"Retry-After": "0"}),
        error(429, "slow down"),
        error(429, "slow down", headers={"Retry-After": "0.05"}),
        error(429, "slow down", headers={"retry-after-ms": "20"}),
        Act("x", reset=True),
        Act(choices=False),
        Act(body=b'{"choices": [{"mess'),
        Act(body=b"<html>gateway</html>", headers={"Content-Type": "text/html"}),
        Act(body=b'{"choices": [{"message": null}]}'),
        Act(body=b'{"error": {"message": "worker died"}}'),
    ],
    ids=["500", "503", "429", "429-after", "429-ms", "reset", "no-choices", "truncated", "html", "null", "error-200"],
)
def test_errors_are_retried_until_every_request_succeeds(failure: Act) -> None:
    found, seen = send(lambda s, n: failure if n < 8 else echo(s, n))
    assert texts(found) == EVERYTHING
    assert len(seen) == 12 + 8


def test_unicode_is_unchanged() -> None:
    found, _ = send(lambda s, n: Act("naïve 日本 🎈 \u2028 end"), n=1)
    assert texts(found) == {0: "naïve 日本 🎈 \u2028 end"}


@pytest.mark.parametrize("act", [Act(delay=8.0), Act("x" * 200, trickle=0.05)], ids=["silence", "trickle"])
def test_a_request_is_retried_after_a_timeout(act: Act) -> None:
    found, seen = send(lambda s, n: act if n < 2 else echo(s, n), timeout=1.5)
    assert texts(found) == EVERYTHING and len(seen) >= 14


def test_a_slow_response_within_the_timeout_is_accepted() -> None:
    found, seen = send(lambda s, n: Act(f"re {s.user}", trickle=0.001), n=2, timeout=20.0)
    assert texts(found) == {0: "re q0", 1: "re q1"} and len(seen) == 2


def test_retry_after_delays_all_requests() -> None:
    def script(seen: Seen, n: int) -> Act:
        return error(429, "slow", headers={"Retry-After": "0.5"}) if n == 0 else Act(f"re {seen.user}", delay=0.02)

    with ChatServer(script) as server:
        endpoint = Endpoint("m", server.url, concurrency=1)
        found = list(endpoint.send(requests(3)))
        assert texts(found) == {i: f"re q{i}" for i in range(3)}
        assert server.seen[1].at - server.seen[0].at >= 0.5


def test_in_flight_requests_never_exceed_the_concurrency() -> None:
    with ChatServer(lambda s, n: Act(delay=0.03)) as server:
        list(Endpoint("m", server.url, concurrency=3).send(requests(12)))
        assert server.most_active <= 3


def test_requests_are_pulled_as_slots_become_free() -> None:
    pulled = 0

    def source() -> Iterator[tuple[int, ChatRequest]]:
        nonlocal pulled
        for item in requests(100):
            pulled += 1
            yield item

    with ChatServer(echo) as server:
        outcomes = Endpoint("m", server.url, concurrency=4).send(source())
        for _ in range(10):
            next(outcomes)
        assert pulled <= 10 + 4
        outcomes.close()


def test_after_a_stop_in_flight_requests_finish() -> None:
    stop = threading.Event()

    def script(seen: Seen, n: int) -> Act:
        if n == 3:
            stop.set()
        return Act(f"re {seen.user}", delay=0.05)

    with ChatServer(script) as server:
        found = list(Endpoint("m", server.url, concurrency=2).send(requests(50), stop))
        assert 3 <= len(found) == len(server.seen) <= 8


def test_a_request_that_keeps_failing_does_not_affect_the_others() -> None:
    found, _ = send(lambda s, n: error(500, f"no luck {KEY}") if s.user == "q3" else echo(s, n))
    failures = {a.tag: a.outcome.reason for a in found if isinstance(a.outcome, Failure)}
    assert list(failures) == [3] and "HTTP 500" in failures[3] and KEY not in failures[3]
    assert len(texts(found)) == 11


def test_a_rejected_request_is_not_retried() -> None:
    found, seen = send(lambda s, n: error(400, "context too long") if s.user == "q3" else echo(s, n))
    assert [a.tag for a in found if isinstance(a.outcome, Failure)] == [3] and len(seen) == 12


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (error(401, f"bad {KEY}"), "OPENAI_API_KEY"),
        (error(404, "no such model"), "does not serve the model 'm'"),
        (error(429, "You exceeded your quota", code="insufficient_quota"), "no credit"),
        (error(402, "pay"), "no credit"),
    ],
)
def test_errors_that_concern_every_request_end_with_one_line(act: Act, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        send(lambda s, n: act)
    assert KEY not in str(caught.value) and "\n" not in str(caught.value)


def test_many_failures_in_a_row_end_with_one_line() -> None:
    with pytest.raises(UserError, match="requests in a row"):
        send(lambda s, n: error(500, "down"), n=100, concurrency=8)


def test_an_unreachable_endpoint_is_an_error() -> None:
    with pytest.raises(UserError, match="cannot be reached"):
        list(Endpoint("m", "http://127.0.0.1:9/v1").send(requests(2)))


def test_a_private_server_needs_no_key_and_the_public_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    found, _ = send(echo)
    assert texts(found) == EVERYTHING
    with pytest.raises(UserError, match="OPENAI_API_KEY"):
        Endpoint("gpt-4o")


def test_parameters_that_a_model_rejects_are_replaced() -> None:
    def script(seen: Seen, n: int) -> Act:
        if "max_tokens" in seen.body:
            text = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
            return error(400, text, param="max_tokens", code="unsupported_parameter")
        if "temperature" in seen.body:
            return error(400, "'temperature' does not support 0 with this model.", param="temperature")
        return echo(seen, n)

    found, seen = send(script, n=30, concurrency=8)
    assert texts(found) == {i: f"re q{i}" for i in range(30)}
    assert len(seen) <= 30 + 2 * 8
    # thoughts count against the limit, so an allowance is added to the 10 tokens of the response
    assert seen[-1].body["max_completion_tokens"] > 1000 and "temperature" not in seen[-1].body


def test_a_server_without_max_completion_tokens_and_a_reasoning_name() -> None:
    def script(seen: Seen, n: int) -> Act:
        if "max_completion_tokens" in seen.body:
            return error(422, "extra fields not permitted: max_completion_tokens")
        return echo(seen, n)

    with ChatServer(script) as server:
        found = list(Endpoint("o3-mini", server.url).send(requests(4)))
    assert len(texts(found)) == 4


def test_without_a_system_role_the_system_text_is_part_of_the_question() -> None:
    def script(seen: Seen, n: int) -> Act:
        if seen.body["messages"][0]["role"] == "system":
            return error(400, "System role not supported")
        return Act(seen.user)

    with ChatServer(script) as server:
        messages = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"})
        found = list(Endpoint("m", server.url).send([(0, ChatRequest(messages, 10, 5))]))
    assert texts(found) == {0: "Be brief.\n\nWhy?"}


def test_finish_reasons() -> None:
    acts = [
        Act("ok"),
        Act("cut", finish="length"),
        Act(None, refusal="I cannot"),
        Act("half", finish="content_filter"),
        error(400, "filtered", code="content_filter"),
    ]
    found, _ = send(lambda s, n: acts[int(s.user[1:])], n=5)
    ends = {a.tag: (a.outcome.finish, a.outcome.text) for a in found if isinstance(a.outcome, ChatResponse)}
    assert ends == {
        0: ("stop", "ok"),
        1: ("length", "cut"),
        2: ("refused", "I cannot"),
        3: ("filtered", "half"),
        4: ("filtered", ""),
    }


def test_tokens_are_estimated_where_the_endpoint_reports_none() -> None:
    found, _ = send(lambda s, n: Act("x" * 40, usage=None), n=1)
    response = found[0].outcome
    assert isinstance(response, ChatResponse) and not response.counted
    assert (response.prompt_tokens, response.new_tokens) == (5, 11)


@pytest.mark.parametrize("usage", [(5, 2), (700, 9), (100, 10)])
def test_the_budget_is_never_exceeded_whatever_requests_cost(usage: tuple[int, int]) -> None:
    price = Price(100.0, 400.0)
    cost = price.cost(*usage)
    budget = Budget(20.5 * cost, price)
    seen: list[FinishedRequest[int]] = []
    with ChatServer(lambda s, n: Act(usage=usage, delay=0.01)) as server:
        endpoint = Endpoint("m", server.url, price=price, budget=budget)
        with pytest.raises(BudgetReached):
            for answer in endpoint.send(requests(200)):
                seen.append(answer)
        assert len(seen) == len(server.seen), "every response is yielded before the error"
        assert 10 <= len(server.seen) <= 20
    assert budget.spent == pytest.approx(len(seen) * cost) and budget.spent <= budget.limit


def test_a_lost_response_counts_against_the_budget() -> None:
    budget = Budget(1.0, Price(1000.0, 1000.0))
    with ChatServer(lambda s, n: Act(reset=True) if n == 0 else Act(usage=(5, 2))) as server:
        list(Endpoint("m", server.url, price=budget.price, budget=budget).send(requests(1)))
    assert budget.spent == pytest.approx((15 + 7) / 1000)  # an estimate of 5 + 10, then 5 + 2 as counted


@given(st.integers(1, 40))
def test_backoff_doubles_up_to_half_a_minute(tries: int) -> None:
    wait = backoff(tries)
    most = min(30.0, 0.5 * 2 ** (tries - 1))
    assert most / 2 <= wait <= most


def test_retry_after_as_number_and_date() -> None:
    assert retry_after({"retry-after": "3"}) == 3.0
    assert retry_after({"retry-after-ms": "250"}) == 0.25
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None
    assert retry_after({"retry-after": "-5"}) == 0.0
    in_a_while = retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)})
    assert in_a_while is not None and 50 < in_a_while <= 61
    assert backoff(1) >= 0.0


def test_the_concurrency_is_halved_once_per_round_and_recovers() -> None:
    limit = ConcurrencyLimit(16)
    sent = time.monotonic()
    before = sent - 1.0
    for _ in range(5):
        limit.overloaded(sent)
    assert limit.limit == 8.0, "five rejections of one round reduce the limit once"
    limit.overloaded(before)
    assert limit.limit == 8.0
    for _ in range(200):
        limit.succeeded(0.1)
    assert limit.limit == 16.0


@pytest.mark.parametrize(
    ("seconds", "least", "most"),
    [
        (lambda n: 1.0, 256, 256),  # a server with room for all
        (lambda n: max(1.0, n / 40), 40, 120),  # one that finishes 40 a second, however many wait
        (lambda n: 1.0 if n <= 40 else n**3 / 40**3, 30, 60),  # one that is 8 times as slow with twice as many
        (lambda n: 1.0 if n <= 40 else 100.0, 30, 42),  # one that stalls
    ],
)
def test_the_concurrency_follows_what_the_endpoint_can_do(
    seconds: Callable[[int], float], least: int, most: int
) -> None:
    """Responses of an endpoint whose requests take so long with so many of them in flight."""
    limit = ConcurrencyLimit(256)
    assert limit.allowed == 16
    reached = []
    for _ in range(3000):
        limit.in_flight = limit.allowed - 1  # beside the one that ends
        limit.succeeded(seconds(limit.allowed))
        reached.append(limit.allowed)
    assert least <= min(reached[1000:]) and max(reached[1000:]) <= most


def test_prices_by_name_date_flag_and_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert price_of("gpt-4o-mini") == price_of("gpt-4o-mini-2024-07-18") == price_of("openai/gpt-4o-mini")
    assert price_of("gpt-4o-minimal") is None and price_of("my-model") is None
    assert price_of("my-model", "1.5,2") == Price(1.5, 2.0)
    for bad in ("1", "a,b", "1,2,3", "-1,2", "nan,1"):
        with pytest.raises(UserError, match="INPUT,OUTPUT"):
            price_of("m", bad)
    file = tmp_path / "prices.json"
    file.write_text('{"my-model": [3, 4]}')
    monkeypatch.setenv("CAMBRIAN_EVAL_PRICES", str(file))
    assert price_of("my-model") == Price(3.0, 4.0)
    file.write_text('{"my-model": 3}')
    with pytest.raises(UserError, match=r"prices\.json"):
        price_of("my-model")
    assert Price(2.0, 10.0).cost(500_000, 100_000) == pytest.approx(2.0)


def test_a_place_identifies_a_service_but_not_a_private_server() -> None:
    assert place_of(None) == "api.openai.com/v1"
    assert place_of("https://openrouter.ai/api/v1/") == "openrouter.ai/api/v1"
    own = ("http://localhost:8000/v1", "http://127.0.0.1:1234/v1", "http://10.1.2.3/v1", "http://gpu-node-7:8000/v1")
    assert {place_of(url) for url in own} == {"local"}


def test_token_estimates_count_other_scripts_by_character() -> None:
    assert estimated_tokens("abcdefgh") == 2 and estimated_tokens("日本語") == 3 and estimated_tokens("") == 0


def test_azure_uses_its_own_client_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    import openai

    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-key-12345")
    old = Endpoint("gpt-4o", "https://me.openai.azure.com").client()
    assert isinstance(old, openai.AsyncAzureOpenAI) and old.api_key == "azure-key-12345"
    new = Endpoint("gpt-4o", "https://me.openai.azure.com/openai/v1/").client()
    assert not isinstance(new, openai.AsyncAzureOpenAI) and new.api_key == "azure-key-12345"
    elsewhere = Endpoint("m", "https://api.example.com/v1").client()
    assert elsewhere.api_key == KEY, "the Azure key is sent to Azure only"


def test_an_invalid_key_is_reported_without_printing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-schlüssel")
    with pytest.raises(UserError) as caught:
        Endpoint("m", "http://localhost/v1")
    assert "schl" not in str(caught.value) and "OPENAI_API_KEY" in str(caught.value)
    monkeypatch.setenv("OPENAI_API_KEY", f"  {KEY}\n")
    found, seen = send(echo, n=1)
    assert texts(found) == {0: "re q0"} and seen[0].headers["authorization"] == f"Bearer {KEY}"
