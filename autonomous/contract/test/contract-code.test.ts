import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { GridError } from '@commongrid/base';
import { hasCode, tempFolder } from '@commongrid/base/testing';
import { loadContract, readDefinition } from '../src/index.ts';

/** What authors import. */
const door = '@commongrid/contract';
const role = `{ name: 'disk', volume: { size: '64MiB' } }`;
const whole = (before: string, inside = '') => `
  import { contract } from '${door}';
  ${before}
  export default contract({ name: 'shop', ${inside} roles: [${role}] });`;

/** Runs code that lies in a folder of its own. */
async function run(code: string, options: { readonly timeoutMs?: number } = {}) {
  await using folder = await tempFolder('code');
  const path = join(folder.path, 'shop.contract.ts');
  await writeFile(path, code);
  return await loadContract(path, { timeoutMs: 60_000, ...options });
}

test('code of a contract says what is wanted, with files beside it', async () => {
  await using folder = await tempFolder('code');
  await mkdir(join(folder.path, 'lib'));
  await writeFile(join(folder.path, 'lib', 'size.ts'), `export const size: string = '8MiB';`);
  const path = join(folder.path, 'shop.contract.ts');
  await writeFile(
    path,
    `import { contract } from '${door}';
     import { size } from './lib/size.ts';
     console.log('eight');
     export default Promise.resolve(contract({
       name: 'shop',
       budget: { currency: 'EUR', perMonth: 12n, total: 10n ** 20n },
       roles: [{ name: 'disk', volume: { size: size as '8MiB' }, ipv4: undefined }],
     }));`,
  );
  const loaded = await loadContract(path, { timeoutMs: 60_000 });
  assert.ok(loaded.is === 'definition');
  assert.equal(loaded.printed, 'eight\n');
  const { roles, budget } = readDefinition(loaded.value);
  assert.equal(roles[0]?.role.workload.volume?.sizeBytes, 2 ** 23);
  assert.equal(budget?.total, '100000000000000000000');
});

test('code of a contract has no network, programs, threads, databases, signals or other files', async () => {
  await using folder = await tempFolder('outside');
  const secret = join(folder.path, 'secret');
  await writeFile(secret, 'open sesame');
  const written = join(folder.path, 'written');
  await using server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  let connections = 0;
  server.on('connection', (socket) => {
    connections++;
    socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  const attempts = {
    socket: `const { connect } = await import('node:net');
      await new Promise((done, fail) => connect(${port}, '127.0.0.1', done).on('error', fail));`,
    fetch: `await fetch('http://127.0.0.1:${port}/').catch((error) => { throw error.cause; });`,
    names: `await (await import('node:dns/promises')).lookup('localhost');`,
    datagrams: `const socket = (await import('node:dgram')).createSocket('udp4');
      await new Promise((done, fail) => socket.on('error', fail).send('x', ${port}, '127.0.0.1', done));`,
    program: `(await import('node:child_process')).execSync('true');`,
    thread: `new (await import('node:worker_threads')).Worker('0', { eval: true });`,
    reading: `(await import('node:fs')).readFileSync('${secret}');`,
    writing: `(await import('node:fs')).writeFileSync('${written}', 'x');`,
    signal: `process.kill(${process.pid}, 0);`,
  };
  for (const [name, code] of Object.entries(attempts)) {
    await assert.rejects(run(whole(code)), hasCode('CONTRACT_CODE_DENIED'), name);
  }
  const native = `process.dlopen({ exports: {} }, '${secret}');`;
  await assert.rejects(run(whole(native)), hasCode('CONTRACT_CODE_FAILED'));
  const database = `const { DatabaseSync } = await import('node:sqlite'); new DatabaseSync('${written}');`;
  await assert.rejects(run(whole(database)), hasCode('CONTRACT_CODE_FAILED'));
  await assert.rejects(run(whole(`eval('1');`)), hasCode('CONTRACT_CODE_FAILED'));
  assert.equal(existsSync(written), false);
  assert.equal(connections, 0);
  const loaded = await run(whole('', 'days: Object.keys(process.env).length + 1,'));
  assert.ok(loaded.is === 'definition');
  assert.equal(readDefinition(loaded.value).termMs, 86_400_000);
});

test('code that fails, hangs, prints without end or is no data is told as such', async () => {
  await assert.rejects(run(whole(`throw new Error('no reason');`)), (error) => {
    return error instanceof GridError && error.message.includes('no reason');
  });
  await assert.rejects(run(`export const x = 1;`), hasCode('CONTRACT_CODE_FAILED'));
  await assert.rejects(run(`export default {`), hasCode('CONTRACT_CODE_FAILED'));
  await assert.rejects(run(whole('process.exit(0);')), hasCode('CONTRACT_CODE_FAILED'));
  await assert.rejects(
    run(whole('for (;;);'), { timeoutMs: 1_500 }),
    hasCode('CONTRACT_CODE_TIMEOUT'),
  );
  await assert.rejects(
    run(whole(`for (;;) console.log('x'.repeat(10_000));`)),
    hasCode('CONTRACT_CODE_FAILED'),
  );
  const isAt = (path: string) => (error: unknown) =>
    hasCode('CONTRACT_DEFINITION_INVALID')(error) &&
    error instanceof GridError &&
    error.details['path'] === path;
  await assert.rejects(run(`export default { name: 'x', roles: [() => {}] };`), isAt('/roles/0'));
  await assert.rejects(run(`export default { days: NaN };`), isAt('/days'));
  await assert.rejects(loadContract('/nowhere/x.contract.ts'), hasCode('CONTRACT_FILE_UNREADABLE'));
  await assert.rejects(loadContract('/nowhere/x.json'), hasCode('CONTRACT_FILE_UNREADABLE'));
});
