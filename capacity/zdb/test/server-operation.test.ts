import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { rename } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { suite, test } from 'node:test';
import { promisify } from 'node:util';
import { isGridError, waitFor } from '@commongrid/base';
import { ManualClock, tempFolder } from '@commongrid/base/testing';
import { RespClient } from '@commongrid/resp';
import { ZdbServer, type ZdbEvent, type ZdbServerOptions } from '../src/index.ts';
import { Door, field, openServer, show } from './support/door.ts';

const run = promisify(execFile);
const loopback = { host: '127.0.0.1', port: 0 };

suite('operation', { concurrency: false }, () => {
  test('server publishes metrics', async () => {
    await using door = await Door.open({ metrics: loopback });
    const ask = await door.client();
    await ask('SET', 'k', 'v');
    await ask('GET', 'nix', 'nix');
    const { host, port } = door.server.metricsAddress ?? loopback;
    const metrics = await (await fetch(`http://${host}:${port}/metrics`)).text();
    for (const line of [
      'zdb_namespace_entries{namespace="default"} 1',
      'zdb_namespace_quota_bytes{namespace="default"} 0',
      '# TYPE zdb_commands_total counter',
      'zdb_commands_total{command="SET"} 1',
      'zdb_commands_failed_total{command="GET"} 1',
      'zdb_command_duration_seconds_count{command="SET"} 1',
      'zdb_connections 1',
      'zdb_durable_lag_records 0',
      'zdb_is_writable 1',
    ]) {
      assert.ok(metrics.includes(line), line);
    }
    assert.match(metrics, /zdb_network_in_bytes_total [1-9]/);
    assert.match(metrics, /zdb_namespace_used_bytes\{namespace="default"\} [1-9]/);
  });

  test('server sends events to a callback and a webhook, again when that fails', async () => {
    const posted: { kind: string; schema: string; percent?: number }[] = [];
    let failures = 1;
    await using hook = await httpServer(async (body) => {
      if (failures-- > 0) return 500;
      posted.push(JSON.parse(body));
      return 200;
    });
    const events: ZdbEvent[] = [];
    await using door = await Door.open({
      webhookUrl: hook.url,
      onEvent: (event) => {
        events.push(event);
        throw new Error('a listener that fails');
      },
    });
    const ask = await door.client();
    await ask('NSNEW', 'ns');
    await ask('NSSET', 'ns', 'history', 'all');
    await ask('NSSET', 'ns', 'maxsize', '10000');
    await ask('SELECT', 'ns');
    let reply = '';
    for (let i = 0; !reply.startsWith('-'); i++) {
      reply = await ask('SET', `k${i}`, 'x'.repeat(400));
    }
    assert.equal(reply, '-No space left on this namespace');
    const percents = events.map((event) => (event.kind === 'quota' ? event.percent : 0));
    assert.deepEqual(percents, [80, 90, 100]);
    await ask('NSJUMP');
    await ask('DEL', 'k0');
    const isSealed = (): boolean => posted.some(({ kind }) => kind === 'segment-sealed');
    await waitFor(isSealed, { timeoutMs: 60_000, what: 'the webhook' });
    const order = posted.map(({ kind, percent }) => percent ?? kind);
    assert.deepEqual(order.slice(0, 4), [80, 90, 100, 'segment-sealed']);
    assert.ok(posted.every(({ schema }) => schema === 'zdb.event.1'));
  });

  test('server asks for a segment that is missing, and tells of it', async () => {
    await using door = await Door.open();
    const ask = await door.client();
    await ask('SET', 'k', 'v');
    await ask('NSJUMP');
    await ask('SET', 'l', 'w');
    const lost = door.server.store.table.segmentPath(1);
    await door.server.close();
    await rename(lost, `${lost}.away`);
    const events: ZdbEvent[] = [];
    const onEvent = (event: ZdbEvent): void => void events.push(event);
    await assert.rejects(openServer(door.folder.path, { onEvent }), (error) =>
      isGridError(error, 'ZDB_SEGMENT_MISSING'),
    );
    assert.deepEqual(events, [{ kind: 'segment-missing', path: lost }]);
    const restoreSegment = async (wanted: string): Promise<boolean> => {
      await rename(`${wanted}.away`, wanted);
      return true;
    };
    await using server = await openServer(door.folder.path, { restoreSegment });
    assert.equal(await (await new Door(server, door.folder).client())('GET', 'k'), '"v"');
  });

  test('server tells of a clock that is far ahead', async () => {
    const clock = new ManualClock(1_800_000_000_000);
    const events: ZdbEvent[] = [];
    const onEvent = (event: ZdbEvent): void => void events.push(event);
    await using door = await Door.open({ clock, onEvent });
    const ask = await door.client();
    await ask('SET', 'k', 'v');
    assert.equal(field(await ask('INFO'), 'clock_ahead_seconds'), '0');
    clock.jump(3 * 86_400_000);
    assert.equal(field(await ask('INFO'), 'clock_ahead_seconds'), '259200');
    await door.server.close();
    const told = { kind: 'clock-ahead', aheadSeconds: 259_200 } as const;
    assert.deepEqual(events.splice(0), [told]);
    await using server = await openServer(door.folder.path, { clock, onEvent });
    assert.ok(server.store.ages.aheadMs() > 0);
    assert.deepEqual(events, [told]);
  });

  test('server listens on a Unix socket and with TLS', async () => {
    await using folder = await tempFolder('zdb-tls');
    const [certFile, keyFile] = ['cert.pem', 'key.pem'].map((name) => path.join(folder.path, name));
    assert.ok(certFile !== undefined && keyFile !== undefined);
    const subject = ['-subj', '/CN=localhost', '-days', '1', '-nodes'];
    const algorithm = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
    const files = ['-keyout', keyFile, '-out', certFile];
    await run('openssl', ['req', '-x509', ...algorithm, ...subject, ...files]);
    const socketPath = path.join(folder.path, 'zdb.sock');
    await using door = await Door.open({ socketPath, tls: { certFile, keyFile } });
    await using local = await RespClient.connect({ socketPath });
    assert.equal(show(await local.command(['SET', 'k', 'v'])), '"k"');
    const args = ['-p', String(door.port), '--tls', '--cacert', certFile, 'GET', 'k'];
    assert.equal((await run('redis-cli', args)).stdout, 'v\n');
    const tls = { certFile: path.join(folder.path, 'nix'), keyFile };
    await assert.rejects(openServer(folder.path, { tls }), (error) =>
      isGridError(error, 'ZDB_CONFIG_INVALID'),
    );
  });

  test('server refuses options that make no sense', async () => {
    const cases: Partial<ZdbServerOptions>[] = [
      { dataDir: '' },
      { listen: [] },
      { listen: [{ host: '127.0.0.1', port: 70_000 }] },
      { adminPassword: '' },
      { adminPassword: 'x'.repeat(129) },
      { protect: true },
      { minReplicas: 17 },
      { segmentBytes: 1000 },
      { segmentBytes: Number.NaN },
      { webhookUrl: 'ftp://example.org' },
      { dataDir: '/proc/nowhere' },
      { dataDir: import.meta.filename },
      { tls: { certFile: import.meta.filename, keyFile: import.meta.filename } },
    ];
    for (const options of cases) {
      await assert.rejects(
        ZdbServer.open({ dataDir: '/nowhere', listen: [loopback], ...options }),
        (error) => isGridError(error, 'ZDB_CONFIG_INVALID'),
        JSON.stringify(options),
      );
    }
  });

  test('server leaves nothing open when it cannot listen', async () => {
    await using door = await Door.open();
    await using folder = await tempFolder('zdb-door');
    const listen = [{ host: '127.0.0.1', port: door.port }];
    await assert.rejects(openServer(folder.path, { listen }), (error) =>
      isGridError(error, 'RESP_LISTEN_FAILED'),
    );
    await using server = await openServer(folder.path);
    assert.equal(server.addresses.length, 1);
  });
});

async function httpServer(answer: (body: string) => Promise<number>) {
  const server = createServer((request, response) => {
    void text(request).then(async (body) => response.writeHead(await answer(body)).end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/events`,
    [Symbol.asyncDispose]: async (): Promise<void> => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
