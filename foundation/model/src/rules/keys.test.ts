import { deepEqual, equal, ok } from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { KeyText } from '../fields.ts';
import { fakeId } from '../testing/ids.ts';
import { MemoryGrid } from '../testing/memory-grid.ts';
import { botOf, found, keyEntry, proofOf, rootOf, stateOf } from '../testing/story.ts';
import type { Actor } from '../testing/story.ts';
import { isAfter } from './identity-state.ts';
import { approvalCounts, keyStanding, recoveryDelayMs, settle } from './keys.ts';

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
  const root = rootOf(grid, bot) ?? bot.root;
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
      equal(grid.holderOf(key), id);
    }
  }
}
