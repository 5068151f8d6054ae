"""A webhook sink: takes what alerting sends, shows it as a page, and keeps it as JSON lines."""
import html
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MESSAGES = []
LIMIT = 200
BODY_MAX = 1 << 20

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<meta name="viewport" content="width=device-width"><title>Webhook sink</title>
<style>body{{font:14px system-ui;margin:24px;max-width:1000px;background:Canvas;color:CanvasText;color-scheme:light dark}}
pre{{border:1px solid #8886;border-radius:6px;padding:12px;overflow:auto;font-size:12px}}</style></head>
<body><h1>Webhook sink of the demo</h1><p>{count} notifications arrived; the newest stands first. The page reloads itself.
As JSON lines: <a href="messages">messages</a></p>{messages}</body></html>"""


class Sink(BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_MAX:
            self.send_error(413)
            return
        body = self.rfile.read(length)
        try:
            payload = json.loads(body)
        except ValueError:
            self.send_error(400, "not JSON")
            return
        entry = {"time": time.time(), "path": self.path, "payload": payload}
        MESSAGES.append(entry)
        del MESSAGES[:-LIMIT]
        with open("sink.jsonl", "a", encoding="utf-8") as f:
            f.write(json.dumps(entry) + "\n")
        self.answer(b"ok", "text/plain")

    def do_GET(self):
        if self.path == "/messages":
            self.answer("".join(json.dumps(m) + "\n" for m in MESSAGES).encode(), "application/x-ndjson")
        elif self.path == "/":
            parts = [
                "<h3>%s %s</h3><pre>%s</pre>"
                % (
                    time.strftime("%H:%M:%S", time.localtime(m["time"])),
                    html.escape(m["path"]),
                    html.escape(json.dumps(m["payload"], indent=2, ensure_ascii=False)),
                )
                for m in reversed(MESSAGES)
            ]
            self.answer(PAGE.format(count=len(MESSAGES), messages="".join(parts)).encode(), "text/html; charset=utf-8")
        else:
            self.send_error(404)

    def answer(self, body, content_type):
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Sink).serve_forever()
