import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fakeId } from '@commongrid/model/testing';
import { buildContract, seededDraw } from '../index.ts';
import type { Directory } from '../index.ts';
import { unitsOf } from '../plan/units.ts';
import { fakeDirectory } from '../../test/support/fake-directory.ts';
import { isWiderContract, widerContract } from './wider-contract.ts';
import { wideningOf, wouldDo } from './widening.ts';
import type { Shortage } from './widening.ts';

const container = { flist: 'a'.repeat(64), rootBytes: '1GiB' };
const web = { name: 'web', cpu: 2, memory: '4GiB', container };

/** All of a contract of somebody without farms waits. */
async function waiting(directory: Directory, definition: object = {}) {
  const budget = { currency: 'EUR', perMonth: 1_000, total: 100_000 };
  const built = await buildContract(
    { name: 'shop', budget, roles: [web], ...definition },
    {
      ...{ log: fakeId.hash(1), owner: fakeId.bot(90), controller: fakeId.key(91) },
      ...{ at: 1_700_000_000_000, folder: '/', draw: seededDraw(new Uint8Array(32)) },
      resolveImage: async () => '',
      findBot: async () => undefined,
      findSeal: async () => undefined,
    },
  );
  const { id, header, openings, secrets } = built.draft;
  const roles = openings.map(({ role }) => role);
  const units = unitsOf(roles).map((unit) => {
    return { unit, begun: undefined, leaves: undefined, avoids: new Set<never>() };
  });
  const shortage: Shortage = { header, roles, directory, wishes: {}, units, kept: [] };
  const draft = { schema: 'grid.contract.draft.1', id, header, openings, shards: {} } as const;
  return { shortage, paper: { draft, secrets } };
}

test('other places are taken before more money, and money within the mandate before both', async () => {
  const heal = { mayMoveTo: { countries: ['BE'] } };
  const dear = { country: 'BE', nodes: 1, cu: 90_000 };
  const cheap = { country: 'EG', nodes: 1, cu: 1 };
  const near = await waiting(fakeDirectory([dear, cheap]), { heal });
  const place = wideningOf(near.shortage);
  assert.deepEqual([place?.farms, place?.countries], [[fakeId.farm(2)], ['EG']]);
  assert.ok(place !== undefined && place.perMonth <= 1_000n);
  const lessDear = { country: 'EG', nodes: 1, cu: 80_000 };
  const far = await waiting(fakeDirectory([dear, lessDear]), {
    heal,
    budget: { perMonth: 1, total: 1, currency: 'EUR' },
  });
  const money = wideningOf(far.shortage);
  assert.deepEqual([money?.farms, money?.countries], [[fakeId.farm(1)], ['BE']]);
  const both = await waiting(fakeDirectory([lessDear]), {
    heal,
    budget: { perMonth: 1, total: 1, currency: 'EUR' },
  });
  assert.deepEqual(wideningOf(both.shortage)?.countries, ['EG']);
});

test('what is drafted would do, and is the same bytes again', async () => {
  const heal = { mayMoveTo: { countries: ['BE'], farms: [fakeId.farm(9)] } };
  const { shortage, paper } = await waiting(fakeDirectory([{ country: 'EG', nodes: 1, cu: 900 }]), {
    heal,
  });
  const widening = wideningOf(shortage);
  assert.ok(widening !== undefined);
  const { draft } = widerContract(paper, widening);
  assert.deepEqual(draft, widerContract(paper, { ...widening }).draft);
  const { id, header: former } = paper.draft;
  assert.equal(isWiderContract(former, id, draft.header), true);
  const roles = former.roles.map((role) => ({ ...role, hash: fakeId.hash(7) }));
  assert.equal(isWiderContract(former, id, { ...draft.header, roles }), false, 'with its nonce');
  assert.equal(wouldDo(shortage, shortage.header), false);
  assert.equal(wouldDo(shortage, draft.header), true);
  assert.deepEqual(draft.header.heal.mayMoveTo, {
    countries: ['BE', 'EG'],
    farms: [fakeId.farm(9), fakeId.farm(1)],
  });
  const again = widerContract({ ...paper, draft }, widening).draft.header;
  assert.deepEqual(
    [draft.header.name, again.name, again.replaces],
    ['shop #2', 'shop #3', draft.id],
  );
});

test('a long name keeps its length', async () => {
  const { shortage, paper } = await waiting(fakeDirectory([{ nodes: 1, cu: 900 }]), {
    name: 'n'.repeat(100),
  });
  const widening = wideningOf(shortage);
  assert.ok(widening !== undefined);
  assert.equal(widerContract(paper, widening).draft.header.name, `${'n'.repeat(97)} #2`);
});

test('of what waits that is helped which can be', async () => {
  const heal = { mayMoveTo: { countries: ['BE'] } };
  const huge = { ...web, name: 'huge', memory: '900GiB' };
  const directory = fakeDirectory([{ country: 'EG', nodes: 1, cu: 1 }]);
  const { shortage } = await waiting(directory, { heal, roles: [huge, web] });
  assert.deepEqual(wideningOf(shortage)?.countries, ['EG']);
  const { shortage: none } = await waiting(directory, { heal, roles: [huge] });
  assert.equal(wideningOf(none), undefined);
});
