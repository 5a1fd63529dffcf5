"""A local HTTP server for chat completions that returns responses and errors as a test specifies."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Act:
    """What the server returns for one request."""

    text: str | None = "CORRECT"
    status: int = 200
    body: bytes | None = None
    """Returned instead of a completion."""
    headers: dict[str, str] = field(default_factory=dict)
    finish: str = "stop"
    refusal: str | None = None
    usage: tuple[int, int] | None = (100, 2)
    reset: bool = False
    """Reset the connection in the middle of the body."""
    delay: float = 0.0
    trickle: float = 0.0
    """Seconds between single bytes."""
    choices: bool = True


def error(status: int, message: str, **more: Any) -> Act:
    headers = more.pop("headers", {})
    return Act(status=status, body=json.dumps({"error": {"message": message, **more}}).encode(), headers=headers)


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    body: dict[str, Any]
    headers: dict[str, str]
    at: float

    @property
    def user(self) -> Any:
        return self.body["messages"][-1]["content"]

    @property
    def case(self) -> dict[str, Any]:
        """The input of the judge, read from the prompt."""
        text = self.user
        assert text.startswith("<case>\n")
        return json.loads(text[len("<case>\n") : text.index("\n</case>")])


class ChatServer:
    """Use as `with ChatServer(script) as server`; `script(seen, n)` decides what the n-th request (from 0) gets."""

    def __init__(self, script: Callable[[Seen, int], Act] = lambda seen, n: Act()) -> None:
        self.script = script
        self.seen: list[Seen] = []
        self.active = self.most_active = 0
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer._serve(self)

            def log_message(self, *args: Any) -> None:
                return

        class Server(ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                return  # connections that tests break on purpose

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> ChatServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *args: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        assert handler.path == "/v1/chat/completions"
        with self._lock:
            headers = {k.lower(): v for k, v in handler.headers.items()}
            seen = Seen(body, headers, time.monotonic())
            n = len(self.seen)
            self.seen.append(seen)
            self.active += 1
            self.most_active = max(self.most_active, self.active)
        try:
            self._act(handler, self.script(seen, n), body)
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True
        finally:
            with self._lock:
                self.active -= 1

    def _act(self, handler: BaseHTTPRequestHandler, act: Act, asked: dict[str, Any]) -> None:
        time.sleep(act.delay)
        data = act.body if act.body is not None else completion(act, asked["model"])
        handler.send_response(act.status)
        for name, value in {"Content-Type": "application/json", **act.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        if act.reset:
            handler.wfile.write(data[: len(data) // 2])
            handler.wfile.flush()
            # linger 0 makes the close a reset
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()
            handler.close_connection = True
            return
        if act.trickle:
            for byte in data:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                time.sleep(act.trickle)
        else:
            handler.wfile.write(data)


def completion(act: Act, model: str) -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": act.text}
    if act.refusal is not None:
        message["refusal"] = act.refusal
    made: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": act.finish}] if act.choices else [],
    }
    if act.usage is not None:
        made["usage"] = {
            "prompt_tokens": act.usage[0],
            "completion_tokens": act.usage[1],
            "total_tokens": sum(act.usage),
        }
    return json.dumps(made).encode()
