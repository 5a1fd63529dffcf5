"""A local provider with files and batches, which fails as a test specifies."""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Fault = Callable[[str, int], str | int | None]
"""What happens to the n-th call (from 0) of a kind (upload, create, list, state, content): None, an HTTP status,
`before` (the connection is lost and nothing was done) or `after` (it is lost after the work was done)."""
Answer = Callable[[dict[str, Any], int], dict[str, Any] | str | None]
"""The result line of a request body in its n-th batch (from 0): a line without its id, a text as it is, or nothing."""


def said(text: str, model: str = "m", tokens: tuple[int, int] = (50, 3)) -> dict[str, Any]:
    """A line with a response."""
    usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"response": {"status_code": 200, "body": {"model": model, "choices": [choice], "usage": usage}}}


def failed(status: int, message: str) -> dict[str, Any]:
    """A line with an error."""
    return {"response": {"status_code": status, "body": {"error": {"message": message}}}}


def number(body: dict[str, Any]) -> int:
    """The number of a question of `docvqa_row`."""
    content = body["messages"][-1]["content"]
    text = content if isinstance(content, str) else content[-1]["text"]
    return int(text.split("number ")[1].split("?")[0])


class BatchServer:
    """Use as `with BatchServer() as server`."""

    def __init__(self, answer: Answer | None = None, fault: Fault = lambda kind, n: None, polls: int = 2) -> None:
        self.answer = answer or (lambda body, n: said(f"answer {number(body)}"))
        self.fault, self.polls = fault, polls
        self.status = "completed"
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.calls: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        """In how many batches each request was."""
        self.headers: list[dict[str, str]] = []
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer._serve(self)

            do_GET = do_POST

            def log_message(self, *words: Any) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                return  # connections that tests break on purpose

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> BatchServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *arguments: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        path = handler.path.partition("?")[0].removeprefix("/v1")
        kind = {
            ("POST", "/files"): "upload",
            ("POST", "/batches"): "create",
            ("GET", "/batches"): "list",
        }.get((handler.command, path)) or ("content" if path.endswith("/content") else "state")
        with self._lock:
            n = self.calls[kind]
            self.calls[kind] += 1
            self.headers.append({k.lower(): v for k, v in handler.headers.items()})
        fault = self.fault(kind, n)
        if fault == "before":
            return self._reset(handler)
        if isinstance(fault, int):
            return self._reply(handler, {"error": {"message": f"fault {self.headers[-1]['authorization']}"}}, fault)
        with self._lock:
            found = getattr(self, f"_{kind}")(path, body)
        if fault == "after":
            return self._reset(handler)
        self._reply(handler, found)

    def _reset(self, handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

    def _reply(self, handler: BaseHTTPRequestHandler, found: Any, status: int = 200) -> None:
        data = found if isinstance(found, bytes) else json.dumps(found).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def _upload(self, path: str, body: bytes) -> dict[str, Any]:
        mark = body.split(b"\r\n", 1)[0]
        parts = [part.partition(b"\r\n\r\n") for part in body.split(mark)]
        (content,) = (data.removesuffix(b"\r\n") for head, _, data in parts if b'name="file"' in head)
        assert any(b'name="purpose"' in head and data.strip() == b"batch" for head, _, data in parts)
        id = f"file-{len(self.files)}"
        self.files[id] = content
        return {"id": id, "object": "file", "bytes": len(content), "created_at": 0, "filename": "a", "purpose": "batch"}

    def _create(self, path: str, body: bytes) -> dict[str, Any]:
        asked = json.loads(body)
        assert asked["endpoint"] == "/v1/chat/completions" and asked["completion_window"] == "24h"
        id = f"batch_{len(self.batches)}"
        lines = [json.loads(line) for line in self.files[asked["input_file_id"]].splitlines()]
        ids = [line["custom_id"] for line in lines]
        assert len(set(ids)) == len(ids) and all(line["url"] == "/v1/chat/completions" for line in lines)
        out = []
        for line in lines:
            found = self.answer(line["body"], self.asked[line["custom_id"]])
            self.asked[line["custom_id"]] += 1
            if isinstance(found, str):
                out.append(found)
            elif found is not None:
                out.append(json.dumps({"id": "x", "custom_id": line["custom_id"], "error": None, **found}))
        self.files[f"out-{id}"] = "\n".join(out).encode() + b"\n"
        self.batches[id] = {
            "id": id,
            "object": "batch",
            "endpoint": asked["endpoint"],
            "input_file_id": asked["input_file_id"],
            "completion_window": "24h",
            "created_at": 0,
            "status": "in_progress",
            "metadata": asked["metadata"],
            "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
            "polls": self.polls,
        }
        return self._shown(id)

    def _list(self, path: str, body: bytes) -> dict[str, Any]:
        return {"object": "list", "data": [self._shown(id) for id in self.batches], "has_more": False}

    def _state(self, path: str, body: bytes) -> dict[str, Any]:
        id = path.rsplit("/", 1)[1]
        batch = self.batches[id]
        batch["polls"] -= 1
        if batch["polls"] <= 0:
            batch["status"] = self.status
            if self.status == "failed":
                batch["errors"] = {"object": "list", "data": [{"message": "the model does not exist", "code": "x"}]}
            else:
                batch["output_file_id"] = f"out-{id}"
        return self._shown(id)

    def _content(self, path: str, body: bytes) -> bytes:
        found = re.fullmatch(r"/files/([\w-]+)/content", path)
        assert found is not None
        return self.files[found[1]]

    def _shown(self, id: str) -> dict[str, Any]:
        return {name: value for name, value in self.batches[id].items() if name != "polls"}
