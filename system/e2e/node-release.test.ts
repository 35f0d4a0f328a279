import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { seededRandom } from '@commongrid/base';

import { ReleaseTown } from './release-town.ts';

const deployment = {
  name: 'shop',
  roles: ['one', 'two'].map((name) => ({
    ...{ name, cpu: 0.1, memory: '32MiB' },
    container: {
      ...{ image: 'base', entrypoint: ['sleep', '100000'], rootBytes: '32MiB' },
      stop: { signal: 'SIGKILL', graceSeconds: 1 },
    },
  })),
};

/** One for all tests, in their order: a start takes seconds. */
let town: ReleaseTown;
/** What the containers run all the time, and what was told of them. */
let running: readonly string[];
let told: number;

before(async () => {
  town = await ReleaseTown.open();
  const file = join(town.folder, 'shop.json');
  await writeFile(file, JSON.stringify(deployment));
  await town.grid.json('deploy', file);
  running = await town.processes();
  told = (await workloadEvents()).length;
});

after(() => town[Symbol.asyncDispose]());

test('a node takes a release, and what runs is not touched', async () => {
  assert.equal(running.length, 2);
  assert.deepEqual(await town.release(), {
    ...{
      version: '0.1.0',
      isTrial: false,
      wanted: null,
      next: 'kept',
      failed: null,
      problem: null,
    },
  });
  const digest = await town.image();
  assert.equal((await town.say('0.2.0', digest)).status, 0);
  const release = await town.reach('0.2.0');
  assert.equal(release.digest, digest);
  await untouched();
  const { software } = await town.grid.json<{ readonly software: readonly object[] }>(
    ...(['software', 'list'] as const),
  );
  assert.deepEqual(software, [{ name: 'node', version: '0.2.0', flist: digest }]);
  await town.until('the version in its record', async () => (await nodeRecord()) === '0.2.0');
});

test('the log refuses a version that is not above, and a key that releases nothing', async () => {
  const digest = await town.image();
  for (const version of ['0.1.9', '0.2.0']) {
    const { status, stderr } = await town.say(version, digest);
    assert.notEqual(status, 0);
    assert.match(stderr, /SOFTWARE_VERSION_OLD/);
  }
  const ownerKey = join(town.grid.home, 'identity', 'owner-key');
  const { stderr } = await town.say('0.2.1', digest, '--key-file', ownerKey);
  assert.match(stderr, /GRID_RELEASE_KEY_UNKNOWN/);
});

for (const [what, version, program, message] of [
  ['ends at once', '0.3.0', { instead: 'process.exit(3);' }, /^it ended with 3$/],
  [
    ...(['crashes after 5 s', '0.3.1'] as const),
    { before: "setTimeout(() => process.kill(process.pid, 'SIGSEGV'), 5_000);" },
    /^it was ended by SIGSEGV$/,
  ],
] as const) {
  test(`a node goes back by itself from a release that ${what}`, async () => {
    await failsWith(version, await town.image(program), message);
  });
}

test('a node goes back from a release that hangs, also after a start of its own', async () => {
  // So short that what works does not hold it: this is for what never answers.
  await town.stop();
  await town.start(1, 5);
  await failsWith('0.3.2', await town.image({ instead: 'for (;;);' }), /^it did not show in time/);
  await town.stop();
  await town.start();
  assert.equal((await town.release())?.failed?.version, '0.3.2');
  await untouched();
});

test('a release with a chunk that was tampered with is refused, and taken once that is mended', async () => {
  const former = new Set(await chunksOfHub());
  const digest = await town.image();
  const fresh = (await chunksOfHub()).filter((path) => !former.has(path));
  assert.ok(fresh.length > 0);
  const sound = await Promise.all(fresh.map((path) => readFile(path)));
  const flipped = sound.map((bytes) =>
    Buffer.from(bytes.map((byte, at) => (at === 9 ? ~byte : byte))),
  );
  await Promise.all(fresh.map((path, at) => writeFile(path, flipped[at] ?? '')));
  assert.equal((await town.say('0.4.0', digest)).status, 0);
  await town.until('a refusal', async () => (await town.release())?.problem !== null);
  assert.equal((await town.release())?.version, '0.2.0');
  await untouched();
  await Promise.all(fresh.map((path, at) => writeFile(path, sound[at] ?? '')));
  await town.reach('0.4.0');
  await untouched();
});

test('a rollback goes down to an earlier version', async () => {
  const digest = await town.image();
  assert.equal((await town.say('0.3.9', digest, '--rollback')).status, 0);
  await town.reach('0.3.9');
  await untouched();
});

test('a node that is killed while it takes a release comes up with one of both', async () => {
  const random = seededRandom('release kills');
  const rounds = process.env['GRID_TEST_LONG'] === '1' ? 12 : 2;
  for (let round = 0; round < rounds; round++) {
    const former = (await town.release())?.version;
    const version = `0.5.${round}`;
    assert.equal((await town.say(version, await town.image())).status, 0);
    const isKeeper = round % 2 === 0;
    await new Promise((resolve) => setTimeout(resolve, random.int(0, 6_000)));
    const pid = isKeeper ? undefined : await town.agentPid();
    if (pid === undefined) await town.stop('SIGKILL');
    else process.kill(pid, 'SIGKILL');
    await town.restart();
    const release = await town.release();
    assert.ok([former, version].includes(release?.version), JSON.stringify(release));
    // An agent that is killed during its trial failed; the version after it is taken.
    if (release?.failed?.version !== version) await town.reach(version);
    await untouched();
  }
});

test('a node goes back from a release that touches what runs', async () => {
  const forget = [
    "const { DatabaseSync } = await import('node:sqlite');",
    `const db = new DatabaseSync('${join(town.folder, 'state.sqlite')}');`,
    `db.exec("UPDATE workload SET made = 'another'"); db.close();`,
  ];
  const digest = await town.image({ before: forget.join('\n') });
  const former = (await town.release())?.version;
  assert.equal((await town.say('0.6.0', digest)).status, 0);
  await town.until('its failure', async () => (await town.release())?.failed?.version === '0.6.0');
  const release = await town.release();
  assert.equal(release?.version, former);
  assert.match(release?.failed?.message ?? '', /does not run on as it was$/);
});

/** Releases what does not work; the node is back with what it had, says so, and does not try again. */
async function failsWith(version: string, digest: string, message: RegExp): Promise<void> {
  const former = await town.release();
  assert.equal((await town.say(version, digest)).status, 0);
  const hasFailed = async (): Promise<boolean> =>
    (await town.release())?.failed?.version === version;
  await town.until(`the failure of ${version}`, hasFailed);
  const release = await town.release();
  assert.deepEqual([release?.version, release?.digest], [former?.version, former?.digest]);
  assert.match(release?.failed?.message ?? '', message);
  await untouched();
  const pid = await town.agentPid();
  await town.until('the word of it in the log', async () => {
    const { code, message: said, hint } = (await nodeEvent()) ?? {};
    const isSaid = said?.includes(version) === true && hint !== undefined;
    return code === 'NODE_RELEASE_FAILED' && isSaid;
  });
  // It looks once a second.
  const look = await town.release();
  assert.ok(look !== undefined && !look.isTrial);
  assert.equal(await town.agentPid(), pid);
}

/** Paths of the chunks that the hub has. */
async function chunksOfHub(): Promise<readonly string[]> {
  const images = join(town.grid.home, 'hub', 'images');
  const found = await readdir(images, { recursive: true, withFileTypes: true });
  const files = found.filter((one) => one.isFile() && /^[0-9a-f]{64}$/.test(one.name));
  return files
    .map((one) => join(one.parentPath, one.name))
    .filter((path) => !path.includes('/flists/'));
}

/** The containers run on, and nothing was told of them. */
async function untouched(): Promise<void> {
  assert.deepEqual(await town.processes(), running);
  const events = await workloadEvents();
  assert.equal(events.length, told, JSON.stringify(events.slice(told)));
}

async function workloadEvents() {
  return (await town.events()).filter(({ workload }) => workload !== undefined);
}

/** The newest word of the node on itself, as the log has it. */
async function nodeEvent() {
  const { objects } = await town.grid.json<{
    readonly objects: readonly { readonly obj: string; readonly value: Said }[];
  }>('bcdb', 'find', 'grid', 'grid.event.1');
  return objects.find(({ obj }) => obj.startsWith('node:') && !obj.includes('/'))?.value;
}

interface Said {
  readonly code?: string;
  readonly message?: string;
  readonly hint?: string;
}

async function nodeRecord(): Promise<string | undefined> {
  const { objects } = await town.grid.json<{
    readonly objects: readonly { readonly value: { readonly software?: string } }[];
  }>('bcdb', 'find', 'grid', 'grid.node.1');
  return objects[0]?.value.software;
}
