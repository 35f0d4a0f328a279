import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { isGridError, runProgram } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';

import { ContainerLinks } from '../src/network/container-links.ts';
import { forgetAddress } from '../src/sys/conntrack.ts';
import { drawPrefix } from './support/draw-prefix.ts';

/** For documents only: nobody here sends anything there. */
const network = '192.0.2';
const [ours, theirs] = [`${network}.1`, `${network}.2`];

/** Connections from the one address to the other, in the kernel's table. */
async function connect(count: number): Promise<void> {
  const ports = Array.from({ length: count }, (_each, index) => 1_000 + index);
  const lines = ports.map(
    (port) => `-A -s ${ours} -d ${theirs} -p udp --sport ${port} --dport 9 -t 600 -u SEEN_REPLY`,
  );
  await using folder = await tempFolder('connections');
  const file = join(folder.path, 'connections');
  await writeFile(file, `${lines.join('\n')}\n`);
  await runProgram('conntrack', ['--load-file', file]);
}

async function connectionCount(): Promise<number> {
  const printed = await runProgram('conntrack', ['--dump', '--orig-src', ours]).catch(
    (error: unknown) => {
      if (isGridError(error) && error.message.includes('0 flow entries')) return '';
      throw error;
    },
  );
  return printed.split('\n').filter((line) => line.includes(ours)).length;
}

test('connections that go while those of an address are deleted are no failure, and the rest go too', async () => {
  await connect(3_000);
  assert.equal(await connectionCount(), 3_000);
  // Each deletes what the others have listed.
  const addresses = [ours, theirs, ours, theirs];
  const done = await Promise.allSettled(addresses.map(forgetAddress));
  const left = await connectionCount();
  await runProgram('conntrack', ['--delete', '--orig-src', ours]).catch(() => {});
  assert.deepEqual(
    done.map(({ status }) => status),
    addresses.map(() => 'fulfilled'),
  );
  assert.equal(left, 0);
});

test('links and namespaces that go while they are taken away are no failure', async () => {
  const prefix = await drawPrefix();
  const group = Buffer.from(`C${prefix.padStart(3, '\0')}`, 'latin1').readUInt32BE();
  const links = new ContainerLinks({ prefix, group, gateway: `${network}.254` });
  const names = Array.from(
    { length: 8 },
    (_each, index) => `${prefix}${String(index).padStart(12, '0')}`,
  );
  try {
    for (const [index, name] of names.entries())
      await links.build(name, `${network}.${index + 10}`);
    assert.equal((await links.list()).size, names.length);
    const ways = [
      () => links.remove(names),
      () => links.removeAll(),
      () => links.remove(names.toReversed()),
    ];
    const done = await Promise.allSettled(ways.map((remove) => remove()));
    assert.deepEqual(
      done.map(({ status }) => status),
      ways.map(() => 'fulfilled'),
    );
    assert.equal((await links.list()).size, 0);
  } finally {
    await links.removeAll();
  }
});
