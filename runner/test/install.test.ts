import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

import { runProgram } from '@commongrid/base';
import { hasCode, tempFolder } from '@commongrid/base/testing';

import { runCommand } from './fixtures/run-command.ts';

interface Installed {
  readonly path: string;
  readonly link: string;
  readonly text: string;
  readonly enabledBy: string | null;
}

/** A machine of which only the files are there, and a grid whose path systemd must not misread. */
async function openMachine() {
  const folder = await tempFolder('machine');
  const root = folder.path;
  const home = join(root, 'a "grid" at 100%h');
  const json = async (...words: string[]): Promise<Installed> => {
    const { printed } = await runCommand(home, [...words, '--root', root, '--json']);
    return JSON.parse(printed) as Installed;
  };
  return { root, home, json, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

test('install writes a unit that systemd takes, and has it started at boot', async () => {
  await using machine = await openMachine();
  const { path, link, text } = await machine.json('install', '--port-base', '20000');
  assert.equal(path, join(machine.root, 'etc/systemd/system/commongrid.service'));
  assert.equal(await readFile(path, 'utf8'), text);
  assert.match(text, /^ExecStart=.* up --foreground --port-base=20000$/m);
  await runProgram('systemd-analyze', ['verify', path], { timeoutMs: 120_000 });
  assert.equal(await readlink(link), '/etc/systemd/system/commongrid.service');
  const words = ['is-enabled', 'commongrid.service'];
  const enabled = await runProgram('systemctl', [`--root=${machine.root}`, ...words]);
  assert.equal(enabled.trim(), 'enabled');
});

test('install twice is one unit, and uninstall takes all of it away', async () => {
  await using machine = await openMachine();
  await machine.json('install');
  const { path, link } = await machine.json('install');
  await machine.json('uninstall');
  assert.deepEqual([existsSync(path), existsSync(link)], [false, false]);
  await assert.rejects(machine.json('uninstall'), hasCode('GRID_UNIT_UNKNOWN'));
});

test('a dry run of install prints the unit and writes nothing', async () => {
  await using machine = await openMachine();
  const { printed } = await runCommand(machine.home, [
    ...['install', '--dry-run', '--root', machine.root],
  ]);
  assert.equal(printed, (await machine.json('install', '--dry-run')).text);
  assert.equal(existsSync(join(machine.root, 'etc')), false);
});

test('install for a user makes the link itself where no manager answers', async () => {
  await using machine = await openMachine();
  const { path, link, enabledBy, text } = await machine.json('install', '--user', '--name', 'mine');
  assert.equal(enabledBy, 'link');
  assert.match(path, /\/systemd\/user\/mine\.service$/);
  assert.match(link, /\/default\.target\.wants\/mine\.service$/);
  assert.equal(join(machine.root, await readlink(link)), path);
  assert.match(text, /^WantedBy=default\.target$/m);
});

test('units of others stay as they are', async () => {
  await using machine = await openMachine();
  const { path } = await machine.json('install', '--dry-run');
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, '[Service]\nExecStart=/bin/true\n');
  const refused = hasCode('GRID_UNIT_FOREIGN');
  await assert.rejects(machine.json('install'), refused);
  await assert.rejects(machine.json('uninstall'), refused);
  assert.match(await readFile(path, 'utf8'), /bin\/true/);
  const other = await machine.json('install', '--name', 'second');
  const words = ['uninstall', '--name', 'second', '--root', machine.root];
  await assert.rejects(runCommand(join(machine.root, 'elsewhere'), words), refused);
  assert.equal(existsSync(other.path), true);
});

test('a link out of an image is not followed', async () => {
  await using machine = await openMachine();
  await using host = await tempFolder('host');
  await symlink(host.path, join(machine.root, 'etc'));
  const outside = hasCode('GRID_UNIT_OUTSIDE');
  await assert.rejects(machine.json('install'), outside);
  await assert.rejects(machine.json('uninstall'), outside);
  assert.deepEqual(await readdir(host.path), []);
});

test('a link of that name that leads elsewhere is left and told', async () => {
  await using machine = await openMachine();
  const { path, link } = await machine.json('install', '--dry-run');
  await mkdir(dirname(link), { recursive: true });
  await symlink('/etc/systemd/system/other.service', link);
  await assert.rejects(machine.json('install'), hasCode('GRID_UNIT_FOREIGN'));
  assert.equal(await readlink(link), '/etc/systemd/system/other.service');
  assert.equal(existsSync(path), false);
});
