import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { hasCode, tempFolder } from '@commongrid/base/testing';

import { resolveUser } from '../src/container/resolve-user.ts';
import { containerBed, uidStart } from './support/container-bed.ts';
import type { ContainerBed } from './support/container-bed.ts';
import { memoryFileProgram } from './support/tiny-program.ts';

let bed: ContainerBed;

before(async () => {
  bed = await containerBed();
  const programs = { 'memory-file': memoryFileProgram(0), 'sealed-file': memoryFileProgram(8) };
  for (const [name, program] of Object.entries(programs)) {
    const path = join(bed.rootFolder, 'bin', name);
    await writeFile(path, program);
    await chown(path, uidStart, uidStart);
    await chmod(path, 0o755);
  }
  await writeFile(join(bed.rootFolder, 'bin', 'busybox-su'), await readFile('/bin/busybox'));
  await chown(join(bed.rootFolder, 'bin', 'busybox-su'), uidStart, uidStart);
  await chmod(join(bed.rootFolder, 'bin', 'busybox-su'), 0o4755);
});

after(async () => {
  await bed[Symbol.asyncDispose]();
});

const app = { uid: 1_000, gid: 1_000, groups: [] };

/** Each line is tried as root of a container; what it prints says why it did not work. */
const refusedLines: readonly (readonly [line: string, why: RegExp])[] = [
  ['mount -t tmpfs none /tmp', /permission denied|not permitted/i],
  ['mount -o remount,rw /sys', /permission denied|not permitted/i],
  ['umount /proc/sys', /not permitted/i],
  ['echo 1 > /proc/sys/kernel/core_pattern', /read-only file system/i],
  ['echo 1 > /proc/sys/net/ipv4/ip_forward', /read-only file system/i],
  ['echo 1 > /proc/irq/default_smp_affinity', /read-only|nonexistent|permission/i],
  ['echo 1 > /sys/kernel/profiling', /read-only|permission denied|nonexistent/i],
  ['mknod /tmp/disk b 254 0', /not permitted/i],
  ['unshare -m true', /not permitted/i],
  ['unshare -U true', /not permitted/i],
  ['nsenter -t 1 -m true', /not permitted/i],
  ['chroot /proc/1/root ls /work', /no such file/i],
  ['dd if=/proc/kcore of=/dev/null count=1', /can't open|not permitted|permission/i],
  ['reboot -f', /not permitted/i],
  ['hostname other', /not permitted|not implemented/i],
  ['echo 999999999 > /sys/fs/cgroup/memory/memory.limit_in_bytes', /read-only/i],
  ['ip link add x type dummy', /not permitted/i],
];

const { signal } = new AbortController();

test('what a container tries against its machine is refused', async () => {
  const script = refusedLines.map(([line]) => `( ${line} ) 2>&1 && echo DONE; echo ---`).join('\n');
  const { output } = await bed.run(script);
  const said = output.split('---');
  for (const [index, [line, why]] of refusedLines.entries()) {
    assert.match(said[index] ?? '', why, line);
    assert.doesNotMatch(said[index] ?? '', /DONE/, line);
  }
});

test('root of a container is nobody on its machine', async () => {
  const folder = join(bed.folder, 'seen');
  await mkdir(folder);
  await writeFile(join(folder, 'secret'), 'of the machine', { mode: 0o600 });
  await chmod(folder, 0o777);
  const mounts = [{ source: folder, target: '/volume', isReadOnly: false }];
  const line =
    'cat /volume/secret 2>&1; touch /volume/mine; ls /etc /srv; id -u; cat /proc/self/uid_map';
  const { output } = await bed.run(line, { mounts });
  assert.match(output, /secret': Permission denied/);
  assert.match(output, new RegExp(String.raw`\n0\n +0 +${uidStart} +65536$`));
  assert.doesNotMatch(output, /shadow|debian/);
});

test('a container sees its own processes only, and users in it cannot look into root’s', async () => {
  const { output } = await bed.run('cd /proc && echo [0-9]*');
  assert.equal(output, '1');
  const spec = bed.specOf('two-users', 'sleep 1000 & wait');
  await bed.runtime.create(spec);
  await bed.runtime.start(spec.id);
  const command = ['sh', '-c', 'cat /proc/1/environ; head -c 1 /proc/1/mem; kill -9 1'];
  const options = { env: spec.env, cwd: '/', user: app, isElevated: false };
  const tried = await bed.runtime.exec(spec.id, { ...options, command });
  tried.stdout.resume();
  const said = (await tried.stderr.toArray()).join('');
  assert.notEqual(await tried.exited, 0);
  assert.match(said, /environ': Permission denied[^]*mem: Permission denied[^]*not permitted/);
  assert.equal((await bed.runtime.state(spec.id)).state, 'running');
  await bed.runtime.delete(spec.id);
});

test('a program with the setuid bit gives a user of a container nothing', async () => {
  const { output } = await bed.run('ls -l /bin/busybox-su; busybox-su id -u', { user: app });
  assert.match(output, /rwsr-xr-x/);
  assert.match(output, /\n1000$/);
});

test('a container is held by seccomp, and has few capabilities and no more to gain', async () => {
  const { output } = await bed.run("grep -E 'CapBnd|NoNewPrivs|Seccomp:' /proc/self/status");
  assert.match(output, /CapBnd:\s+00000000000405fb\nNoNewPrivs:\s+1\nSeccomp:\s+2/);
});

test('a read-only container writes to memory alone', async () => {
  const line = 'exec 2>&1; touch /x; touch /bin/x; touch /tmp/x /run/x /dev/shm/x && echo written';
  const { output } = await bed.run(line, { isReadOnly: true });
  assert.equal(output.match(/Read-only file system/g)?.length, 2, output);
  assert.match(output, /written$/);
});

test('a container of its image only runs nothing that was written', async () => {
  const volume = join(bed.folder, 'volume');
  await mkdir(volume, { recursive: true });
  await chown(volume, uidStart, uidStart);
  await writeFile(join(volume, 'script'), '#!/bin/sh\necho from the volume\n', { mode: 0o755 });
  const changes = {
    isImageOnly: true,
    mounts: [{ source: volume, target: '/volume', isReadOnly: false }],
  };
  const places = ['/volume', '/tmp', '/run', '/dev/shm', '/dev', '/sys/fs/cgroup'];
  const lines = [
    // What two streams say at one time would come mixed.
    'exec 2>&1',
    ...places.map((place) => `cp /bin/memory-file ${place}/x && ${place}/x; echo ${place} $?`),
    'cp /bin/busybox /bin/x; echo /bin $?',
    '/volume/script; echo script $?',
    'sh /volume/script',
    'memory-file; echo memory $?',
    'sealed-file; echo sealed $?',
    'mount -o remount,exec /tmp; echo remount $?',
    'cat /proc/self/mountinfo',
  ];
  const { output } = await bed.run(lines.join('\n'), changes);
  for (const place of places) assert.match(output, new RegExp(`^${place} 126$`, 'm'), output);
  assert.match(output, /^\/bin 1$/m);
  assert.match(output, /^script 126$/m);
  // What it can stop is the launching of a file: an interpreter of the image reads what it likes.
  assert.match(output, /^from the volume$/m);
  assert.match(output, /^memory 38$/m);
  assert.match(output, /^sealed 253$/m);
  assert.match(output, /^remount [^0]/m);
  for (const line of output.split('\n').filter((each) => / - /.test(each))) {
    const [mount = '', behind = ''] = line.split(' - ');
    const options = mount.split(' ')[5]?.split(',') ?? [];
    // Single files that are devices have no other.
    if (options.includes('ro') || behind.startsWith('devtmpfs')) continue;
    assert.ok(options.includes('noexec'), line);
  }
});

test('a container does not begin in a folder that the runtime has open', async () => {
  for (const descriptor of [6, 7, 8, 9]) {
    const cwd = `/proc/self/fd/${descriptor}`;
    await assert.rejects(bed.runtime.create(bed.specOf('inherits', 'pwd', { cwd })), cwd);
  }
});

test('a file that is written can be executed where a container is not held to its image', async () => {
  const { output } = await bed.run('cp /bin/memory-file /tmp/x && /tmp/x; echo $?');
  assert.equal(output, '253');
});

test('an elevated container mounts, within its user namespace', async () => {
  const line = [
    'exec 2>&1; mount -t tmpfs none /srv && grep -c /srv /proc/mounts',
    'ls -l /dev/fuse',
    'mknod /srv/disk b 254 0 2>&1',
    'echo 1 > /proc/sys/kernel/core_pattern',
  ].join('; ');
  const { output } = await bed.run(line, { isElevated: true });
  assert.match(output, /^1\ncrw.* 10, 229 .*\n.*not permitted\n.*Read-only/m);
  await assert.rejects(
    bed.runtime.create(bed.specOf('both', 'true', { isElevated: true, isImageOnly: true })),
    hasCode('NODE_CONTAINER_INVALID'),
  );
});

test('users are resolved by what the image has', async () => {
  const root = bed.rootFolder;
  const whoIs = async (text: string): Promise<string> => {
    const { uid, gid, groups, home } = await resolveUser(root, text, signal);
    return `${uid}:${gid}:${groups.join(',')}:${home}`;
  };
  assert.equal(await whoIs(''), '0:0:44:/root');
  assert.equal(await whoIs('app'), '1000:1001:44:/srv/app');
  assert.equal(await whoIs('1000'), '1000:1001:44:/srv/app');
  assert.equal(await whoIs('app:video'), '1000:44::/srv/app');
  assert.equal(await whoIs('77'), '77:0::undefined');
  assert.equal(await whoIs('77:88'), '77:88::undefined');
  for (const text of ['nobody', 'app:nogroup', '65536', '-1', '1e3']) {
    await assert.rejects(resolveUser(root, text, signal), hasCode('NODE_USER_UNKNOWN'), text);
  }
});

test('users are not looked for outside of a hostile image', async () => {
  await using folder = await tempFolder('hostile');
  const root = join(folder.path, 'root');
  await mkdir(root);
  await symlink('/etc', join(root, 'etc'));
  await assert.rejects(resolveUser(root, 'daemon', signal), hasCode('NODE_USER_UNKNOWN'));
  await rm(join(root, 'etc'));
  await mkdir(join(root, 'etc'));
  await symlink('/etc/passwd', join(root, 'etc', 'passwd'));
  await assert.rejects(resolveUser(root, 'daemon', signal), hasCode('NODE_USER_UNKNOWN'));
  assert.equal((await resolveUser(root, '5', signal)).uid, 5);
});
