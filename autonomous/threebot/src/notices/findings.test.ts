import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContractId } from '@commongrid/model';
import { fakeId, Scene, WalletScene } from '@commongrid/model/testing';
import type { Actor } from '@commongrid/model/testing';
import { blockedFindings } from './blocked-findings.ts';
import { moneyFindings } from './money-findings.ts';
import { moveFindings } from './move-findings.ts';
import { keyOf } from './notice.ts';
import type { NoticeView } from './notice.ts';
import { wordFindings } from './word-findings.ts';

function viewOf({ grid }: Scene, { id: bot }: Actor): NoticeView {
  return { bot, fold: grid.fold, at: grid.at };
}

function shown({ findings }: { readonly findings: readonly { code: string; severity: string }[] }) {
  return findings.map(({ code, severity }) => `${code} ${severity}`);
}

test('money that ends is told shortly before, unpaid places at once, and to the landlord what he may delete', () => {
  const scene = new WalletScene();
  // 20 hours at one unit for ten seconds: a twentieth is one hour, a fortieth half of it.
  assert.equal(scene.rent(1, 7_200), undefined);
  const look = (hour: number, who = scene.ada) => {
    scene.at(hour);
    return shown(moneyFindings(viewOf(scene, who)));
  };
  assert.deepEqual(look(18.9), []);
  assert.deepEqual(look(19), ['NOTICE_PAID_SHORTLY warning']);
  assert.deepEqual(look(19.4), ['NOTICE_PAID_SHORTLY warning']);
  assert.deepEqual(look(19.5), ['NOTICE_PAID_SHORTLY urgent']);
  assert.deepEqual(look(20), ['NOTICE_UNPAID urgent']);
  assert.deepEqual(look(20, scene.bob), []);
  const grace = 14 * 24;
  assert.deepEqual(look(20 + grace), ['NOTICE_PAUSED urgent']);
  assert.equal(scene.receipt(1, 0, 20), undefined);
  const goneAt = 20 + grace + grace + 7 * 24;
  assert.deepEqual(look(goneAt), ['NOTICE_FORFEIT urgent']);
  assert.deepEqual(look(goneAt, scene.bob), ['NOTICE_TENANT_GONE info']);
  assert.deepEqual(look(goneAt, scene.eve), []);
});

test('each time at which money or a place comes to something else is known ahead', () => {
  const scene = new WalletScene();
  assert.equal(scene.rent(1, 7_200), undefined);
  scene.at(1);
  const seen: string[] = [];
  for (let n = 0; n < 8; n++) {
    const { againMs, findings } = moneyFindings(viewOf(scene, scene.ada));
    seen.push(...findings.map(({ code, severity }) => `${code} ${severity}`));
    if (againMs === undefined) break;
    assert.ok(againMs > scene.grid.at);
    scene.grid.at = againMs;
  }
  const short = 'NOTICE_PAID_SHORTLY';
  assert.deepEqual([...new Set(seen)].slice(0, 4), [
    ...[`${short} warning`, `${short} urgent`, 'NOTICE_UNPAID urgent', 'NOTICE_PAUSED urgent'],
  ]);
});

test('the end of a term is told to the owner, of contracts that run', () => {
  const dayMs = 86_400_000;
  const begin = new Scene().grid.at;
  const term = { fromMs: begin, untilMs: begin + 200 * dayMs, graceMs: dayMs };
  const scene = new Scene({ header: { term } }).begin();
  const look = (who = scene.ada) => shown(moneyFindings(viewOf(scene, who)));
  scene.grid.at = begin + 187 * dayMs;
  assert.deepEqual(look(), [], 'nothing of it runs');
  assert.equal(scene.run(1, [scene.nodes[0]]), undefined);
  assert.deepEqual(look(), ['NOTICE_TERM_ENDS warning']);
  assert.deepEqual(look(scene.bob), []);
  scene.grid.at = begin + 199 * dayMs;
  assert.deepEqual(look(), ['NOTICE_TERM_ENDS urgent']);
});

test('a word is waited for until it is said, or enough others said theirs', () => {
  const scene = new Scene({ signers: [1, 3, 4], min: 1 });
  const { ada, eve, dan, bob } = scene;
  const waits = (who: Actor) => wordFindings(viewOf(scene, who)).findings.map(({ about }) => about);
  assert.equal(scene.propose(), undefined);
  assert.deepEqual([ada, eve, dan, bob].map(waits), [
    ['provision'],
    ['provision'],
    ['provision'],
    [],
  ]);
  const [finding] = wordFindings(viewOf(scene, eve)).findings;
  assert.equal(finding?.next, `grid contract sign ${scene.plan.id} --bot eve`);
  assert.equal(finding.lastsMs, 0);
  assert.equal(scene.approve(eve), undefined);
  // One of three is enough for the line; the owner's own word is wanted beside it.
  assert.deepEqual([ada, eve, dan].map(waits), [['provision'], [], []]);
  // Words lapse: then they are waited for again.
  const { againMs = 0 } = wordFindings(viewOf(scene, dan));
  scene.grid.at = againMs;
  assert.deepEqual([eve, dan].map(waits), [['provision'], ['provision']]);
});

test('who said no is not asked again, and an end is asked of all once one wants it', () => {
  const scene = new Scene({ signers: [1, 3], min: 2 });
  const { ada, eve } = scene;
  const waits = (who: Actor) => wordFindings(viewOf(scene, who)).findings.map(({ about }) => about);
  scene.propose();
  assert.equal(scene.approve(eve, { verdict: 'reject' }), undefined);
  assert.deepEqual(waits(eve), []);
  assert.equal(scene.approve(eve), undefined);
  assert.equal(scene.approve(ada), undefined);
  assert.deepEqual([ada, eve].map(waits), [[], []]);
  const remove = scene.plan.approval(ada.id, {
    ...{ action: 'remove', expMs: scene.grid.at + 60_000 },
  });
  assert.equal(scene.grid.put('grid.approval.1', ada.device, remove).code, undefined);
  assert.deepEqual([ada, eve].map(waits), [[], ['remove']]);
});

test('moves are told once, with all that moved by one revision', () => {
  const scene = new Scene().begin();
  const [first, second, third] = scene.nodes;
  assert.equal(scene.run(1, [first]), undefined);
  const begun = moveFindings(viewOf(scene, scene.ada), new Map());
  assert.deepEqual(begun.findings, []);
  assert.deepEqual([...begun.told], [[scene.plan.id, 1]]);
  scene.slice(0, second, 2);
  assert.equal(scene.place(2, [second], { reason: 'heal' }), undefined);
  const moved = moveFindings(viewOf(scene, scene.ada), begun.told);
  assert.equal(moved.findings.length, 1);
  assert.match(moved.findings[0]?.message ?? '', / was moved \(heal\): shard\/0 from .+ to .+/);
  assert.deepEqual(moveFindings(viewOf(scene, scene.ada), moved.told).findings, []);
  scene.slice(0, third, 3);
  assert.equal(scene.place(3, [third], { reason: 'heal' }), undefined);
  const abouts = (told: ReadonlyMap<ContractId, number>) =>
    moveFindings(viewOf(scene, scene.ada), told).findings.map(({ about }) => about);
  assert.deepEqual([abouts(moved.told), abouts(begun.told)], [['3'], ['2', '3']]);
  assert.deepEqual(moveFindings(viewOf(scene, scene.bob), new Map()).findings, []);
});

test('what a controller waits for is told with its own code, another controller apart', () => {
  const scene = new Scene();
  const reason = { message: 'why', hint: 'do that', slots: ['web/0'] };
  const blocked = [
    { ...reason, code: 'HEAL_LEASE_TAKEN' as const },
    { ...reason, code: 'HEAL_LOCAL_DATA' as const },
    { ...reason, code: 'HEAL_RATE' as const },
  ];
  const contract = fakeId.contract(1);
  const found = blockedFindings(viewOf(scene, scene.ada), [{ contract, name: 'shop', blocked }]);
  assert.deepEqual(shown({ findings: found }), ['HEAL_LOCAL_DATA urgent', 'HEAL_RATE warning']);
  const [local, rate] = found;
  assert.ok(local !== undefined && rate !== undefined && local.lastsMs < rate.lastsMs);
  assert.equal(local.message, 'shop, web/0: why');
  assert.match(local.next, /^do that; grid contract status /);
  const stuck = [['web/0'], ['web/1']].map((slots) => {
    return { ...reason, slots, code: 'HEAL_RATE' as const };
  });
  const both = blockedFindings(viewOf(scene, scene.ada), [
    { contract, name: 'shop', blocked: stuck },
  ]);
  assert.equal(new Set(both.map(keyOf)).size, 2);
});
