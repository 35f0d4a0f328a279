import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonValue, SigningKey } from '@commongrid/crypto';
import { systemUrls } from '../record/system-records.ts';
import { FoldWorld } from '../testing/fold-world.ts';
import type { Validators } from './validator.ts';

const note = 'net.example.note.1';
const noteSchema = {
  type: 'object',
  properties: {
    text: { type: 'string', maxLength: 100 },
    code: { type: 'string', maxLength: 10, 'x-bcdb': { unique: true } },
    about: { type: 'string', maxLength: 64, 'x-bcdb': { ref: note } },
  },
};

function teamWorld(validators?: Validators): FoldWorld {
  const world = new FoldWorld(validators);
  world.makeTeam();
  const value = { url: note, schema: noteSchema };
  assert.equal(
    world.say(world.admin, { url: systemUrls.schema, obj: note, value }).code,
    undefined,
  );
  return world;
}

function grant(world: FoldWorld, grants: readonly (readonly [string, string[]])[]): void {
  const admin = { to: world.admin.publicKey.text, rights: ['admin'] };
  const others = grants.map(([to, rights]) => ({ to, rights }));
  const value: JsonValue = { grants: [admin, ...others] };
  const said = world.say(world.admin, { url: systemUrls.namespace, obj: 'namespace', value });
  assert.equal(said.refusal, undefined);
}

function key(person: SigningKey): string {
  return person.publicKey.text;
}

test('only an admin of the log makes a namespace, unless the log is open', () => {
  using world = new FoldWorld();
  const eve = world.person('eve');
  const value = { grants: [{ to: key(eve), rights: ['admin'] }] };
  const said = { url: systemUrls.namespace, obj: 'namespace', value } as const;
  assert.equal(world.say(eve, said).code, 'BCDB_DENIED');
  world.makeTeam();
});

test('a key writes where it was granted to, itself or through circles', () => {
  using world = teamWorld();
  const ann = world.person('ann');
  const put = { url: note, obj: 'a', value: { text: 'x' } } as const;
  assert.equal(world.say(ann, put).code, 'BCDB_DENIED');
  const inner = { members: [key(ann)] };
  const outer = { members: ['circle:inner'] };
  world.say(world.admin, { url: systemUrls.circle, obj: 'inner', value: inner });
  world.say(world.admin, { url: systemUrls.circle, obj: 'outer', value: outer });
  grant(world, [['circle:outer', ['write']]]);
  assert.equal(world.say(ann, put).code, undefined);
  assert.equal(world.say(ann, { url: note, obj: 'a', op: 'del' }).code, 'BCDB_DENIED');
  world.say(world.admin, { url: systemUrls.circle, obj: 'inner', value: { members: [] } });
  assert.equal(world.say(ann, { ...put, obj: 'b' }).code, 'BCDB_DENIED');
});

test('the narrowest access list decides, and the admin of the namespace stays', () => {
  using world = teamWorld();
  const [ann, bob] = [world.person('ann'), world.person('bob')];
  grant(world, [[key(ann), ['write']]]);
  const acl = { grants: [{ to: key(bob), rights: ['write'] }] };
  const list = { url: systemUrls.acl, obj: `object/${note}/secret`, value: acl } as const;
  assert.equal(world.say(ann, list).code, 'BCDB_DENIED');
  assert.equal(world.say(world.admin, list).code, undefined);
  const put = { url: note, obj: 'secret', value: { text: 'x' } } as const;
  assert.equal(world.say(ann, put).code, 'BCDB_DENIED');
  assert.equal(world.say(bob, put).code, undefined);
  assert.equal(world.say(world.admin, put).code, undefined);
  assert.equal(world.say(bob, { ...put, obj: 'other' }).code, 'BCDB_DENIED');
});

test('the last admin cannot go, neither from the list nor out of a circle', () => {
  using world = teamWorld();
  const [ann] = [world.person('ann')];
  const nobody = { grants: [{ to: key(ann), rights: ['write'] }] };
  const namespace = { url: systemUrls.namespace, obj: 'namespace' } as const;
  assert.equal(world.say(world.admin, { ...namespace, value: nobody }).code, 'BCDB_LAST_ADMIN');
  const circle = { url: systemUrls.circle, obj: 'admins' } as const;
  world.say(world.admin, { ...circle, value: { members: [key(ann)] } });
  const value = { grants: [{ to: 'circle:admins', rights: ['admin'] }] };
  assert.equal(world.say(world.admin, { ...namespace, value }).code, undefined);
  assert.equal(world.say(ann, { ...circle, value: { members: [] } }).code, 'BCDB_LAST_ADMIN');
  assert.equal(world.say(ann, { ...circle, op: 'del' }).code, 'BCDB_LAST_ADMIN');
  assert.equal(world.say(world.admin, { ...circle, value: { members: [] } }).code, 'BCDB_DENIED');
});

test('circles that contain themselves or nest too deep are refused', () => {
  using world = teamWorld();
  const circle = (obj: string, ...members: string[]): string | undefined =>
    world.say(world.admin, { url: systemUrls.circle, obj, value: { members } }).code;
  assert.equal(circle('a', 'circle:b'), undefined);
  assert.equal(circle('b', 'circle:a'), 'BCDB_CIRCLE_CYCLE');
  assert.equal(circle('a', 'circle:a'), 'BCDB_CIRCLE_CYCLE');
  for (let depth = 1; depth < 8; depth++) {
    assert.equal(circle(`d${depth}`, `circle:d${depth + 1}`), undefined);
  }
  assert.equal(circle('d8', key(world.person('ann'))), undefined);
  assert.equal(circle('d8', 'circle:d9'), 'BCDB_CIRCLE_DEPTH');
});

test('circles have so many members, each and all together', () => {
  using world = teamWorld();
  const circle = (obj: string, count: number): string | undefined => {
    const members = Array.from({ length: count }, (_, at) => `bot:m${at}`);
    return world.say(world.admin, { url: systemUrls.circle, obj, value: { members } }).code;
  };
  assert.equal(circle('large', 10_001), 'BCDB_SCHEMA_MISMATCH');
  for (let n = 0; n < 10; n++) assert.equal(circle(`c${n}`, 10_000), undefined);
  assert.equal(circle('more', 1), 'BCDB_TOO_LARGE');
  assert.equal(circle('c0', 9_999), undefined);
  assert.equal(circle('more', 1), undefined);
});

test('a new version names the one before it, also after a deletion', () => {
  using world = teamWorld();
  const put = { url: note, obj: 'a' } as const;
  const first = world.say(world.admin, { ...put, value: { text: '1' } });
  const second = world.say(world.admin, { ...put, value: { text: '2' } });
  const late = world.say(world.admin, { ...put, value: { text: '3' }, prev: first.version });
  assert.equal(late.code, 'BCDB_CONFLICT');
  assert.equal(late.refusal?.details['head'], second.version);
  const deleted = world.say(world.admin, { ...put, op: 'del' });
  assert.equal(deleted.code, undefined);
  assert.equal(world.say(world.admin, { ...put, op: 'del' }).code, 'BCDB_NOT_FOUND');
  const anew = { ...put, value: { text: '4' } };
  assert.equal(world.say(world.admin, { ...anew, prev: undefined }).code, 'BCDB_CONFLICT');
  assert.equal(world.say(world.admin, { ...anew, prev: deleted.version }).code, undefined);
});

test('a unique value has one holder, and is free again when that lets go', () => {
  using world = teamWorld();
  const put = (obj: string, code?: string): string | undefined =>
    world.say(world.admin, { url: note, obj, value: code === undefined ? {} : { code } }).code;
  assert.equal(put('a', 'one'), undefined);
  assert.equal(put('b', 'one'), 'BCDB_UNIQUE_TAKEN');
  assert.equal(put('a', 'two'), undefined);
  assert.equal(put('b', 'one'), undefined);
  assert.equal(put('c', 'two'), 'BCDB_UNIQUE_TAKEN');
  world.say(world.admin, { url: note, obj: 'a', op: 'del' });
  assert.equal(put('c', 'two'), undefined);
});

test('a reference must name an object that is there', () => {
  using world = teamWorld();
  const put = (obj: string, about: string): string | undefined =>
    world.say(world.admin, { url: note, obj, value: { about } }).code;
  assert.equal(put('a', 'b'), 'BCDB_REFERENCE_MISSING');
  world.say(world.admin, { url: note, obj: 'b', value: {} });
  assert.equal(put('a', 'b'), undefined);
});

test('log time does not go back, and only the sequencer tells it', () => {
  using world = teamWorld();
  world.tick(2_000_000);
  assert.throws(() => world.tick(1_999_999), { code: 'BCDB_DENIED' });
  const value = { at: 3_000_000, feedsRoot: world.fold.feeds.root(), state: world.fold.digest };
  const said = { ns: 'log', url: systemUrls.tick, obj: 'tick', value } as const;
  assert.equal(world.say(world.admin, said).code, 'BCDB_DENIED');
  assert.equal(world.fold.at, 2_000_000);
});

test('a tick outside the namespace of the log is refused', () => {
  using world = teamWorld();
  const value = { at: 1, feedsRoot: 'A'.repeat(43), state: 'A'.repeat(43) };
  const said = world.say(world.admin, { url: systemUrls.tick, obj: 'x', value });
  assert.equal(said.code, 'BCDB_NAME_RESERVED');
});

test('a refused record leaves no trace in the state', () => {
  using world = teamWorld();
  const before = world.fold.digest;
  world.say(world.admin, { url: note, obj: 'a', value: { text: 1 } });
  world.say(world.person('eve'), { url: note, obj: 'a', value: {} });
  assert.equal(world.fold.digest, before);
});

test('a record without its payload is taken where that may have been erased', () => {
  using world = teamWorld();
  const put = { url: note, obj: 'a', value: { code: '1' } } as const;
  assert.equal(world.say(world.admin, { ...put, isBare: true }).code, undefined);
  const value = { members: [] };
  const circle = { url: systemUrls.circle, obj: 'c', value } as const;
  const { digest } = world.fold;
  const said = world.say(world.admin, { ...circle, isBare: true });
  assert.equal(said.code, 'BCDB_ENTRIES_WITHHELD');
  assert.deepEqual(said.refusal?.details, { sequences: [world.size] });
  assert.equal(world.fold.digest, digest);
  assert.equal(world.say(world.admin, circle).code, undefined);
});

test('a record without its payload is not taken where rules read payloads', () => {
  using world = teamWorld(new Map([['any@1', () => {}]]));
  const admin = { to: key(world.admin), rights: ['admin'] };
  const value = { grants: [admin], validator: 'any@1' };
  const said = world.say(world.admin, { url: systemUrls.namespace, obj: 'namespace', value });
  assert.equal(said.code, undefined);
  const put = { url: note, obj: 'a', value: { text: 'x' } } as const;
  const bare = world.say(world.admin, { ...put, isBare: true });
  assert.equal(bare.code, 'BCDB_ENTRIES_WITHHELD');
  assert.equal(world.say(world.admin, put).code, undefined);
});

test('a namespace keeps its rules, in any version of them', () => {
  const rules: Validators = new Map(['any@1', 'any@2', 'other@1'].map((name) => [name, () => {}]));
  using world = teamWorld(rules);
  const grants = [{ to: key(world.admin), rights: ['admin'] }];
  const take = (rule: { readonly validator?: string }): string | undefined => {
    const value = { grants, ...rule };
    return world.say(world.admin, { url: systemUrls.namespace, obj: 'namespace', value }).code;
  };
  assert.equal(take({ validator: 'any@1' }), undefined);
  assert.equal(take({}), 'BCDB_DENIED');
  assert.equal(take({ validator: 'other@1' }), 'BCDB_DENIED');
  assert.equal(take({ validator: 'any@2' }), undefined);
});

test('an object gives up its unique values with a version whose payload is missing', () => {
  using world = teamWorld();
  const put = (obj: string, code: string, isBare = false): string | undefined =>
    world.say(world.admin, { url: note, obj, value: { code }, isBare }).code;
  assert.equal(put('a', '1'), undefined);
  assert.equal(put('b', '1'), 'BCDB_UNIQUE_TAKEN');
  assert.equal(put('a', '2', true), undefined);
  assert.equal(put('b', '1'), undefined);
});
