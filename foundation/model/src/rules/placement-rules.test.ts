import { equal } from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { LeaseName, LockId, NodeId } from '../fields.ts';
import type { Lock } from '../records/lock.ts';
import { examples } from '../testing/examples.ts';
import { foldOf } from '../testing/folded-grid.ts';
import { fakeId } from '../testing/ids.ts';
import { Scene } from '../testing/scene.ts';
import { installNode, settleFarm } from '../testing/story.ts';

const hourMs = 3_600_000;
const anywhere = { suspectAfterMs: 3000, replaceAfterMs: 10_000, maxPerHour: 1, mayMoveTo: {} };

suite('judgeGrid: a placement', () => {
  test('is by the holder of the newest lease of the contract', () => {
    const scene = new Scene();
    const { grid, plan, ada, eve, nodes } = scene;
    equal(scene.place(1, [nodes[0]]), 'PLACEMENT_CONTRACT_UNKNOWN');
    scene.propose();
    scene.approve(ada);
    equal(scene.place(1, [nodes[0]]), 'PLACEMENT_FENCE_OLD');
    scene.lease(1);
    const value = plan.placement(1, [nodes[0]]);
    equal(grid.put('grid.placement.1', eve.device, value).code, 'CONTRACT_NOT_HOLDER');
    const lease = `${plan.id}/shard` as LeaseName;
    equal(scene.place(1, [nodes[0]], { lease }), 'CONTRACT_NOT_HOLDER');
    scene.lease(2);
    equal(scene.place(1, [nodes[0]]), 'PLACEMENT_FENCE_OLD');
    equal(scene.place(1, [nodes[0]], { fence: 2 }), undefined);
    grid.put('grid.lease.1', ada.controller, plan.lease(2, { isReleased: true }));
    equal(scene.place(2, [nodes[0]], { fence: 2 }), 'CONTRACT_NOT_HOLDER');
  });

  test('is the next revision, in time, once', () => {
    const scene = new Scene().begin();
    const [node] = scene.nodes;
    equal(scene.place(2, [node]), 'PLACEMENT_GAP');
    equal(scene.place(1, [node], { expMs: scene.grid.at }), 'PLACEMENT_EXPIRED');
    equal(scene.place(1, [node]), undefined);
    equal(scene.place(1, [node]), 'PLACEMENT_REPLAYED');
    equal(scene.place(2, [node]), undefined);
    equal(scene.place(1, [node]), 'PLACEMENT_REPLAYED');
  });

  test('that was on its way for too long counts for nobody', () => {
    const scene = new Scene().begin();
    const { grid, nodes } = scene;
    const [lost, next] = nodes;
    equal(scene.run(1, [lost]), undefined);
    equal(scene.slice(0, next, 2), undefined);
    const notAfterMs = grid.at + 5_000;
    grid.at = notAfterMs;
    equal(scene.place(2, [next], { notAfterMs }), 'PLACEMENT_LATE');
    // Of those who read the log, neither node takes the order.
    for (const reader of [lost, next]) {
      const own = foldOf({ releaseKeys: [], reader });
      own.add(grid.records);
      equal(own.refusals.get(grid.records.length - 1), 'PLACEMENT_LATE');
      equal(own.current('grid.placement.1', scene.plan.id)?.revision, 1);
    }
    grid.at = notAfterMs - 1;
    equal(new Scene().begin().place(1, [lost], { notAfterMs }), undefined);
  });

  test('starts nothing new outside the term, or once the contract is removed', () => {
    const scene = new Scene({}).begin();
    const { grid, nodes } = scene;
    const { fromMs, untilMs } = scene.plan.header.term;
    grid.at = untilMs;
    const expMs = untilMs + 1;
    equal(scene.place(1, [nodes[0]], { expMs }), 'CONTRACT_TERM_OVER');
    const later = new Scene({ header: { term: { fromMs: fromMs + 5, untilMs, graceMs: 0 } } });
    equal(later.begin().place(1, [later.nodes[0]]), 'CONTRACT_TERM_EARLY');
    const ended = new Scene().begin();
    equal(ended.place(1, [ended.nodes[0], ended.nodes[1]]), undefined);
    equal(ended.approve(ended.ada, { action: 'remove' }), undefined);
    equal(ended.place(2, [[ended.nodes[0], 1], ended.nodes[2]]), 'CONTRACT_REMOVED');
    equal(ended.place(2, [[ended.nodes[0], 1]]), undefined);
  });

  test('names replicas and roles that there are, once each', () => {
    const scene = new Scene({ role: { replicas: 2 } }).begin();
    const { nodes, plan } = scene;
    const [item] = plan.placement(1, [nodes[0]]).items;
    if (item === undefined) throw new Error('one item was placed');
    equal(scene.place(1, [], { items: [item, item] }), 'PLACEMENT_ITEM_TWICE');
    const strange = { ...item, role: 'head' };
    equal(scene.place(1, [], { items: [strange] }), 'PLACEMENT_ROLE_UNKNOWN');
    // No slice has shown the role yet.
    equal(scene.place(1, [], { items: [{ ...item, replica: 2 }] }), undefined);
    equal(scene.slice(0, nodes[0], 1), 'PLACEMENT_REPLICA_UNKNOWN');
    equal(scene.place(2, [nodes[0]]), undefined);
    equal(scene.slice(0, nodes[0], 2), undefined);
    equal(scene.place(3, [], { items: [{ ...item, replica: 2 }] }), 'PLACEMENT_REPLICA_UNKNOWN');
  });

  test('starts nothing on a node that is not in service, and holds up no other for it', () => {
    const scene = new Scene().begin();
    const { grid, ada, nodes } = scene;
    const [first, second, third] = nodes;
    equal(scene.place(1, [fakeId.node(5)]), 'PLACEMENT_NODE_NOT_IN_SERVICE');
    equal(scene.run(1, [first]), undefined);
    const key = fakeId.key(1001);
    for (const boot of [1, 2]) {
      grid.put('grid.session.1', key, { node: first, n: 1, bootId: fakeId.nonce16(boot) });
    }
    equal(scene.place(2, [[first, 1], second]), undefined);
    equal(scene.place(3, [first, [second, 2]]), 'PLACEMENT_NODE_CLONED');
    const farm = fakeId.farm(1);
    grid.put('grid.adoption.1', ada.device, { node: third, farm, standing: 'retired' });
    equal(scene.place(3, [[first, 1], third]), 'PLACEMENT_NODE_NOT_IN_SERVICE');
  });

  test('keeps to the spread of a role, as soon as a slice shows it', () => {
    const spread = { perFarm: 2, distinctNodes: true };
    const scene = new Scene({ role: { spread } }).begin();
    const [a, b, c] = scene.nodes;
    equal(scene.run(1, [a, a]), 'PLACEMENT_SPREAD');
    equal(scene.run(1, [a, b, c]), 'PLACEMENT_SPREAD');
    equal(scene.run(1, [a, b]), undefined);
    for (const one of [{ perOwner: 1 }, { perCountry: 1 }, { perFarm: 1 }]) {
      const other = new Scene({ role: { spread: { ...one, distinctNodes: true } } }).begin();
      const [x, y] = other.nodes;
      equal(other.place(1, [x, y]), undefined);
      equal(other.slice(0, x, 1), 'PLACEMENT_SPREAD');
    }
  });

  test('on the farm of another needs a lock of its owner for the very place', () => {
    const budget = { ...examples['grid.contract.1'].budget, perMonth: fakeId.amount(90_000) };
    const scene = new Scene({ header: { budget } }).begin();
    const { grid, ada, bob, plan, bobsNode: node } = scene;
    const { arbiter: _arbiter, ...example } = examples['grid.lock.1'];
    const base = { ...example, contract: plan.id, buyer: ada.id, farmer: bob.id, node };
    const locked = (n: number, change: Partial<Lock> = {}) => {
      const value = { ...base, id: fakeId.lock(n), expiresMs: grid.at + 600_000, ...change };
      equal(grid.put('grid.lock.1', bob.device, value).code, undefined);
      return placed(fakeId.lock(n));
    };
    const placed = (lock?: LockId) => {
      const items = plan.placement(1, [node]).items;
      return scene.place(1, [], {
        items: items.map((item) => ({ ...item, ...(lock === undefined ? {} : { lock }) })),
      });
    };
    equal(placed(), 'LOCK_MISSING');
    equal(placed(fakeId.lock(9)), 'LOCK_MISSING');
    equal(locked(1, { slot: { role: 'shard', replica: 1 } }), 'LOCK_MISSING');
    equal(locked(2, { slot: { role: 'head', replica: 0 } }), 'LOCK_MISSING');
    equal(locked(3, { contract: fakeId.contract(1) }), 'LOCK_MISSING');
    const other = installNode(grid, bob, 2, 1005);
    equal(locked(4, { node: other }), 'LOCK_MISSING');
    grid.at += 600_000;
    equal(placed(fakeId.lock(5)), 'LOCK_MISSING');
    equal(locked(6), 'ESCROW_MISSING');
    const sum = { amount: fakeId.amount(240), currency: 'EUR' };
    grid.put('grid.currency.1', ada.device, {
      ...{ code: 'EUR', name: 'Euro', decimals: 2, issuer: ada.id },
    });
    const expMs = grid.at + 600_000;
    const escrow = { lock: fakeId.lock(6), contract: plan.id, from: ada.id, ...sum, expMs };
    equal(grid.put('grid.escrow.1', ada.device, escrow).code, undefined);
    equal(placed(fakeId.lock(6)), undefined);
    // A lock that is paid for does not lapse; what stands there holds up nothing.
    grid.at += 600_000;
    const [item] = grid.fold.current('grid.placement.1', plan.id)?.items ?? [];
    if (item === undefined) throw new Error('one item was placed');
    equal(scene.place(2, [], { items: [item] }), undefined);
  });
});

suite('judgeGrid: a move', () => {
  test('goes where the contract lets it', () => {
    const mayMoveTo = { farms: [fakeId.farm(1)] };
    const scene = new Scene({ header: { heal: { ...anywhere, mayMoveTo } } }).begin();
    const { grid, ada, nodes } = scene;
    settleFarm(grid, ada, 3, 'shed');
    const shed = installNode(grid, ada, 3, 1006);
    equal(scene.run(1, [nodes[0]]), undefined);
    equal(scene.run(2, [shed]), 'PLACEMENT_OUTSIDE_MANDATE');
    equal(scene.run(2, [nodes[1]]), undefined);
    const countries = { ...anywhere, mayMoveTo: { countries: ['CH'] } };
    const abroad = new Scene({ header: { heal: countries } }).begin();
    abroad.run(1, [abroad.nodes[0]]);
    equal(abroad.run(2, [abroad.nodes[1]]), 'PLACEMENT_OUTSIDE_MANDATE');
  });

  test('counts against the hour, whatever its reason, and also after a pause', () => {
    const scene = new Scene({ header: { heal: anywhere } }).begin();
    const [a, b, c] = scene.nodes;
    equal(scene.run(1, [a, a]), undefined);
    equal(scene.run(2, [b, b]), 'PLACEMENT_TOO_MANY_MOVES');
    equal(scene.run(2, [b, [a, 1]]), undefined);
    equal(scene.place(3, [[b, 2], b], { reason: 'drain' }), 'PLACEMENT_TOO_MANY_MOVES');
    equal(scene.place(3, [[b, 2]]), undefined);
    equal(scene.place(4, [[b, 2], c], { reason: 'initial' }), 'PLACEMENT_TOO_MANY_MOVES');
    // It may go on where it was.
    equal(scene.place(4, [[b, 2], a]), undefined);
    scene.grid.at += hourMs;
    equal(scene.run(5, [[b, 2], c]), undefined);
  });

  test('of what has its data on one node alone waits until they are given up', () => {
    const scene = new Scene({ role: { data: 'local' } }).begin();
    const [a, b] = scene.nodes;
    equal(scene.run(1, [a]), undefined);
    equal(scene.run(2, [b]), 'PLACEMENT_LOCAL_DATA');
    equal(scene.place(2, []), undefined);
    equal(scene.run(3, [b]), 'PLACEMENT_LOCAL_DATA');
    equal(scene.run(3, [a]), undefined);
  });

  test('is of nobody else than this contract', () => {
    // The same items under another contract are not placed by the first one's people.
    const scene = new Scene().begin();
    const other = new Scene({ header: { nonce: fakeId.hash(72) } }).plan;
    const { grid, ada, nodes } = scene;
    const copy = { ...scene.plan.placement(1, [nodes[0]]), contract: other.id };
    const places: readonly NodeId[] = [nodes[0]];
    equal(grid.put('grid.placement.1', ada.controller, copy).code, 'PLACEMENT_CONTRACT_UNKNOWN');
    equal(scene.run(1, places), undefined);
  });
});
