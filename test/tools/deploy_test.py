"""What deploy/ gives to Kubernetes and Compose fits together, and logcap takes the configuration that is in it."""
import copy
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / 'deploy'
LOGCAP = os.environ.get('LOGCAP', ROOT / 'build-test' / 'logcap')


def logcap(command, text, environment):
    """(exit code, standard output, standard error) of the command with this configuration and no environment but this."""
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory) / 'logcap.yaml'
        file.write_text(text)
        done = subprocess.run([LOGCAP, *command, '-c', file], env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr


def schema_faults(objects):
    """What Kubernetes' schema says against the objects, a line for each fault."""
    done = subprocess.run(['node', ROOT / 'test' / 'tools' / 'kubernetes_schema.mjs'], input=json.dumps(objects), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f'{done.stderr}\n(the packages: cd test && npm ci --ignore-scripts)')
    return done.stdout.splitlines()


class Mount:
    def __init__(self, path, host, writable):
        self.path, self.host, self.writable = path, host, writable  # host: None, it is not the host's


class Container:
    """What both kinds of deployment must hold; the tests of each kind say what it is made of."""

    def settings(self):
        code, out, err = logcap(['config', '--json'], self.config, self.environment)
        self.assertEqual((code, err), (0, ''))
        return json.loads(out)

    def mount_of(self, path):
        above = [m for m in self.mounts if path == m.path or path.startswith(m.path.rstrip('/') + '/')]
        self.assertTrue(above, f'{path} is not mounted')
        return max(above, key=lambda m: len(m.path))

    def test_the_configuration_is_right(self):
        code, out, err = logcap(['check'], self.config, self.environment)
        self.assertEqual((code, err), (0, ''), out)

    def test_records_go_where_the_environment_says(self):
        sinks = self.settings()['sinks']
        self.assertEqual(sinks['loki']['url'], self.environment['LOKI_URL'])
        self.assertTrue(sinks['loki']['enabled'])

    def test_without_an_address_it_says_what_is_missing(self):
        code, _, err = logcap(['check'], self.config, {})
        self.assertEqual(code, 2)
        self.assertIn('LOKI_URL', err)

    def test_what_is_written_is_writable_and_nothing_of_the_host_else_is(self):
        settings = self.settings()
        written = [settings['state_dir']]
        written += [s['directory'] for s in settings['sinks'].values() if s.get('directory')]
        written += [d for d in [settings['disk_buffer']['directory']] if d]
        for path in written:
            self.assertTrue(self.mount_of(path).writable, path)
        kept = [self.mount_of(path) for path in written]
        self.assertEqual([m.path for m in self.mounts if m.host and m.writable and m not in kept], [])

    def test_what_is_read_is_there_under_its_own_name(self):
        monitors = self.settings()['monitors']
        read = ['/etc/machine-id', '/var/lib/docker/containers', monitors['containers']['pods_directory']]
        read += [re.match(r'[^*?\[]*/', p)[0].rstrip('/') for s in monitors['files']['sources'] for p in s['paths']]
        self.assertTrue(monitors['journal']['enabled'])
        read += ['/var/log/journal', '/run/log/journal']
        for path in read:
            mount = self.mount_of(path)
            self.assertEqual(mount.host, mount.path, path)


class Kubernetes(Container, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.objects = list(yaml.safe_load_all((DEPLOY / 'kubernetes.yaml').read_text()))
        kinds = {o['kind']: o for o in cls.objects}
        cls.config_map, cls.daemons = kinds['ConfigMap'], kinds['DaemonSet']['spec']
        cls.namespace = kinds['Namespace']['metadata']['name']
        cls.pod = cls.daemons['template']['spec']
        [cls.container] = cls.pod['containers']
        cls.config = cls.config_map['data']['logcap.yaml']
        cls.environment = {e['name']: e['value'] for e in cls.container['env']}
        volumes = {v['name']: v for v in cls.pod['volumes']}
        cls.mounts = [Mount(m['mountPath'], volumes.get(m['name'], {}).get('hostPath', {}).get('path'), not m.get('readOnly', False))
                      for m in cls.container['volumeMounts']]

    def test_objects_say_what_they_are(self):
        versions = {'Namespace': 'v1', 'ConfigMap': 'v1', 'DaemonSet': 'apps/v1'}
        for o in self.objects:
            self.assertEqual(o['apiVersion'], versions[o['kind']])
            self.assertRegex(o['metadata']['name'], r'^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')
            if o['kind'] != 'Namespace':
                self.assertEqual(o['metadata']['namespace'], self.namespace)
        self.assertEqual(sorted(o['kind'] for o in self.objects), sorted(versions))

    def test_each_is_what_the_schema_says(self):
        self.assertEqual(schema_faults(self.objects), [])

    def test_a_misspelt_field_and_a_wrong_type_are_found(self):
        def daemons_with(change):
            objects = copy.deepcopy(self.objects)
            change(next(o for o in objects if o['kind'] == 'DaemonSet')['spec']['template']['spec'])
            return schema_faults(objects)

        there = '/spec/template/spec'
        for change, fault in (
                (lambda pod: pod.update(tolerationz=pod.pop('tolerations')), f'{there}/tolerationz is not in the schema'),
                (lambda pod: pod['volumes'][0]['configMap'].update(nam='x'), f'{there}/volumes/0/configMap/nam is not in the schema'),
                (lambda pod: pod['containers'][0]['resources'].update(limit={}), f'{there}/containers/0/resources/limit is not in the schema'),
                (lambda pod: pod.update(hostNetwork='yes'), f'{there}/hostNetwork must be boolean'),
                (lambda pod: pod['containers'][0]['ports'][0].update(containerPort='8401'), f'{there}/containers/0/ports/0/containerPort must be integer'),
                (lambda pod: pod['containers'][0].pop('name'), f'{there}/containers/0 must have required property name')):
            self.assertEqual(daemons_with(change), [f'apps/v1 DaemonSet: {fault}'])
        self.assertEqual(schema_faults([{'apiVersion': 'apps/v1', 'kind': 'DaemonSets'}]), ['apps/v1 DaemonSets: there is no such kind'])

    def test_the_selector_takes_the_pods(self):
        labels = self.daemons['template']['metadata']['labels']
        wanted = self.daemons['selector']['matchLabels']
        self.assertTrue(wanted)
        self.assertLessEqual(wanted.items(), labels.items())

    def test_each_volume_is_mounted_and_each_mount_has_one(self):
        volumes, mounts = self.pod['volumes'], self.container['volumeMounts']
        self.assertEqual(sorted(v['name'] for v in volumes), sorted(m['name'] for m in mounts))
        self.assertEqual(len({m['mountPath'] for m in mounts}), len(mounts))
        for v in volumes:
            self.assertEqual(len(v), 2, v)  # its name, and one kind of volume

    def test_the_configuration_is_where_the_arguments_say(self):
        args = self.container['args']
        file = pathlib.PurePath(args[args.index('-c') + 1])
        [mount] = [m for m in self.container['volumeMounts'] if m['mountPath'] == str(file.parent)]
        [volume] = [v for v in self.pod['volumes'] if v['name'] == mount['name']]
        self.assertEqual(volume['configMap']['name'], self.config_map['metadata']['name'])
        self.assertIn(file.name, self.config_map['data'])

    def test_probes_and_ports_are_the_configuration_s(self):
        server = self.settings()['server']
        ports = {p['name']: p['containerPort'] for p in self.container['ports']}
        self.assertEqual(list(ports.values()), [server['port']])
        for probe, path in (('readinessProbe', '/ready'), ('livenessProbe', '/livez')):
            get = self.container[probe]['httpGet']
            self.assertEqual((ports[get['port']], get['path']), (server['port'], path))
        self.assertIn(server['host'], ('0.0.0.0', '::'), 'the kubelet asks at the address of the pod')
        scrape = self.daemons['template']['metadata']['annotations']
        self.assertEqual((scrape['prometheus.io/port'], scrape['prometheus.io/path']), (str(server['port']), '/metrics'))

    def test_it_does_not_read_itself(self):
        self.assertIn(self.container['name'], self.settings()['monitors']['containers']['exclude_names'])

    def test_the_memory_fits_into_the_limit(self):
        limit = re.fullmatch(r'(\d+)Mi', self.container['resources']['limits']['memory'])
        self.assertGreater(int(limit[1]) << 20, 2 * self.settings()['memory_limit'])

    def test_it_has_no_more_rights_than_to_read(self):
        context = self.container['securityContext']
        self.assertEqual(context['capabilities'], {'drop': ['ALL'], 'add': ['DAC_READ_SEARCH']})
        self.assertTrue(context['readOnlyRootFilesystem'])
        self.assertFalse(context['allowPrivilegeEscalation'])


class Compose(Container, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.whole = yaml.safe_load((DEPLOY / 'docker-compose.yml').read_text())
        cls.service = cls.whole['services']['logcap']
        cls.image = (DEPLOY / 'Dockerfile').read_text()
        copied = re.search(r'^COPY (deploy/\S+) /etc/logcap/logcap.yaml$', cls.image, re.M)
        cls.config = (ROOT / copied[1]).read_text()  # nothing is mounted over it
        cls.environment = {'LOKI_URL': 'http://loki.example:3100'}
        cls.mounts = [Mount(path, None, True) for path in cls.service['tmpfs']]
        for volume in cls.service['volumes']:
            source, path, *options = volume.split(':')
            cls.mounts.append(Mount(path, source if source.startswith('/') else None, options != ['ro']))

    def test_volumes_are_declared(self):
        named = {v.split(':')[0] for v in self.service['volumes'] if not v.startswith('/')}
        self.assertEqual(named, set(self.whole['volumes']))

    @unittest.skipUnless(os.geteuid() == 0, 'only root can be root without its capabilities')
    def test_the_state_can_be_written_without_capabilities(self):
        """A named volume begins as what the image has there, its owner and mode too."""
        group, mode = re.search(r'install -d -o logcap -g (\w+)(?: -m (\d+))? /var/lib/logcap', self.image).groups()
        added = ','.join('+' + c.lower() for c in self.service['cap_add'])
        with tempfile.TemporaryDirectory() as directory:
            state = pathlib.Path(directory) / 'state'
            state.mkdir()
            os.chown(state, 998, 0 if group == 'root' else 998)
            state.chmod(int(mode or '755', 8))
            subprocess.run(['setpriv', '--bounding-set', f'-all,{added}', '--inh-caps', '-all', '--clear-groups', '--no-new-privs',
                            'touch', state / 'state.db'], check=True)

    def test_the_environment_is_handed_on_and_must_be_there(self):
        self.assertRegex(self.service['environment']['LOKI_URL'], r'^\$\{LOKI_URL:\?.+\}$')

    def test_the_engine_s_socket_and_logs_are_there(self):
        for path in ('/var/run/docker.sock', '/var/lib/docker/containers'):
            self.assertEqual(self.mount_of(path).path, path)

    def test_it_has_no_more_rights_than_to_read(self):
        self.assertEqual((self.service['cap_drop'], self.service['cap_add']), (['ALL'], ['DAC_READ_SEARCH']))
        self.assertTrue(self.service['read_only'])
        self.assertEqual(self.service['security_opt'], ['no-new-privileges:true'])
        self.assertEqual(self.service['network_mode'], 'host')
        self.assertNotIn('ports', self.service)

    def test_it_has_the_time_that_it_takes_to_stop(self):
        seconds = int(self.settings()['shutdown_timeout'].removesuffix('s'))
        self.assertGreater(int(self.service['stop_grace_period'].removesuffix('s')), seconds)


if __name__ == '__main__':
    unittest.main()
