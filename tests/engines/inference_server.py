"""A small inference server, as a program: python inference_server.py --port N [--model NAME] [--die-after N] ...

It answers with the question's number, so that a response shows which request it belongs to.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--says", help="the model's name in responses, where it is another")
    parser.add_argument("--die-after", type=int, default=-1)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--children", help="a file for the process ids of this process and one that leaves its session")
    parser.add_argument("--api-key", help="ignored; printed")
    given = parser.parse_args()
    models = given.model or ["tiny"]
    print(f"loading {models[0]} on GPUs {os.environ.get('CUDA_VISIBLE_DEVICES', 'unset')} with {given.api_key}")
    n, lock = 0, threading.Lock()
    if given.children:
        sleeper = "import os, time; os.setsid(); time.sleep(600)"
        child = subprocess.Popen([sys.executable, "-c", sleeper])
        with open(given.children, "a") as file:
            file.write(f"{os.getpid()}\n{child.pid}\n")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def reply(self, body: Any, status: int = 200) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            if self.path == "/v1/models":
                self.reply({"object": "list", "data": [{"id": m} for m in models]})
            else:
                self.reply({}, 404)

        def do_POST(self) -> None:
            nonlocal n
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                n += 1
                if n - 1 == given.die_after:
                    print("CUDA error: an illegal memory access was encountered", flush=True)
                    os._exit(7)
            time.sleep(given.delay)
            content = body["messages"][-1]["content"]
            text = content if isinstance(content, str) else content[-1]["text"]
            answer = "answer " + text.split("number ")[1].split("?")[0]
            usage = {"prompt_tokens": 50, "completion_tokens": 3}
            choice = {"message": {"content": answer}, "finish_reason": "stop"}
            self.reply({"model": given.says or body["model"], "choices": [choice], "usage": usage})

        def log_message(self, *words: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        request_queue_size = 256

    Server(("127.0.0.1", given.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
