"""Measures the endpoint client beside a bare aiohttp loop and the openai client, by processor time.

    python tools/perf_endpoint.py [--concurrency 1,16,64,256] [--requests 400] [--repeats 3] [--judge] [--json]

The server is a process of its own on another core: it reads each request to its end and returns a constant
completion. The sides take turns, and each count is divided by the processor time that this process (all its threads)
used for it. So neither the server nor other programs on the machine are the limit. With images, each request has an
image of its own of about 70 kB, or one of `--images-shared` images:

- ours       `openai:NAME` under the local engine: images are read, encoded and sent, responses become `Response`s
- aiohttp    a bare loop: base64, orjson, post, orjson; no retries, no checks
- openai     `AsyncOpenAI.chat.completions.create` with the same bodies

Without images `ours` is the endpoint client alone, as the judge uses it. `--judge` measures the judge itself instead:
planning, cache, requests, verdicts and files of `score --scorer judge`, beside the bare loop with the same bodies.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

CHOICE, VERDICT = "A", "CORRECT"
"""What the server says to a question, and to the judge."""


def reply(text: str) -> bytes:
    """The server's whole response."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 100, "completion_tokens": 2, "total_tokens": 102}
    about = {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": "m"}
    body = json.dumps({**about, "choices": [choice], "usage": usage}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


PROMPT = (
    "Which of the following is left of the table?\n(A) lamp\n(B) chair\nAnswer with the option's letter. Number {}."
)


class Server(asyncio.Protocol):
    """Reads requests to their end by their Content-Length; returns one completion for each."""

    def __init__(self, text: str) -> None:
        self.head, self.left, self.reply = b"", 0, reply(text)

    def connection_made(self, transport: Any) -> None:
        """Keeps the connection."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Counts the bytes of bodies; only heads are looked at."""
        while data:
            if self.left:
                n = min(self.left, len(data))
                self.left -= n
                data = data[n:]
                if not self.left:
                    self.transport.write(self.reply)
                continue
            head, end, rest = (self.head + data).partition(b"\r\n\r\n")
            if not end:
                self.head = head
                return
            self.head, data = b"", rest
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            self.left = int(lengths[0].split(b":")[1])


def serve(text: str) -> None:
    """Serves this text until standard input closes; prints the port first."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Server(text), "127.0.0.1", 0, backlog=1024)
        print(server.sockets[0].getsockname()[1], flush=True)
        await loop.run_in_executor(None, sys.stdin.read)

    asyncio.run(main())


@contextmanager
def server(text: str = CHOICE) -> Iterator[str]:
    """The base URL of a server process; it and this process are on different cores where there are two."""
    cores = sorted(os.sched_getaffinity(0))
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        port = int(process.stdout.readline())
        if len(cores) > 1:
            os.sched_setaffinity(process.pid, {cores[1]})
            os.sched_setaffinity(0, {cores[0]})
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.sched_setaffinity(0, cores)
        process.stdin.close()
        process.wait()


def jpeg(seed: int) -> bytes:
    """A JPEG of 640 x 480 pixels and about 70 kB."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (120, 160, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    coarse.resize((640, 480), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=50)
    return buffer.getvalue()


def messages(i: int, image: bytes | None) -> list[dict[str, Any]]:
    """What the bare loop and the openai client send."""
    text = PROMPT.format(i)
    if image is None:
        return [{"role": "user", "content": text}]
    url = "data:image/jpeg;base64," + base64.b64encode(image).decode("ascii")
    parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": text}]
    return [{"role": "user", "content": parts}]


def ours(url: str, n: int, images: Sequence[bytes], concurrency: int) -> None:
    """The `openai:` model under the local engine, or the endpoint client alone where there are no images."""
    from cambrian_eval.endpoint.client import Endpoint
    from cambrian_eval.endpoint.parameters import ChatRequest
    from cambrian_eval.engines.local import Job, LocalEngine
    from cambrian_eval.image import LazyImage
    from cambrian_eval.registry import resolve
    from cambrian_eval.sample import Request

    if not images:
        endpoint = Endpoint("m", url, concurrency=concurrency)
        chats = ((i, ChatRequest(tuple(messages(i, None)), 16, 30)) for i in range(n))
        assert sum(f.outcome.text == "A" for f in endpoint.send(chats)) == n  # type: ignore[union-attr]
        return

    def job(i: int) -> Job:
        def prepare(decode: bool) -> Request:
            image = LazyImage.of(images[i % len(images)])
            assert image is not None
            ready = image.decoded() if decode else image.fetched()
            return Request(str(i), "b", "on", PROMPT.format(i), (ready,), 0, 16, "key")

        return Job(str(i), prepare)

    model = resolve("openai:m", {"base_url": url, "concurrency": concurrency})
    found = LocalEngine().run(model, map(job, range(n)), threading.Event())
    assert sum(c.response.text == "A" for c in found) == n


def bare(url: str, n: int, images: Sequence[bytes], concurrency: int) -> None:
    """The bare loop over the questions."""
    shown = (images[i % len(images)] if images else None for i in range(n))
    bodies = ({"model": "m", "messages": messages(i, image)} for i, image in enumerate(shown))
    posted(url, ({**body, "max_tokens": 16, "temperature": 0} for body in bodies), concurrency, CHOICE)


def posted(url: str, bodies: Iterable[Any], concurrency: int, text: str) -> None:
    """Workers that share the bodies and one aiohttp session; each response must have this text."""
    import aiohttp
    import orjson

    left = iter(bodies)
    headers = {"Authorization": "Bearer key", "Content-Type": "application/json"}

    async def worker(session: aiohttp.ClientSession) -> None:
        for body in left:
            sent = session.post(f"{url}/chat/completions", data=orjson.dumps(body), headers=headers)
            async with sent as response:
                found = orjson.loads(await response.read())
            assert found["choices"][0]["message"]["content"] == text

    async def main() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await asyncio.gather(*(worker(session) for _ in range(concurrency)))

    asyncio.run(main())


def official(url: str, n: int, images: Sequence[bytes], concurrency: int) -> None:
    """Workers that share one counter and one client of the openai package."""
    import openai

    numbers = iter(range(n))

    @asynccontextmanager
    async def client() -> AsyncIterator[Any]:
        made = openai.AsyncOpenAI(api_key="key", base_url=url, max_retries=0)
        try:
            yield made
        finally:
            await made.close()

    async def worker(made: Any) -> None:
        for i in numbers:
            image = images[i % len(images)] if images else None
            found = await made.chat.completions.create(
                model="m", messages=messages(i, image), max_tokens=16, temperature=0
            )
            assert found.choices[0].message.content == "A"

    async def main() -> None:
        async with client() as made:
            await asyncio.gather(*(worker(made) for _ in range(concurrency)))

    asyncio.run(main())


SIDES: dict[str, Callable[[str, int, Sequence[bytes], int], None]] = {
    "ours": ours,
    "aiohttp": bare,
    "openai": official,
}


def rate(side: str, url: str, n: int, images: Sequence[bytes], concurrency: int) -> float:
    """Requests per second of processor time."""
    begun = time.process_time()
    SIDES[side](url, n, images, concurrency)
    return n / (time.process_time() - begun)


def judge(n: int = 2000, turns: int = 3) -> dict[str, Any]:
    """Processor microseconds of a judged response at 16 and 256 in flight, beside the bare loop with equal bodies."""
    from perf_overhead import Instant, write_docvqa

    import cambrian_eval
    from cambrian_eval.endpoint.parameters import SupportedParameters, body_of
    from cambrian_eval.results import judging
    from cambrian_eval.running.store import open_run
    from cambrian_eval.scoring.judge.prompt import judge_request
    from cambrian_eval.scoring.judge.requests import JudgeSettings

    times: dict[tuple[str, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, server(VERDICT) as url:
        root = Path(folder)
        write_docvqa(root / "data", n)
        cambrian_eval.run(Instant(), ["docvqa"], root / "run", data_root=root / "data", vision=["off"])

        def judged(count: int, name: str) -> None:
            settings = JudgeSettings("m", base_url=url, concurrency=count, cache=root / name)
            assert judging.judge_run(open_run(root / "run"), settings).requests == n

        def floor(count: int, name: str) -> None:
            posted(url, bodies, count, VERDICT)

        asked = judging._inputs(judging._plan(open_run(root / "run"), JudgeSettings("m"), None), "m", "local").values()
        arguments = SupportedParameters("m").arguments
        bodies = [body_of(arguments(judge_request(values, 64))) for values in asked]
        sides = {"ours": judged, "aiohttp": floor}
        for turn in range(turns + 1):  # the first imports and connects
            for count, (side, measured) in itertools.product((16, 256), sides.items()):
                begun = time.process_time()
                measured(count, f"{turn}-{count}")
                if turn:
                    times.setdefault((side, count), []).append(1e6 * (time.process_time() - begun) / n)
    found = {key: statistics.median(values) for key, values in times.items()}
    rows = [{"in_flight": c, "ours_us": found["ours", c], "floor_us": found["aiohttp", c]} for c in (16, 256)]
    return {"responses": n, "judge": [{**row, "ratio": row["ours_us"] / row["floor_us"]} for row in rows]}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", metavar="TEXT", help=argparse.SUPPRESS)
    parser.add_argument("--concurrency", default="1,16,64,256", help="numbers separated by commas")
    parser.add_argument("--requests", type=int, default=400, help="requests of each measurement")
    parser.add_argument("--repeats", type=int, default=3, help="measurements of each number; their median is printed")
    parser.add_argument("--images-shared", type=int, default=0, help="so many images for all requests; 0 = one each")
    parser.add_argument("--judge", action="store_true", help="only the judge at 16 and 256 in flight, as JSON")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    if given.serve is not None:
        serve(given.serve)
        return
    if given.judge:
        print(json.dumps(judge(given.requests, given.repeats), indent=2))
        return
    n = given.requests
    pictures = [jpeg(i) for i in range(given.images_shared or n)]
    found = []
    with server() as url:
        for side in SIDES:
            rate(side, url, 32, pictures, 4)  # imports, first connections
        for images, concurrency in itertools.product((pictures, []), map(int, given.concurrency.split(","))):
            rates: dict[str, list[float]] = {side: [] for side in SIDES}
            for _ in range(given.repeats):
                for side in SIDES:
                    many = n if images else 3 * n
                    rates[side].append(rate(side, url, many, images, concurrency))
            medians = {side: statistics.median(values) for side, values in rates.items()}
            found.append({"image_kB": len(pictures[0]) // 1000 if images else 0, "concurrency": concurrency, **medians})
            if not given.json:
                shown = "  ".join(f"{side} {value:7,.0f}" for side, value in medians.items())
                size = f"{found[-1]['image_kB']} kB image" if images else "no image  "
                print(f"{size}  {concurrency:4} in flight:  {shown}  (ours / aiohttp: 1/{1 / ratio(medians):.1f})")
    if given.json:
        print(json.dumps({"requests_per_second_of_processor_time": found}, indent=2))


def ratio(medians: dict[str, float]) -> float:
    """Our rate as a share of the bare loop's."""
    return medians["ours"] / medians["aiohttp"]


if __name__ == "__main__":
    main()
