import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { collectionFlags, waitFor } from '@commongrid/base';
import { SealingKey, SigningKey } from '@commongrid/crypto';
import { botIdOf } from '@commongrid/model';
import { atLeastRow, atMostRow, interleave, median, ratioRow } from '@commongrid/system/bench';
import type { BenchOptions, BenchRow } from '@commongrid/system/bench';
import { WebSocket } from 'ws';
import { Bot } from '../src/index.ts';
import { makeCredentials } from '../src/keys/certificate.ts';
import { GridProcess } from '../test/support/grid-process.ts';
import { KeptHeads } from '../test/support/kept-heads.ts';
import type { EchoPlan } from './echo-process.ts';
import { benchLimits, echoes } from './echoes.ts';

/** Letters of what is echoed. */
const textLength = 200;

/** What a bot may take of memory, MB: issue 7. */
const residentMbMax = 200;

/**
 * Two bots on loopback, one of them in a process of its own, beside the barest WebSocket over mutual TLS
 * between the same two processes. Round trips a second; messages of the mailbox a second, each on disk
 * at both ends; resident memory of the other process afterwards.
 */
export async function run(options: BenchOptions): Promise<BenchRow[]> {
  await using stack = new AsyncDisposableStack();
  const stage = await openStage(stack);
  const { bot, peer, bare } = stage;
  const { note, rounds, isQuick = false } = options;
  const [once1, piped, letters] = isQuick ? [200, 2_000, 100] : [3_000, 30_000, 1_000];
  const client = bot.client(echoes, peer);
  const text = 'x'.repeat(textLength);
  const rows: BenchRow[] = [];
  for (const [name, count, width] of [
    ['round trips, one at a time', once1, 1],
    ['round trips, 32 at a time', piped, 32],
  ] as const) {
    note(name);
    const figures = await interleave(rounds, {
      ours: () => speedOf(count, width, () => client.echo({ text })),
      rival: () => speedOf(count, width, () => bare(text)),
    });
    const per = (side: readonly Speed[]) => side.map(({ perSecond }) => perSecond);
    const cpu = (side: readonly Speed[]) => Math.round(median(side.map((one) => one.cpuMicros)));
    rows.push(
      ratioRow({
        ...{ name, unit: '1/s', ours: per(figures.ours), rival: per(figures.rival) },
        note: `CPU of the caller: ${cpu(figures.ours)} us each, of the rival ${cpu(figures.rival)} us`,
      }),
    );
  }
  note('messages of the mailbox');
  const delivered: Speed[] = [];
  for (let round = 0; round < rounds; round++) {
    const send = async (): Promise<void> => {
      for (let n = 0; n < letters; n++) bot.send({ to: peer, kind: 'echoes.note', body: { text } });
      const patience = { timeoutMs: 600_000, everyMs: 50, what: 'the messages' };
      await waitFor(() => bot.letterCount === 0, patience);
    };
    delivered.push(await measured(letters, send));
  }
  rows.push(
    atLeastRow({
      ...{ name: 'messages of the mailbox', unit: '1/s' },
      ours: median(delivered.map(({ perSecond }) => perSecond)),
      note: `CPU of the sender: ${Math.round(median(delivered.map((one) => one.cpuMicros)))} us each`,
    }),
  );
  const { residentBytes } = await client.memory({});
  rows.push(
    atMostRow({
      ...{ name: 'resident memory of a bot, afterwards', unit: 'MB' },
      ...{ ours: residentBytes / 1e6, must: residentMbMax },
    }),
  );
  return rows;
}

async function openStage(stack: AsyncDisposableStack) {
  const folder = await mkdtemp(join(tmpdir(), 'commongrid-bench-threebot-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const keys = { near: newKeys('near'), far: newKeys('far') };
  const bots = [keys.near, keys.far].map(({ name, root, device }) => ({
    ...{ name, root: seedOf(root), device: seedOf(device) },
  }));
  const grid = await GridProcess.open({ folder: join(folder, 'bcdb'), host: '127.0.0.1', bots });
  stack.use(grid);
  const { url, trust } = grid;
  const plan: EchoPlan = {
    ...{ folder: join(folder, 'far'), id: keys.far.id, seed: seedOf(keys.far.device), url, trust },
  };
  const script = new URL('echo-process.ts', import.meta.url).pathname;
  const child = spawn(
    process.execPath,
    [...collectionFlags.waiting, script, JSON.stringify(plan)],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  stack.defer(() => {
    child.kill('SIGKILL');
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const { port } = JSON.parse(line.toString()) as { readonly port: number };
  const near = join(folder, 'near');
  const bot = stack.use(
    await Bot.open({
      ...{ folder: near, id: keys.near.id, key: keys.near.device, url, trust },
      sealingKeys: [SealingKey.derive(keys.near.device.exportSeed())],
      heads: new KeptHeads(near),
      ownerToken: seedOf(keys.near.device),
      listen: { host: '127.0.0.1', port: 0 },
      limits: benchLimits,
    }),
  );
  await bot.publish();
  const bare = await bareEcho(port, keys.near.device, stack);
  return { bot, peer: keys.far.id, bare };
}

/** Echoes in the order in which they were asked for: the barest protocol has no numbers. */
async function bareEcho(port: number, key: SigningKey, stack: AsyncDisposableStack) {
  const socket = new WebSocket(`wss://127.0.0.1:${port}`, {
    ...(await makeCredentials(key)),
    rejectUnauthorized: false,
    perMessageDeflate: false,
  });
  stack.defer(() => socket.terminate());
  await once(socket, 'open');
  const waiting: ((text: string) => void)[] = [];
  socket.on('message', (data) => waiting.shift()?.((data as Buffer).toString()));
  return (text: string): Promise<string> => {
    const { promise, resolve } = Promise.withResolvers<string>();
    waiting.push(resolve);
    socket.send(text);
    return promise;
  };
}

/** How quick some work was, and what it cost here. */
interface Speed {
  readonly perSecond: number;
  /** User and system time of this process, microseconds an operation. */
  readonly cpuMicros: number;
}

async function measured(count: number, work: () => Promise<void>): Promise<Speed> {
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  await work();
  const seconds = (performance.now() - startedMs) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: count / seconds, cpuMicros: (user + system) / count };
}

async function speedOf(count: number, width: number, ask: () => Promise<unknown>): Promise<Speed> {
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await ask();
  };
  return measured(count, async () => {
    await Promise.all(Array.from({ length: width }, worker));
  });
}

function newKeys(name: string) {
  const [root, device] = [SigningKey.generate(), SigningKey.generate()];
  return { name, id: botIdOf(root.publicKey.text), root, device };
}

function seedOf(key: SigningKey): string {
  return Buffer.from(key.exportSeed()).toString('base64url');
}
