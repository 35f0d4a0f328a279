import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { suite, test } from 'node:test';
import { isGridError, waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { type Files, realFiles } from '@commongrid/files';
import type { ZdbEvent } from '../src/index.ts';
import { type Fault, faultyFiles } from '@commongrid/files/testing';
import { type ListenAddress, RespClient } from '@commongrid/resp';
import { Door, openServer, show } from './support/door.ts';

const cannotWrite = '-Cannot write data right now';

suite('durability', { concurrency: false }, () => {
  test('server keeps the order of a pipeline of all sorts of commands', async () => {
    await using door = await Door.open();
    const ask = await door.client();
    const large = Buffer.alloc(200_000, 'x');
    await ask('SET', 'large', large);
    const expected: string[] = [];
    const replies: Promise<string>[] = [];
    const add = (reply: string, ...args: (string | Buffer)[]): void => {
      expected.push(reply);
      replies.push(ask(...args));
    };
    for (let i = 0; i < 300; i++) {
      add(`"k${i}"`, 'SET', `k${i}`, `v${i}`);
      add(`"v${i}"`, 'GET', `k${i}`);
      if (i % 3 === 0) add(':200000', 'LENGTH', 'large');
      if (i % 5 === 0) add(`["v${i}", nil]`, 'MGET', `k${i}`, 'nix');
      if (i % 7 === 0) add('+OK', 'MSET', 'a', String(i), 'b', String(i));
      if (i % 11 === 0) add(':1', 'CHECK', `k${i}`);
      if (i % 13 === 0) add('-Key not found', 'HISTORY', 'nix');
      add('+PONG', 'PING');
    }
    assert.deepEqual(await Promise.all(replies), expected);
  });

  test('server takes values of 8 MiB and refuses larger ones', async () => {
    await using door = await Door.open();
    const ask = await door.client();
    const value = Buffer.alloc(8 * 1024 * 1024);
    for (let i = 0; i < value.length; i += 4096) value.writeUInt32LE(i, i);
    assert.equal(await ask('SET', 'k', value), '"k"');
    assert.equal(await ask('SET', 'k', value), 'nil');
    const got = await ask('GET', 'k');
    assert.ok(Buffer.from(got.slice(1, -1), 'latin1').equals(value));
    assert.equal(await ask('CHECK', 'k'), ':1');
    const many = await ask('MGET', 'k', 'k', 'k', 'nix');
    assert.equal(many.length, 3 * value.length + '["", "", "", nil]'.length);
    assert.equal(await ask('SET', 'k', Buffer.alloc(value.length + 1)), '-Payload too big');
  });

  test('server wakes who waits for a command, once it is on disk', async () => {
    let isSlow = false;
    const files = faultyFiles(({ name }) => {
      if (isSlow && name === 'sync') Atomics.wait(sleeper, 0, 0, 20);
      return undefined;
    });
    await using door = await Door.open({ files });
    const [waiter, any, stranger, writer] = await Promise.all(
      Array.from({ length: 4 }, () => door.client()),
    );
    assert.ok(waiter && any && stranger && writer);
    await writer('NSNEW', 'other');
    await stranger('SELECT', 'other');
    const waiting = [waiter('WAIT', 'SET', '10000'), any('WAIT', '*', '10000')];
    const alone = stranger('WAIT', 'SET', '300');
    const { store } = door.server;
    await writer('INFO'); // A command that nobody but the second waits for.
    assert.equal(await waiting[1], '+INFO');
    isSlow = true;
    await writer('SET', 'k', 'v');
    assert.equal(await waiting[0], '+SET');
    assert.equal(store.log.durableSequence, store.log.lastSequence);
    assert.equal(await alone, '-Timeout');
  });

  test('server answers errors when the disk refuses a write, and reads on from it', async () => {
    let fault: Fault;
    const events: ZdbEvent[] = [];
    const files = faultyFiles(({ name }) => (name === 'sync' ? fault : undefined));
    await using door = await Door.open({ files, onEvent: (event) => events.push(event) });
    const [ask, other] = [await door.client(), await door.client()];
    assert.equal(await ask('SET', 'kept', '1'), '"kept"');
    fault = { code: 'EIO' };
    const replies = await Promise.all([
      ask('NSNEW', 'lost'),
      ask('SET', 'lost', '1'),
      ask('GET', 'lost'),
      ask('SET', 'kept', '2'),
      ask('PING'),
    ]);
    assert.deepEqual(replies, [cannotWrite, cannotWrite, cannotWrite, cannotWrite, cannotWrite]);
    fault = undefined;
    for (const one of [ask, other]) {
      assert.equal(await one('SET', 'k', 'v'), cannotWrite);
      assert.equal(await one('DEL', 'kept'), cannotWrite);
      assert.equal(await one('MSET', 'a', 'b'), cannotWrite);
      assert.equal(await one('NSNEW', 'x'), cannotWrite);
      assert.equal(await one('NSSET', 'default', 'epoch', '1'), cannotWrite);
    }
    await waitFor(() => door.server.store.readOnlyReason, {
      timeoutMs: 60_000,
      what: 'the reopening',
    });
    await waitFor(async () => (await ask('GET', 'kept')) === '"1"', {
      timeoutMs: 60_000,
      what: 'reading',
    });
    assert.equal(await ask('GET', 'lost'), 'nil');
    assert.equal(await ask('DBSIZE'), ':1');
    assert.equal(await ask('NSLIST'), '["default"]');
    assert.match(await ask('SCAN'), /"kept", :1, /);
    assert.match(await other('INFO', 'log'), /read_only: the disk refused a write/);
    assert.deepEqual(
      events.map((event) => event.kind),
      ['failure'],
    );
  });

  test('server shows nothing in `always` before it is on disk', async () => {
    const held: (() => void)[] = [];
    let isHolding = false;
    // Syncs in the turn seem slow, so that the log syncs in the pool, where they can be held.
    const slow = faultyFiles(({ name }) => {
      if (name === 'sync') Atomics.wait(sleeper, 0, 0, 3);
      return undefined;
    });
    const files = Object.assign(slow, {
      fdatasync: (_fd: number, done: (error: null) => void) => {
        if (isHolding) held.push(() => done(null));
        else setImmediate(done, null);
      },
    });
    await using door = await Door.open({ files });
    const { log } = door.server.store;
    const release = (): void => {
      isHolding = false;
      for (const done of held.splice(0)) done();
    };
    const first = await door.client();
    await first('SET', 'start', 'x');
    isHolding = true;
    const durable = log.durableSequence;
    const answers: string[] = [];
    const settled: Promise<unknown>[] = [];
    const send = async (...args: string[]): Promise<void> => {
      const ask = await door.client();
      settled.push(ask(...args).then((reply) => answers.push(`${args[0]} ${reply}`)));
    };
    await send('SET', 'k', 'v');
    await waitFor(() => log.lastSequence > durable && held.length > 0, soon);
    for (const args of [
      'GET k',
      'EXISTS k',
      'DBSIZE',
      'SCAN',
      'SET k v',
      'HISTORY k',
      'KEYCUR k',
    ]) {
      await send(...args.split(' '));
    }
    await send('GET', 'start');
    await waitFor(() => answers.length > 0, soon);
    assert.equal(await first('PING'), '+PONG');
    assert.deepEqual(answers, ['GET "x"']);
    assert.equal(log.durableSequence, durable);
    release();
    await Promise.all(settled);
    for (const answer of ['SET "k"', 'GET "v"', 'EXISTS :1', 'DBSIZE :2', 'SET nil']) {
      assert.ok(answers.includes(answer), answer);
    }
  });

  test('server keeps room for deletions and compaction on a disk that fills up', async () => {
    let freeBlocks = 1000;
    const statfsSync = (): object => ({ bsize: 1024 * 1024, blocks: 1600, bavail: freeBlocks });
    const files: Files = Object.assign({ ...realFiles }, { statfsSync });
    await using door = await Door.open({ files });
    const ask = await door.client();
    const value = Buffer.alloc(1024 * 1024, 'v');
    assert.equal(await ask('SET', 'a', value), '"a"');
    freeBlocks = 100;
    assert.equal(await ask('SET', 'b', value), '-No space left on this namespace');
    assert.equal(await ask('MSET', 'b', 'v', 'c', 'v'), '-No space left on this namespace');
    assert.equal(await ask('GET', 'b'), 'nil');
    assert.equal(await ask('DEL', 'a'), '+OK');
    assert.equal(await ask('COMPACT'), '+OK');
    assert.equal(await ask('NSNEW', 'other'), '+OK');
    freeBlocks = 103;
    assert.equal(await ask('SET', 'b', value), '"b"');
    // Nobody is promised what writes would not be given.
    const reserve = (mib: number): Promise<string> =>
      ask('NSSET', 'other', 'maxsize', String(mib * 1024 * 1024));
    assert.match(await reserve(4), /^-Not enough free disk space/);
    assert.equal(await reserve(3), '+OK');
  });

  test('server makes writers wait while too much is unsynced', async () => {
    await using door = await Door.open({ durability: 'everysec' });
    const ask = await door.client();
    const { log } = door.server.store;
    const value = Buffer.alloc(4 * 1024 * 1024);
    let most = 0;
    for (let i = 0; i < 40; i++) {
      value.writeUInt32LE(i, 0);
      assert.equal(await ask('SET', `k${i}`, value), `"k${i}"`);
      most = Math.max(most, log.unsyncedBytes);
    }
    assert.ok(most <= 69 * 1024 * 1024, `${most} bytes were unsynced`);
  });

  test('server answers Internal Error for damage, and tells of it', async () => {
    const events: ZdbEvent[] = [];
    await using door = await Door.open();
    const ask = await door.client();
    await ask('SET', 'good', 'value');
    await ask('SET', 'bad', 'A'.repeat(100));
    await ask('NSJUMP');
    await ask('SET', 'next', 'x');
    await door.server.close();
    const path = door.server.store.table.segmentPath(1);
    const file = await open(path, 'r+');
    const { buffer } = await file.read({ buffer: Buffer.alloc(4096), position: 0 });
    await file.write(Buffer.from('B'), 0, 1, buffer.indexOf('AAAA') + 10);
    await file.close();
    await using server = await openServer(door.folder.path, {
      onEvent: (event) => events.push(event),
    });
    const again = await new Door(server, door.folder).client();
    assert.equal(await again('CHECK', 'bad'), ':0');
    assert.equal(await again('GET', 'bad'), '-Internal Error');
    assert.equal(await again('MGET', 'good', 'bad'), '-Internal Error');
    assert.equal(await again('GET', 'good'), '"value"');
    assert.equal(await again('SCRUB', 'START'), '+OK');
    await server.store.scrubber.finished();
    assert.match(await again('SCRUB', 'BAD'), /^\["0", \[\["default", "bad", :\d+, /);
    const damage = events.find((event) => event.kind === 'damage');
    assert.equal(damage?.kind === 'damage' && damage.path, path);
  });

  test('server keeps settings over a restart', async () => {
    await using door = await Door.open();
    const ask = await door.client();
    await ask('NSNEW', 'ns');
    for (const setting of ['lock 1', 'freeze 1', 'mode seq', 'epoch 9', 'history age:60']) {
      assert.equal(await ask('NSSET', 'ns', ...setting.split(' ')), '+OK');
    }
    await door.server.close();
    await using server = await openServer(door.folder.path);
    const { settings } = server.store.namespaces.get('ns') ?? {};
    assert.ok(settings?.isLocked && settings.isFrozen);
    assert.equal(settings.mode, 'seq');
    assert.equal(settings.epoch, 9);
    assert.deepEqual(settings.history, { keep: 'age', limit: 60 });
  });

  test('server that is opened read-only writes nothing', async () => {
    await using door = await Door.open();
    const ask = await door.client();
    await ask('SET', 'k', 'v');
    await door.server.close();
    await using server = await openServer(door.folder.path, { isReadOnly: true });
    const again = await new Door(server, door.folder).client();
    assert.equal(await again('GET', 'k'), '"v"');
    assert.equal(await again('SET', 'k', 'w'), cannotWrite);
    assert.equal(await again('NSNEW', 'x'), cannotWrite);
    assert.equal(await again('COMPACT'), cannotWrite);
    assert.equal(await again('NSJUMP'), cannotWrite);
  });

  test('server says that the disk is full when it cannot even begin', async () => {
    await using folder = await tempFolder('zdb-full');
    const files = faultyFiles(({ name }) => (name === 'write' ? { code: 'ENOSPC' } : undefined));
    await assert.rejects(openServer(folder.path, { files }), { code: 'ZDB_WRITE_FAILED' });
  });

  test('server on a disk that takes no writes answers reads', async () => {
    await using door = await Door.open();
    const ask = await door.client();
    await ask('SET', 'k', 'v');
    await door.server.close();
    // The folder is read-only in a mount namespace of the process, for root and for others.
    const script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec "$2" "$3" "$4"';
    const peer = new URL('processes/peer.ts', import.meta.url).pathname;
    const { path } = door.folder;
    const options = { dataDir: path, listen: [{ host: '127.0.0.1', port: 0 }] };
    const inside = ['-ec', script, 'sh', path, process.execPath, peer, JSON.stringify(options)];
    const child = spawn('unshare', ['-rm', 'sh', ...inside], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    try {
      const lines = createInterface({ input: child.stdout });
      const [line = ''] = (await once(lines, 'line')) as string[];
      const [{ port } = { port: 0 }] = JSON.parse(line.slice('ready '.length)) as ListenAddress[];
      await using client = await RespClient.connect({ port });
      assert.equal(show(await client.command(['GET', 'k'])), '"v"');
      for (const write of ['SET k w', 'DEL k', 'NSNEW x']) {
        await assert.rejects(client.command(write.split(' ')), { message: cannotWrite.slice(1) });
      }
    } finally {
      child.kill('SIGTERM');
    }
    assert.deepEqual(await exited, [0, null]);
  });

  test('server refuses a folder that another one uses', async () => {
    await using door = await Door.open();
    await assert.rejects(openServer(door.folder.path), (error) =>
      isGridError(error, 'BASE_FOLDER_LOCKED'),
    );
    assert.equal(await (await door.client())('PING'), '+PONG');
  });
});

const soon = { timeoutMs: 60_000, what: 'the log' };
const sleeper = new Int32Array(new SharedArrayBuffer(4));
