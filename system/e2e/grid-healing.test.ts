import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { TestContext } from 'node:test';

import { reservePort, waitFor } from '@commongrid/base';
import type { WorkloadId } from '@commongrid/model';
import { shortIdOf } from '@commongrid/node';

import { TestGrid } from './grid-process.ts';
import { processesOf, runningIn } from '../machines/machine-processes.ts';
import { Outpost } from './outpost.ts';

interface Up {
  readonly services: Record<string, { readonly pid: number | null; readonly address: string }>;
  readonly node: { readonly id: string; readonly lack: string | null };
  readonly bots: { readonly lack: string | null };
}

interface Deployed {
  readonly contract: string;
  readonly workloads: readonly { readonly id: string; readonly node: string }[];
}

interface Standing {
  readonly phase: string;
  readonly blocked: readonly { readonly code: string }[];
  readonly silent: readonly { readonly node: string; readonly outlook: string }[];
}

interface Notices {
  readonly notices: readonly { readonly code: string; readonly contract: string }[];
}

const longer = { timeout: 600_000 };
const deadline = { timeoutMs: 120_000, everyMs: 100 };

/** Serves its content to whoever asks. */
const content = randomBytes(16).toString('hex');
const page = {
  entrypoint: ['/bin/sh', '-c', `echo ${content} > /tmp/index.html; exec httpd -f -p 80 -h /tmp`],
  ports: [{ name: 'http', port: 80, protocol: 'tcp', publish: await reservePort() }],
};

/** One grid for all tests, in their order, with a second machine. */
let grid: TestGrid;
let up: Up;
let outpost: Outpost;
/** Of what the node of the first machine has in the kernel. */
let prefix: string;

before(async () => {
  grid = await TestGrid.open({ hasNode: true, hasBots: true });
  up = await grid.json<Up>('up', '--port-base', '0');
  assert.deepEqual([up.node.lack, up.bots.lack], [null, null]);
  const command = await readFile(`/proc/${up.services['node']?.pid}/cmdline`, 'utf8');
  prefix = /--prefix=([a-z0-9]+)/.exec(command)?.[1] ?? '';
  outpost = await Outpost.open(grid, up);
});

after(async () => {
  await using _grid = grid;
  await outpost?.[Symbol.asyncDispose]();
});

test('what ran on a machine that is cut off runs elsewhere, and stops there when it is back', async (t) => {
  const { contract, workloads } = await deployOn(outpost.name, 'web', page);
  assert.notEqual(workloads[0]?.node, up.node.id);
  const there = await outpost.containers();
  assert.equal(there.length, 1);
  const door = await waitFor(() => doorOf('web'), { ...deadline, what: 'its door' });
  await untilShown(door);
  outpost.cut();
  await healed(t, contract);
  assert.equal((await processesOf(prefix)).length, 1);
  // It hears nothing, so it keeps what it runs.
  assert.deepEqual(await outpost.containers(), there);
  outpost.mend();
  const isStopped = async (): Promise<boolean> => (await outpost.containers()).length === 0;
  await waitFor(isStopped, { ...deadline, what: 'the machine to stop what is no longer its own' });
  assert.equal((await processesOf(prefix)).length, 1);
  // At the same address, and while nobody is there who could say where it runs.
  await untilShown(door);
  await withoutBot('bot-farmer', () => untilShown(door));
  const { published } = await grid.json<{ published: { address: string; frontDoor: string }[] }>(
    ...['contract', 'status', 'web'],
  );
  assert.deepEqual(
    published.map(({ frontDoor }) => frontDoor),
    [door.address],
  );
  assert.deepEqual([(await doorOf('web'))?.active], [published[0]?.address]);
  await grid.json('rm', 'web');
  const isGone = async (): Promise<boolean> => (await processesOf(prefix)).length === 0;
  await waitFor(isGone, { ...deadline, what: 'the end of what was healed' });
  const isShut = async (): Promise<boolean> => (await doorOf('web')) === undefined;
  await waitFor(isShut, { ...deadline, what: 'its door to be shut' });
});

test('what ran on a machine that died is moved by the new key of its bot, and does not begin again there', async (t) => {
  const { contract } = await deployOn(outpost.name, 'shop');
  const words = join(grid.home, 'identity', 'recovery-words');
  const rotated = await grid.json<{ readonly former: string; readonly key: string }>(
    ...['bot', 'rotate', 'farmer', '--words-file', words],
  );
  assert.notEqual(rotated.former, rotated.key);
  await outpost.kill();
  outpost.cut();
  await healed(t, contract);
  assert.deepEqual(await outpost.containers(), []);
  const { versions } = await grid.json<{ readonly versions: readonly { author: string }[] }>(
    ...['bcdb', 'history', 'grid', 'grid.placement.1', contract],
  );
  assert.deepEqual(
    [versions.at(0)?.author, versions.at(-1)?.author],
    [rotated.key, rotated.former],
  );
  const isTold = async (): Promise<boolean> => {
    const { notices } = await grid.json<Notices>('bot', 'notices', 'farmer');
    return notices.some((one) => one.code === 'NOTICE_MOVED' && one.contract === contract);
  };
  await waitFor(isTold, { ...deadline, what: 'the owner to be told of the move' });
  const running = await processesOf(prefix);
  assert.equal(running.length, 1);
  outpost.mend();
  outpost.start();
  await deployOn(outpost.name, 'next');
  // It took part again, and began only what is new.
  assert.equal((await outpost.containers()).length, 1);
  assert.deepEqual(await processesOf(prefix), running);
});

// Three moves, one after the other: more than the usual time on a slow machine.
test(
  'a node that drains ends up empty, and nothing that it ran is ever missing',
  longer,
  async () => {
    const { workloads } = await deployOn(outpost.name, 'shelf', {}, { many: 2, single: 1 });
    const keys = workloads.map(({ id }) => shortIdOf(id as WorkloadId));
    assert.equal(keys.length, 3);
    const here = await runningIn(outpost.prefix);
    assert.deepEqual(
      keys.filter((key) => !here.has(key)),
      [],
    );
    const words = ['node', 'status', '--data', outpost.folder];
    await grid.json('drain', outpost.name, '--data', outpost.folder);
    const isEmpty = async (): Promise<boolean> => {
      // First where it leaves: what is not there any more runs where it went, and stays.
      const left = await runningIn(outpost.prefix);
      const come = await runningIn(prefix);
      const missing = keys.filter((key) => !left.has(key) && !come.has(key));
      assert.deepEqual(missing, [], 'a replica runs nowhere');
      return left.size === 0;
    };
    // Three moves, one after the other.
    await waitFor(isEmpty, { ...deadline, timeoutMs: 300_000, what: 'the node to be empty' });
    const isTold = async (): Promise<boolean> => {
      const { stdout } = await grid.run(...words);
      return stdout.includes('draining: nothing runs here any more');
    };
    await waitFor(isTold, { ...deadline, what: 'it to say so' });
    await grid.json('uncordon', '--data', outpost.folder);
  },
);

interface Door {
  readonly name: string;
  readonly address: string;
  readonly active: string | null;
}

/** Where what a contract publishes is reached on the first machine. */
async function doorOf(name: string): Promise<Door | undefined> {
  const { frontDoor } = await grid.json<{ readonly frontDoor: readonly Door[] | null }>('status');
  return frontDoor?.find((door) => door.name === name);
}

async function untilShown({ address }: Door): Promise<void> {
  const isShown = async (): Promise<boolean> => {
    const answer = await fetch(`http://${address}/`).catch(() => undefined);
    return (await answer?.text().catch(() => ''))?.trim() === content;
  };
  await waitFor(isShown, { ...deadline, what: 'the page' });
}

/** Kills a service, and does something before it is waited for. */
async function withoutBot(name: string, work: () => Promise<void>): Promise<void> {
  const pidOf = async (): Promise<number | null | undefined> => {
    const { services } = await grid.json<Pick<Up, 'services'>>('status');
    return services[name]?.pid;
  };
  const former = await pidOf();
  assert.ok(former);
  process.kill(former, 'SIGKILL');
  await work();
  const isBack = async (): Promise<boolean> => {
    const { answer } = await grid
      .json<{ readonly answer: unknown }>('bot', 'call', 'farmer', 'contracts.list', '{}')
      .catch(() => ({ answer: undefined }));
    return answer !== undefined && (await pidOf()) !== former;
  };
  await waitFor(isBack, { ...deadline, what: `${name} to be back` });
}

/** @param change what its containers are besides, @param counts replicas of each role */
async function deployOn(
  node: string,
  name: string,
  change: object = {},
  counts: Readonly<Record<string, number>> = { [name]: 1 },
): Promise<Deployed> {
  const container = {
    ...{ image: 'base', entrypoint: ['sleep', '100000'], rootBytes: '16MiB' },
    stop: { signal: 'SIGKILL', graceSeconds: 1 },
    ...change,
  };
  const file = join(grid.home, 'node', `${name}.json`);
  const roles = Object.entries(counts).map(([role, replicas]) => {
    return { name: role, replicas, cpu: 0.1, memory: '32MiB', container };
  });
  await writeFile(file, JSON.stringify({ name, roles }));
  return grid.json<Deployed>('deploy', file, '--node', node, '--wait');
}

/** Waits until the contract runs on the first machine, where nothing ran before. */
async function healed(t: TestContext, contract: string): Promise<void> {
  const startedMs = performance.now();
  const input = JSON.stringify({ contract });
  const seen = new Map<string, number>();
  const look = async (): Promise<boolean> => {
    const { answer } = await grid.json<{ readonly answer: Standing }>(
      ...['bot', 'call', 'farmer', 'contracts.status', input],
    );
    const nowMs = Math.round(performance.now() - startedMs);
    for (const { outlook } of answer.silent) if (!seen.has(outlook)) seen.set(outlook, nowMs);
    if (answer.phase !== 'running' || answer.silent.length > 0) return false;
    // What it loses may be lost before anybody looked.
    return (await processesOf(prefix)).length > 0;
  };
  await waitFor(look, { ...deadline, what: `${contract} to be healed` });
  const steps = [...seen].map(([outlook, ms]) => `${outlook} after ${ms} ms`);
  const tookMs = Math.round(performance.now() - startedMs);
  t.diagnostic(`${steps.join(', ')}; runs elsewhere after ${tookMs} ms`);
}
