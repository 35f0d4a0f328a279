import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { waitFor } from '@commongrid/base';
import { RespClient } from '@commongrid/resp';
import { cpuSecondsOf, interleave, ratioRow } from '@commongrid/system/bench';
import type { BenchRow } from '@commongrid/system/bench';
import type { BcdbBenchRun } from './bcdb-bench-run.ts';
import { BenchServer, runHttpLoad, runRedisLoad } from './bench-server.ts';
import { sampleNamespace, sampleUrl, sampleValue } from './sample-records.ts';

const clients = 64;
const names = {
  http: '64 clients append over HTTP, beside one',
  redis: '64 clients HSET over RESP, beside one',
  hget: 'HGET, 64 clients, beside Redis',
} as const;

const dataKey = `${sampleNamespace}:data:${sampleUrl}`;
const field = 'the-one';

/** What the doors cost: many clients beside one, and reads beside Redis. */
export async function doorRows(run: BcdbBenchRun): Promise<BenchRow[]> {
  if (!run.wants(...Object.values(names))) return [];
  const token = randomBytes(32).toString('base64url');
  await using server = await BenchServer.start(run.folder('doors'), token, clients);
  const rows: BenchRow[] = [];
  if (run.wants(names.http)) rows.push(await httpRow(run, server));
  if (run.wants(names.redis)) rows.push(await hsetRow(run, server, token));
  if (run.wants(names.hget)) rows.push(await hgetRow(run, server, token));
  return rows;
}

async function httpRow(run: BcdbBenchRun, { facts }: BenchServer): Promise<BenchRow> {
  run.note(names.http);
  const each = run.sized(100);
  const alone = run.sized(1000);
  const [first = '', ...others] = facts.writers;
  let [firstN, firstNAlone] = [1, 1];
  const { ours, rival } = await interleave(run.rounds, {
    ours: async () => {
      const load = { ...facts, writers: others, requestsEach: each, firstN };
      firstN += each;
      return runHttpLoad(load, run.signal);
    },
    rival: async () => {
      const load = { ...facts, writers: [first], requestsEach: alone, firstN: firstNAlone };
      firstNAlone += alone;
      return runHttpLoad(load, run.signal);
    },
  });
  return ratioRow({ name: names.http, unit: 'record/s', ours, rival, must: 5 });
}

async function hsetRow(run: BcdbBenchRun, server: BenchServer, token: string): Promise<BenchRow> {
  run.note(names.redis);
  const value = JSON.stringify(sampleValue(1));
  const load = { port: server.facts.redisPort, token };
  let round = 0;
  const hset = (count: number, requests: number): Promise<number> => {
    const command = ['hset', dataKey, `r${round++}-__rand_int__`, value];
    return runRedisLoad({ ...load, clients: count, requests, command }, run.signal);
  };
  const { ours, rival } = await interleave(run.rounds, {
    ours: () => hset(clients, run.sized(6400)),
    rival: () => hset(1, run.sized(1000)),
  });
  return ratioRow({ name: names.redis, unit: 'record/s', ours, rival, must: 5 });
}

async function hgetRow(run: BcdbBenchRun, server: BenchServer, token: string): Promise<BenchRow> {
  run.note(names.hget);
  await using redis = await startRedis(run.folder('redis'));
  const value = JSON.stringify(sampleValue(1));
  const { redisPort } = server.facts;
  for (const [port, password] of [
    [redisPort, token],
    [redis.port, undefined],
  ] as const) {
    const login = password === undefined ? {} : { password };
    await using client = await RespClient.connect({ host: '127.0.0.1', port, ...login });
    await client.command(['HSET', dataKey, field, value]);
  }
  const requests = run.sized(200_000);
  const command = ['hget', dataKey, field];
  const cpu = { ours: 0, rival: 0 };
  const side = async (which: 'ours' | 'rival', port: number, pid: number): Promise<number> => {
    const before = await cpuSecondsOf(pid);
    const login = which === 'ours' ? { token } : {};
    const rate = await runRedisLoad({ port, clients, requests, ...login, command }, run.signal);
    cpu[which] = (((await cpuSecondsOf(pid)) - before) * 1e6) / requests;
    return rate;
  };
  const { ours, rival } = await interleave(run.rounds, {
    ours: () => side('ours', redisPort, server.pid),
    rival: () => side('rival', redis.port, redis.pid),
  });
  const note = `CPU us/op in the last round: ours ${cpu.ours.toFixed(1)}, Redis ${cpu.rival.toFixed(1)}`;
  return ratioRow({ name: names.hget, unit: 'op/s', ours, rival, must: 0.35, note });
}

interface Redis extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
}

async function startRedis(dir: string): Promise<Redis> {
  await mkdir(dir, { recursive: true });
  const port = 20_000 + (process.pid % 20_000);
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', ''];
  const child = spawn('redis-server', args, { stdio: 'ignore' });
  const answers = async (): Promise<boolean> => {
    try {
      await using client = await RespClient.connect({ host: '127.0.0.1', port });
      return (await client.command(['PING'])) !== null;
    } catch {
      // Not yet.
      return false;
    }
  };
  await waitFor(answers, { what: 'redis-server', timeoutMs: 10_000 });
  return {
    port,
    pid: child.pid ?? 0,
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    },
  };
}
