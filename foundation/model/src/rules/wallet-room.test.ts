import { equal } from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { FarmId } from '../fields.ts';
import { examples } from '../testing/examples.ts';
import { fakeId } from '../testing/ids.ts';
import { installNode } from '../testing/story.ts';
import { WalletScene } from '../testing/wallet-scene.ts';

suite('judgeGrid: public addresses of a farm', () => {
  /** Bob's farm has a public address of IPv4 for each of these, and one of IPv6. */
  function farmOf(...addresses: readonly string[]) {
    const scene = new WalletScene({ funds: 100_000 });
    const { bob } = scene;
    const farm: FarmId = fakeId.farm(2);
    const value = { ...examples['grid.farm.1'], id: farm, owner: bob.id, name: 'attic' };
    const publicIps = [...addresses, '2001:db8::7/64'];
    equal(scene.grid.put('grid.farm.1', bob.device, { ...value, publicIps }).code, undefined);
    const other = installNode(scene.grid, bob, 2, 1005);
    const offer = (n: number, ipv4: number, node = scene.bobsNode) =>
      scene.offer(n, { node, resources: { ...scene.lockOf(n).resources, ipv4 } });
    return { scene, other, offer };
  }

  test('are locked no more often than it has them, on whichever node', () => {
    const { offer, other } = farmOf('192.0.2.7', '192.0.2.8');
    equal(offer(1, 3), 'LOCK_ADDRESSES');
    equal(offer(1, 1), undefined);
    equal(offer(2, 2, other), 'LOCK_ADDRESSES');
    equal(offer(2, 1, other), undefined);
    equal(offer(3, 1, other), 'LOCK_ADDRESSES');
    equal(offer(3, 0, other), undefined);
  });

  test('are free again once a lock lapsed, and not when its time is over but it was funded', () => {
    const { scene, offer, other } = farmOf('192.0.2.7');
    equal(offer(1, 1), undefined);
    scene.at(1);
    equal(offer(2, 1, other), undefined);
    equal(scene.fund(2, 100), undefined);
    scene.at(2);
    equal(offer(3, 1), 'LOCK_ADDRESSES');
  });

  test('are free again once nothing can run by a lock any more', () => {
    const { scene, offer } = farmOf('192.0.2.7');
    equal(offer(1, 1), undefined);
    equal(scene.fund(1, 2000), undefined);
    equal(scene.settle(1, 1), undefined);
    scene.at(1);
    equal(offer(2, 1), 'LOCK_ADDRESSES');
    equal(scene.settle(2), undefined);
    equal(offer(2, 1), undefined);
  });
});
