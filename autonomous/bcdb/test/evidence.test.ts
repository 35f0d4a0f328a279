import assert from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { GridError, silentLogger } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import type { BcdbErrorCode } from '../src/errors.ts';
import { Evidence } from '../src/sequencer/evidence.ts';
import { evidenceNames } from './support/evidence.ts';

function forked(message: string, isProven = false): GridError {
  return new GridError<BcdbErrorCode>('BCDB_LOG_FORKED', message, { details: { isProven } });
}

test('evidence is kept when somebody took older evidence away before a restart', async () => {
  await using folder = await tempFolder('bcdb-evidence');
  {
    const evidence = await Evidence.open(folder.path, silentLogger);
    evidence.keepContradiction(forked('first'), '');
    evidence.keepContradiction(forked('second'), '');
  }
  const [first] = (await evidenceNames(folder.path, 2)).toSorted();
  await rm(join(folder.path, first ?? ''));
  const evidence = await Evidence.open(folder.path, silentLogger);
  evidence.keepContradiction(forked('third'), '');
  const texts = (await evidenceNames(folder.path, 2)).map((name) =>
    readFile(join(folder.path, name), 'utf8'),
  );
  const kept = (await Promise.all(texts)).join('');
  assert.ok(kept.includes('second') && kept.includes('third'));
});

test('evidence that proves something has room when lies have filled theirs, also after a restart', async () => {
  await using folder = await tempFolder('bcdb-evidence');
  {
    const evidence = await Evidence.open(folder.path, silentLogger);
    for (let count = 0; count < 150; count++) evidence.keepContradiction(forked('a lie'), '');
    await evidenceNames(folder.path, 100);
  }
  const evidence = await Evidence.open(folder.path, silentLogger);
  evidence.keepContradiction(forked('one more lie'), '');
  evidence.keepContradiction(forked('proven', true), '');
  evidence.keepContradiction(new GridError<BcdbErrorCode>('BCDB_FEEDS_DIFFER', 'signed'), '');
  const names = await evidenceNames(folder.path, 102);
  assert.equal(names.filter((name) => name.startsWith('unproven-')).length, 100);
});
