import { deepEqual, equal } from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { KeyText } from '../fields.ts';
import { fakeId } from '../testing/ids.ts';
import { MemoryGrid } from '../testing/memory-grid.ts';
import { botOf, found, keyEntry, proofOf, rootOf, stateOf } from '../testing/story.ts';
import { recoveryDelayMs, settle } from './keys.ts';
import { recoveryPhase } from './recovery-rules.ts';

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

  test('does not count the vote of a key that ended before there was a quorum', () => {
    const { grid, keys, ask, phase, root } = guarded();
    const gus = found(grid, 7, 'gus');
    const own = botOf(grid, gus, 'gus').keys;
    const list = (ended?: 'retired') => {
      const entry = keyEntry(grid, gus.id, keys[0], 'device', ended);
      grid.put('grid.bot.1', gus.root, botOf(grid, gus, 'gus', { keys: [...own, entry] }));
    };
    list();
    equal(ask(keys[0], root), undefined);
    list('retired');
    equal(ask(keys[1], root), undefined);
    equal(phase(), 'voting');
    equal(ask(keys[2], root), undefined);
    equal(phase(), 'pending');
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
