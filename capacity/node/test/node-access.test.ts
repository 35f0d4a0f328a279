import assert from 'node:assert/strict';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

import { waitFor } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import type { WorkloadId } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';

import { isUp } from '../src/testing/index.ts';
import { callExec, callLogs, nodeAccessPath, NodeDoors, shortIdOf } from '../src/index.ts';
import type { AccessClaim } from '../src/index.ts';
import { NodeTown, openPlanned } from './support/node-town.ts';

const deadline = { timeoutMs: 60_000, everyMs: 20 };

test('exec and logs of a container need a token of its owner for just that, each one once', async () => {
  await using town = await NodeTown.open();
  await using agent = await openPlanned(town.plan);
  await using _doors = await NodeDoors.open({ agent, folder: town.plan.folder });
  const path = nodeAccessPath(town.plan.folder);
  const workloads = await town.deploy(
    town.draft([town.role('web', 'echo hello; exec sleep 1000')]),
  );
  const web = workloads.get('web');
  assert.ok(web !== undefined);
  const isThere = (): boolean => isUp(agent.state.workload(web)?.phase);
  await waitFor(isThere, { ...deadline, what: 'the container' });
  const hasPrinted = async (): Promise<boolean> => {
    using log = await agent.machine.containers.readLog(shortIdOf(web));
    return (await log.tail(1)).length > 0;
  };
  await waitFor(hasPrinted, { ...deadline, what: 'what it prints' });

  const exec = async (token: string, ...command: string[]): Promise<string> => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough().resume()];
    const said = text(stdout);
    const stdin = Readable.from([]);
    try {
      await callExec({ path, token, command, stdin, stdout, stderr });
    } finally {
      stdout.end();
    }
    return said;
  };
  const logs = async (token: string): Promise<string> => {
    const lines = callLogs({ path, token, tail: 10, follow: false });
    return (await Array.fromAsync(lines, (line) => line.text)).join();
  };
  const changes: readonly (readonly [Partial<AccessClaim>, string])[] = [
    [{ node: fakeId.node(1) }, 'NODE_TOKEN_OTHER_NODE'],
    [{ log: fakeId.hash(1) }, 'NODE_TOKEN_OTHER_NODE'],
    [{ revision: 2 }, 'NODE_TOKEN_OTHER_REVISION'],
    [{ expMs: Date.now() - 1_000 }, 'NODE_TOKEN_EXPIRED'],
    [{ expMs: Date.now() + 3_600_000 }, 'NODE_TOKEN_INVALID'],
    [{ workload: `${web.slice(0, -1)}1` as WorkloadId }, 'NODE_WORKLOAD_UNKNOWN'],
  ];
  for (const [change, code] of changes) {
    await assert.rejects(exec(town.token(web, change), 'touch', '/tmp/x'), hasCode(code), code);
    const forLogs = town.token(web, { verb: 'logs', ...change });
    await assert.rejects(logs(forLogs), hasCode(code), code);
  }
  for (const token of ['', 'a.b.c', town.token(web).slice(0, -1)]) {
    await assert.rejects(exec(token, 'touch', '/tmp/x'), hasCode('NODE_TOKEN_INVALID'), token);
    await assert.rejects(logs(token), hasCode('NODE_TOKEN_INVALID'), token);
  }
  const other = hasCode('NODE_TOKEN_OTHER_VERB');
  await assert.rejects(exec(town.token(web, { verb: 'logs' }), 'touch', '/tmp/x'), other);
  await assert.rejects(logs(town.token(web)), other);
  const stranger = SigningKey.generate();
  const forged = town.token(web, {}, stranger);
  await assert.rejects(exec(forged, 'touch', '/tmp/x'), hasCode('NODE_NOT_OWNER'));
  await assert.rejects(
    logs(town.token(web, { verb: 'logs' }, stranger)),
    hasCode('NODE_NOT_OWNER'),
  );

  const token = town.token(web);
  assert.equal(await exec(token, 'ls', '/tmp'), '', 'nothing was run before');
  await assert.rejects(exec(token, 'ls', '/tmp'), hasCode('NODE_TOKEN_USED'));
  const forLogs = town.token(web, { verb: 'logs' });
  assert.equal(await logs(forLogs), 'hello');
  await assert.rejects(logs(forLogs), hasCode('NODE_TOKEN_USED'));
});
