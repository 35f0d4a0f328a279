import { equal, ok } from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { KeyText, LeaseName } from '../fields.ts';
import type { BotKey } from '../records/bot.ts';
import type { Lease } from '../records/lease.ts';
import { examples } from '../testing/examples.ts';
import { foldOf } from '../testing/folded-grid.ts';
import { fakeId } from '../testing/ids.ts';
import { Scene } from '../testing/scene.ts';
import { keyEntry } from '../testing/story.ts';
import { compareVersions } from './software-rules.ts';

suite('judgeGrid: a lease', () => {
  /** A contract with two controllers, and a word for what becomes of a lease. */
  function leases() {
    const { grid, plan } = new Scene();
    const [one, two, stranger] = [fakeId.key(11), fakeId.key(22), fakeId.key(33)];
    const header = { ...plan.header, controllers: [one, two] };
    grid.put('grid.contract.1', fakeId.key(11), header);
    const id = grid.put('grid.contract.1', fakeId.key(11), header).code;
    equal(id, undefined);
    const name = `${grid.records.at(-1)?.obj}/shard` as LeaseName;
    const say = (lease: Partial<Lease>, author: string = lease.holder ?? one) => {
      const value = { name, holder: one, fence: 1, ttlMs: 5000, ...lease };
      return grid.put('grid.lease.1', author, value).code;
    };
    return { say, one, two, stranger };
  }

  test('has the next fence, whoever of the controllers takes it', () => {
    const { say, two } = leases();
    equal(say({ fence: 2 }), 'LEASE_FENCE');
    equal(say({}), undefined);
    for (const fence of [1, 3]) equal(say({ fence, holder: two }), 'LEASE_FENCE');
    equal(say({ fence: 2, holder: two }), undefined);
    equal(say({ fence: 3, holder: two }), undefined);
  });

  test('is let go by its holder, once, as it was taken', () => {
    const { say, two } = leases();
    equal(say({ isReleased: true }), 'LEASE_NOT_HOLDER');
    say({});
    for (const other of [{ holder: two }, { fence: 2 }, { ttlMs: 6000 }]) {
      equal(say({ ...other, isReleased: true }), 'LEASE_NOT_HOLDER');
    }
    equal(say({ isReleased: true }), undefined);
    equal(say({ isReleased: true }), 'LEASE_RELEASED');
    equal(say({ fence: 2, holder: two }), undefined);
  });

  test('is for controllers of a known contract, who sign for themselves', () => {
    const { say, one, two, stranger } = leases();
    equal(say({ holder: stranger }), 'LEASE_NOT_CONTROLLER');
    equal(say({ holder: one }, two), 'LEASE_NOT_HOLDER');
    const name = fakeId.contract(2) as string as LeaseName;
    equal(say({ name }), 'LEASE_CONTRACT_UNKNOWN');
  });
});

suite('judgeGrid: a contract that names a bot as its controller', () => {
  function named() {
    const owner = new Scene().ada;
    const scene = new Scene({ header: { controllers: [owner.id] } });
    scene.propose();
    equal(scene.approve(scene.ada), undefined);
    const { grid, ada, plan } = scene;
    const lease = (holder: KeyText, fence: number) =>
      grid.put('grid.lease.1', holder, plan.lease(fence, { holder })).code;
    const place = (author: KeyText, revision: number, fence: number) => {
      const value = plan.placement(revision, [scene.nodes[0]], { fence });
      return grid.put('grid.placement.1', author, value).code;
    };
    const list = (keys: readonly BotKey[]) => {
      const bot = grid.fold.current('grid.bot.1', ada.id);
      if (bot === undefined) throw new Error('ada is there');
      return grid.put('grid.bot.1', ada.root, { ...bot, keys: [...keys] }).code;
    };
    return { scene, lease, place, list };
  }

  test('is acted for by devices and controllers of that bot, and by nobody else', () => {
    const { scene, lease, place, list } = named();
    const { grid, ada, eve } = scene;
    const head = fakeId.key(777);
    equal(lease(eve.device, 1), 'LEASE_NOT_CONTROLLER');
    equal(lease(ada.root, 1), 'LEASE_NOT_CONTROLLER');
    equal(lease(head, 1), 'LEASE_NOT_CONTROLLER');
    const keys = grid.fold.current('grid.bot.1', ada.id)?.keys ?? [];
    equal(list([...keys, keyEntry(grid, ada.id, head, 'head')]), undefined);
    equal(lease(head, 1), 'LEASE_NOT_CONTROLLER');
    equal(lease(ada.controller, 1), undefined);
    equal(lease(ada.device, 2), undefined);
    equal(place(ada.device, 1, 2), undefined);
  });

  test('is acted for by its new keys once the former ones ended, as every node sees it', () => {
    const { scene, lease, place, list } = named();
    const { grid, nodes, ada } = scene;
    const next = fakeId.key(778);
    equal(lease(ada.device, 1), undefined);
    equal(place(ada.device, 1, 1), undefined);
    const ended = [ada.device, ada.controller].map((key) =>
      keyEntry(grid, ada.id, key, 'device', 'compromised'),
    );
    equal(list([...ended, keyEntry(grid, ada.id, next, 'device')]), undefined);
    equal(place(ada.device, 2, 1), 'KEY_ENDED');
    equal(lease(ada.device, 2), 'KEY_ENDED');
    equal(place(next, 2, 1), 'CONTRACT_NOT_HOLDER');
    equal(lease(next, 2), undefined);
    equal(place(next, 2, 2), undefined);
    const node = foldOf({ releaseKeys: [fakeId.key(900)], reader: nodes[0] });
    node.add(grid.records);
    equal([...node.refusals].join(), [...grid.fold.refusals].join());
  });

  test('is not acted for by a key that the bot uses for something else since', () => {
    const { scene, lease, place, list } = named();
    const { grid, ada } = scene;
    equal(lease(ada.controller, 1), undefined);
    const keys = [
      keyEntry(grid, ada.id, ada.device, 'device'),
      keyEntry(grid, ada.id, ada.controller, 'head'),
    ];
    equal(list(keys), undefined);
    equal(place(ada.controller, 1, 1), 'LEASE_NOT_CONTROLLER');
    equal(scene.slice(0, scene.nodes[0], 1), 'LEASE_NOT_CONTROLLER');
  });

  test('is none of a bot that nobody knows', () => {
    const stranger = new Scene({ header: { controllers: [fakeId.bot(779)] } });
    equal(stranger.propose(), 'CONTRACT_BOT_UNKNOWN');
  });
});

suite('judgeGrid: a lock', () => {
  test('is by the owner of the farm that has the node, for ten minutes, and stays as it is', () => {
    const { grid, ada, bob, plan, bobsNode, nodes } = new Scene();
    const { arbiter: _arbiter, ...example } = examples['grid.lock.1'];
    const base = { ...example, contract: plan.id, buyer: ada.id, expiresMs: grid.at + 600_000 };
    const value = { ...base, node: bobsNode, farmer: bob.id };
    equal(grid.put('grid.lock.1', ada.device, value).code, 'LOCK_NOT_FARMER');
    const [own] = nodes;
    equal(grid.put('grid.lock.1', bob.device, { ...value, node: own }).code, 'LOCK_NOT_FARMER');
    for (const expiresMs of [grid.at, grid.at + 600_001]) {
      equal(grid.put('grid.lock.1', bob.device, { ...value, expiresMs }).code, 'LOCK_TERM');
    }
    equal(grid.put('grid.lock.1', bob.device, value).code, undefined);
    equal(grid.put('grid.lock.1', bob.device, value).code, 'LOCK_FIXED');
  });
});

suite('judgeGrid: a grant', () => {
  test('is by the owner of the farm that has the node, for a role of the contract', () => {
    const scene = new Scene().begin();
    const { grid, ada, bob, plan, bobsNode: node } = scene;
    const expMs = grid.at + 1;
    const value = { node, contract: plan.id, role: 'shard', allows: 'elevated', expMs } as const;
    equal(grid.put('grid.grant.1', ada.device, value).code, 'GRANT_NOT_FARMER');
    equal(grid.put('grid.grant.1', bob.root, value).code, 'GRANT_NOT_FARMER');
    const unknown = { ...value, node: fakeId.node(5) };
    equal(grid.put('grid.grant.1', bob.device, unknown).code, 'GRANT_NOT_FARMER');
    const other = { ...value, role: 'head' };
    equal(grid.put('grid.grant.1', bob.device, other).code, 'GRANT_ROLE_UNKNOWN');
    equal(grid.put('grid.grant.1', bob.device, value).code, undefined);
    equal(grid.put('grid.grant.1', bob.device, { ...value, expMs: grid.at }).code, undefined);
  });
});

suite('judgeGrid: software', () => {
  test('is by a release key, with a version above the last unless it is a rollback', () => {
    const { grid, ada } = new Scene();
    const { isRollback: _none, ...release } = examples['grid.software.1'];
    const say = (version: string, author: string = fakeId.key(900), isRollback?: true) => {
      const back = isRollback === undefined ? {} : { isRollback };
      return grid.put('grid.software.1', author, { ...release, version, ...back }).code;
    };
    equal(say('1.0.0', ada.device), 'SOFTWARE_NOT_RELEASE_KEY');
    equal(say('1.9.0'), undefined);
    for (const version of ['1.9.0', '1.8.9']) equal(say(version), 'SOFTWARE_VERSION_OLD');
    equal(say('1.10.0'), undefined);
    equal(say('1.9.0', fakeId.key(900), true), undefined);
    ok(compareVersions('2.0.0', '1.99.99') > 0);
  });
});

suite('judgeGrid: what a node reports', () => {
  test('is of workloads that it was given, and signed by itself', () => {
    const scene = new Scene().begin();
    const [node, other] = scene.nodes;
    equal(scene.report(node, 0, 1, 'healthy'), 'REPORT_NOT_PLACED');
    scene.run(1, [node]);
    equal(scene.report(node, 0, 1, 'healthy'), undefined);
    equal(scene.report(node, 0, 2, 'healthy'), 'REPORT_REVISION');
    equal(scene.report(other, 0, 1, 'healthy'), 'REPORT_NOT_PLACED');
    const workload = fakeId.workload(scene.plan.id, 'shard', 0);
    const { lock: _lock, ...example } = examples['grid.receipt.1'];
    const receipt = { ...example, node, workload };
    const { grid } = scene;
    const key = node.replace('node:', 'ed25519:');
    equal(grid.put('grid.receipt.1', scene.ada.device, receipt).code, 'REPORT_NOT_NODE');
    equal(grid.put('grid.receipt.1', key, receipt).code, undefined);
    const { fromMs } = receipt;
    equal(grid.put('grid.receipt.1', key, { ...receipt, toMs: fromMs }).code, 'REPORT_INTERVAL');
    const fast = { ...receipt, healthySeconds: 3601 };
    equal(grid.put('grid.receipt.1', key, fast).code, 'REPORT_INTERVAL');
    // What it had it may still speak of.
    scene.run(2, [other]);
    equal(scene.report(node, 0, 1, 'unhealthy'), undefined);
  });

  test('is of the node itself without a workload, and signed by nobody else', () => {
    const { grid, ada, nodes } = new Scene().begin();
    const [node, other] = nodes;
    const { workload: _workload, ...rest } = examples['grid.event.1'];
    const value = { ...rest, node, revision: 0 };
    equal(grid.put('grid.event.1', node.replace('node:', 'ed25519:'), value).code, undefined);
    for (const author of [ada.device, other.replace('node:', 'ed25519:')]) {
      equal(grid.put('grid.event.1', author, value).code, 'REPORT_NOT_NODE');
    }
  });
});
