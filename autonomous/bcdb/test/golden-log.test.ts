import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { entryOf } from '../src/offline/export-line.ts';
import type { ExportRecord } from '../src/offline/export-line.ts';
import { checkRecord } from '../src/record/checked-record.ts';
import type { Genesis } from '../src/record/genesis.ts';
import { logIdOf } from '../src/record/genesis.ts';
import { Fold, logRecord } from '../src/state/fold.ts';
import { LayeredStore } from '../src/state/layered-store.ts';
import { StateView } from '../src/state/state-view.ts';
import { hadEmptyHead } from '../src/testing/fold-world.ts';
import { toBase64url } from '../src/tree/base64.ts';
import { counterUrl, counterValidators, counterWorld } from './support/counter-rules.ts';

interface GoldenRecord extends ExportRecord {
  readonly code?: string;
  readonly digest: string;
}

const golden = await readFile(new URL('golden/counter-1.jsonl', import.meta.url), 'utf8');
const [head = '', ...lines] = golden.trimEnd().split('\n');
const { genesis } = JSON.parse(head) as { readonly genesis: Genesis };
const records = lines.map((line) => JSON.parse(line) as GoldenRecord);

test('the rules come to the same verdicts and the same state as when they were released', () => {
  using store = LayeredStore.open(':memory:');
  const fold = new Fold({
    view: new StateView(store),
    log: toBase64url(logIdOf(genesis)),
    genesis,
    hadHead: hadEmptyHead,
    validators: counterValidators,
  });
  let seq = 0;
  for (const { code, digest, ...line } of records) {
    const { refusal } = fold.judge(logRecord(checkRecord(entryOf(line)), seq));
    assert.equal(refusal?.code, code, refusal?.message ?? 'it was let in');
    assert.equal(fold.digest, digest);
    if (refusal === undefined) seq++;
  }
  assert.deepEqual(
    new Set(records.map(({ code }) => code)),
    new Set([
      undefined,
      'BCDB_RULE_BROKEN',
      'BCDB_DENIED',
      'BCDB_SEEN_MISSING',
      'BCDB_FORKED_VIEW',
    ]),
  );
});

test('a namespace whose rules are not known takes nothing, and says which they are', () => {
  using world = counterWorld(new Map());
  const said = world.say(world.admin, { url: counterUrl, obj: 'a', value: { count: 1 } });
  assert.equal(said.code, 'BCDB_VALIDATOR_UNKNOWN');
  assert.equal(said.refusal?.details['validator'], 'counter@1');
});
