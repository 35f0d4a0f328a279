import assert from 'node:assert/strict';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { hasCode, tempFolder } from '@commongrid/base/testing';
import { buildContract, draftFileOf, seededDraw, secretsText } from '@commongrid/contract';
import { SigningKey } from '@commongrid/crypto';
import type { KeyText } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';

import { givenOf, KeptContracts } from './kept-contracts.ts';

/** A contract with a secret, as its files have it. */
async function given(seed: number) {
  const built = await buildContract(
    {
      name: 'store',
      secrets: { admin: `word ${seed}` },
      roles: [{ name: 'shard', zdb: { size: '16MiB', password: 'admin' } }],
    },
    {
      ...{ log: fakeId.hash(1), owner: fakeId.bot(1), at: 1_700_000_000_000, folder: '/' },
      controller: SigningKey.generate().publicKey.text as KeyText,
      draw: seededDraw(new Uint8Array(32).fill(seed)),
      resolveImage: async () => '',
      findBot: async () => undefined,
      findSeal: async () => undefined,
    },
  );
  const secrets: unknown = JSON.parse(secretsText(built) ?? '');
  return { draft: draftFileOf(built), secrets };
}

test('papers are there after a restart, for their owner alone', async () => {
  await using folder = await tempFolder('kept-contracts');
  const first = await KeptContracts.open(folder.path);
  const only = [fakeId.node(1)];
  const { id } = await first.keep({ ...(await given(1)), only });
  await first.keep({ draft: first.of(id)?.draft, only });
  assert.equal(first.of(id)?.secrets.get('admin')?.value, 'word 1');
  const later = await KeptContracts.open(folder.path);
  assert.deepEqual(later.ids(), [id]);
  const kept = later.of(id);
  assert.equal(kept?.secrets.get('admin')?.value, 'word 1');
  assert.deepEqual([...(kept?.only ?? [])], only);
  const names = await readdir(folder.path);
  assert.deepEqual(names.toSorted(), [`${id}.json`, `${id}.nodes`, `${id}.secrets`]);
  for (const name of names) {
    assert.equal((await stat(join(folder.path, name))).mode & 0o777, 0o600, name);
  }
});

test('papers of a controller are kept as they were given', async () => {
  await using folder = await tempFolder('kept-contracts');
  await using other = await tempFolder('kept-contracts');
  const first = await KeptContracts.open(folder.path);
  const { id } = await first.keep({ ...(await given(1)), only: [fakeId.node(1)] });
  const paper = first.of(id);
  assert.ok(paper !== undefined);
  await (await KeptContracts.open(other.path)).keep(givenOf(paper));
  assert.deepEqual((await KeptContracts.open(other.path)).of(id), paper);
});

test('papers that are not what the id says are not taken, and not read', async () => {
  await using folder = await tempFolder('kept-contracts');
  const kept = await KeptContracts.open(folder.path);
  const [mine, other] = [await given(1), await given(2)];
  const invalid = hasCode('CONTRACT_DRAFT_INVALID');
  await assert.rejects(kept.keep({ draft: { ...mine.draft, id: other.draft.id } }), invalid);
  await assert.rejects(kept.keep({ ...mine, secrets: other.secrets }), invalid);
  const lie = { ...(mine.secrets as object), secrets: { admin: { salt: 'x', value: 'y' } } };
  await assert.rejects(kept.keep({ ...mine, secrets: lie }), invalid);
  assert.deepEqual(await readdir(folder.path), []);
  await kept.keep(mine);
  await kept.keep(other);
  await writeFile(join(folder.path, `${other.draft.id}.secrets`), JSON.stringify(mine.secrets));
  await writeFile(join(folder.path, `${fakeId.contract(3)}.json`), 'no JSON');
  assert.deepEqual((await KeptContracts.open(folder.path)).ids(), [mine.draft.id]);
});
