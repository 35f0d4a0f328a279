import { equal } from 'node:assert/strict';
import { suite, test } from 'node:test';
import { examples } from '../testing/examples.ts';
import { fakeId } from '../testing/ids.ts';
import { MemoryGrid } from '../testing/memory-grid.ts';
import { botOf, found, installNode, keyEntry, settleFarm } from '../testing/story.ts';
import { isCloneSign, nodeStanding } from './node-rules.ts';

suite('judgeIdentity: a farm', () => {
  test('is its owner bot device alone to found and change', () => {
    const grid = new MemoryGrid();
    const [ada, eve] = [found(grid, 1, 'ada'), found(grid, 2, 'eve')];
    const id = fakeId.farm(1);
    const value = { ...examples['grid.farm.1'], id, owner: ada.id, name: 'cellar' };
    for (const author of [ada.root, ada.controller, eve.device, fakeId.key(999)]) {
      equal(grid.put('grid.farm.1', author, value).code, 'FARM_NOT_OWNER');
    }
    equal(grid.put('grid.farm.1', ada.device, value).code, undefined);
    const stolen = { ...value, owner: eve.id };
    equal(grid.put('grid.farm.1', eve.device, stolen).code, 'FARM_OWNER_FIXED');
    equal(grid.put('grid.farm.1', eve.device, value).code, 'FARM_NOT_OWNER');
    equal(settleFarm(grid, eve, 2, 'ce11ar').code, 'NAME_TAKEN');
  });
});

suite('judgeIdentity: a node', () => {
  function farmed() {
    const grid = new MemoryGrid();
    const [ada, eve] = [found(grid, 1, 'ada'), found(grid, 2, 'eve')];
    settleFarm(grid, ada, 1, 'cellar');
    settleFarm(grid, eve, 2, 'shed');
    const key = fakeId.key(1001);
    const node = installNode(grid, ada, 1, 1001);
    const standing = () => nodeStanding(grid.node(node) ?? missing());
    const boot = (n: number, boots: number) => {
      const value = { node, n, bootId: fakeId.nonce16(boots) };
      return grid.put('grid.session.1', key, value).code;
    };
    return { grid, ada, eve, key, node, standing, boot };
  }

  function missing(): never {
    throw new Error('the node is not there');
  }

  test('speaks for itself, with a key of its own', () => {
    const { grid, ada, node, key } = farmed();
    const value = { ...examples['grid.node.1'], id: node, farm: fakeId.farm(1) };
    equal(grid.put('grid.node.1', ada.device, value).code, 'NODE_NOT_SELF');
    const unknown = { ...value, farm: fakeId.farm(77) };
    equal(grid.put('grid.node.1', key, unknown).code, 'FARM_UNKNOWN');
    const device = `node:${ada.device.slice('ed25519:'.length)}` as typeof node;
    equal(grid.put('grid.node.1', ada.device, { ...value, id: device }).code, 'KEY_TAKEN');
    const listed = keyEntry(grid, ada.id, key, 'device');
    const keys = [...botOf(grid, ada, 'ada').keys, listed];
    equal(grid.put('grid.bot.1', ada.root, botOf(grid, ada, 'ada', { keys })).code, 'KEY_TAKEN');
  });

  test('is adopted by the owner of the farm that it names, and by no other', () => {
    const { grid, ada, eve, node, standing, key } = farmed();
    equal(standing(), 'inService');
    const [own, others] = [fakeId.farm(1), fakeId.farm(2)];
    const adopt = (author: string, farm: typeof own, as: 'active' | 'retired' | 'compromised') =>
      grid.put('grid.adoption.1', author, { node, farm, standing: as }).code;
    for (const as of ['active', 'retired', 'compromised'] as const) {
      equal(adopt(eve.device, others, as), 'ADOPTION_NOT_ASKED');
      equal(adopt(eve.device, own, as), 'FARM_NOT_OWNER');
      equal(adopt(ada.root, own, as), 'FARM_NOT_OWNER');
    }
    equal(adopt(ada.device, own, 'retired'), undefined);
    equal(standing(), 'retired');
    equal(adopt(ada.device, own, 'active'), undefined);
    const moved = { ...examples['grid.node.1'], id: node, farm: others };
    equal(grid.put('grid.node.1', key, moved).code, undefined);
    equal(standing(), 'unadopted');
    equal(adopt(eve.device, others, 'active'), undefined);
    equal(standing(), 'inService');
  });

  test('is over once its farm calls its key compromised', () => {
    const { grid, ada, node, key, standing, boot } = farmed();
    const farm = fakeId.farm(1);
    const adopt = (as: 'active' | 'compromised') =>
      grid.put('grid.adoption.1', ada.device, { node, farm, standing: as }).code;
    equal(adopt('compromised'), undefined);
    equal(standing(), 'compromised');
    equal(adopt('active'), 'NODE_ENDED');
    equal(boot(1, 1), 'NODE_ENDED');
    const value = { ...examples['grid.node.1'], id: node, farm: fakeId.farm(2) };
    equal(grid.put('grid.node.1', key, value).code, 'NODE_ENDED');
  });

  test('counts its sessions one by one', () => {
    const { grid, ada, node, boot, standing } = farmed();
    equal(boot(2, 1), 'SESSION_GAP');
    equal(boot(1, 1), undefined);
    equal(boot(1, 1), undefined);
    equal(boot(2, 2), undefined);
    equal(boot(4, 3), 'SESSION_GAP');
    equal(standing(), 'inService');
    const value = { node, n: 3, bootId: fakeId.nonce16(3) };
    equal(grid.put('grid.session.1', ada.device, value).code, 'NODE_NOT_SELF');
  });

  test('is a clone once two boots claim one session, until it is adopted again', () => {
    const { grid, ada, node, boot, standing } = farmed();
    boot(1, 1);
    boot(2, 2);
    equal(boot(2, 3), undefined);
    equal(standing(), 'cloned');
    equal(boot(3, 4), undefined);
    equal(standing(), 'cloned');
    const value = { node, farm: fakeId.farm(1), standing: 'active' } as const;
    equal(grid.put('grid.adoption.1', ada.device, value).code, undefined);
    equal(standing(), 'inService');
    equal(boot(1, 1), undefined);
    equal(standing(), 'cloned');
  });

  test('shows a clone by a heartbeat of an old session that saw the new one', () => {
    const { grid, node, boot } = farmed();
    boot(1, 1);
    boot(2, 2);
    const state = grid.node(node) ?? missing();
    const began = state.session?.moment.seq ?? 0;
    const old = { n: 1, bootId: fakeId.nonce16(1) };
    equal(isCloneSign(state, { ...old, seenSize: began }), false);
    equal(isCloneSign(state, { ...old, seenSize: began + 1 }), true);
    const own = { n: 2, bootId: fakeId.nonce16(2) };
    equal(isCloneSign(state, { ...own, seenSize: began + 1 }), false);
    const rival = { n: 2, bootId: fakeId.nonce16(3), seenSize: began + 1 };
    equal(isCloneSign(state, rival), true);
  });
});
