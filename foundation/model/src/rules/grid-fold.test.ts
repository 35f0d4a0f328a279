import { deepEqual, equal, ok } from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { SigningKey } from '@commongrid/crypto';
import { examples } from '../testing/examples.ts';
import { foldOf } from '../testing/folded-grid.ts';
import { fakeId } from '../testing/ids.ts';
import { Scene } from '../testing/scene.ts';
import { desiredOf } from './desired.ts';
import { isKeyProof } from './grid-fold.ts';
import type { GridFold, GridRecord } from './grid-fold.ts';
import { keyProof, keyProofDomain } from './keys.ts';

/** A life with refusals of several kinds in it. */
function life(): Scene {
  const scene = new Scene({ signers: [1, 2], min: 2 }).begin();
  const [a, b, c] = scene.nodes;
  scene.place(1, [a]);
  scene.approve(scene.bob);
  scene.run(1, [a, b]);
  scene.place(1, [c]);
  scene.report(a, 0, 1, 'healthy');
  scene.approve(scene.eve);
  scene.lease(2);
  scene.run(2, [c]);
  scene.place(2, [b, [b, 1]], { fence: 2 });
  scene.slice(0, b, 2);
  scene.approve(scene.bob, { action: 'remove' });
  scene.bury(1, 'removed', scene.bob.device);
  return scene;
}

/** All that can be asked of a fold about a life. */
function seen(fold: GridFold, { nodes, plan, ada }: Scene) {
  const at = 1_700_000_000_000;
  const now = { at, viewAgeSeconds: 0, isFirstStart: () => true, isLeaving: false };
  return {
    refusals: [...fold.refusals].toSorted(([one], [other]) => one - other),
    desired: nodes.map((node) => [...desiredOf(fold, node, now)]),
    contract: fold.contract(plan.id),
    workloads: [0, 1].map((n) => fold.workload(fakeId.workload(plan.id, 'shard', n))),
    placement: fold.current('grid.placement.1', plan.id),
    bot: fold.bot(ada.id),
    holder: fold.holderOf(ada.device),
    name: fold.nameHolder('farm', 'ce11ar'),
    nodes: nodes.map((node) => fold.node(node)),
  };
}

suite('GridFold', () => {
  test('comes to the same whatever the order in which records come, and how often', () => {
    const scene = life();
    const { records } = scene.grid;
    const expected = seen(scene.grid.fold, scene);
    ok(expected.refusals.length >= 4, 'the life has refusals');
    const order = fc.shuffledSubarray([...records, ...records], {
      minLength: 2 * records.length,
      maxLength: 2 * records.length,
    });
    fc.assert(
      fc.property(order, fc.integer({ min: 1, max: records.length }), (mixed, size) => {
        const fold = foldOf();
        for (let from = 0; from < mixed.length; from += size) {
          fold.add(mixed.slice(from, from + size));
        }
        deepEqual(seen(fold, scene), expected);
      }),
      { numRuns: 60 },
    );
  });

  test('has no effect of what it refuses, and takes each record once', () => {
    const { grid, nodes, plan } = life();
    const fold = foldOf();
    equal(fold.add(grid.records), grid.records.length);
    equal(fold.add(grid.records), 0);
    const codes = new Set(fold.refusals.values());
    for (const code of [
      'CONTRACT_QUORUM_MISSING',
      'PLACEMENT_REPLAYED',
      'APPROVAL_ROLE',
    ] as const) {
      ok(codes.has(code), code);
    }
    equal(fold.current('grid.placement.1', plan.id)?.items[0]?.node, nodes[1]);
    const at = { seq: 10_000, at: 0, author: fakeId.key(1), obj: 'x', op: 'put' } as const;
    fold.add([
      { ...at, url: 'grid.farm.1', value: { id: 1 } },
      { ...at, seq: 10_001, url: 'grid.unheard.7', value: {} },
    ]);
    equal(fold.refusals.get(10_000), 'MODEL_RECORD_INVALID');
    equal(fold.refusals.has(10_001), false);
    // An approval of the database, and the change that took effect with it.
    const name = { url: 'bcdb.approval.1', obj: 'yes', value: {} };
    const software = { ...examples['grid.software.1'], version: 'x' };
    const change = { url: 'grid.software.1', obj: 'node', value: software };
    const both = [name, change].map((one) => ({ ...at, seq: 10_002, ...one }));
    equal(fold.add(both), 1);
    equal(fold.refusals.get(10_002), 'MODEL_RECORD_INVALID');
  });

  test('of one node judges what it was told of, without what concerns others alone', () => {
    const scene = new Scene().begin();
    const { grid, nodes, plan, bob } = scene;
    const [a, b, c] = nodes;
    scene.run(1, [b]);
    scene.run(2, [b, b]);
    scene.run(3, [c, [b, 2], a]);
    const others = new Set<unknown>([fakeId.key(1002), fakeId.key(1003), fakeId.key(1004)]);
    const told = grid.records.filter(({ url, obj, author, value }: GridRecord) => {
      if (url === 'grid.placement.1') return (value as { revision: number }).revision === 3;
      if (url === 'grid.slice.1') return obj.startsWith(a);
      return !others.has(author) && obj !== b && obj !== c && author !== bob.device;
    });
    ok(told.length < grid.records.length - 6);
    const fold = foldOf({ reader: a });
    fold.add(told);
    deepEqual([...fold.refusals], []);
    const { at } = grid;
    const now = { at, viewAgeSeconds: 0, isFirstStart: () => true, isLeaving: false };
    const workload = fakeId.workload(plan.id, 'shard', 2);
    equal(desiredOf(fold, a, now).get(workload)?.be, 'run');
    // What concerns itself it judges in full.
    const record = told.find(({ url }) => url === 'grid.approval.1');
    const poor = foldOf({ reader: a });
    poor.add(told.filter((one) => one !== record));
    deepEqual([...poor.refusals.values()], ['CONTRACT_QUORUM_MISSING']);
    equal(desiredOf(poor, a, now).size, 0);
  });

  test('takes 20,000 records, the later half first', () => {
    const scene = new Scene().begin();
    const [node] = scene.nodes;
    scene.run(
      1,
      Array.from({ length: 20 }, () => node),
    );
    const { records } = scene.grid;
    const key = fakeId.key(1001);
    const many = Array.from({ length: 20_000 - records.length }, (_none, index): GridRecord => {
      const workload = fakeId.workload(scene.plan.id, 'shard', index % 20);
      const { lock: _lock, ...receipt } = examples['grid.receipt.1'];
      const value = { ...receipt, node, workload };
      const place = { seq: records.length + index, at: scene.grid.at, author: key };
      return { ...place, url: 'grid.receipt.1', obj: `${node}/${workload}`, op: 'put', value };
    });
    const fold = foldOf();
    fold.add(many.slice(10_000));
    fold.add([...records, ...many.slice(0, 10_000)]);
    deepEqual([...fold.refusals], []);
    const last = fakeId.workload(scene.plan.id, 'shard', (many.length - 1) % 20);
    deepEqual(fold.current('grid.receipt.1', `${node}/${last}`), many.at(-1)?.value);
  });
});

test('isKeyProof takes the signature of the key over the proof, and no other', () => {
  const key = SigningKey.fromSeed(new Uint8Array(32).fill(3));
  const payload = keyProof('log', fakeId.bot(1));
  const options = { alphabet: 'base64url', omitPadding: true } as const;
  const proof = key.sign(keyProofDomain, payload).toBase64(options);
  equal(isKeyProof(key.publicKey.text, payload, proof), true);
  equal(isKeyProof(key.publicKey.text, keyProof('log', fakeId.bot(2)), proof), false);
});
