"""How requests travel: TLS, proxies, headers and addresses as the environment and the `openai` package have them."""

from __future__ import annotations

import asyncio
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from cambrian_eval import UserError
from cambrian_eval.endpoint.client import Endpoint
from cambrian_eval.endpoint.parameters import ChatRequest
from cambrian_eval.endpoint.responses import ChatResponse
from cambrian_eval.endpoint.transport import Recorder, Target, target_of
from tests.judge.chat_server import Act, ChatServer, completion
from tests.judge.conftest import KEY

CERTIFICATE = Path(__file__).with_name("localhost.pem")
"""A certificate for localhost with its key, made for this test."""
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


def ask(url: str, **more: Any) -> str:
    """The text of the response to one question."""
    request = ChatRequest(({"role": "user", "content": "Why?"},), 10, 5)
    (found,) = Endpoint("m", url, **more).send([(0, request)])
    assert isinstance(found.outcome, ChatResponse)
    return found.outcome.text


class Proxy(ThreadingHTTPServer):
    """Answers every request itself, and keeps which address was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer.asked.append((self.path, self.headers.get("Proxy-Authorization")))
                self.rfile.read(int(self.headers["content-length"]))
                data = completion(Act("through the proxy"), "m")
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *words: Any) -> None:
                return

        super().__init__(("127.0.0.1", 0), Handler)

    def __enter__(self) -> Proxy:
        Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *arguments: object) -> None:
        self.shutdown()
        self.server_close()


def test_tls_trusts_the_certificates_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    server = ChatServer(lambda seen, n: Act("secure"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
    url = server.url.replace("http://", "https://")
    with server:
        with pytest.raises(UserError, match=r"cannot be reached .*certificate"):
            ask(url, outage=0.1)
        assert not server.seen
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        assert ask(url) == "secure"


@pytest.mark.parametrize("name", ["HTTP_PROXY", "all_proxy"])
def test_the_proxy_of_the_environment_is_used_except_for_this_machine(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with Proxy() as proxy:
        monkeypatch.setenv(name, f"http://user:word@127.0.0.1:{proxy.server_address[1]}")
        assert ask("http://models.example/v1") == "through the proxy"
        assert proxy.asked == [("http://models.example/v1/chat/completions", "Basic dXNlcjp3b3Jk")]
        with ChatServer(lambda seen, n: Act("here")) as server:
            assert ask(server.url) == "here"
            assert ask(server.url.replace("127.0.0.1", "localhost")) == "here"
        monkeypatch.setenv("NO_PROXY", "models.example")
        with pytest.raises(UserError, match="cannot be reached"):
            ask("http://models.example/v1", outage=0.1)
        assert len(proxy.asked) == 1


def test_organization_and_key_are_sent_as_the_openai_package_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-42")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-42")
    with ChatServer() as server:
        ask(server.url)
    headers = server.seen[0].headers
    assert headers["authorization"] == f"Bearer {KEY}" and headers["content-type"] == "application/json"
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-42", "proj-42")


def test_azure_deployments_have_their_own_address_and_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-key-12345")
    monkeypatch.setenv("OPENAI_API_VERSION", "2025-01-01")

    async def target(url: str) -> Target:
        recorder = Recorder(trust_env=False)
        return await target_of(Endpoint("gpt-4o", url).client(recorder), recorder, "gpt-4o")

    old = asyncio.run(target("https://me.openai.azure.com"))
    path = "https://me.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2025-01-01"
    assert old.url == path and {k.lower(): v for k, v in old.headers.items()}["api-key"] == "azure-key-12345"
    new = asyncio.run(target("https://me.openai.azure.com/openai/v1/"))
    assert new.url == "https://me.openai.azure.com/openai/v1/chat/completions"


def test_a_large_body_arrives_whole() -> None:
    text = "long " * 1_000_000
    with ChatServer(lambda seen, n: Act(str(len(seen.user)))) as server:
        request = ChatRequest(({"role": "user", "content": text},), 10, 5)
        (found,) = Endpoint("m", server.url).send([(0, request)])
    assert isinstance(found.outcome, ChatResponse) and found.outcome.text == str(len(text))
