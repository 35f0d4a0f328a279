import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { waitFor } from '@commongrid/base';

import { DemoNetwork } from '../demo/demo-network.ts';
import { ipJson } from '../machines/ip.ts';
import { programsOf } from '../machines/machine-processes.ts';
import { remainsOf } from '../machines/machine-remains.ts';
import { root, run, tempFolder } from './grid-process.ts';

interface Report {
  readonly steps: readonly {
    readonly name: string;
    readonly passed: boolean;
    readonly figure: string;
  }[];
  readonly failed: number;
}

/** Each promise of the demo, by the name of its step. */
const names = [
  'grid',
  'contract and plan',
  'signatures',
  'negotiation',
  'payment',
  'provision',
  'farmer gone',
  'tampered chunk',
  'data',
  'page',
  'farmer back',
  'machines lost',
  'refund',
  'S3 head lost',
  'page lost',
  'controller lost',
  'notice',
  'farm lost',
  'beyond mandate',
  'altered program',
  'too many lost',
  'upgrade',
  'whole check',
  'clients',
  'removal',
  'audit',
  'bill',
];

const nodeCount = 8;
const answers = { nodes: String(nodeCount), shards: '4+2', data: '60MB' };

/** On a slow machine it takes several times as long as on a quiet one. */
const longer = { timeout: 1_800_000 };
/** Then it is ended in order, s: it tells how far it came. */
const demoSecondsMax = '1500';

test(
  'a grid of many owners keeps all promises of the demo, and leaves nothing',
  longer,
  async () => {
    await using folder = await tempFolder();
    const [path, file] = [join(folder.path, 'demo'), join(folder.path, 'answers.json')];
    await writeFile(file, JSON.stringify(answers));
    // Times that are promised are measured where nothing else runs.
    const choices = ['--seed', '7', '--slack', '20', '--folder', path];
    const words = ['demo', 'archive', '--answers', file, ...choices, '--json'];
    const over = new AbortController();
    const program = [demoSecondsMax, join(root, 'grid'), ...words];
    const running = run('timeout', program).finally(() => over.abort());
    const network = await networkOf(path, over.signal);
    const { status, stdout, stderr } = await running;
    assert.notEqual(stdout, '', stderr);
    const { steps, failed } = JSON.parse(stdout) as Partial<Report>;
    assert.ok(steps !== undefined, stdout);
    const broken = steps.filter(({ passed }) => !passed);
    assert.deepEqual(broken, [], `${steps.length - broken.length} passed\n${stderr}`);
    assert.deepEqual(
      steps.map(({ name }) => name),
      names,
    );
    assert.deepEqual([status, failed], [0, 0]);
    assert.ok(network !== undefined, 'its network was not to be seen');
    await untilNothingIsLeft(path, network);
    assert.deepEqual(await readdir(path), ['LOCK']);
  },
);

/** The network of a demo once it has one; undefined when it ended before. */
async function networkOf(folder: string, over: AbortSignal): Promise<DemoNetwork | undefined> {
  const look = (): DemoNetwork | boolean => DemoNetwork.left(folder)[0] ?? over.aborted;
  const found = await waitFor(look, { timeoutMs: 900_000, everyMs: 500, what: 'its network' });
  return found === true ? undefined : found;
}

/** @throws with what is there still */
async function untilNothingIsLeft(folder: string, network: DemoNetwork): Promise<void> {
  let left: readonly string[] = [];
  const isOver = async (): Promise<boolean> => {
    left = await remainsOfDemo(folder, network);
    return left.length === 0;
  };
  // The kernel takes a cgroup and a link away a little after it was told to.
  const limit = { timeoutMs: 60_000, everyMs: 500, what: 'the end of what it made' };
  await waitFor(isOver, limit).catch((cause: unknown) => {
    throw new Error(left.join('\n'), { cause });
  });
}

/** All that a demo has on this machine. */
async function remainsOfDemo(folder: string, network: DemoNetwork): Promise<readonly string[]> {
  const machines = Array.from({ length: nodeCount }, (_, at) => at);
  const own = [...(await remainsOf(folder, [])), ...(await programsOf(folder))];
  const byNumber = await remainsOf(folder, [
    ...machines.map((at) => network.netnsOf(at)),
    ...machines.map((at) => network.prefixOf(at)),
  ]);
  const name = network.netnsOf(0).replace(/-0$/, '');
  const switches = ipJson('link', 'show', 'type', 'bridge') as readonly {
    readonly ifname: string;
    readonly ifalias?: string;
  }[];
  const found = switches.find(({ ifname }) => ifname === name);
  // Another demo may have the number, and the names, of one that ended.
  if (found !== undefined && found.ifalias !== folder) return own;
  return [...own, ...byNumber, ...(found === undefined ? [] : [`switch ${name}`])];
}
