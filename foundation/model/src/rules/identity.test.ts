import { deepEqual, equal, notEqual, ok } from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { BotId, KeyText } from '../fields.ts';
import { examples } from '../testing/examples.ts';
import { fakeId } from '../testing/ids.ts';
import { fakeProof, MemoryGrid } from '../testing/memory-grid.ts';
import { actor, botOf, found, installNode, keyEntry, settleFarm } from '../testing/story.ts';
import type { Actor } from '../testing/story.ts';
import { isAfter } from './identity-state.ts';
import type { BotState } from './identity-state.ts';
import {
  approvalCounts,
  botKeysMax,
  keyProof,
  keysOf,
  keyStanding,
  recoveryDelayMs,
  settle,
} from './keys.ts';
import { namesMax } from './name.ts';
import { isCloneSign, nodeStanding } from './node-rules.ts';
import { recoveryPhase } from './recovery-rules.ts';

function stateOf(grid: MemoryGrid, id: string): BotState {
  const state = grid.bot(id);
  if (state === undefined) throw new Error(`${id} is not there`);
  return state;
}

/** The root with which a bot may sign now. */
function rootOf(grid: MemoryGrid, { id }: Actor): string | undefined {
  return keysOf(grid, stateOf(grid, id), grid.moment).root;
}

function proofOf(grid: MemoryGrid, key: KeyText, holder: BotId): string {
  return fakeProof(key, keyProof(grid.log, holder));
}

suite('judgeIdentity: a bot', () => {
  test('is founded by the root that names it, and by no other key', () => {
    const grid = new MemoryGrid();
    const [ada, eve] = [actor(1), actor(2)];
    const value = botOf(grid, ada, 'ada');
    equal(grid.put('grid.bot.1', eve.root, value).code, 'BOT_NOT_ROOT');
    equal(grid.put('grid.bot.1', ada.device, value).code, 'BOT_NOT_ROOT');
    const stolen = { ...value, id: eve.id };
    equal(grid.put('grid.bot.1', ada.root, stolen).code, 'BOT_ID_MISMATCH');
    equal(grid.put('grid.bot.1', ada.root, value).code, undefined);
    equal(rootOf(grid, ada), ada.root);
  });

  test('is stored under its own id and cannot be deleted', () => {
    const grid = new MemoryGrid();
    const ada = found(grid, 1, 'ada');
    const change = { ns: 'grid', url: 'grid.bot.1', obj: fakeId.bot(9), author: ada.root };
    const moved = { ...change, value: botOf(grid, ada, 'ada') };
    equal(grid.tell(moved).code, 'IDENTITY_OBJECT_MISMATCH');
    equal(grid.tell({ ...change, obj: ada.id, value: undefined }).code, 'IDENTITY_PERMANENT');
  });

  test('replaces its root at once by the old one, which then is worth nothing', () => {
    const grid = new MemoryGrid();
    const ada = found(grid, 1, 'ada');
    const root = fakeId.key(99);
    const rotated = botOf(grid, ada, 'ada', { root });
    equal(grid.put('grid.bot.1', ada.root, rotated).code, 'KEY_PROOF_INVALID');
    const rootProof = proofOf(grid, root, ada.id);
    equal(grid.put('grid.bot.1', ada.root, { ...rotated, rootProof }).code, undefined);
    equal(rootOf(grid, ada), root);
    equal(grid.put('grid.bot.1', ada.root, botOf(grid, ada, 'ada2')).code, 'BOT_NOT_ROOT');
    equal(grid.put('grid.bot.1', root, { ...rotated, name: 'ada2' }).code, undefined);
    const back = botOf(grid, ada, 'ada', { rootProof: proofOf(grid, ada.root, ada.id) });
    equal(grid.put('grid.bot.1', root, back).code, 'KEY_TAKEN');
  });

  test('lets a device change addresses and backup, and nothing else', () => {
    const grid = new MemoryGrid();
    const ada = found(grid, 1, 'ada');
    const put = (author: string, change: Parameters<typeof botOf>[3]) =>
      grid.put('grid.bot.1', author, botOf(grid, ada, 'ada', change)).code;
    const backup = { urls: ['https://b.example/1'], hash: fakeId.hash(1) };
    const addresses = ['https://ada.example'];
    equal(put(ada.device, { addresses, backup }), undefined);
    equal(put(ada.controller, { addresses: [] }), 'BOT_NOT_ROOT');
    const recovery = { threshold: 1, keys: [ada.device] };
    for (const change of [{ recovery }, { keys: [] }, { seal: fakeId.seal(2) }, { about: 'x' }]) {
      equal(put(ada.device, { addresses, backup, ...change }), 'BOT_NOT_ROOT');
    }
    const { device, id } = ada;
    const keys = [
      keyEntry(grid, id, device, 'device', 'retired'),
      keyEntry(grid, id, ada.controller, 'controller'),
    ];
    equal(put(ada.root, { keys, addresses, backup }), undefined);
    equal(put(device, { keys, addresses: [], backup }), 'BOT_NOT_ROOT');
  });

  test('cannot list a key without its proof, of another holder or log, or that is taken', () => {
    const grid = new MemoryGrid();
    const [ada, eve] = [found(grid, 1, 'ada'), found(grid, 2, 'eve')];
    const own = botOf(grid, eve, 'eve').keys;
    const list = (...more: ReturnType<typeof keyEntry>[]) =>
      grid.put('grid.bot.1', eve.root, botOf(grid, eve, 'eve', { keys: [...own, ...more] })).code;
    const key = fakeId.key(500);
    const entry = keyEntry(grid, eve.id, key, 'device');
    equal(list({ ...entry, proof: fakeId.signature(1) }), 'KEY_PROOF_INVALID');
    equal(list(keyEntry(grid, ada.id, key, 'device')), 'KEY_PROOF_INVALID');
    const elsewhere = fakeProof(key, keyProof(fakeId.hash(9), eve.id));
    equal(list({ ...entry, proof: elsewhere }), 'KEY_PROOF_INVALID');
    equal(list(keyEntry(grid, eve.id, ada.device, 'device')), 'KEY_TAKEN');
    equal(list(keyEntry(grid, eve.id, ada.root, 'device')), 'KEY_TAKEN');
    equal(list(keyEntry(grid, eve.id, eve.root, 'device')), 'KEY_TAKEN');
    equal(list(entry, entry), 'KEY_TAKEN');
    equal(list(entry), undefined);
  });

  test('ends keys for good: they are not dropped while live, nor revived, nor taken by others', () => {
    const grid = new MemoryGrid();
    const [ada, eve] = [found(grid, 1, 'ada'), found(grid, 2, 'eve')];
    const put = (...keys: ReturnType<typeof keyEntry>[]) =>
      grid.put('grid.bot.1', ada.root, botOf(grid, ada, 'ada', { keys })).code;
    const controller = keyEntry(grid, ada.id, ada.controller, 'controller');
    const device = (ended?: 'retired' | 'compromised') =>
      keyEntry(grid, ada.id, ada.device, 'device', ended);
    equal(put(controller), 'BOT_KEY_DROPPED');
    equal(put(controller, device('retired')), undefined);
    equal(put(controller, device()), 'BOT_KEY_REVIVED');
    equal(put(controller, device('compromised')), undefined);
    equal(put(controller, device('retired')), 'BOT_KEY_REVIVED');
    equal(put(controller), undefined);
    equal(put(controller, device()), 'BOT_KEY_REVIVED');
    const taken = keyEntry(grid, eve.id, ada.device, 'device');
    const keys = [...botOf(grid, eve, 'eve').keys, taken];
    equal(grid.put('grid.bot.1', eve.root, botOf(grid, eve, 'eve', { keys })).code, 'KEY_TAKEN');
  });

  test('has had a bounded number of keys', () => {
    const grid = new MemoryGrid();
    const ada = found(grid, 1, 'ada');
    const own = botOf(grid, ada, 'ada').keys;
    let code: string | undefined;
    let rounds = 0;
    for (; code === undefined && rounds < botKeysMax; rounds++) {
      const key = fakeId.key(5000 + rounds);
      const keys = [...own, keyEntry(grid, ada.id, key, 'device', 'retired')];
      ({ code } = grid.put('grid.bot.1', ada.root, botOf(grid, ada, 'ada', { keys })));
    }
    equal(code, 'BOT_KEYS_TOO_MANY');
    equal(rounds, botKeysMax - 2);
  });

  test('has a name that nobody else has, had, or could be mistaken for', () => {
    const grid = new MemoryGrid();
    const [ada, eve] = [found(grid, 1, 'paypal'), actor(2)];
    const name = (who: Actor, text: string) =>
      grid.put('grid.bot.1', who.root, botOf(grid, who, text)).code;
    equal(name(eve, 'paypal'), 'NAME_TAKEN');
    equal(name(eve, 'paypa1'), 'NAME_TAKEN');
    equal(name(eve, 'pay--pal'), 'NAME_INVALID');
    equal(name(eve, '-paypal'), 'NAME_INVALID');
    equal(name(ada, 'ada'), undefined);
    equal(name(eve, 'paypal'), 'NAME_TAKEN');
    equal(name(ada, 'paypal'), undefined);
    for (let n = 2; n < namesMax; n++) equal(name(ada, `ada-${n}`), undefined);
    equal(name(ada, 'one-more'), 'NAMES_TOO_MANY');
    equal(name(ada, 'ada'), undefined);
  });

  test('cannot have a recovery that nobody can carry out', () => {
    const grid = new MemoryGrid();
    const ada = found(grid, 1, 'ada');
    const recovery = { threshold: 2, keys: [fakeId.key(90)] };
    const value = botOf(grid, ada, 'ada', { recovery });
    equal(grid.put('grid.bot.1', ada.root, value).code, 'BOT_RECOVERY_IMPOSSIBLE');
  });
});

/** Ada, whose root two of three guardians may replace. */
function guarded() {
  const grid = new MemoryGrid();
  const keys = [fakeId.key(91), fakeId.key(92), fakeId.key(93)] as const;
  const ada = found(grid, 1, 'ada', { recovery: { threshold: 2, keys: [...keys] } });
  const ask = (by: KeyText, root: KeyText, action: 'replace' | 'veto' = 'replace') => {
    const rootProof = proofOf(grid, root, ada.id);
    return grid.put('grid.recovery.1', by, { bot: ada.id, action, root, rootProof, by }).code;
  };
  const phase = () => recoveryPhase(settle(grid, stateOf(grid, ada.id), grid.moment));
  return { grid, ada, keys, ask, phase, root: fakeId.key(300), other: fakeId.key(301) };
}

suite('judgeIdentity: a recovery', () => {
  test('replaces the root 72 hours of log time after the quorum, not a millisecond before', () => {
    const { grid, ada, keys, ask, phase, root } = guarded();
    equal(phase(), 'none');
    equal(ask(keys[0], root), undefined);
    grid.at += recoveryDelayMs * 2;
    equal(phase(), 'voting');
    equal(ask(keys[1], root), undefined);
    equal(phase(), 'pending');
    grid.at += recoveryDelayMs - 1;
    equal(rootOf(grid, ada), ada.root);
    equal(grid.put('grid.bot.1', root, botOf(grid, ada, 'ada', { root })).code, 'BOT_NOT_ROOT');
    grid.at += 1;
    equal(rootOf(grid, ada), root);
    equal(phase(), 'none');
    equal(grid.put('grid.bot.1', ada.root, botOf(grid, ada, 'ada')).code, 'BOT_NOT_ROOT');
    equal(grid.put('grid.bot.1', root, botOf(grid, ada, 'ada', { root })).code, undefined);
  });

  test('is settled alike whether anybody looks at once or much later', () => {
    const { grid, ada, keys, ask, root } = guarded();
    ask(keys[0], root);
    ask(keys[1], root);
    const state = stateOf(grid, ada.id);
    grid.at += recoveryDelayMs;
    const early = settle(grid, state, grid.moment);
    grid.at += recoveryDelayMs * 10;
    deepEqual(settle(grid, state, grid.moment), early);
    deepEqual(settle(grid, early, grid.moment), early);
    const [first, second] = early.roots;
    deepEqual(first?.to, second?.from);
  });

  test('is vetoed by the present root, and by nobody else', () => {
    const { grid, ada, keys, ask, phase, root, other } = guarded();
    equal(ask(ada.root, root, 'veto'), 'RECOVERY_NOT_PENDING');
    ask(keys[0], root);
    ask(keys[1], root);
    equal(ask(keys[2], root, 'veto'), 'BOT_NOT_ROOT');
    equal(ask(ada.device, root, 'veto'), 'BOT_NOT_ROOT');
    equal(ask(root, root, 'veto'), 'BOT_NOT_ROOT');
    equal(ask(ada.root, other, 'veto'), 'RECOVERY_NOT_PENDING');
    grid.at += recoveryDelayMs - 1;
    equal(ask(ada.root, root, 'veto'), undefined);
    equal(phase(), 'none');
    grid.at += recoveryDelayMs;
    equal(rootOf(grid, ada), ada.root);
    equal(ask(keys[0], root), undefined);
  });

  test('cannot be vetoed once it is done', () => {
    const { grid, ada, keys, ask, root } = guarded();
    ask(keys[0], root);
    ask(keys[1], root);
    grid.at += recoveryDelayMs;
    equal(ask(ada.root, root, 'veto'), 'BOT_NOT_ROOT');
    equal(rootOf(grid, ada), root);
  });

  test('counts each key once, and takes no other keys', () => {
    const { grid, ada, keys, ask, phase, root } = guarded();
    equal(ask(keys[0], root), undefined);
    equal(ask(keys[0], root), undefined);
    equal(phase(), 'voting');
    equal(ask(fakeId.key(94), root), 'RECOVERY_NOT_MEMBER');
    equal(ask(ada.device, root), 'RECOVERY_NOT_MEMBER');
    const value = { bot: ada.id, action: 'replace', root, by: keys[1] } as const;
    equal(grid.put('grid.recovery.1', keys[0], value).code, 'IDENTITY_OBJECT_MISMATCH');
    equal(grid.put('grid.recovery.1', keys[1], value).code, 'KEY_PROOF_INVALID');
    const unknown = { ...value, bot: fakeId.bot(77) };
    equal(grid.put('grid.recovery.1', keys[1], unknown).code, 'BOT_UNKNOWN');
  });

  test('is not held up by one guardian who asks for another root', () => {
    const { keys, ask, phase, root, other } = guarded();
    equal(ask(keys[0], other), undefined);
    equal(ask(keys[1], root), undefined);
    equal(phase(), 'voting');
    equal(ask(keys[2], root), undefined);
    equal(phase(), 'pending');
    equal(ask(keys[0], other), 'RECOVERY_OTHER_PENDING');
    equal(ask(keys[0], root), undefined);
  });

  test('cannot take the key of somebody else for a root', () => {
    const { grid, keys, ask } = guarded();
    const eve = found(grid, 5, 'eve');
    equal(ask(keys[0], eve.device), 'KEY_TAKEN');
  });

  test('keeps the key that waits to be root from being listed for anything else', () => {
    const { grid, ada, keys, ask, root } = guarded();
    ask(keys[0], root);
    ask(keys[1], root);
    const entry = keyEntry(grid, ada.id, root, 'device');
    const value = botOf(grid, ada, 'ada', { keys: [...botOf(grid, ada, 'ada').keys, entry] });
    equal(grid.put('grid.bot.1', ada.root, value).code, 'KEY_TAKEN');
  });

  test('ends when the present root replaces itself', () => {
    const { grid, ada, keys, ask, phase, root, other } = guarded();
    ask(keys[0], root);
    ask(keys[1], root);
    const rootProof = proofOf(grid, other, ada.id);
    const recovery = { threshold: 2, keys: [...keys] };
    const value = botOf(grid, ada, 'ada', { root: other, rootProof, recovery });
    equal(grid.put('grid.bot.1', ada.root, value).code, undefined);
    equal(phase(), 'none');
    grid.at += recoveryDelayMs;
    equal(rootOf(grid, ada), other);
  });

  test('falls when a guardian calls the key compromised in time, and stands when it is late', () => {
    for (const [waitMs, phaseAfter] of [
      [recoveryDelayMs - 1, 'old'],
      [recoveryDelayMs, 'new'],
    ] as const) {
      const { grid, ada, keys, ask, root } = guarded();
      const gus = found(grid, 7, 'gus');
      const own = botOf(grid, gus, 'gus').keys;
      const list = (ended?: 'compromised' | 'retired') => {
        const entry = keyEntry(grid, gus.id, keys[0], 'device', ended);
        const value = botOf(grid, gus, 'gus', { keys: [...own, entry] });
        equal(grid.put('grid.bot.1', gus.root, value).code, undefined);
      };
      list();
      equal(ask(keys[0], root), undefined);
      equal(ask(keys[1], root), undefined);
      grid.at += waitMs;
      list('compromised');
      grid.at += recoveryDelayMs;
      equal(rootOf(grid, ada), phaseAfter === 'old' ? ada.root : root);
      equal(ask(keys[0], fakeId.key(310)), 'RECOVERY_NOT_MEMBER');
    }
  });

  test('stands when a guardian merely retires the key', () => {
    const { grid, ada, keys, ask, root } = guarded();
    const gus = found(grid, 7, 'gus');
    const own = botOf(grid, gus, 'gus').keys;
    for (const ended of [undefined, 'retired'] as const) {
      const entry = keyEntry(grid, gus.id, keys[0], 'device', ended);
      grid.put('grid.bot.1', gus.root, botOf(grid, gus, 'gus', { keys: [...own, entry] }));
      if (ended === undefined) [keys[0], keys[1]].forEach((key) => ask(key, root));
    }
    grid.at += recoveryDelayMs;
    equal(rootOf(grid, ada), root);
  });
});

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

suite('keys over time', () => {
  test('a key is valid after the record that lists it, up to the one that ends it', () => {
    const grid = new MemoryGrid();
    const ada = found(grid, 1, 'ada');
    const listed = grid.moment.seq - 1;
    const ended = grid.moment.seq;
    const keys = [
      keyEntry(grid, ada.id, ada.device, 'device', 'retired'),
      keyEntry(grid, ada.id, ada.controller, 'controller'),
    ];
    grid.put('grid.bot.1', ada.root, botOf(grid, ada, 'ada', { keys }));
    const span = stateOf(grid, ada.id).keys.find(({ key }) => key === ada.device);
    const at = (seq: number) => span && keyStanding(span, { seq, at: grid.at });
    deepEqual([at(listed), at(listed + 1), at(ended)], ['early', 'valid', 'valid']);
    equal(at(ended + 1), 'retired');
  });

  test('an approval counts until its key is called compromised before the effect', () => {
    const moment = fc.record({ seq: fc.nat(20), at: fc.nat(20) });
    const moments = fc.array(moment, { minLength: 4, maxLength: 4 }).map((all) => {
      const seqs = all.map(({ seq }) => seq).toSorted((a, b) => a - b);
      const ats = all.map(({ at }) => at).toSorted((a, b) => a - b);
      return seqs.map((seq, index) => ({ seq: seq + index, at: ats[index] ?? 0 }));
    });
    fc.assert(
      fc.property(moments, ([from, given, called, effect]) => {
        if (!from || !given || !called || !effect) return;
        const span = { key: fakeId.key(1), role: 'device', from, to: called } as const;
        equal(approvalCounts(span, given, effect), true);
        const { to: _to, ...live } = span;
        equal(approvalCounts({ ...live, to: called, compromised: called }, given, effect), false);
        equal(approvalCounts({ ...live, to: effect, compromised: effect }, given, called), true);
        equal(approvalCounts(span, effect, effect), false);
      }),
    );
  });

  test('a moment is never after itself, and never both before and after another', () => {
    const moment = fc.record({ seq: fc.nat(5), at: fc.nat(5) });
    fc.assert(
      fc.property(moment, moment, (one, other) => {
        equal(isAfter(one, one), false);
        ok(!(isAfter(one, other) && isAfter(other, one)));
      }),
    );
  });

  test('random records leave one root, one holder a key and one holder a name', () => {
    const step = fc.record({
      kind: fc.constantFrom('rotate', 'list', 'end', 'name', 'ask', 'veto', 'wait'),
      who: fc.integer({ min: 1, max: 3 }),
      key: fc.integer({ min: 600, max: 602 }),
      by: fc.integer({ min: 0, max: 3 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const guardians = [fakeId.key(91), fakeId.key(92), fakeId.key(93)];
        const recovery = { threshold: 2, keys: guardians };
        const grid = new MemoryGrid();
        const bots = [1, 2, 3].map((n) => found(grid, n, `bot-${n}`, { recovery }));
        for (const { kind, who, key, by } of steps) {
          const bot = bots[who - 1];
          if (bot !== undefined) random(grid, bot, kind, fakeId.key(key), guardians[by], who);
          checkWorld(grid, bots);
        }
      }),
      { numRuns: 300 },
    );
  });
});

function random(
  grid: MemoryGrid,
  bot: Actor,
  kind: string,
  key: KeyText,
  guardian: KeyText | undefined,
  n: number,
): void {
  const current = grid.current('grid.bot.1', bot.id) ?? botOf(grid, bot, 'nobody');
  const root = (rootOf(grid, bot) ?? bot.root) as KeyText;
  const base = { ...current, root };
  const put = (change: object) => grid.put('grid.bot.1', root, { ...base, ...change });
  const by = guardian ?? root;
  const rootProof = proofOf(grid, key, bot.id);
  if (kind === 'rotate') put({ root: key, rootProof });
  if (kind === 'list') put({ keys: [...base.keys, keyEntry(grid, bot.id, key, 'device')] });
  if (kind === 'end') put({ keys: base.keys.map((one) => ({ ...one, ended: 'compromised' })) });
  if (kind === 'name') put({ name: `name-${n}` });
  if (kind === 'wait') grid.at += recoveryDelayMs / 2;
  if (kind !== 'ask' && kind !== 'veto') return;
  const action = kind === 'ask' ? 'replace' : 'veto';
  grid.put('grid.recovery.1', by, { bot: bot.id, action, root: key, rootProof, by });
}

function checkWorld(grid: MemoryGrid, bots: readonly Actor[]): void {
  const holders = new Map<string, string>();
  for (const { id } of bots) {
    const state = settle(grid, stateOf(grid, id), grid.moment);
    const valid = state.roots.filter((span) => keyStanding(span, grid.moment) === 'valid');
    equal(valid.length, 1);
    equal(state.roots.filter(({ to }) => to === undefined).length, 1);
    for (const key of [...state.roots, ...state.keys].map((span) => span.key)) {
      equal(holders.has(key), false, 'a key has two holders, or two spans');
      holders.set(key, id);
      notEqual(grid.holderOf(key), undefined);
      equal(grid.holderOf(key), id);
    }
  }
}
