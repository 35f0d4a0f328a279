import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode, tempFolder } from '@commongrid/base/testing';
import { defaultRules, readRules } from './farmer-rules.ts';
import { RuleFile } from './rule-file.ts';

test('what a rule file leaves out is as without one', () => {
  assert.deepEqual(readRules('{"schema": "grid.farmer.1"}'), defaultRules);
  const text = '{"schema": "grid.farmer.1", "counters": {"mostPercent": 3}}';
  assert.deepEqual(readRules(text).counters, { ...defaultRules.counters, mostPercent: 3 });
  for (const bad of [
    ...['{', '[]', '{}', '{"schema": "grid.farmer.2"}'],
    '{"schema": "grid.farmer.1", "price": 3}',
    '{"schema": "grid.farmer.1", "counters": {"mostPercent": 101}}',
    '{"schema": "grid.farmer.1", "terms": {"lockSeconds": 600}}',
    '{"schema": "grid.farmer.1", "prices": [{"currency": "EUR", "unitHours": 1, "cu": 5}]}',
  ]) {
    assert.throws(() => readRules(bad), hasCode('MARKET_RULES_INVALID'), bad);
  }
});

test('a file that breaks keeps the rules before it; one that was never whole sells nothing', async () => {
  await using folder = await tempFolder('rules');
  const path = join(folder.path, 'farmer.json');
  const file = new RuleFile(path);
  assert.deepEqual(await file.read(), { rules: defaultRules, fault: undefined });
  await writeFile(path, '{');
  const broken = await file.read();
  assert.deepEqual([broken.rules, broken.fault?.code], [defaultRules, 'MARKET_RULES_INVALID']);
  await writeFile(path, '{"schema": "grid.farmer.1", "limits": {"termDays": 7}}');
  assert.deepEqual(
    [(await file.read()).rules.limits.termDays, (await file.read()).fault],
    [7, undefined],
  );
  await writeFile(path, '{');
  assert.equal((await file.read()).rules.limits.termDays, 7);
  const anew = await new RuleFile(path).read();
  assert.deepEqual([anew.rules.isSelling, anew.fault?.code], [false, 'MARKET_RULES_INVALID']);
  await rm(path);
  assert.deepEqual(await file.read(), { rules: defaultRules, fault: undefined });
});
