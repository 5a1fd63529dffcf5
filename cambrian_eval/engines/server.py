"""One inference server: its command line, the wait until it is ready, the end of its log, and its end.

The command runs under `watch.py`, which ends it with all its processes when the run ends, also by `kill -9`.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError, one_line

HOST = "127.0.0.1"
TAIL = 20
"""Lines of the log that are shown where a server ends."""
POLL = 0.25
"""Seconds between two questions whether a server is ready."""
SAY_EVERY = 10.0
"""Seconds between two lines about a server that is not ready."""
_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_PASSING = re.compile(r"(\w+)=(.*)", re.DOTALL)
_SECRET_FLAG = re.compile(r"--[\w-]*(key|token|secret|password)[\w-]*", re.IGNORECASE)
_SECRET_NAME = re.compile(r".*(_KEY|_TOKEN|_SECRET|_PASSWORD)$")


@dataclass(frozen=True, slots=True)
class Kind:
    """A server program: how it is told its port and host."""

    name: str
    port: str = "--port"
    host: str = "--host"
    names_model: bool = False
    """Whether the command names the model behind `serve`; its list of models is that of the cache."""


KINDS = (
    Kind("vllm"),
    Kind("sglang"),
    Kind("lmdeploy", "--server-port", "--server-name"),
    Kind("transformers", names_model=True),
)


@dataclass(frozen=True, slots=True)
class Command:
    """What `--serve` says."""

    words: tuple[str, ...]
    environment: Mapping[str, str]
    """What stands before the program, such as VLLM_USE_V1=1."""
    kind: Kind | None
    """The program, where it is one of `KINDS`."""

    @classmethod
    def parse(cls, text: str) -> Command:
        """The command; refused where the program does not exist, or nothing says where its port belongs."""
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise UserError(f"--serve {text!r} is not a command: {one_line(error).lower()}") from None
        environment = {}
        while words and (found := _PASSING.fullmatch(words[0])):
            environment[found[1]] = found[2]
            del words[0]
        if not words:
            raise UserError('--serve names no command; give for example --serve "vllm serve Qwen/Qwen3-VL-8B-Instruct"')
        if shutil.which(words[0], path=environment.get("PATH")) is None:
            raise UserError(f"--serve: the program {words[0]!r} was not found; install it or give its path")
        names = [Path(word).name for word in words[:4]]
        kind = next((k for k in KINDS for n in names if n == k.name or n.startswith(f"{k.name}.")), None)
        made = cls(tuple(words), environment, kind)
        if kind is None and not made.has_place and made.own_port is None:
            raise UserError(
                f"--serve: nothing says how {words[0]} is told its port; write {{port}} where it belongs, "
                f'for example --serve "{words[0]} ... --port {{port}}"'
            )
        return made

    @property
    def has_place(self) -> bool:
        """Whether `{port}` stands where the port belongs."""
        return any("{port}" in word for word in self.words)

    @property
    def own_port(self) -> int | None:
        """The port that the command itself chooses."""
        flag = self.kind.port if self.kind else "--port"
        return next((int(value) for value in _values(self.words, flag) if value.isdigit()), None)

    def at(self, port: int) -> list[str]:
        """The words for one server at that port."""
        if self.has_place:
            return [word.replace("{port}", str(port)) for word in self.words]
        if self.kind is None or self.own_port is not None:
            return list(self.words)
        host = [] if _values(self.words, self.kind.host) else [self.kind.host, HOST]
        return [*self.words, self.kind.port, str(port), *host]

    @property
    def model(self) -> str | None:
        """The word behind `serve`."""
        if "serve" not in self.words:
            return None
        following = self.words[self.words.index("serve") + 1 :][:1]
        return next((word for word in following if not word.startswith("-")), None)

    @property
    def shown(self) -> str:
        """The command for records, without keys."""
        words = [*(f"{k}={'[key]' if _SECRET_NAME.match(k) else v}" for k, v in self.environment.items())]
        hide = False
        for word in self.words:
            flag, equals, _ = word.partition("=")
            secret = _SECRET_FLAG.fullmatch(flag) is not None
            words.append("[key]" if hide else f"{flag}=[key]" if secret and equals else word)
            hide = secret and not equals
        return shlex.join(words)

    @property
    def secrets(self) -> list[str]:
        """Texts that no log may hold."""
        found = [v for k, v in {**os.environ, **self.environment}.items() if _SECRET_NAME.match(k)]
        for flag in {w.partition("=")[0] for w in self.words if _SECRET_FLAG.fullmatch(w.partition("=")[0])}:
            found += _values(self.words, flag)
        return [text for text in found if len(text) >= 6]


def _values(words: Sequence[str], flag: str) -> list[str]:
    """The values of a flag, as `--flag value` or `--flag=value`."""
    after = [words[i + 1] for i, word in enumerate(words[:-1]) if word == flag]
    return after + [word.partition("=")[2] for word in words if word.startswith(f"{flag}=")]


class Server:
    """A running server."""

    def __init__(self, command: Command, log: Path, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
        self.command, self.log, self._say = command, log, say
        self.port = command.own_port or _free_port()
        self.lines: deque[str] = deque(maxlen=TAIL)
        self._secrets = command.secrets
        words = [sys.executable, "-I", "-S", str(Path(__file__).with_name("watch.py")), *command.at(self.port)]
        log.parent.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **command.environment, **environment, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name="server log", daemon=True)
        self._reader.start()

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://{HOST}:{self.port}/v1"

    @property
    def _names_model(self) -> bool:
        return self.command.kind is not None and self.command.kind.names_model

    def wait(self) -> int:
        """Its exit code, once it has ended and its log is read."""
        code = self._process.wait()
        self._reader.join(timeout=5)
        return code

    def until_ready(self, stop: threading.Event, seconds: float, key: str) -> None:
        """Returns when the server accepts requests, and shows the end of its log until then."""
        begun = said = time.monotonic()
        while not self._is_ready(key):
            if stop.wait(POLL):
                raise KeyboardInterrupt
            now = time.monotonic()
            if self._process.poll() is not None:
                raise self.ended("before it was ready")
            if now - begun > seconds:
                raise self._error(f"the server was not ready after {seconds:g} seconds; see --serve-timeout")
            if now - said >= SAY_EVERY:
                said = now
                self._say(f"waiting for the server ({now - begun:.0f} s): {self.lines[-1] if self.lines else ''}")

    def models(self, key: str, wanted: str) -> list[str]:
        """The names that `/v1/models` lists, or the one that its command has."""
        if self._names_model:
            named = self.command.model or wanted
            if not named:
                raise UserError("--serve: name the model behind `serve`, or with --model")
            return [named]
        status, body = self._get("/v1/models", key)
        listed = body.get("data") if isinstance(body, dict) else None
        found = [m["id"] for m in listed or () if isinstance(m, dict) and isinstance(m.get("id"), str)]
        if not found:
            raise self._error(f"the server names no model at {self.url}/models (HTTP {status})")
        return found

    def ended(self, when: str) -> UserError:
        """What to say where the server ended by itself; the error has the end of its log."""
        return self._error(f"the server ended with code {self.wait()} {when}")

    def stop(self) -> None:
        """Ends the server with all its processes, and waits for that."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        self.wait()

    def _error(self, text: str) -> UserError:
        return UserError(f"{text}; its log is {self.log}", details=tuple(self.lines))

    def _is_ready(self, key: str) -> bool:
        try:
            status, _ = self._get("/health", key)
            if status not in (200, 401, 403, 404, 405):
                return False
            if self._names_model:
                return status == 200
            status, _ = self._get("/v1/models", key)
        except (OSError, http.client.HTTPException):
            return False
        if status in (401, 403):
            raise self._error(
                f"the server does not accept the API key (HTTP {status}); set OPENAI_API_KEY to the one of its command"
            )
        return status == 200

    def _get(self, path: str, key: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
            response = connection.getresponse()
            body = response.read(1 << 20)
        finally:
            connection.close()
        try:
            return response.status, json.loads(body)
        except (ValueError, RecursionError):
            return response.status, None

    def _read(self) -> None:
        """Writes the output to the log, without keys, until the server has ended."""
        assert self._process.stdout is not None
        with self.log.open("a", encoding="utf-8") as file:
            for raw in self._process.stdout:
                line = raw.decode("utf-8", "replace")
                for secret in self._secrets:
                    line = line.replace(secret, "[key]")
                with suppress(OSError):  # a full disk must not block the server
                    file.write(line)
                    file.flush()
                if line.strip():
                    self.lines.append(_COLOR.sub("", line).rstrip()[:300])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
