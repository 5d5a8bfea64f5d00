"""nginx as a plain reverse proxy: the limit that Callgate is compared with."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench.cores import pinned
from bench.subject import NGINX, Subject, await_port, free_port
from bench.tree import Tree

_CONFIG = """\
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
worker_rlimit_nofile {files};
events {{ worker_connections {files}; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_max_body_size 20m;
    client_body_buffer_size 1m;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_read_timeout 600s;
    upstream fake {{
        server 127.0.0.1:{upstream};
        keepalive 128;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ proxy_pass http://fake; }}
    }}
    server {{
        listen 127.0.0.1:{stream_port} backlog=4096;
        location / {{ proxy_pass http://fake; proxy_buffering off; }}
    }}
}}
"""


def start(program: str, folder: Path, upstream: int, files: int, cores: frozenset[int]) -> Subject:
    """Start nginx in front of the fake upstream; `files` bounds its open descriptors."""
    folder.mkdir()
    port, stream_port = free_port(), free_port()
    config = folder / "nginx.conf"
    config.write_text(
        _CONFIG.format(
            folder=folder, upstream=upstream, port=port, stream_port=stream_port, files=files
        )
    )
    log = folder / "output.log"
    with pinned(cores), log.open("w") as output:
        process = subprocess.Popen(
            [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
        )
    await_port(stream_port, process, log)
    return Subject(NGINX, port, stream_port, Tree(process))
