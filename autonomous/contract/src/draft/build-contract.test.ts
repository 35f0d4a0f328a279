import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import fc from 'fast-check';
import { boxFromText, openBox, SealingKey } from '@commongrid/crypto';
import { GridError } from '@commongrid/base';
import { hasCode, tempFolder } from '@commongrid/base/testing';
import { contractIdOf, keeperBoxInfo, recordTypes, secretCommit } from '@commongrid/model';
import type { BotId } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';
import { buildContract } from './build-contract.ts';
import type { BuildParties } from './build-contract.ts';
import { draftText, readDraft, secretsText } from './draft-file.ts';
import { seededDraw } from './seeded-draw.ts';

const bots: ReadonlyMap<string, BotId> = new Map([
  ['ada', fakeId.bot(1)],
  ['bob', fakeId.bot(2)],
]);

function parties(change: Partial<BuildParties> = {}): BuildParties {
  return {
    ...{ log: fakeId.hash(1), owner: fakeId.bot(1), controller: fakeId.key(3) },
    ...{ at: 1_700_000_000_000, folder: '/', draw: seededDraw(new Uint8Array(32)) },
    resolveImage: async (name) =>
      name === 'base' ? fakeId.digest(7) : Promise.reject(new Error()),
    findBot: async (name) => bots.get(name),
    findSeal: async () => undefined,
    ...change,
  };
}

const shop = {
  name: 'shop',
  secrets: { admin: { generate: 40 }, key: 'value' },
  networks: { inner: '10.10.0.0/24' },
  roles: [
    {
      name: 'store',
      ...{ shards: '4+2', data: 'dispersed', networks: ['inner'] },
      zdb: { size: '1GiB', password: 'admin' },
    },
    { name: 'web', memory: '64MiB', container: { image: 'base' } },
  ],
  policy: { provision: [{ role: 'board', signers: ['ada', 'bob'], min: 2 }] },
  budget: { currency: 'EUR', perMonth: 4000n, total: '48000' },
};

test('a built contract is a record that the rules know, and keeps what was written', async () => {
  const { draft, shards } = await buildContract(shop, parties());
  const { header, openings, secrets } = draft;
  assert.ok(recordTypes.get('grid.contract.1')?.fits(header));
  assert.equal(draft.id, contractIdOf(header));
  assert.deepEqual(header.policy.remove, header.policy.provision);
  assert.deepEqual(header.policy.provision[0]?.signers, [fakeId.bot(1), fakeId.bot(2)]);
  assert.equal(header.budget.perMonth, '4000');
  assert.equal(openings[1]?.role.workload.container?.flist, fakeId.digest(7));
  assert.deepEqual(shards.get('store'), { dataShards: 4, parityShards: 2 });
  const admin = secrets.get('admin');
  assert.match(admin?.value ?? '', /^[A-Za-z0-9_-]{40}$/);
  assert.ok(admin && header.secrets[0]?.commit === secretCommit(admin));
});

test('the same seed gives the same bytes, another seed other ones', async () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,9}$/);
  const role = fc.record({
    name,
    replicas: fc.integer({ min: 1, max: 9 }),
    volume: fc.record({ size: fc.integer({ min: 1, max: 2 ** 50 }) }),
  });
  const roles = fc.uniqueArray(role, { minLength: 1, maxLength: 5, selector: (one) => one.name });
  const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const definitions = fc.record({ name: fc.string({ minLength: 1, maxLength: 50 }), roles });
  const property = fc.asyncProperty(definitions, seeds, async (definition, seed) => {
    const build = async (from: Uint8Array, written: unknown = definition) =>
      buildContract(written, parties({ draw: seededDraw(from) }));
    const first = await build(seed);
    const text = draftText(first);
    // What JSON says is all that counts: not the order in which members were written.
    const other = { roles: definition.roles, name: definition.name };
    assert.equal(draftText(await build(seed, JSON.parse(JSON.stringify(other)))), text);
    assert.equal(readDraft(JSON.parse(text)).id, first.draft.id);
    const changed = seed.map((byte, at) => (at === 0 ? byte ^ 1 : byte));
    assert.notEqual((await build(changed)).draft.id, first.draft.id);
  });
  await fc.assert(property, { numRuns: 40 });
});

test('secrets are apart from the contract, and a keeper opens what is sealed to him', async () => {
  const seal = SealingKey.generate();
  const findSeal = async (key: string) =>
    key === fakeId.key(5)
      ? (seal.publicKey.text as Awaited<ReturnType<BuildParties['findSeal']>>)
      : undefined;
  const keepers = [fakeId.key(5)];
  const built = await buildContract({ ...shop, keepers }, parties({ findSeal }));
  const { header, id } = built.draft;
  assert.equal(id, contractIdOf(header));
  assert.ok(!draftText(built).includes(built.draft.secrets.get('admin')?.value ?? 'none'));
  const kept = JSON.parse(secretsText(built) ?? '') as { readonly secrets: object };
  assert.deepEqual(kept.secrets, Object.fromEntries(built.draft.secrets));
  const [secret] = header.secrets;
  const [keeper] = secret?.keepers ?? [];
  assert.equal(keeper?.key, fakeId.key(5));
  const box = boxFromText(keeper?.box ?? '');
  const info = keeperBoxInfo(header.log, header.nonce, secret?.name ?? '');
  const opening: unknown = JSON.parse(Buffer.from(await openBox(seal, box, { info })).toString());
  assert.deepEqual(opening, built.draft.secrets.get('admin'));
  const elsewhere = keeperBoxInfo(header.log, header.nonce, 'key');
  await assert.rejects(openBox(seal, box, { info: elsewhere }), hasCode('CRYPTO_BOX_UNOPENED'));
  await assert.rejects(
    buildContract({ ...shop, keepers: [fakeId.key(6)] }, parties({ findSeal })),
    hasCode('CONTRACT_PARTY_UNKNOWN'),
  );
});

test('what can be told only with the grid at hand is told with its place', async () => {
  const build = (change: object, around: Partial<BuildParties> = {}) =>
    buildContract({ ...shop, ...change }, parties(around));
  const at = (path: string) => (error: unknown) =>
    hasCode('CONTRACT_DEFINITION_INVALID')(error) &&
    error instanceof GridError &&
    error.details['path'] === path;
  await assert.rejects(build({ owner: 'eve' }), hasCode('CONTRACT_PARTY_UNKNOWN'));
  await assert.rejects(
    build({
      policy: {
        provision: [
          { role: 'a', signers: ['ada'], min: 1 },
          { role: 'b', signers: ['ada'], min: 1 },
        ],
      },
    }),
    at('/policy/provision'),
  );
  await assert.rejects(build({ networks: { inner: '10.10.0.0/29' } }), at('/roles/0/networks'));
  await assert.rejects(build({ controllers: ['me'] }), hasCode('CONTRACT_PARTY_UNKNOWN'));
  await assert.rejects(build({ controllers: ['ed25519:x'] }), at('/controllers/0'));
  await assert.rejects(build({ heal: { maxPerHour: -1 } }), at('/heal/maxPerHour'));
  const checkRole: BuildParties['checkRole'] = ({ role }) => {
    if (role.name === 'web') throw new GridError('NODE_ROLE_INVALID', 'no');
  };
  await assert.rejects(build({}, { checkRole }), at('/roles/1'));
});

test('a role that stops when it is cut off has time for that before it is replaced', async () => {
  const role = { name: 'one', container: { image: 'base' }, onIsolation: 'stop' };
  const build = (heal?: object) =>
    buildContract({ name: 'single', roles: [role], ...(heal && { heal }) }, parties());
  assert.equal((await build()).draft.header.heal.replaceAfterMs, 16_500);
  const enough = await build({ replaceAfterMs: 20_000 });
  assert.equal(enough.draft.header.heal.replaceAfterMs, 20_000);
  await assert.rejects(build({ replaceAfterMs: 16_499 }), hasCode('CONTRACT_DEFINITION_INVALID'));
});

test('a secret comes out of a file beside the contract, without the end of its line', async () => {
  await using folder = await tempFolder('secrets');
  await writeFile(join(folder.path, 'key'), 'opensesame\n');
  const around = parties({ folder: folder.path });
  const of = (file: string) => ({ ...shop, secrets: { ...shop.secrets, key: { file } } });
  const { draft } = await buildContract(of('key'), around);
  assert.equal(draft.secrets.get('key')?.value, 'opensesame');
  await assert.rejects(buildContract(of('other'), around), hasCode('CONTRACT_FILE_UNREADABLE'));
});

test('a file that is not what its id says is refused', async () => {
  const text = draftText(await buildContract(shop, parties()));
  const change = (from: string, to: string): unknown => JSON.parse(text.replace(from, to));
  assert.equal(readDraft(JSON.parse(text)).header.name, 'shop');
  for (const value of [
    change('"name":"shop"', '"name":"shops"'),
    change('"memoryBytes":67108864', '"memoryBytes":67108865'),
    change('"replicas":1', '"replicas":0'),
    change('draft.1', 'draft.2'),
    { ...(JSON.parse(text) as object), openings: [] },
    'text',
  ]) {
    assert.throws(() => readDraft(value), hasCode('CONTRACT_DRAFT_INVALID'));
  }
});
