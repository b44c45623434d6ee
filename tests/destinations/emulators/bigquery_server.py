"""bqemulator as a stand-in for BigQuery, and an endpoint that gives each account a token.

Usage: bigquery_server.py PORT TOKENS_PORT
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import bqemulator.api.routes.jobs
from bqemulator.config import LogLevel, Settings
from bqemulator.server import run_forever
from extensions import install

TOKEN = {"access_token": "any", "token_type": "Bearer", "expires_in": 3600}


class Tokens(BaseHTTPRequestHandler):
    """Whoever asks for a token gets one."""

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps(TOKEN).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    install("spatial")
    bqemulator.api.routes.jobs._SQL_EXECUTION_DOMAIN_ERRORS = ()  # BigQuery's answer is no success
    port, tokens = map(int, sys.argv[1:])
    Thread(
        target=ThreadingHTTPServer(("127.0.0.1", tokens), Tokens).serve_forever, daemon=True
    ).start()
    run_forever(Settings(rest_port=port, grpc_port=0, log_level=LogLevel.WARNING))
