"""A real Docker engine, started here as root: its own socket, data and run directories, no network, images of a static busybox.

What it mounts it mounts in a namespace of its own, which ends with it.
"""
import http.client
import io
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tarfile

from lib import Failed, wait_for

ENVIRONMENT = {**os.environ, 'PATH': f'{os.environ["PATH"]}:/usr/sbin:/sbin'}


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__('localhost', timeout=120)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Docker:
    @staticmethod
    def missing():
        """Why none can be started here; None: it can."""
        if os.geteuid() != 0:
            return 'only root can start an engine'
        absent = [p for p in ('dockerd', 'runc', 'busybox', 'unshare') if not shutil.which(p, path=ENVIRONMENT['PATH'])]
        return f'{absent[0]} is not installed' if absent else None

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir()
        self.socket = str(self.dir / 'docker.sock')
        self.address = f'unix://{self.socket}'
        self.said = self.dir / 'said'
        with self.said.open('wb') as said:
            self.popen = subprocess.Popen(
                ['unshare', '-m', '--propagation', 'private', 'dockerd', '--iptables=false', '--ip6tables=false', '--bridge=none',
                 '-H', self.address, '--data-root', self.dir / 'root', '--exec-root', self.dir / 'exec', '--pidfile', self.dir / 'pid',
                 '--storage-driver', 'vfs', '--log-level', 'warn'], env=ENVIRONMENT, stdout=said, stderr=said)
        wait_for('dockerd to answer', self.answers)
        self.image = self.make_image()

    def answers(self):
        if self.popen.poll() is not None:
            raise Failed(f'dockerd ended at its start:\n{self.said.read_text()}')
        try:
            return self.ask('GET', '/version')
        except OSError:
            return None

    def ask(self, method, path, body=None, kind='application/json'):
        connection = Connection(self.socket)
        try:
            connection.request(method, f'/v1.40{path}', body, {'Content-Type': kind} if body else {})
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status >= 400:
            raise Failed(f'{method} {path}: {answer.status} {text}')
        return text

    def make_image(self):
        """Nothing but busybox."""
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode='w') as image:
            image.add(shutil.which('busybox', path=ENVIRONMENT['PATH']), 'bin/busybox')
            for name in 'sh', 'cat', 'sleep':
                link = tarfile.TarInfo(f'bin/{name}')
                link.type, link.linkname = tarfile.SYMTYPE, 'busybox'
                image.addfile(link)
        return json.loads(self.ask('POST', '/images/create?fromSrc=-', tar.getvalue(), 'application/x-tar').splitlines()[-1])['status']

    def run(self, name, script, binds=()):
        """Its id. It runs when this returns, or has ended already."""
        made = json.loads(self.ask('POST', f'/containers/create?name={name}', json.dumps({
            'Image': self.image, 'Cmd': ['/bin/sh', '-c', script], 'StopSignal': 'SIGKILL',
            'HostConfig': {'NetworkMode': 'host', 'Binds': list(binds)}})))
        self.ask('POST', f'/containers/{made["Id"]}/start')
        return made['Id']

    def wait(self, container):
        self.ask('POST', f'/containers/{container}/wait')

    def cpu(self):
        """Seconds of user and system time so far of the daemon, which writes the logs and hands them out."""
        fields = pathlib.Path(f'/proc/{self.popen.pid}/stat').read_text().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def version(self):
        return json.loads(self.ask('GET', '/version'))['Version']

    def stop(self):
        for c in json.loads(self.ask('GET', '/containers/json?all=true')):
            self.ask('DELETE', f'/containers/{c["Id"]}?force=true')
        self.popen.terminate()
        self.popen.wait()
