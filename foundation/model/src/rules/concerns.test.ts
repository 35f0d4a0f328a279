import { deepEqual, equal, ok } from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { ContractId, LeaseName, NodeId } from '../fields.ts';
import type { RecordUrl } from '../record-types.ts';
import { recordTypes } from '../record-types.ts';
import { examples } from '../testing/examples.ts';
import { fakeId } from '../testing/ids.ts';
import { MemoryGrid } from '../testing/memory-grid.ts';
import type { Told } from '../testing/memory-grid.ts';
import {
  botOf,
  draft,
  found,
  installNode,
  keep,
  keyEntry,
  place,
  settleFarm,
} from '../testing/story.ts';
import { concerns } from './concerns.ts';
import { nodeIdOf } from './keys.ts';
import { namesIn } from './names-in.ts';

/**
 * Ada farms nodes 1 and 2, Bob farms node 3. Carol's contract, for which Dan signs too, runs on nodes
 * 1 and 3. Eve has nothing to do with any of it but a farm with node 4.
 */
function village() {
  const grid = new MemoryGrid();
  const guardians = [fakeId.key(901), fakeId.key(902)];
  const recovery = { threshold: 1, keys: guardians };
  const [ada, bob] = [found(grid, 1, 'ada'), found(grid, 2, 'bob')];
  const [carol, dan] = [found(grid, 3, 'carol', { recovery }), found(grid, 4, 'dan')];
  const eve = found(grid, 5, 'eve');
  settleFarm(grid, ada, 1, 'cellar');
  settleFarm(grid, bob, 2, 'attic');
  settleFarm(grid, eve, 3, 'shed');
  const node1 = installNode(grid, ada, 1, 1001);
  const node2 = installNode(grid, ada, 1, 1002);
  const node3 = installNode(grid, bob, 2, 1003);
  const node4 = installNode(grid, eve, 3, 1004);
  const contract = draft(grid, carol, [carol, dan]);
  const lock1 = keep(grid, ada, carol, contract, node1, 1);
  const lock3 = keep(grid, bob, carol, contract, node3, 3);
  grid.put('grid.lease.1', carol.controller, leaseOf(contract, carol.controller, 1));
  place(grid, carol.controller, contract, 1, [node1, node3]);
  return {
    ...{ grid, ada, bob, carol, dan, eve, guardians, contract, lock1, lock3 },
    ...{ node1, node2, node3, node4 },
  };
}

function leaseOf(contract: ContractId, holder: ReturnType<typeof fakeId.key>, fence: number) {
  return { name: contract as string as LeaseName, holder, fence, ttlMs: 15_000 };
}

function heard({ code, readers }: Told, who: readonly string[], notWho: readonly string[]): void {
  equal(code, undefined);
  for (const id of who)
    ok(
      readers.some((one) => one === id),
      `${id} does not hear of it`,
    );
  for (const id of notWho) ok(!readers.some((one) => one === id), `${id} hears of it`);
}

suite('concerns: what a node relies on without being named', () => {
  test('the owner of its contract ends a key', () => {
    const { grid, carol, node1, node3, node2, node4, dan, ada } = village();
    const keys = [
      keyEntry(grid, carol.id, carol.device, 'device'),
      keyEntry(grid, carol.id, carol.controller, 'controller', 'compromised'),
    ];
    const told = grid.put('grid.bot.1', carol.root, botOf(grid, carol, 'carol', { keys }));
    heard(told, [node1, node3, carol.id, dan.id, ada.id], [node2, node4]);
  });

  test('a stakeholder who approved its contract loses a key', () => {
    const { grid, dan, node1, node3, node2, carol } = village();
    const keys = [
      keyEntry(grid, dan.id, dan.device, 'device', 'compromised'),
      keyEntry(grid, dan.id, dan.controller, 'controller'),
    ];
    const told = grid.put('grid.bot.1', dan.root, botOf(grid, dan, 'dan', { keys }));
    heard(told, [node1, node3, carol.id], [node2]);
  });

  test('the owner of its farm, whose locks and adoption it rests on, loses a key', () => {
    const { grid, ada, node1, node2, node3, node4, carol } = village();
    const keys = [
      keyEntry(grid, ada.id, ada.device, 'device', 'compromised'),
      keyEntry(grid, ada.id, ada.controller, 'controller'),
    ];
    const told = grid.put('grid.bot.1', ada.root, botOf(grid, ada, 'ada', { keys }));
    heard(told, [node1, node2, carol.id], [node4]);
    // Node 3 runs the same contract, but nothing of what it obeys was signed by Ada.
    heard(told, [], [node3]);
  });

  test('somebody else takes the lease under which its workload was placed', () => {
    const { grid, carol, dan, contract, node1, node3, node2 } = village();
    const told = grid.put('grid.lease.1', dan.controller, leaseOf(contract, dan.controller, 2));
    heard(told, [node1, node3, carol.id, dan.id], [node2]);
  });

  test('the holder of the lease is a controller whose bot ends it', () => {
    const { grid, dan, eve, contract, node1, node3 } = village();
    grid.put('grid.lease.1', eve.controller, leaseOf(contract, eve.controller, 2));
    const keys = [
      keyEntry(grid, eve.id, eve.device, 'device'),
      keyEntry(grid, eve.id, eve.controller, 'controller', 'retired'),
    ];
    const told = grid.put('grid.bot.1', eve.root, botOf(grid, eve, 'eve', { keys }));
    heard(told, [node1, node3, dan.id], []);
  });

  test('a recovery of the owner of its contract begins', () => {
    const { grid, carol, guardians, node1, node3, node2 } = village();
    const [by = fakeId.key(0)] = guardians;
    const root = fakeId.key(77);
    const { proof: rootProof } = keyEntry(grid, carol.id, root, 'device');
    const value = { bot: carol.id, action: 'replace', root, rootProof, by } as const;
    const told = grid.put('grid.recovery.1', by, value);
    heard(told, [node1, node3, carol.id], [node2]);
  });

  test('somebody who may recover the owner of its contract loses a key', () => {
    const { grid, guardians, node1, node3, carol, node2 } = village();
    const [guardian = fakeId.key(0)] = guardians;
    const fay = found(grid, 6, 'fay');
    const own = botOf(grid, fay, 'fay').keys;
    const listed = [...own, keyEntry(grid, fay.id, guardian, 'device')];
    grid.put('grid.bot.1', fay.root, botOf(grid, fay, 'fay', { keys: listed }));
    const ended = [...own, keyEntry(grid, fay.id, guardian, 'device', 'compromised')];
    const told = grid.put('grid.bot.1', fay.root, botOf(grid, fay, 'fay', { keys: ended }));
    heard(told, [node1, node3, carol.id, fay.id], [node2]);
  });

  test('somebody who may recover the holder of its lease loses a key', () => {
    const { grid, carol, dan, eve, guardians, node2 } = village();
    const [guardian = fakeId.key(0)] = guardians;
    const contract = draft(grid, dan, [dan], { nonce: fakeId.hash(71) });
    grid.put('grid.lease.1', carol.controller, leaseOf(contract, carol.controller, 1));
    place(grid, carol.controller, contract, 1, [node2]);
    const listed = [
      ...botOf(grid, eve, 'eve').keys,
      keyEntry(grid, eve.id, guardian, 'device', 'compromised'),
    ];
    const told = grid.put('grid.bot.1', eve.root, botOf(grid, eve, 'eve', { keys: listed }));
    heard(told, [node2, carol.id], []);
  });

  test('a key that its contract names is listed by a bot only now', () => {
    const { grid, dan, eve, node1, node2 } = village();
    const key = fakeId.key(700);
    const change = { nonce: fakeId.hash(72), controllers: [key] };
    const contract = draft(grid, dan, [dan], change);
    place(grid, key, contract, 1, [node2]);
    const keys = [...botOf(grid, eve, 'eve').keys, keyEntry(grid, eve.id, key, 'controller')];
    const told = grid.put('grid.bot.1', eve.root, botOf(grid, eve, 'eve', { keys }));
    heard(told, [node2, dan.id], [node1]);
  });

  test('its place is known and its slice not yet, and the contract is halted', () => {
    const { grid, carol, dan, contract, node2, node4 } = village();
    const placement = grid.current('grid.placement.1', contract) ?? examples['grid.placement.1'];
    const items = [{ role: 'shard', replica: 0, node: node2, slice: fakeId.hash(2) }];
    grid.put('grid.placement.1', carol.controller, { ...placement, revision: 2, items });
    const { replaces: _replaces, ...rest } = examples['grid.approval.1'];
    const value = { ...rest, contract, signer: dan.id, action: 'halt' } as const;
    heard(grid.put('grid.approval.1', dan.device, value), [node2], [node4]);
  });

  test('its workload is placed elsewhere', () => {
    const { grid, carol, contract, node1, node2, node3, node4 } = village();
    const told = place(grid, carol.controller, contract, 2, [node2, node3]);
    heard(told, [node1, node2, node3], [node4]);
  });

  test('its workload is placed elsewhere again, by a revision that no longer names it', () => {
    const { grid, carol, contract, node1, node2, node3, node4 } = village();
    place(grid, carol.controller, contract, 2, [node2, node3]);
    const told = place(grid, carol.controller, contract, 3, [node4, node3]);
    heard(told, [node1, node2, node3, node4], []);
  });

  test('a tombstone covers what it kept since an earlier revision, and then no more reach it', () => {
    const { grid, carol, contract, node1, node2, node3, node4 } = village();
    grid.at += 700_000;
    place(grid, carol.controller, contract, 2, [node2, node3]);
    const workload = fakeId.workload(contract, 'shard', 0);
    const value = { workload, revision: 1, reason: 'replaced' } as const;
    heard(grid.put('grid.tombstone.1', carol.controller, value), [node1, node2], [node3, node4]);
    const told = place(grid, carol.controller, contract, 3, [node4, node3]);
    heard(told, [node2, node3, node4], [node1]);
  });

  test('its contract is approved, halted or changed by somebody it never met', () => {
    const { grid, dan, contract, node1, node3, node2 } = village();
    const example = examples['grid.approval.1'];
    const { replaces: _replaces, ...rest } = example;
    const value = { ...rest, contract, signer: dan.id, action: 'halt' } as const;
    heard(grid.put('grid.approval.1', dan.device, value), [node1, node3], [node2]);
  });

  test('a contract that replaces its own is approved, and placed only elsewhere', () => {
    const { grid, carol, dan, contract, node1, node3, node2, node4 } = village();
    const next = draft(grid, carol, [carol], { replaces: contract, nonce: fakeId.hash(70) });
    const example = { ...examples['grid.approval.1'], contract: next, replaces: contract };
    const value = { ...example, signer: dan.id, action: 'upgrade' } as const;
    heard(grid.put('grid.approval.1', dan.device, value), [node1, node3], [node2]);
    heard(place(grid, carol.controller, next, 1, [node2]), [node1, node2, node3], [node4]);
    const back = place(grid, carol.controller, contract, 2, [node1, node3]);
    heard(back, [node1, node2, node3], [node4]);
  });

  test('its lock is funded, paid out, objected to and refunded', () => {
    const { grid, carol, bob, ada, contract, lock3, node1, node3 } = village();
    const base = { lock: lock3, workload: fakeId.workload(contract, 'shard', 1) };
    const tell = [
      grid.put('grid.escrow.1', carol.device, {
        ...{ ...examples['grid.escrow.1'], lock: lock3, contract },
      }),
      grid.put('grid.release.1', bob.device, { ...base, toMs: grid.at, expMs: grid.at }),
      grid.put('grid.objection.1', carol.device, {
        ...{ ...examples['grid.objection.1'], ...base, by: carol.id },
      }),
      grid.put('grid.refund.1', carol.device, { lock: lock3 }),
    ];
    for (const told of tell) heard(told, [node3, bob.id, carol.id], [node1]);
    ok(tell[0]?.readers.some((one) => one === ada.id));
  });

  test('an account pays for its place: its feed has all of both', () => {
    const { grid, carol, bob, contract, lock3, node1, node3, node2 } = village();
    const id = fakeId.account(1);
    const account = { id, name: 'Two', revision: 1, signers: [carol.id, bob.id], min: 2 };
    heard(grid.put('grid.account.1', carol.device, account), [id, bob.id], [node3]);
    const { condition: _condition, ...transfer } = examples['grid.transfer.1'];
    heard(grid.put('grid.transfer.1', bob.device, { ...transfer, to: id }), [id], [node3]);
    // Before it pays it has nothing to do with the contract.
    heard(place(grid, carol.controller, contract, 3, [node1, node3]), [node3], [id]);
    const escrow = { ...examples['grid.escrow.1'], lock: lock3, contract, from: id };
    heard(grid.put('grid.escrow.1', carol.device, escrow), [id, node3], [node2]);
    heard(place(grid, carol.controller, contract, 4, [node1, node3]), [id, node3], [node2]);
    heard(grid.put('grid.refund.1', bob.device, { lock: lock3 }), [id], [node2]);
  });

  test('a change of its contract is proposed, and approved by the version of the proposal', () => {
    const { grid, dan, contract, node1, node3, node2 } = village();
    const change = { url: 'grid.allowance.1', obj: contract, value: { contract } };
    const ns = 'grid';
    const proposal = { url: 'bcdb.proposal.1', obj: 'p1', value: { op: 'put', ...change } };
    const author = dan.device;
    heard(grid.tell({ ns, author, ...proposal }), [node1, node3], [node2]);
    grid.propose(fakeId.hash(40), change);
    const value = { proposal: fakeId.hash(40), role: 'owner', verdict: 'approve', exp: 1 };
    const approval = { ns, author, url: 'bcdb.approval.1', obj: 'a1', value };
    heard(grid.tell(approval), [node1, node3], [node2]);
  });

  test('a policy on its contract alone changes', () => {
    const { grid, dan, eve, contract, node1, node3, node2 } = village();
    const obj = `object/grid.contract.1/${contract}`;
    const value = { write: [{ role: 'owner', signers: [eve.id], min: 1 }] };
    const change = { ns: 'grid', author: dan.device, url: 'bcdb.policy.1', obj, value };
    heard(grid.tell(change), [node1, node3, eve.id], [node2]);
    // From now on it relies on Eve too.
    const told = grid.put('grid.bot.1', eve.root, botOf(grid, eve, 'eva'));
    heard(told, [node1, node3], [node2]);
  });

  test('the farm that it belongs to changes, or lets another node go', () => {
    const { grid, ada, node1, node2, node3 } = village();
    const asking = { ...examples['grid.node.1'], id: nodeIdOf(fakeId.key(1009)) };
    grid.put('grid.node.1', fakeId.key(1009), { ...asking, farm: fakeId.farm(1) });
    heard(settleFarm(grid, ada, 1, 'vault'), [node1, node2, asking.id, ada.id], [node3]);
    const farm = fakeId.farm(1);
    const value = { node: node2, farm, standing: 'retired' } as const;
    heard(grid.put('grid.adoption.1', ada.device, value), [node2, ada.id], [node1]);
  });
});

suite('concerns: people', () => {
  test('a session, an adoption and the presence of a node reach those whose workloads it has', () => {
    const { grid, ada, carol, dan, eve, node1 } = village();
    const session = { node: node1, n: 1, bootId: fakeId.nonce16(1) };
    const farm = fakeId.farm(1);
    const adoption = { node: node1, farm, standing: 'compromised' } as const;
    const presence = { ...examples['grid.presence.1'], node: node1 };
    const tell = [
      grid.put('grid.session.1', fakeId.key(1001), session),
      grid.put('grid.presence.1', fakeId.key(999), presence),
      grid.put('grid.adoption.1', ada.device, adoption),
    ];
    for (const told of tell) heard(told, [node1, ada.id, carol.id, dan.id], [eve.id]);
  });

  test('events and receipts reach the people of the contract, and no other node', () => {
    const { grid, ada, carol, eve, contract, node1, node3 } = village();
    const workload = fakeId.workload(contract, 'shard', 0);
    const { lock: _lock, ...receipt } = examples['grid.receipt.1'];
    const key = fakeId.key(1001);
    const tell = [
      grid.put('grid.event.1', key, { ...examples['grid.event.1'], node: node1, workload }),
      grid.put('grid.receipt.1', key, { ...receipt, node: node1, workload }),
    ];
    for (const told of tell) heard(told, [node1, ada.id, carol.id], [node3, eve.id]);
  });

  test('a lock that lapsed unfunded ties nobody to the contract, a funded one does', () => {
    const { grid, carol, dan, contract, ada, bob, lock1 } = village();
    const keeper = found(grid, 7, 'gus');
    settleFarm(grid, keeper, 7, 'barn');
    const node = installNode(grid, keeper, 7, 1007);
    keep(grid, keeper, carol, contract, node, 9);
    const renamed = (name: string) => grid.put('grid.bot.1', dan.root, botOf(grid, dan, name));
    heard(renamed('dan-2'), [node, keeper.id, ada.id], []);
    grid.put('grid.escrow.1', carol.device, { ...examples['grid.escrow.1'], lock: lock1 });
    grid.at += 600_000;
    heard(renamed('dan-3'), [ada.id, bob.id], [node, keeper.id]);
  });

  test('listing the keys of strangers for recovery reaches nobody who relies on them', () => {
    const { grid, carol, eve, node1, node3 } = village();
    const recovery = { threshold: 1, keys: [carol.controller] };
    const told = grid.put('grid.bot.1', eve.root, botOf(grid, eve, 'eve', { recovery }));
    heard(told, [carol.id], [node1, node3]);
  });
});

suite('concerns: everyone and nobody', () => {
  test('validators, handovers and software concern everyone', () => {
    const { grid, ada } = village();
    const author = ada.device;
    for (const [ns, url] of [
      ['log', 'bcdb.genesis.1'],
      ['log', 'bcdb.handover.1'],
      ['log', 'bcdb.validator.1'],
      ['grid', 'bcdb.namespace.1'],
      ['grid', 'bcdb.policy.1'],
      ['grid', 'grid.software.1'],
    ] as const) {
      deepEqual(concerns(grid, { ns, url, obj: 'x', author, at: 0, value: {} }), ['*'], url);
    }
  });

  test('a key that may administer a namespace concerns everyone when it ends', () => {
    const { grid, eve } = village();
    const value = { grants: [{ to: eve.id, rights: ['admin'] }] };
    const ns = 'grid';
    grid.tell({ ns, url: 'bcdb.namespace.1', obj: 'namespace', author: eve.device, value });
    const told = grid.put('grid.bot.1', eve.root, botOf(grid, eve, 'eva'));
    deepEqual(told.readers, ['*']);
  });

  test('ticks, and what users keep in namespaces of their own, concern nobody', () => {
    const { grid, eve, carol } = village();
    const author = eve.device;
    const tick = { ns: 'log', url: 'bcdb.tick.1', obj: 'tick', author, at: 0, value: { at: 1 } };
    deepEqual(concerns(grid, tick), []);
    const value = { ...examples['grid.contact.1'], bot: carol.id };
    const contact = { ns: 'eve', url: 'grid.contact.1', obj: 'c1', author, at: 0, value };
    deepEqual(concerns(grid, contact), []);
  });

  test('a type of a later release reaches the whole contract that it names', () => {
    const { grid, eve, contract, node1, node3, node2 } = village();
    const url = 'grid.surprise.1';
    const told = grid.tell({ ns: 'grid', url, obj: 'x', author: eve.device, value: { contract } });
    heard(told, [node1, node3], [node2]);
  });

  test('proposals of proposals do not go round in circles', () => {
    const { grid, eve } = village();
    const approval = { url: 'bcdb.approval.1', obj: 'a', value: { proposal: 'loop' } };
    grid.propose('loop', approval);
    const told = grid.tell({ ns: 'grid', author: eve.device, ...approval });
    deepEqual(told.readers, [eve.id]);
  });
});

suite('concerns: circles', () => {
  test('a policy on a bot whose signers include that bot is looked at once', () => {
    const { grid, carol, dan, node1 } = village();
    for (const [who, signer] of [
      [carol, dan],
      [dan, carol],
    ] as const) {
      const obj = `object/grid.bot.1/${who.id}`;
      const value = { write: [{ role: 'owner', signers: [signer.id, who.id], min: 1 }] };
      grid.tell({ ns: 'grid', url: 'bcdb.policy.1', obj, author: who.device, value });
    }
    const told = grid.put('grid.bot.1', carol.root, botOf(grid, carol, 'carla'));
    heard(told, [carol.id, dan.id, node1], []);
  });
});

suite('concerns: properties', () => {
  const feedUrls = [...recordTypes].filter(([, { namespace }]) => namespace !== 'user');
  const urls = feedUrls.map(([url]) => url as RecordUrl);

  test('every bot and node that a record names, now or before, hears of it', () => {
    const id = fc.integer({ min: 1, max: 50 }).chain((n) => {
      return fc.constantFrom<string>(fakeId.bot(n), fakeId.node(n));
    });
    fc.assert(
      fc.property(fc.constantFrom(...urls), id, id, fc.string(), (url, first, second, obj) => {
        const grid = new MemoryGrid();
        const record = { ns: 'grid', url, obj, author: fakeId.key(1), at: 0 };
        const view = Object.assign(Object.create(grid) as MemoryGrid, {
          current: (at: string, of: string): unknown =>
            at === url && of === obj ? { nested: [first] } : undefined,
          naming: () => [],
          holderOf: () => undefined,
        });
        const readers = concerns(view, { ...record, value: { deep: { deeper: second } } });
        const isCommon = url === 'grid.software.1';
        for (const one of isCommon ? ['*'] : [first, second]) {
          ok(readers.some((reader) => reader === one));
        }
      }),
    );
  });

  test('readers are sorted, and each is named once', () => {
    const { grid, ada } = village();
    for (const url of urls) {
      const value = examples[url];
      const obj = recordTypes.get(url)?.objectOf(value) ?? '';
      const record = { ns: 'grid', url, obj, author: ada.device, at: grid.at, value };
      const readers = concerns(grid, record);
      deepEqual(readers, [...new Set(readers)].toSorted());
    }
  });

  test('who hears of a record does not depend on the order in which the view answers', () => {
    const { grid, carol, node1, node3 } = village();
    const value = botOf(grid, carol, 'carol');
    const record = { ns: 'grid', url: 'grid.bot.1', obj: carol.id, author: carol.root, value };
    const backwards = new Proxy(grid, {
      get(target, name) {
        if (name === 'naming') {
          return (url: string, id: string) => [...target.naming(url, id)].toReversed();
        }
        const member: unknown = Reflect.get(target, name);
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
    const readers = concerns(grid, { ...record, at: grid.at });
    deepEqual(concerns(backwards, { ...record, at: grid.at }), readers);
    const nodes: readonly NodeId[] = [node1, node3];
    for (const node of nodes) ok(readers.includes(node));
  });

  test('every example names somebody', () => {
    for (const url of urls) {
      if (url === 'grid.software.1') continue;
      ok(namesIn(examples[url]).length > 0, url);
    }
  });
});
