import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';

import { allowsColor, childVariables, isOnPath, readEnvironment } from './environment.ts';

test('the home is GRID_HOME, else a folder that fits the user', () => {
  const homeOf = (variables: Record<string, string>, userId: number): string =>
    readEnvironment(variables, userId).home;
  assert.equal(homeOf({ GRID_HOME: '/srv/grid' }, 0), '/srv/grid');
  assert.equal(homeOf({}, 0), '/var/lib/grid');
  assert.equal(homeOf({ XDG_DATA_HOME: '/data' }, 1000), '/data/grid');
  assert.match(homeOf({ GRID_HOME: '' }, 1000), /\/\.local\/share\/grid$/);
});

test('programs of a user are configured in XDG_CONFIG_HOME, else in .config', () => {
  const { userConfig } = readEnvironment({ XDG_CONFIG_HOME: '/etc/mine' }, 1000);
  assert.equal(userConfig, '/etc/mine');
  assert.match(readEnvironment({}, 1000).userConfig, /\/\.config$/);
});

test('a relative GRID_HOME is made absolute', () => {
  assert.equal(readEnvironment({ GRID_HOME: 'here' }, 0).home, `${process.cwd()}/here`);
});

test('a container knows of which contract it is, and where its node finds the log', () => {
  assert.equal(readEnvironment({ COMMONGRID_DATABASE: 'http://192.0.2.1' }, 0).workload, undefined);
  const variables = { COMMONGRID_CONTRACT: 'contract:x', COMMONGRID_ADDRESS: '192.0.2.7' };
  assert.deepEqual(readEnvironment(variables, 0).workload, {
    ...{ contract: 'contract:x', address: '192.0.2.7' },
    ...{ database: undefined, log: undefined, sequencer: undefined },
  });
});

test('an unknown GRID_LOG is refused', () => {
  assert.throws(() => readEnvironment({ GRID_LOG: 'loud' }, 0), { code: 'BASE_LOG_LEVEL_INVALID' });
});

test('colours can be turned off', () => {
  assert.equal(allowsColor({}), true);
  assert.equal(allowsColor({ NO_COLOR: '1' }), false);
  assert.equal(allowsColor({ TERM: 'dumb' }), false);
});

test('a program is on PATH where the first of its name leads to it', async () => {
  await using folder = await tempFolder('path');
  const [checkout, bin, other] = ['checkout', 'bin', 'other'].map((name) =>
    join(folder.path, name),
  );
  assert.ok(checkout !== undefined && bin !== undefined && other !== undefined);
  for (const each of [checkout, bin, other]) await mkdir(each);
  const file = join(checkout, 'grid');
  await writeFile(file, '');
  await writeFile(join(other, 'grid'), '');
  await symlink(file, join(bin, 'grid'));
  const finds = (...folders: string[]): boolean =>
    isOnPath({ PATH: folders.join(':') }, 'grid', file);
  assert.ok(finds('/nowhere', bin, other) && finds(checkout));
  assert.ok(!finds(other, bin) && !finds('/nowhere') && !isOnPath({}, 'grid', file));
});

test('children do not see the test runner around them', () => {
  const variables = childVariables({ GRID_HOME: '/srv/grid' });
  assert.equal('NODE_TEST_CONTEXT' in variables, false);
  assert.equal(variables['GRID_HOME'], '/srv/grid');
});

test('who is to be told that the service is ready is known here, and not to children', () => {
  assert.equal(readEnvironment({ NOTIFY_SOCKET: '/run/n' }, 0).notifySocket, '/run/n');
  assert.equal(readEnvironment({ NOTIFY_SOCKET: '' }, 0).notifySocket, undefined);
  process.env['NOTIFY_SOCKET'] = '/run/n';
  try {
    assert.equal('NOTIFY_SOCKET' in childVariables(), false);
  } finally {
    delete process.env['NOTIFY_SOCKET'];
  }
});
