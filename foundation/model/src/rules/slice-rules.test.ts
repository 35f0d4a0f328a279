import { deepEqual, equal, notEqual } from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { ContractRole } from '../records/contract-role.ts';
import type { Slice } from '../records/slice.ts';
import { fakeId } from '../testing/ids.ts';
import { Scene } from '../testing/scene.ts';
import { deriveSlice, secretsOf, sliceHash } from './derive-slice.ts';

suite('judgeGrid: a slice', () => {
  function sliced() {
    const scene = new Scene().begin();
    const { grid, ada, plan, nodes } = scene;
    const say = (change: Partial<Slice>, author: string = ada.controller) => {
      const value = { ...plan.slice(0, nodes[0], 1), ...change };
      return grid.put('grid.slice.1', author, value).code;
    };
    return { scene, say };
  }

  test('is by the holder of the lease, and follows from the contract', () => {
    const { scene, say } = sliced();
    const { plan, nodes, eve } = scene;
    const { opening, secrets } = plan.slice(0, nodes[0], 1);
    const { role } = opening;
    equal(say({}, eve.device), 'CONTRACT_NOT_HOLDER');
    equal(say({ contract: fakeId.contract(1) }), 'SLICE_CONTRACT_UNKNOWN');
    equal(say({ opening: { ...opening, salt: fakeId.nonce16(99) } }), 'SLICE_OPENING_MISMATCH');
    const richer = { ...role, resources: { ...role.resources, cpuMilli: 9000 } };
    equal(say({ opening: { ...opening, role: richer } }), 'SLICE_OPENING_MISMATCH');
    const strange = fakeId.workload(plan.id, 'head', 0);
    equal(say({ workload: strange }), 'SLICE_WORKLOAD_MISMATCH');
    const others = fakeId.workload(fakeId.contract(2), 'shard', 0);
    equal(say({ workload: others }), 'SLICE_WORKLOAD_MISMATCH');
    const tenth = fakeId.workload(plan.id, 'shard', 20);
    equal(say({ workload: tenth }), 'PLACEMENT_REPLICA_UNKNOWN');
    equal(say({ addresses: [{ network: 'inner', ip: '10.10.0.9' }] }), 'SLICE_MISMATCH');
    equal(say({ secrets: [] }), 'SLICE_MISMATCH');
    equal(say({ secrets: [...secrets, { name: 'root', box: 'AAAA' }] }), 'SLICE_SECRET_UNKNOWN');
    equal(say({}), undefined);
  });

  test('is of the newest revision or the next, and never older than the one before', () => {
    const { scene, say } = sliced();
    const { plan, nodes } = scene;
    const [node] = nodes;
    equal(say({ revision: 2 }), 'SLICE_REVISION');
    equal(scene.run(1, [node]), undefined);
    equal(scene.slice(0, node, 2), undefined);
    equal(scene.slice(0, node, 1), 'SLICE_REVISION');
    equal(scene.place(2, [node]), undefined);
    equal(scene.place(3, [[node, 2]]), undefined);
    // The same with other boxes, though placements went on.
    const sealed = plan.slice(0, node, 2).secrets.map((one) => ({ ...one, box: 'BBBB' }));
    equal(say({ revision: 2, secrets: sealed }), undefined);
    equal(scene.slice(0, nodes[1], 2), 'SLICE_REVISION');
  });
});

suite('deriveSlice', () => {
  const { header, opening } = new Scene().plan;
  const target = { replica: 3, node: fakeId.node(1), revision: 7 };

  test('gives no two replicas of any role one address', () => {
    const roles = [...header.roles, { name: 'head', hash: fakeId.hash(1) }];
    const networks = [
      { name: 'inner', range: '10.10.0.0/16' },
      { name: 'outer', range: 'fd00:1::/64' },
    ];
    const both = { ...header, roles, networks };
    const role = { ...opening.role, networks: ['outer', 'inner'] };
    const ips = ['shard', 'head'].flatMap((name) =>
      [0, 1, 2, 40_000].flatMap((replica) => {
        const shown = { ...opening, role: { ...role, name } };
        return deriveSlice(both, shown, { ...target, replica })?.addresses.map(({ ip }) => ip);
      }),
    );
    // 80,000 hosts are too many for the inner network.
    equal(ips.filter((ip) => ip === undefined).length, 2);
    const sound = ips.filter((ip) => ip !== undefined);
    equal(new Set(sound).size, 12);
    deepEqual(sound.slice(0, 2), ['10.10.0.2', 'fd00:1:0:0:0:0:0:2']);
  });

  test('knows no network that the contract does not have', () => {
    const role = { ...opening.role, networks: ['elsewhere'] };
    equal(deriveSlice(header, { ...opening, role }, target), undefined);
  });

  test('hashes to the same whatever the boxes hold, and to no other slice', () => {
    const derived = deriveSlice(header, opening, target);
    if (derived === undefined) throw new Error('the network has room');
    const boxed = (box: string) => ({
      ...derived,
      secrets: derived.secrets.map((name) => ({ name, box })),
    });
    equal(sliceHash(boxed('AAAA')), sliceHash(derived));
    equal(sliceHash(boxed('BBBB')), sliceHash(derived));
    notEqual(sliceHash({ ...derived, revision: 8 }), sliceHash(derived));
    notEqual(sliceHash({ ...derived, secrets: [] }), sliceHash(derived));
  });

  test('asks for each secret that the role uses, once', () => {
    const container = {
      secretEnv: [
        { name: 'A', secret: 'token' },
        { name: 'B', secret: 'token' },
      ],
      files: [
        { path: '/x', mode: 0o600, secret: 'cert' },
        { path: '/y', mode: 0o600 },
      ],
    } as unknown as NonNullable<ContractRole['workload']['container']>;
    const role = { ...opening.role, workload: { kind: 'container', container } } as const;
    deepEqual(secretsOf(role), ['cert', 'token']);
    deepEqual(secretsOf(opening.role), ['admin']);
  });
});
