"""An upstream that answers with the bytes it is told to, well formed or not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class RawUpstream:
    """`answer` is sent for each POST, `models` for each GET; `heads` are the requests' heads as they came."""

    url: str
    answer: bytes = b""
    models: bytes = b""
    heads: list[bytes] = field(default_factory=list)

    def serve(self, connection: socket.socket) -> None:
        with connection:
            got = b""
            while b"\r\n\r\n" not in got:
                part = connection.recv(65536)
                if not part:
                    return
                got += part
            head, _, body = got.partition(b"\r\n\r\n")
            self.heads.append(head)
            sizes = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            size = int(sizes[0].split(b":")[1]) if sizes else 0
            while len(body) < size:
                body += connection.recv(65536)
            connection.sendall(self.models if head.startswith(b"GET") else self.answer)


@contextmanager
def raw_upstream() -> Iterator[RawUpstream]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        upstream = RawUpstream(f"http://127.0.0.1:{listening.getsockname()[1]}/v1")

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                upstream.serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield upstream
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def http(
    body: bytes = b'{"id": "x", "choices": []}', *, status: bytes = b"200 OK", headers: bytes = b"", kind: bytes = b""
) -> bytes:
    """An answer with these bytes; each of `headers` ends with a line end."""
    start = b"HTTP/1.1 " + status + b"\r\nContent-Type: " + (kind or b"application/json") + b"\r\n"
    return start + headers + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body
