import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fakeId } from '@commongrid/model/testing';
import type { WorkloadSummary } from '@commongrid/node';

import { describeFindings, describeOrphans } from './care.ts';
import { describeEvents, describeWorkloads } from './workloads.ts';

const id = fakeId.workload(fakeId.contract(1), 'web', 0);
const usual: WorkloadSummary = {
  ...{ id, key: '04df69b21e99', contract: fakeId.contract(1), role: 'web', replica: 0 },
  ...{ contractName: 'shop', owner: fakeId.bot(1) },
  ...{ kind: 'container', revision: 1, phase: 'healthy', code: null, sinceMs: 1_000, restarts: 0 },
  ...{ wish: 'running', progress: null, retryAtMs: null, isStuck: false },
  ...{ cpuMilli: 500, memoryBytes: 1 },
};

test('workloads are shown one a line, with what people have to know', () => {
  const failed = { phase: 'failed', code: 'NODE_ENDED', retryAtMs: 70_000 } as const;
  const pulling = { what: 'image', doneBytes: 1_048_576, totalBytes: 2_097_152 };
  const lines = describeWorkloads(
    [
      usual,
      { ...usual, ...failed, replica: 1 },
      { ...usual, phase: 'pulling', progress: pulling, replica: 2 },
      { ...usual, restarts: 3, replica: 3 },
      { ...usual, isStuck: true, replica: 4 },
    ],
    61_000,
  ).split('\n');
  assert.deepEqual(
    lines.map((line) => line.split(/ {2,}/).filter((cell) => cell !== usual.key)),
    [
      ['shop/web/0', 'container', 'healthy', '1m'],
      ['shop/web/1', 'container', 'failed NODE_ENDED', '1m', 'tried again in 9s'],
      ['shop/web/2', 'container', 'pulling', '1m', 'image 1 MiB of 2 MiB'],
      ['shop/web/3', 'container', 'healthy', '1m', '3 restarts'],
      ['shop/web/4', 'container', 'healthy', '1m', 'stuck'],
    ],
  );
  assert.equal(describeWorkloads([], 0), 'the node has none');
});

test('events say what to do', () => {
  const event = { seq: 1, workload: id, revision: 1, at: 0, phase: 'failed' as const };
  const told = { ...event, code: 'NODE_ENDED', message: 'it ended with 1', hint: 'look' };
  const line = '1970-01-01T00:00:00Z  shop/web/0  failed  NODE_ENDED  it ended with 1 (next: look)';
  assert.equal(describeEvents([told], new Map([[id, 'shop/web/0']])), line);
  // What is gone has no other name.
  assert.ok(describeEvents([told], new Map()).includes(`Z  ${id}  failed  `));
});

test('what is missing on a machine is shown with the next step', () => {
  const text = describeFindings([
    { name: 'root', isOk: true, says: 'yes' },
    { name: 'runc', isOk: false, says: 'no runc\nmore', next: 'apt-get install runc' },
  ]);
  assert.equal(text, 'ok       root  yes\nmissing  runc  no runc; next: apt-get install runc');
});

test('what has no owner is shown with whether it goes', () => {
  const found = [
    { kind: 'container' as const, key: '04df69b21e99', dataBytes: 0 },
    { kind: 'volume' as const, key: '0cfbad7deb3f', dataBytes: 2_048 },
  ];
  const text = describeOrphans(found, true);
  assert.match(text, /04df69b21e99 {2}container {2}no data\n/);
  assert.match(text, /0cfbad7deb3f {2}volume {5}2 KiB of data: stays\n2 things$/);
});
