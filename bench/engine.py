"""An engine that speaks as much of Docker's API as a reader of logs asks, with as many containers as one likes.

Its containers' logs are json-file logs on disk, which it names (driver json-file) or keeps to itself (driver local); then it
sends them in frames, once, and holds the stream open as long as the container runs: for ever.
"""
import http.server
import json
import pathlib
import socketserver
import struct
import threading
import time
import urllib.parse

ID = '{:064x}'


def frames(lines, path):
    """The lines of a file as Docker's API sends them."""
    with open(lines, 'rb') as plain, open(path, 'wb') as file:
        for i, line in enumerate(plain):
            stamp = f'2026-11-21T{i // 3600000 % 24:02}:{i // 60000 % 60:02}:{i // 1000 % 60:02}.{i % 1000:03}{i * 7919 % 1000000:06}Z '.encode()
            file.write(struct.pack('>BxxxI', 1, len(stamp) + len(line)) + stamp + line)


class Engine(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads, request_queue_size = True, 128

    def __init__(self, directory, n, by_file):
        self.dir, self.n, self.by_file = pathlib.Path(directory), n, by_file
        self.ended = threading.Event()
        self.address = f'unix://{self.dir}/engine.sock'
        self.framed = self.dir / 'framed'
        for i in range(n):
            directory = self.log(i).parent
            directory.mkdir(parents=True)
            self.log(i).write_text(json.dumps({'log': f'the only line of container {i}\n', 'stream': 'stdout',
                                               'time': '2026-11-21T00:00:00.000000001Z'}) + '\n')
        if not self.framed.exists():
            (self.dir / 'line').write_text('the only line of a container\n')
            frames(self.dir / 'line', self.framed)
        super().__init__(str(self.dir / 'engine.sock'), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def log(self, i):
        return self.dir / 'containers' / ID.format(i) / f'{ID.format(i)}-json.log'

    def stop(self):
        self.ended.set()
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def address_string(self):
        return 'a unix socket'

    def say(self, what):
        body = json.dumps(what).encode()
        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def begin_stream(self, kind):
        self.send_response(200)
        self.send_header('Content-Type', kind)
        self.send_header('Transfer-Encoding', 'chunked')
        self.end_headers()

    def send_logs(self, query):
        self.begin_stream('application/vnd.docker.raw-stream')
        if float(query.get('since', ['0'])[0]) == 0:
            with open(self.server.framed, 'rb') as file:
                while piece := file.read(1 << 18):
                    self.wfile.write(f'{len(piece):x}\r\n'.encode() + piece + b'\r\n')

    def do_GET(self):
        engine, url = self.server, urllib.parse.urlsplit(self.path)
        path = url.path[url.path.index('/', 2):] if url.path.startswith('/v1.') else url.path
        if path == '/version':
            self.say({'Version': '99.0', 'ApiVersion': '1.41', 'MinAPIVersion': '1.12', 'Components': [{'Name': 'Engine'}]})
        elif path == '/info':
            self.say({'ID': f'bench {engine.dir}', 'DockerRootDir': str(engine.dir), 'Driver': 'overlay2',
                      'SystemTime': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())})
        elif path == '/containers/json':
            self.say([{'Id': ID.format(i), 'Names': [f'/c{i}'], 'Image': 'bench:1', 'Labels': {}, 'State': 'running', 'Status': 'Up'}
                      for i in range(engine.n)])
        elif path == '/events':
            self.begin_stream('application/json')
            engine.ended.wait()
        elif path.endswith('/logs'):
            self.send_logs(urllib.parse.parse_qs(url.query))
            engine.ended.wait()
        else:
            i = int(path.split('/')[2], 16)
            self.say({'Id': ID.format(i), 'Name': f'/c{i}', 'Created': '2026-11-21T00:00:00Z', 'State': {'Status': 'running', 'Running': True},
                      'LogPath': str(engine.log(i)) if engine.by_file else '', 'Config': {'Image': 'bench:1', 'Labels': {}, 'Tty': False},
                      'HostConfig': {'LogConfig': {'Type': 'json-file' if engine.by_file else 'local', 'Config': {}}}})
