"""An HTTP server of ours in a daemon's place, which says what a test wants.

with lying_daemon({"cat": says(b"another image")}) as address:
    daemon = KuboDaemon(address, Patience(...))

An answer is a function that writes all of it, header included, to the connection. What a test does not script
is answered as a well-behaved daemon without content does.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

Answer = Callable[[BaseHTTPRequestHandler], None]


def says(content: bytes, *, status: int = 200, length: int | None = None) -> Answer:
    """Return the answer of these bytes; with `length`, its header announces another number of them."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content) if length is None else length))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def fails(message: str) -> Answer:
    """Return the error that a daemon answers with."""
    return says(json.dumps({"Message": message, "Code": 0, "Type": "error"}).encode(), status=500)


def streams(chunks: Callable[[], Iterator[bytes]]) -> Answer:
    """Return a chunked answer, as a daemon sends content, until the other side has had enough."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for chunk in chunks():
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        handler.wfile.write(b"0\r\n\r\n")

    return answer


def locally(local: Answer, elsewhere: Answer) -> Answer:
    """Return an answer that depends on whether other daemons may be asked."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        offline = parse_qs(urlsplit(handler.path).query).get("offline") == ["true"]
        (local if offline else elsewhere)(handler)

    return answer


ABSENT = fails("block was not found locally (offline): ipld: could not find it")
_WELL_BEHAVED: Mapping[str, Answer] = {
    "config/show": says(b'{"Bootstrap": [], "AutoConf": {"Enabled": false}}'),
    "cat": ABSENT,
    "pin/ls": says(b""),
    "pin/add": says(b'{"Pins": ["it"]}'),
    "pin/rm": says(b'{"Pins": ["it"]}'),
    "repo/gc": says(b""),
}


@contextmanager
def lying_daemon(script: Mapping[str, Answer]) -> Iterator[str]:
    """Serve `script`, answers by API path, over what a well-behaved daemon says; yield host:port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._read_body()
            path = urlsplit(self.path).path.removeprefix("/api/v0/")
            try:
                (script.get(path) or _WELL_BEHAVED[path])(self)
            except OSError:
                return  # who asked has gone away

        def _read_body(self) -> None:
            if self.headers.get("Transfer-Encoding") == "chunked":
                while size := int(self.rfile.readline(), 16):
                    self.rfile.read(size + 2)
                self.rfile.readline()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    serving.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        serving.join()
        server.socket.close()  # and not `server_close`, which waits for answers that never end
