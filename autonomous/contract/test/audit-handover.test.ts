import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { applyHandover, Bcdb, signHandover, stateHandover } from '@commongrid/bcdb';
import type { Trust } from '@commongrid/bcdb/browser';
import { hasCode, tempFolder } from '@commongrid/base/testing';
import { ticked, Town, TownSource } from '@commongrid/bcdb/testing';
import { canonicalText, SigningKey } from '@commongrid/crypto';

import { auditContract, verifyAudit } from '../src/audit/audit-contract.ts';

test('an audit goes over a handover of the log, and shows who handed it over', async () => {
  await using folder = await tempFolder('audit-handover');
  const dataDir = join(folder.path, 'log');
  const owner = SigningKey.generate();
  let bcdb = await Bcdb.open({ dataDir, owner });
  const town = await Town.found(bcdb);
  const ada = await town.citizen('ada');
  const contract = await town.contract(ada, [ada], 1);
  const approval = town.planOf(contract).plan.approval(ada.id, { action: 'halt' });
  const first: Trust = { log: bcdb.log, sequencerKey: bcdb.genesis.sequencer };
  await bcdb.close();
  const { statement } = await stateHandover(dataDir);
  const signed = signHandover({ statement, signatures: [] }, owner);
  await applyHandover(dataDir, [signed]);

  bcdb = await Bcdb.open({ dataDir, owner });
  await using _closing = { [Symbol.asyncDispose]: () => bcdb.close() };
  const after = await Town.found(bcdb);
  await after.put('grid.approval.1', ada.device, approval);
  await ticked(bcdb);
  const source = new TownSource(bcdb);
  const signal = AbortSignal.timeout(60_000);
  const { text } = await auditContract({ source, trust: first, reader: ada.id, contract, signal });

  const bytes = new TextEncoder().encode(text);
  const second: Trust = { log: first.log, sequencerKey: statement.sequencer };
  for (const trust of [first, second, undefined]) {
    const { report, sequencer } = verifyAudit(bytes, trust);
    assert.equal(sequencer, first.sequencerKey);
    assert.deepEqual(
      report.signatures.map(({ action }) => action),
      ['provision', 'halt'],
    );
  }
  const stranger = { ...first, sequencerKey: SigningKey.generate().publicKey.text };
  assert.throws(() => verifyAudit(bytes, stranger), hasCode('AUDIT_TRUST_DIFFERS'));
  const file = JSON.parse(text) as { succession: { handovers: { signatures: object[] }[] } };
  for (const handover of file.succession.handovers) handover.signatures = [];
  const unsigned = new TextEncoder().encode(`${canonicalText(file)}\n`);
  assert.throws(() => verifyAudit(unsigned, first), hasCode('AUDIT_TRUST_DIFFERS'));
});
