import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { waitFor } from '@commongrid/base';
import type { GridError } from '@commongrid/base';
import { SigningKey } from '@commongrid/crypto';
import type { WatchedChange } from '../src/client.ts';
import { watchersMax } from '../src/doors/http/watcher-stream.ts';
import { contact, grant, ownerToken, serve, serveTeam } from './http-fixture.ts';
import type { Served } from './http-fixture.ts';

const timeoutMs = 60_000;

/** Collects the changes of a watch until its signal fires. */
function collect(changes: AsyncIterable<WatchedChange>): {
  readonly seen: WatchedChange[];
  readonly ended: Promise<unknown>;
} {
  const seen: WatchedChange[] = [];
  const ended = (async () => {
    try {
      for await (const change of changes) seen.push(change);
      return undefined;
    } catch (error) {
      return error;
    }
  })();
  return { seen, ended };
}

function until(seen: readonly WatchedChange[], count: number): Promise<unknown> {
  const what = `${count} changes`;
  return waitFor(() => (seen.length >= count ? true : undefined), { timeoutMs, what });
}

function write({ bcdb }: Served, obj: string): ReturnType<Served['bcdb']['write']> {
  return bcdb.write({ ns: 'team', op: 'put', url: contact, obj, value: { name: obj } });
}

test('a watch goes on after a restart of the server without loss or repetition', async (t) => {
  const first = await serveTeam(t);
  const client = await first.client();
  const stop = new AbortController();
  const options = { url: contact, from: 0, signal: stop.signal };
  const { seen, ended } = collect(client.watch('team', options));
  await write(first, 'a');
  await write(first, 'b');
  await until(seen, 2);
  const { dataDir, owner } = first;
  const { port } = first.door;
  await first.close();
  const second = await serve(t, { dataDir, owner, port });
  await write(second, 'c');
  await second.bcdb.write({ ns: 'team', op: 'del', url: contact, obj: 'a' });
  await until(seen, 4);
  stop.abort();
  assert.ok(((await ended) as GridError).code === 'BASE_ABORTED');
  const shown = seen.map(({ kind, obj }) => `${kind} ${obj}`);
  assert.deepEqual(shown, ['put a', 'put b', 'put c', 'del a']);
  assert.deepEqual(seen[0]?.value, { name: 'a' });
});

test('a watch goes on after the place that its watcher names', async (t) => {
  const served = await serveTeam(t);
  for (const obj of ['a', 'b', 'c']) await write(served, obj);
  const client = await served.client();
  const stop = new AbortController();
  const all = collect(client.watch('team', { url: contact, from: 0, signal: stop.signal }));
  await until(all.seen, 3);
  const after = all.seen[1]?.place ?? '';
  const rest = collect(client.watch('team', { url: contact, after, signal: stop.signal }));
  await until(rest.seen, 1);
  await write(served, 'd');
  await until(rest.seen, 2);
  stop.abort();
  await Promise.all([all.ended, rest.ended]);
  assert.deepEqual(
    rest.seen.map(({ obj }) => obj),
    ['c', 'd'],
  );
});

test('both changes of one record are seen, also when the watch was cut between them', async (t) => {
  const served = await serveTeam(t);
  const { bcdb } = served;
  const lines = [{ role: 'it', signers: [bcdb.owner], min: 1 }];
  const policy = { ns: 'team', url: 'bcdb.policy.1', obj: `type/${contact}` } as const;
  await bcdb.write({ ...policy, op: 'put', value: { write: lines } });
  const post = { method: 'POST', headers: { authorization: `Bearer ${ownerToken}` } };
  const path = `${served.url}/v1/namespaces/team/proposals`;
  const body = JSON.stringify({ op: 'put', url: contact, obj: 'a', value: { name: 'A' } });
  const headers = { ...post.headers, 'content-type': 'application/json' };
  const made = (await (await fetch(path, { ...post, headers, body })).json()) as { id: string };
  const agreed = (await (await fetch(`${path}/${made.id}/approve`, post)).json()) as {
    seq: number;
  };
  const client = await served.client();
  const stop = new AbortController();
  const all = collect(client.watch('team', { from: agreed.seq, signal: stop.signal }));
  await until(all.seen, 2);
  const after = all.seen[0]?.place ?? '';
  const rest = collect(client.watch('team', { after, signal: stop.signal }));
  await until(rest.seen, 1);
  stop.abort();
  await Promise.all([all.ended, rest.ended]);
  assert.deepEqual(
    all.seen.map(({ seq }) => seq),
    [agreed.seq, agreed.seq],
  );
  assert.deepEqual(rest.seen, all.seen.slice(1));
});

test('a watcher gets no change that it may not read', async (t) => {
  const served = await serveTeam(t);
  const key = SigningKey.generate();
  await grant(served, key.publicKey.text, ['read']);
  const acl = { ns: 'team', url: 'bcdb.acl.1', obj: `object/${contact}/secret` } as const;
  const grants = [{ to: served.bcdb.owner, rights: ['read', 'write'] }];
  await served.bcdb.write({ ...acl, op: 'put', value: { grants } });
  const client = await served.client({ key });
  const stop = new AbortController();
  const options = { url: contact, from: 0, signal: stop.signal };
  const { seen, ended } = collect(client.watch('team', options));
  await write(served, 'secret');
  await write(served, 'open');
  await until(seen, 1);
  stop.abort();
  await ended;
  assert.deepEqual(
    seen.map(({ obj }) => obj),
    ['open'],
  );
  const stranger = await served.client({ key: SigningKey.generate() });
  const refused = collect(stranger.watch('team', { from: 0 }));
  assert.equal(((await refused.ended) as GridError).code, 'BCDB_DENIED');
});

test('a door that closes ends its watches', async (t) => {
  const served = await serveTeam(t);
  const authorization = `Bearer ${ownerToken}`;
  const response = await fetch(`${served.url}/v1/namespaces/team/watch`, {
    headers: { authorization },
  });
  const text = response.text();
  await waitFor(async () => /watchers 1/.test(await served.registry.render()) || undefined, {
    timeoutMs,
    what: 'the watcher is counted',
  });
  await served.door.close();
  assert.match(await text, /^retry: 1000/);
  const bad = served.url;
  await assert.rejects(fetch(bad));
});

test('a watch with an id of somebody else is refused', async (t) => {
  const served = await serveTeam(t);
  const response = await fetch(`${served.url}/v1/namespaces/team/watch`, {
    headers: { authorization: `Bearer ${ownerToken}`, 'last-event-id': 'yesterday' },
  });
  assert.equal(response.status, 400);
});

test('a door has room for 1,000 watchers, and again when one has gone', async (t) => {
  const served = await serveTeam(t);
  const path = '/v1/namespaces/team/watch';
  const request = `GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${ownerToken}\r\n\r\n`;
  const statusOf = async (socket: Socket): Promise<string> => {
    socket.write(request);
    const [chunk]: unknown[] = await once(socket, 'data');
    return /^HTTP\/1\.1 (?<status>\d+)/.exec(String(chunk))?.groups?.['status'] ?? '';
  };
  const sockets = Array.from({ length: watchersMax }, () => connect(served.door.port, '127.0.0.1'));
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  const statuses = new Set(await Promise.all(sockets.map(statusOf)));
  assert.deepEqual([...statuses], ['200']);
  const one = async (): Promise<string> => {
    const socket = connect(served.door.port, '127.0.0.1');
    t.after(() => socket.destroy());
    return statusOf(socket);
  };
  assert.equal(await one(), '503');
  sockets[0]?.destroy();
  await waitFor(async () => ((await one()) === '200' ? true : undefined), {
    timeoutMs,
    what: 'room for a watcher',
  });
});
