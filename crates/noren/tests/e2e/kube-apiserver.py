#!/usr/bin/env python3
"""Stands in for kube-apiserver: takes its flags, listens as they say, is ready when its etcd is, tells what it knows."""

import http.server
import os
import ssl
import sys
import urllib.request

FLAGS = dict(argument.removeprefix("--").split("=", 1) for argument in sys.argv[1:])


def etcd():
    context = ssl.create_default_context(cafile=FLAGS["etcd-cafile"])
    context.load_cert_chain(FLAGS["etcd-certfile"], FLAGS["etcd-keyfile"])
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    return opener.open(FLAGS["etcd-servers"] + "/health", timeout=10).read().decode()


def processes():
    """Mine, and that of the etcd whose data lie beside my certificates."""
    place = os.path.dirname(FLAGS["tls-cert-file"])
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
                if f"--data-dir={place}/etcd" in file.read():
                    return f"{os.getpid()} {pid}"
        except OSError:
            continue
    return str(os.getpid())


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        subject = dict(pair for part in self.connection.getpeercert()["subject"] for pair in part)
        match self.path:
            case "/readyz":
                return etcd() and "ok"
            case "/version":
                return '{"major": "1", "minor": "99", "gitVersion": "v1.99.0+stand-in"}'
            case "/who":
                user = self.headers["Impersonate-User"]
                return f'{subject["commonName"]} of {subject["organizationName"]} for {user}\n'
            case "/etcd":
                return etcd().strip() + "\n"
            case "/flags":
                return "\n".join(sys.argv[1:])
            case "/pids":
                return processes()
        return None

    def do_GET(self):
        try:
            code, body = 200, self.answer()
        except OSError as error:
            code, body = 500, str(error)
        if body is None:
            code, body = 404, "no such path"
        self.send_response(code)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(FLAGS["tls-cert-file"], FLAGS["tls-private-key-file"])
context.load_verify_locations(FLAGS["client-ca-file"])
context.verify_mode = ssl.CERT_REQUIRED
server = http.server.ThreadingHTTPServer((FLAGS["bind-address"], int(FLAGS["secure-port"])), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
