import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { seededDraw } from '../src/draft/seeded-draw.ts';
import { verifyAudit } from '../src/audit/audit-contract.ts';
import { buildContract } from '../src/draft/build-contract.ts';
import { draftText, readDraft } from '../src/draft/draft-file.ts';
import { builtDefinition, builtParties } from './fixtures/built-definition.ts';

/** Files that an earlier release wrote: they stay as they are, and later releases read them. */
const fixture = (name: string): Promise<Buffer> =>
  readFile(new URL(`fixtures/${name}`, import.meta.url));

test('an audit that an earlier release wrote is verified, and says the same as then', async () => {
  const trust = {
    log: 'kvAtb6vNQzuBWowFSZIXXPnU2_wQ5XF7Y5so-rI6LCc',
    sequencerKey: 'ed25519:pa6SPuNIwNva76jvxMeR1dwCrCd8brTEIfzQyBu9zGk',
  };
  const { report, log, head, toldCount, withheldCount } = verifyAudit(
    await fixture('audit-1.json'),
    trust,
  );
  assert.equal(log, trust.log);
  assert.deepEqual([head.size, toldCount, withheldCount], [75, 55, 1]);
  assert.deepEqual(report.money.totals, [
    { currency: 'EUR', funded: '400', released: '1', refunded: '399', held: '0' },
  ]);
  assert.deepEqual(
    report.signatures.map(({ name, action, verdict }) => `${name} ${action} ${verdict}`),
    ['ada provision approve', 'eve provision approve', 'eve halt approve', 'eve halt reject'],
  );
  assert.equal(report.records.length, 19);
});

test('a contract that an earlier release built has the same id, and is built to the same bytes', async () => {
  const text = (await fixture('contract-1.json')).toString('utf8');
  const { id, header } = readDraft(JSON.parse(text) as unknown);
  assert.equal(id, 'contract:8rMyR0wYA4diO9-MJArQ9jwGmDm5G8Baw3yA0vs2rPo');
  assert.deepEqual(
    header.roles.map(({ name }) => name),
    ['store', 'data', 'web'],
  );
  const draw = seededDraw(new Uint8Array(32).fill(7));
  const built = await buildContract(builtDefinition, { ...builtParties, draw });
  assert.equal(draftText(built), text);
});
