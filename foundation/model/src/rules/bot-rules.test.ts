import { equal } from 'node:assert/strict';
import { suite, test } from 'node:test';
import { fakeId } from '../testing/ids.ts';
import { fakeProof, MemoryGrid } from '../testing/memory-grid.ts';
import { actor, botOf, found, keyEntry, proofOf, rootOf } from '../testing/story.ts';
import type { Actor } from '../testing/story.ts';
import { botKeysMax, keyProof } from './keys.ts';
import { namesMax } from './name.ts';

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
