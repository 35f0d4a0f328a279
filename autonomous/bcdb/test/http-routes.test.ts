import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitFor } from '@commongrid/base';
import { SigningKey } from '@commongrid/crypto';
import { verifyCheckpoint, verifyConsistency, verifyRecordProof } from '../src/browser.ts';
import { encodeEntry } from '../src/doors/record-text.ts';
import { signRecord } from '../src/record/author.ts';
import type { Statement } from '../src/record/author.ts';
import { HttpDoor } from '../src/doors/http/http-door.ts';
import { contact, contactSchema, grant, ownerToken, serve, serveTeam } from './http-fixture.ts';
import type { Served } from './http-fixture.ts';
import { openGrid } from './support/open-grid.ts';

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

interface AskOptions {
  readonly method?: string;
  readonly body?: unknown;
  readonly token?: string | undefined;
}

async function ask({ url }: Served, path: string, options: AskOptions = {}): Promise<Answer> {
  const { method = options.body === undefined ? 'GET' : 'POST', body, token } = options;
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

function asOwner(served: Served, path: string, options: AskOptions = {}): Promise<Answer> {
  return ask(served, path, { ...options, token: ownerToken });
}

function refusal({ status, body }: Answer): string {
  return `${status} ${String(body['code'])}`;
}

test('the log shows its checkpoint, tiles, size and consistency to everybody', async (t) => {
  const served = await serveTeam(t);
  const { url, trust, bcdb } = served;
  const checkpoint = await fetch(`${url}/checkpoint`);
  assert.match(checkpoint.headers.get('content-type') ?? '', /^text\/plain/);
  const { size: sizeThen } = verifyCheckpoint(await checkpoint.text(), trust);
  assert.ok(sizeThen <= bcdb.head.size);
  // A tick of the clock may come between two questions.
  const { head, log } = await waitFor(
    async () => {
      const asked = await fetch(`${url}/checkpoint`);
      const one = {
        head: verifyCheckpoint(await asked.text(), trust),
        log: await ask(served, '/v1/log'),
      };
      return one.log.body['size'] === one.head.size ? one : undefined;
    },
    { what: 'one head of both', timeoutMs: 60_000 },
  );
  const tile = await fetch(`${url}/tile/0/000.p/${head.size}`);
  assert.equal(tile.status, 200);
  assert.match(tile.headers.get('cache-control') ?? '', /immutable/);
  assert.equal((await tile.arrayBuffer()).byteLength, 32 * head.size);
  assert.equal(refusal(await ask(served, '/tile/0/000')), '404 BCDB_SEQ_UNKNOWN');
  assert.equal(refusal(await ask(served, '/nothing')), '404 BCDB_REQUEST_INVALID');
  assert.equal(refusal(await ask(served, '/tile/x')), '404 BCDB_NOT_FOUND');
  assert.deepEqual(log.body['genesis'], { ...bcdb.genesis });
  assert.deepEqual([log.body['log'], log.body['root']], [bcdb.log, head.root]);
  const older = { size: 1, root: Buffer.from(await firstTile(url)).toString('base64url') };
  const proof = await ask(served, `/v1/consistency?from=1&to=${head.size}`);
  verifyConsistency(older, head, proof.body['path'] as string[]);
  const beyond = await ask(served, '/v1/consistency?from=1&to=1000');
  assert.equal(refusal(beyond), '404 BCDB_SEQ_UNKNOWN');
  assert.deepEqual((await ask(served, '/healthz')).body['status'], 'ok');
});

async function firstTile(url: string): Promise<ArrayBuffer> {
  return (await fetch(`${url}/tile/0/000.p/1`)).arrayBuffer();
}

test('the owner makes namespaces, types and objects, and finds them', async (t) => {
  const served = await serve(t);
  assert.equal(
    (await asOwner(served, '/v1/namespaces/team', { method: 'PUT', body: {} })).status,
    200,
  );
  assert.deepEqual((await asOwner(served, '/v1/namespaces')).body, { namespaces: ['team'] });
  assert.equal((await asOwner(served, '/v1/namespaces/team')).body['ns'], 'team');
  const types = `/v1/namespaces/team/schemas`;
  const defined = await asOwner(served, `${types}/${contact}`, {
    method: 'PUT',
    body: contactSchema,
  });
  assert.equal(defined.status, 200);
  assert.deepEqual((await asOwner(served, `${types}/${contact}`)).body['schema'], contactSchema);
  const [type] = (await asOwner(served, types)).body['schemas'] as { readonly url: string }[];
  assert.equal(type?.url, contact);
  assert.equal(refusal(await asOwner(served, `${types}/no.such.1`)), '404 BCDB_NOT_FOUND');

  const anna = `/v1/namespaces/team/objects/${contact}/people/anna`;
  const first = await asOwner(served, anna, {
    method: 'PUT',
    body: { name: 'Anna', city: 'Gent' },
  });
  assert.equal(first.body['wasLive'], false);
  const second = await asOwner(served, anna, {
    method: 'PUT',
    body: { name: 'Anna', city: 'Lille' },
  });
  assert.equal(second.body['wasLive'], true);
  const seq = Number(second.body['seq']);
  const now = await asOwner(served, `${anna}?minSeq=${seq}`);
  assert.deepEqual(now.body['value'], { name: 'Anna', city: 'Lille' });
  const then = await asOwner(served, `${anna}?asOf=${Number(first.body['seq'])}`);
  assert.deepEqual(then.body['value'], { name: 'Anna', city: 'Gent' });
  const today = await asOwner(served, `${anna}?asOf=2999-01-01T00:00:00Z`);
  assert.deepEqual(today.body['version'], second.body['version']);
  assert.equal(refusal(await asOwner(served, `${anna}?asOf=soon`)), '400 BCDB_REQUEST_INVALID');
  const stale = await asOwner(served, `${anna}?prev=${String(first.body['version'])}`, {
    method: 'PUT',
    body: { name: 'Anna' },
  });
  assert.equal(refusal(stale), '409 BCDB_CONFLICT');
  const wrong = await asOwner(served, anna, { method: 'PUT', body: { city: 1 } });
  assert.equal(refusal(wrong), '422 BCDB_SCHEMA_MISMATCH');

  const ns = '/v1/namespaces/team';
  const where = { field: 'city', op: 'eq', value: 'Lille' };
  const found = await asOwner(served, `${ns}/find`, { body: { url: contact, where, minSeq: seq } });
  assert.equal((found.body['objects'] as unknown[]).length, 1);
  const counted = await asOwner(served, `${ns}/count`, { body: { url: contact } });
  assert.deepEqual(counted.body, { count: 1 });
  const hits = await asOwner(served, `${ns}/search`, { body: { text: 'anna' } });
  assert.equal((hits.body['objects'] as unknown[]).length, 1);
  const rows = await asOwner(served, `${ns}/sql`, {
    body: { sql: 'SELECT count(*) AS n, ? AS x', parameters: [true] },
  });
  assert.deepEqual(rows.body, { columns: ['n', 'x'], rows: [[1, 1]] });
  const writing = await asOwner(served, `${ns}/sql`, { body: { sql: 'DROP TABLE x' } });
  assert.equal(refusal(writing), '400 BCDB_SQL_REFUSED');
  const badField = await asOwner(served, `${ns}/find`, {
    body: { url: contact, where: { field: 'nothing', op: 'eq', value: 1 } },
  });
  assert.equal(refusal(badField), '400 BCDB_QUERY_INVALID');
  const history = await asOwner(served, `${ns}/history/${contact}/people/anna?limit=1`);
  assert.equal((history.body['versions'] as unknown[]).length, 1);
  const proof = await asOwner(served, `${ns}/proof/${contact}/people/anna`);
  const proven = verifyRecordProof(proof.body, served.trust);
  assert.equal(proven.version, second.body['version']);
  const same = await asOwner(served, `/v1/proof/${proven.seq}`);
  assert.equal(verifyRecordProof(same.body, served.trust).version, proven.version);

  const gone = await asOwner(served, anna, { method: 'DELETE' });
  assert.equal(gone.status, 200);
  const after = `${anna}?minSeq=${Number(gone.body['seq'])}`;
  assert.equal(refusal(await asOwner(served, after)), '404 BCDB_NOT_FOUND');
  const erased = await asOwner(served, `${anna}?erase=true`, { method: 'DELETE' });
  assert.ok(erased.status === 200 || refusal(erased) === '404 BCDB_NOT_FOUND');
});

test('the owner proposes what a policy guards, and agrees or objects', async (t) => {
  const served = await serveTeam(t);
  const { bcdb } = served;
  const lines = [{ role: 'it', signers: [bcdb.owner], min: 1 }];
  const policy = { ns: 'team', url: 'bcdb.policy.1', obj: `type/${contact}` } as const;
  await bcdb.write({ ...policy, op: 'put', value: { write: lines } });
  const path = '/v1/namespaces/team/proposals';
  const direct = await asOwner(served, `/v1/namespaces/team/objects/${contact}/a`, {
    method: 'PUT',
    body: { name: 'A' },
  });
  assert.equal(refusal(direct), '409 BCDB_POLICY_REQUIRED');
  const change = { op: 'put', url: contact, obj: 'a', value: { name: 'A' } };
  const made = await asOwner(served, path, { body: change });
  const id = String(made.body['id']);
  assert.equal((await asOwner(served, `${path}/${id}`)).body['status'], 'open');
  const agreed = await asOwner(served, `${path}/${id}/approve`, { method: 'POST' });
  assert.equal(agreed.status, 200);
  const effective = await asOwner(served, `${path}?status=effective`);
  assert.equal((effective.body['proposals'] as unknown[]).length, 1);
  const seq = Number(agreed.body['seq']);
  const object = await asOwner(served, `/v1/namespaces/team/objects/${contact}/a?minSeq=${seq}`);
  assert.deepEqual(object.body['value'], { name: 'A' });
  const client = await served.client();
  const proven = await client.prove('team', contact, 'a');
  assert.deepEqual(proven.proposed, { name: 'A' });
  assert.equal(proven.value, undefined);
  const other = await asOwner(served, path, { body: { ...change, obj: 'b' } });
  const refused = `${path}/${String(other.body['id'])}/reject`;
  assert.equal((await asOwner(served, refused, { method: 'POST' })).status, 200);
  assert.equal(
    refusal(await asOwner(served, refused, { method: 'POST' })),
    '409 BCDB_PROPOSAL_CLOSED',
  );
  assert.equal(refusal(await asOwner(served, `${path}/none`)), '404 BCDB_NOT_FOUND');
});

test('the unnamed see hashes only, and are asked who they are', async (t) => {
  const served = await serveTeam(t);
  const ns = '/v1/namespaces/team';
  const refusedPaths = [
    ns,
    `${ns}/schemas`,
    `${ns}/schemas/${contact}`,
    `${ns}/objects/${contact}/anna`,
    `${ns}/history/${contact}/anna`,
    `${ns}/proof/${contact}/anna`,
    `${ns}/proposals`,
    `${ns}/proposals/x`,
    `${ns}/watch`,
    '/v1/namespaces/nowhere',
    `/v1/proof/${served.bcdb.head.size - 1}`,
  ];
  for (const path of refusedPaths) {
    assert.equal(refusal(await ask(served, path)), '401 BCDB_AUTH_NEEDED', path);
  }
  const bodies: readonly (readonly [string, object])[] = [
    ['find', { url: contact }],
    ['count', { url: contact }],
    ['search', { text: 'a' }],
    ['sql', { sql: 'SELECT 1' }],
    ['proposals', { op: 'del', url: contact, obj: 'a' }],
    ['proposals/x/approve', {}],
  ];
  for (const [path, body] of bodies) {
    assert.equal(
      refusal(await ask(served, `${ns}/${path}`, { body })),
      '401 BCDB_AUTH_NEEDED',
      path,
    );
  }
  for (const path of [ns, `${ns}/schemas/${contact}`, `${ns}/objects/${contact}/a`]) {
    const put = await ask(served, path, { method: 'PUT', body: {} });
    assert.equal(refusal(put), '401 BCDB_AUTH_NEEDED', path);
  }
  const del = await ask(served, `${ns}/objects/${contact}/a`, { method: 'DELETE' });
  assert.equal(refusal(del), '401 BCDB_AUTH_NEEDED');
  assert.deepEqual((await ask(served, '/v1/namespaces')).body, { namespaces: [] });
  const { body } = await ask(served, '/v1/entries?from=0');
  const entries = body['entries'] as { readonly leaf?: string; readonly hash: string }[];
  assert.equal(entries.length, served.bcdb.head.size);
  // The genesis and the ticks are everybody's.
  assert.ok(entries[0]?.leaf !== undefined);
  assert.equal(entries.at(-1)?.leaf, undefined);
  const wrong = await ask(served, ns, { token: 'C'.repeat(43) });
  assert.equal(refusal(wrong), '401 BCDB_AUTH_FAILED');
});

test('a key comes in by its signature and sees what it may', async (t) => {
  const served = await serveTeam(t);
  const key = SigningKey.generate();
  const { text } = key.publicKey;
  const client = await served.client({ key });
  await assert.rejects(client.get('team', contact, 'anna'), { code: 'BCDB_DENIED' });
  await assert.rejects(client.find('team', { url: contact }), { code: 'BCDB_DENIED' });
  await assert.rejects(client.get('nowhere', contact, 'anna'), { code: 'BCDB_DENIED' });
  await grant(served, text, ['read']);
  assert.deepEqual(await client.find('team', { url: contact }), { objects: [] });
  const owner = await served.client();
  await assert.rejects(owner.get('nowhere', contact, 'a'), { code: 'BCDB_NAMESPACE_UNKNOWN' });
  const acl = { ns: 'team', url: 'bcdb.acl.1', obj: `object/${contact}/secret` } as const;
  const grants = [{ to: served.bcdb.owner, rights: ['read', 'write'] }];
  await served.bcdb.write({ ...acl, op: 'put', value: { grants } });
  // One object that it may not read: no question over all of them.
  await assert.rejects(client.find('team', { url: contact }), { code: 'BCDB_DENIED' });
  await assert.rejects(client.sql('team', 'SELECT 1'), { code: 'BCDB_DENIED' });
  await assert.rejects(client.get('team', contact, 'secret'), { code: 'BCDB_DENIED' });
  await assert.rejects(client.get('team', contact, 'other'), { code: 'BCDB_NOT_FOUND' });
  const denied = client.write({
    ns: 'team',
    op: 'put',
    url: contact,
    obj: 'x',
    value: { name: 'X' },
  });
  await assert.rejects(denied, { code: 'BCDB_DENIED' });
});

test('a session needs a fresh challenge and the right signature', async (t) => {
  const served = await serve(t);
  const { challenge } = (await ask(served, '/v1/challenge', { method: 'POST' })).body;
  const key = SigningKey.generate().publicKey.text;
  const signature = 'A'.repeat(86);
  const unsigned = await ask(served, '/v1/session', { body: { challenge, key, signature } });
  assert.equal(refusal(unsigned), '401 BCDB_AUTH_FAILED');
  const again = await ask(served, '/v1/session', { body: { challenge, key, signature } });
  assert.equal(refusal(again), '401 BCDB_CHALLENGE_EXPIRED');
});

test('records are answered one by one, each with its own code', async (t) => {
  const served = await serveTeam(t);
  const key = SigningKey.generate();
  await grant(served, key.publicKey.text, ['read', 'write']);
  const { log } = served.bcdb;
  const schema = served.bcdb.schemaOf('team', contact);
  const make = (n: number, change: Partial<Statement> = {}, inLog = log) => {
    const payload = Buffer.from('{"name":"A"}');
    const base = { ns: 'team', op: 'put', url: contact, obj: `o${n}`, schema, payload } as const;
    return encodeEntry(signRecord(key, { ...base, ...change }, { log: inLog, n, t: 0 }));
  };
  const good = make(1);
  const forged = make(2);
  const leaf = Buffer.from(forged.leaf, 'base64url');
  leaf[leaf.length - 1] = (leaf.at(-1) ?? 0) ^ 1;
  const records = [
    good,
    good,
    { ...forged, leaf: leaf.toString('base64url') },
    make(2, {}, 'A'.repeat(43)),
    make(2, { payload: Buffer.from('{"name":1}') }),
    make(2, { ns: 'nowhere' }),
    make(2, { op: 'del', payload: undefined, schema: undefined }),
    { leaf: good.leaf },
    { leaf: 'AAAA' },
    { leaf: '!' },
    make(3),
    make(1, { obj: 'other' }),
  ];
  const { status, body } = await ask(served, '/v1/records', { body: { records } });
  assert.equal(status, 200);
  const answers = body['answers'] as {
    readonly receipt?: { readonly seq: number };
    readonly error?: { readonly code: string };
  }[];
  assert.deepEqual(
    answers.map(({ receipt, error }) => (receipt === undefined ? error?.code : 'done')),
    [
      'done',
      'done',
      'BCDB_SIGNATURE_INVALID',
      'BCDB_OTHER_LOG',
      'BCDB_SCHEMA_MISMATCH',
      'BCDB_NAMESPACE_UNKNOWN',
      'BCDB_DENIED',
      'BCDB_BODY_MISSING',
      'BCDB_ENVELOPE_INVALID',
      'BCDB_REQUEST_INVALID',
      'BCDB_COUNTER_GAP',
      'BCDB_EQUIVOCATION',
    ],
  );
  assert.equal(answers[0]?.receipt?.seq, answers[1]?.receipt?.seq);
  const author = await ask(served, `/v1/authors/${key.publicKey.text}`);
  assert.deepEqual(author.body, { key: key.publicKey.text, n: 1 });
  const metrics = await served.registry.render();
  assert.match(metrics, /bcdb_http_refusals_total\{code="BCDB_COUNTER_GAP"\} 1/);
  assert.match(metrics, /bcdb_http_append_seconds_count 12/);
});

test('the phonebook is asked by key: for whom it speaks, and for nobody once it ended', async (t) => {
  const served = await serve(t);
  const town = await openGrid(served.bcdb);
  const ada = await town.citizen('ada');
  const askFor = (key: SigningKey): Promise<Answer> =>
    ask(served, `/v1/keys/${key.publicKey.text}`);
  const bot = { id: ada.id, name: 'ada' };
  const root = { key: ada.root.publicKey.text, bot: { ...bot, role: 'root' } };
  assert.deepEqual((await askFor(ada.root)).body, root);
  const device = { key: ada.device.publicKey.text, bot: { ...bot, role: 'device' } };
  assert.deepEqual((await askFor(ada.device)).body, device);
  const value = town.botOf(ada);
  const keys = value.keys.map((one) => ({ ...one, ended: 'compromised' as const }));
  await town.put('grid.bot.1', ada.root, { ...value, keys });
  const nobody = SigningKey.generate();
  for (const key of [ada.device, nobody]) {
    assert.deepEqual((await askFor(key)).body, { key: key.publicKey.text });
  }
  assert.equal(refusal(await ask(served, '/v1/keys/ada')), '400 BCDB_REQUEST_INVALID');
});

test('pages of a named origin may ask from a browser, others may not', async (t) => {
  const origin = 'https://app.example.org';
  const { bcdb, url } = await serve(t, { origins: [origin] });
  const preflight = (from: string) =>
    fetch(`${url}/v1/records`, {
      method: 'OPTIONS',
      headers: { origin: from, 'access-control-request-method': 'POST' },
    });
  const answer = await preflight(origin);
  assert.equal(answer.status, 204);
  assert.equal(answer.headers.get('access-control-allow-origin'), origin);
  assert.match(answer.headers.get('access-control-allow-headers') ?? '', /authorization/);
  assert.equal(answer.headers.get('access-control-allow-credentials'), null);
  const other = await preflight('https://evil.example.org');
  assert.equal(other.headers.get('access-control-allow-origin'), null);
  const refused = await fetch(`${url}/v1/nothing`, { headers: { origin } });
  assert.equal(refused.status, 404);
  assert.equal(refused.headers.get('access-control-allow-origin'), origin);
  for (const wrong of ['*', 'https://app.example.org/', 'app.example.org', 'null']) {
    const door = HttpDoor.open({ bcdb, listen: { port: 0 }, origins: [wrong] });
    await assert.rejects(door, { code: 'BCDB_REQUEST_INVALID' });
  }
});

test('the OpenAPI document names each route and its shapes', async (t) => {
  const served = await serve(t);
  const { body } = await ask(served, '/openapi.json');
  assert.equal(body['openapi'], '3.1.0');
  const paths = body['paths'] as Record<string, Record<string, { readonly operationId: string }>>;
  const object = paths['/v1/namespaces/{ns}/objects/{url}/{id}'];
  assert.deepEqual(Object.keys(object ?? {}), ['get', 'put', 'delete']);
  const operations = Object.values(paths).flatMap((one) => Object.values(one));
  const ids = new Set(operations.map(({ operationId }) => operationId));
  assert.equal(ids.size, operations.length);
});
