"""An endpoint that fails in every way: what is waited for, what is refused, what is counted, and what is not lost."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cambrian_eval import UserError
from cambrian_eval.endpoint.address import checked_url
from cambrian_eval.endpoint.budget import Budget, BudgetReached, Price, most_image_tokens, price_of
from cambrian_eval.endpoint.client import Endpoint, Failure, FinishedRequest
from cambrian_eval.endpoint.cost_log import CostLog
from cambrian_eval.endpoint.parameters import ChatRequest
from cambrian_eval.endpoint.rate_limit import retry_after
from cambrian_eval.endpoint.responses import ChatResponse
from tests.judge.chat_server import Act, ChatServer, Seen, completion, error
from tests.judge.conftest import KEY

Script = Callable[[Seen, int], Act]


def requests(n: int, images: int = 0) -> Iterator[tuple[int, ChatRequest]]:
    messages = ({"role": "user", "content": "q"},)
    return ((i, ChatRequest(({**messages[0], "content": f"q{i}"},), 10, 5, n_images=images)) for i in range(n))


def send(script: Script, n: int = 12, **more: object) -> tuple[list[FinishedRequest[int]], list[Seen]]:
    with ChatServer(script) as server:
        endpoint = Endpoint("m", server.url, **more)  # type: ignore[arg-type]
        return list(endpoint.send(requests(n))), server.seen


def texts(found: list[FinishedRequest[int]]) -> dict[int, str]:
    return {a.tag: a.outcome.text for a in found if isinstance(a.outcome, ChatResponse)}


def failures(found: list[FinishedRequest[int]]) -> dict[int, Failure]:
    return {a.tag: a.outcome for a in found if isinstance(a.outcome, Failure)}


def echo(seen: Seen, n: int) -> Act:
    return Act(f"re {seen.user}")


@pytest.mark.slow
@pytest.mark.parametrize("failure", [Act(reset=True), error(503, "down"), error(502, "bad gateway")])
def test_all_requests_wait_for_the_end_of_an_outage(failure: Act, caplog: pytest.LogCaptureFixture) -> None:
    """60 failures are far more than the tries of one request; nothing fails, and few requests are burnt."""
    with caplog.at_level(logging.WARNING, "cambrian_eval.endpoint"):
        found, seen = send(lambda s, n: failure if 10 <= n < 70 else echo(s, n), n=40, outage=30.0)
    assert texts(found) == {i: f"re q{i}" for i in range(40)}
    assert len(seen) == 40 + 60
    assert "is not available" in caplog.text and "responds again" in caplog.text


def test_an_outage_is_tried_with_one_request_at_a_time() -> None:
    active: list[int] = []

    def script(seen: Seen, n: int) -> Act:
        if 16 <= n < 60:
            active.append(server.active)
            return error(503, "down")
        return Act(f"re {seen.user}", delay=0.005)

    with ChatServer(script) as server:
        found = list(Endpoint("m", server.url, concurrency=8).send(requests(40)))
    assert len(texts(found)) == 40 and max(active[16:]) == 1


def test_an_outage_longer_than_the_bound_ends_with_one_line_and_loses_no_response() -> None:
    seen: list[FinishedRequest[int]] = []
    with ChatServer(lambda s, n: echo(s, n) if n < 20 else error(503, f"down {KEY}")) as server:
        endpoint = Endpoint("m", server.url, outage=0.3)
        with pytest.raises(UserError, match=r"was not available for 0\.3 seconds") as caught:
            for one in endpoint.send(requests(100)):
                seen.append(one)
    assert len(texts(seen)) == 20 and not failures(seen)
    assert KEY not in str(caught.value) and "run again" in str(caught.value)


def test_a_single_request_that_the_endpoint_does_not_survive_fails_alone() -> None:
    def script(seen: Seen, n: int) -> Act:
        return Act(reset=True) if seen.user == "q3" else echo(seen, n)

    for concurrency in (1, 4):
        found, _ = send(script, concurrency=concurrency, outage=0.3)
        assert list(failures(found)) == [3] and failures(found)[3].outage
        assert len(texts(found)) == 11


@pytest.mark.parametrize("value", ["100000", "inf", "1e400", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_an_absurd_retry_after_is_capped_and_the_others_go_on(value: str, caplog: pytest.LogCaptureFixture) -> None:
    asked = retry_after({"retry-after": value})
    assert asked is not None and asked >= 100000

    def script(seen: Seen, n: int) -> Act:
        return error(429, "later", headers={"Retry-After": value}) if n == 0 else echo(seen, n)

    with caplog.at_level(logging.WARNING, "cambrian_eval.endpoint"):
        found, seen = send(script, concurrency=2, max_retry_after=1.5)
    assert len(texts(found)) == 12 and "Retry-After" in caplog.text
    assert sorted(s.user for s in seen[:-1]) == sorted(f"q{i}" for i in range(12))  # all were asked before its retry


def test_a_rate_limit_that_never_ends_is_bounded_by_time() -> None:
    with pytest.raises(UserError, match="was not available"):
        send(lambda s, n: error(429, "slow"), outage=0.3)


def test_a_401_in_the_middle_keeps_the_responses_that_are_on_their_way() -> None:
    def script(seen: Seen, n: int) -> Act:
        return error(401, "expired") if n == 8 else Act(f"re {seen.user}", delay=0.2)

    found: list[FinishedRequest[int]] = []
    with ChatServer(script) as server:
        with pytest.raises(UserError, match="HTTP 401"):
            for one in Endpoint("m", server.url, concurrency=8).send(requests(40)):
                found.append(one)
        assert len(texts(found)) == len(server.seen) - 1 >= 8


@pytest.mark.parametrize("status", [307, 308, 302])
def test_a_redirect_to_another_host_is_refused(status: int) -> None:
    with ChatServer(echo) as other:
        location = other.url + "/chat/completions"
        with pytest.raises(UserError, match="redirects to another host"):
            send(lambda s, n: Act(status=status, body=b"", headers={"Location": location}))
        assert not other.seen


def test_a_redirect_on_the_same_host_is_followed() -> None:
    def script(seen: Seen, n: int) -> Act:
        return Act(status=307, body=b"", headers={"Location": "/v1/chat/completions"}) if n == 0 else echo(seen, n)

    found, _ = send(script, n=1)
    assert texts(found) == {0: "re q0"}


def bomb(levels: int = 1) -> bytes:
    data = gzip.compress(b"0" * (256 << 20), 1)
    for _ in range(levels - 1):
        data = gzip.compress(data)
    return data


@pytest.mark.parametrize("status", [200, 500, 400])
def test_a_reply_that_unfolds_to_gigabytes_fails_its_request_alone(status: int) -> None:
    data = bomb()

    def script(seen: Seen, n: int) -> Act:
        if seen.user != "q1":
            return echo(seen, n)
        return Act(status=status, body=data, headers={"Content-Encoding": "gzip"})

    found, _ = send(script, n=4)
    assert list(failures(found)) == [1] and "unfolds to more than" in failures(found)[1].reason


def test_compressed_replies_are_read_and_layers_are_not() -> None:
    def script(seen: Seen, n: int) -> Act:
        body = completion(Act(f"re {seen.user}"), "m")
        if seen.user == "q0":
            return Act(body=gzip.compress(body), headers={"Content-Encoding": "gzip"})
        return Act(body=gzip.compress(gzip.compress(body)), headers={"Content-Encoding": "gzip, gzip"})

    found, _ = send(script, n=2)
    assert texts(found) == {0: "re q0"} and "compression" in failures(found)[1].reason


HOSTILE = {
    "deep body": b"[" * 5000 + b"]" * 5000,
    "deep error": b'{"error": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "deep message": b'{"choices": [{"message": {"content": ' + b"[" * 5000 + b"]" * 5000 + b"}}]}",
    "usage": json.dumps({"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 10**400}}).encode(),
    "list": b"[]",
    "number": b"1" * 5000,
    "not UTF-8": b"\xff\xfe{}",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("status", [200, 400])
def test_a_hostile_body_fails_its_request_alone(name: str, status: int) -> None:
    def script(seen: Seen, n: int) -> Act:
        return Act(status=status, body=HOSTILE[name]) if seen.user == "q1" else echo(seen, n)

    found, _ = send(script, n=4, price=Price(1.0, 1.0))
    assert list(failures(found)) == [1] and len(texts(found)) == 3
    assert "\n" not in failures(found)[1].reason


def test_the_key_is_removed_however_it_is_echoed() -> None:
    escaped = "".join(f"\\u{ord(c):04x}" for c in KEY)

    def script(seen: Seen, n: int) -> Act:
        body = f'{{"model": "{KEY}", "choices": [{{"message": {{"content": "say {escaped}"}}}}]}}'
        return Act(body=body.encode())

    found, _ = send(script, n=1)
    outcome = found[0].outcome
    assert isinstance(outcome, ChatResponse) and KEY not in repr(outcome) and outcome.text == "say [key]"


def test_parameters_that_have_worked_are_not_given_up() -> None:
    """A 400 that quotes the words of a prompt is about this prompt."""
    said = "Unsupported content: 'temperature', use max_completion_tokens instead of max_tokens"

    def script(seen: Seen, n: int) -> Act:
        return error(400, said) if seen.user == "q5" else echo(seen, n)

    found, seen = send(script, concurrency=2)
    assert list(failures(found)) == [5] and not failures(found)[5].outage
    assert all(s.body["temperature"] == 0 and s.body["max_tokens"] == 10 for s in seen)
    outcomes = [a.outcome for a in found if isinstance(a.outcome, ChatResponse)]
    assert all(o.sent == {"temperature": 0, "max_tokens": 10} and o.served_by == "m" for o in outcomes)


def test_a_temperature_is_not_given_up_for_an_error_that_only_names_the_word() -> None:
    found, seen = send(lambda s, n: error(400, "the prompt is about temperature") if n == 0 else echo(s, n))
    assert len(failures(found)) == 1 and all("temperature" in s.body for s in seen)


# -- budgets

PRICE = Price(1000.0, 1000.0)


def budgeted(server: ChatServer, log: Path, limit: float, images: int = 0, **more: object) -> tuple[int, float]:
    """Sends up to 100 requests under a budget; returns the number of responses and what the log counts as spent."""
    budget = Budget(limit, PRICE, log=CostLog(log, "m", strict=True))
    endpoint = Endpoint("m", server.url, price=PRICE, budget=budget, **more)  # type: ignore[arg-type]
    n = 0
    try:
        for one in endpoint.send(requests(100, images)):
            n += isinstance(one.outcome, ChatResponse)
    except BudgetReached:
        pass
    return n, CostLog(log, "m", strict=True).spent


def test_a_budget_holds_over_several_commands(tmp_path: Path) -> None:
    log = tmp_path / "costs.jsonl"
    with ChatServer(lambda s, n: Act(usage=(5, 2))) as server:  # 0.007 each; 0.015 are reserved
        first, spent = budgeted(server, log, 0.1)
        assert first > 5 and spent == pytest.approx(first * 0.007) and spent <= 0.1
        more, spent = budgeted(server, log, 0.1)
        assert spent == pytest.approx((first + more) * 0.007) and spent <= 0.1 and more <= 2
        again, spent = budgeted(server, log, 0.2)
        assert again > 5 and spent <= 0.2
        assert len(server.seen) * 0.007 == pytest.approx(spent)


def test_a_budget_holds_where_every_response_is_lost(tmp_path: Path) -> None:
    log = tmp_path / "costs.jsonl"
    with ChatServer(lambda s, n: Act(reset=True)) as server:
        for _ in range(3):
            n, spent = budgeted(server, log, 0.1, outage=5.0)
            assert n == 0 and spent <= 0.1 + 1e-9
        assert len(server.seen) * 0.015 <= 0.1 + 1e-9 and len(server.seen) >= 5


def test_images_that_cost_more_than_estimated_do_not_break_the_budget(tmp_path: Path) -> None:
    with ChatServer(lambda s, n: Act(usage=(2000, 10), delay=0.02)) as server:  # estimated: 5 tokens
        n, spent = budgeted(server, tmp_path / "costs.jsonl", 20.5, images=1)
        assert len(server.seen) == n and 5 <= n <= 10 and spent <= 20.5


def test_a_reservation_of_a_killed_command_counts_as_spent(tmp_path: Path) -> None:
    log = tmp_path / "costs.jsonl"
    CostLog(log, "m", strict=True).reserve(0.25)
    released = CostLog(log, "m", strict=True)
    released.release(released.reserve(0.5))
    assert CostLog(log, "m", strict=True).spent == 0.25


@pytest.mark.parametrize(
    "line",
    [
        '{"cost": -5}',
        '{"cost": NaN}',
        '{"cost": 1e999}',
        '{"cost": "much"}',
        '{"cost": 1, "prompt_tokens": 1' + "0" * 400 + "}",
        '{"lost": [1]}',
        '{"reserved": true}',
        '{"request": 3}',
    ],
)
def test_a_wrong_line_of_the_cost_log_is_named_where_a_budget_relies_on_it(tmp_path: Path, line: str) -> None:
    log = tmp_path / "costs.jsonl"
    log.write_text('{"request": "a", "cost": 0.5, "prompt_tokens": 3, "new_tokens": 1}\n' + line + "\n")
    with pytest.raises(UserError, match=r"costs\.jsonl line 2"):
        CostLog(log, "m", strict=True)
    assert CostLog(log, "m", strict=False).spent == 0.5


@pytest.mark.parametrize("torn", [b'{"request": "b", "co', b"\x00\xff", b"[" * 5000 + b"\n", b"[]\n", b"\n\n"])
def test_a_torn_line_of_the_cost_log_costs_only_itself(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "costs.jsonl"
    CostLog(path, "m", strict=True).lose("a", 0.5)
    with path.open("ab") as file:
        file.write(torn)
    CostLog(path, "m", strict=True).lose("b", 0.25)
    assert CostLog(path, "m", strict=True).spent == 0.75


def test_lines_of_earlier_versions_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_text('{"key": "k", "model": "m", "prompt_tokens": 100, "new_tokens": 2, "counted": true, "cost": 0.5}\n')
    log = CostLog(path, "m", strict=True)
    assert (log.spent, log.requests, log.prompt_tokens, log.new_tokens) == (0.5, 1, 100, 2)


def test_a_full_disk_is_one_line() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(UserError, match="the disk is full"):
        CostLog(Path("/dev/full"), "m", strict=True).lose("a", 1.0)


def test_images_are_counted_by_the_rule_of_the_provider() -> None:
    assert most_image_tokens("gpt-4o", 1024, 1024) == 765
    assert most_image_tokens("gpt-4o-mini-2024-07-18", 1024, 1024) == 2833 + 4 * 5667
    assert most_image_tokens("gpt-4.1-mini", 4000, 4000) == 3779  # 1,536 patches x 2.46
    assert most_image_tokens("somebody's", 2800, 2800) == 10_000


def test_prices_must_be_finite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "prices.json"
    monkeypatch.setenv("CAMBRIAN_EVAL_PRICES", str(file))
    for text in ('{"m": [NaN, 1]}', '{"m": [-1, 1]}', '{"m": [1e999, 1]}', '{"m": [1' + "0" * 400 + ", 1]}", "[]"):
        file.write_text(text)
        with pytest.raises(UserError, match=r"prices\.json"):
            price_of("m")


@pytest.mark.parametrize("limit", [float("nan"), float("inf"), -1.0])
def test_a_budget_that_bounds_nothing_is_refused(limit: float) -> None:
    with pytest.raises(UserError, match="budget"):
        Budget(limit, PRICE)


# -- interruptions


def hanging_server() -> socket.socket:
    """Accepts connections and never responds."""
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen(64)
    return made


def test_a_stop_ends_the_wait_for_an_endpoint_that_is_down() -> None:
    stop = threading.Event()

    def script(seen: Seen, n: int) -> Act:
        if n == 30:
            stop.set()
        return echo(seen, n) if n < 8 else error(503, "down")

    with ChatServer(script) as server:
        found = list(Endpoint("m", server.url, concurrency=4).send(requests(50), stop))
    assert len(texts(found)) == 8 and not failures(found)


def test_a_stop_ends_the_wait_for_an_endpoint_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cambrian_eval.endpoint.client.STOP_GRACE", 0.2)
    stop = threading.Event()
    with hanging_server() as server:
        endpoint = Endpoint("m", f"http://127.0.0.1:{server.getsockname()[1]}/v1", timeout=300.0)
        threading.Timer(0.2, stop.set).start()
        assert list(endpoint.send(requests(50), stop)) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:99999/v1",
        "http://localhost:-1/v1",
        "http://localhost:abc/v1",
        "http://[::1/v1",
        "http://a b/v1",
        "http://a..b/v1",
        "http://",
        "ftp://localhost/v1",
        "http://local\nhost/v1",
        "http://" + "a" * 300 + "/v1",
    ],
)
def test_a_malformed_base_url_is_one_line(url: str) -> None:
    with pytest.raises(UserError, match="base URL") as caught:
        checked_url(url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["nonsense", "ftp://proxy:1", "http://proxy:99999", "socks5://proxy:1"])
def test_an_unusable_proxy_is_one_line(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", value)
    monkeypatch.setenv("http_proxy", value)
    monkeypatch.setenv("ALL_PROXY", value)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(UserError):
        list(Endpoint("m", "http://192.0.2.1/v1", timeout=1.0, outage=0.1).send(requests(1)))
