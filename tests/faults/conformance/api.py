"""Raw requests to a Toxiproxy, without our client."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

PATIENCE_S = 10.0


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: httpx.Headers

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def error(self) -> str:
        """The message of an error answer, whose body must have the API's shape."""
        found = self.json
        assert found["status"] == self.status
        return str(found["error"])


class Api:
    """One server; `kind` is "ours" or "real"."""

    def __init__(self, url: str, kind: str) -> None:
        self.url = url
        self.kind = kind
        self._client = httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE_S)

    def close(self) -> None:
        self._client.close()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a request; a string `body` is sent unchanged, any other as JSON."""
        content = body if body is None or isinstance(body, str) else json.dumps(body)
        response = self._client.request(method, path, content=content, headers=headers)
        return Answer(response.status_code, response.text, response.headers)

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def post(self, path: str, body: Any = None) -> Answer:
        return self.ask("POST", path, body)

    def patch(self, path: str, body: Any = None) -> Answer:
        return self.ask("PATCH", path, body)

    def delete(self, path: str) -> Answer:
        return self.ask("DELETE", path)

    def proxy(self, upstream: str, name: str = "p", **more: Any) -> str:
        """Create a proxy and return the address where it listens."""
        wanted = {"name": name, "upstream": upstream, "listen": "127.0.0.1:0", **more}
        answer = self.post("/proxies", wanted)
        assert answer.status == 201, answer
        return str(answer.json["listen"])

    def toxic(self, type_: str, stream: str = "downstream", proxy: str = "p", **attributes: int) -> str:
        """Add a toxic to a proxy and return its path."""
        asked = {"type": type_, "stream": stream, "attributes": attributes}
        answer = self.post(f"/proxies/{proxy}/toxics", asked)
        assert answer.status == 200, answer
        return f"/proxies/{proxy}/toxics/{answer.json['name']}"

    def clear(self) -> None:
        for name in self.get("/proxies").json:
            self.delete(f"/proxies/{quote(name, safe='')}")
