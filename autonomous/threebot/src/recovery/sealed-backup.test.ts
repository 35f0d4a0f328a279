import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateWords, SealingKey, SigningKey, wordsToEntropy } from '@commongrid/crypto';
import fc from 'fast-check';
import { backupHash, openBackup, sealBackup } from './sealed-backup.ts';

const name = { log: 'L'.repeat(43), bot: `bot:${'B'.repeat(43)}` };
const words = generateWords();
const seal = SealingKey.derive(wordsToEntropy(words));
const device = SigningKey.generate();

function sealed(files: readonly { readonly path: string; readonly bytes: Uint8Array }[]) {
  return sealBackup({ ...name, atMs: 7 }, files, seal.publicKey, device);
}

test('the words alone open a backup, and give what went into it', async () => {
  const path = fc.stringMatching(/^[a-z]{1,8}(\/[a-z.-]{3,9})?$/);
  const file = fc.record({ path, bytes: fc.uint8Array({ maxLength: 2_000 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(file, { maxLength: 6 }), async (files) => {
      const bytes = await sealed(files);
      const again = SealingKey.derive(wordsToEntropy(words));
      const opened = await openBackup(bytes, again, name);
      assert.deepEqual([opened.atMs, opened.key], [7, device.publicKey.text]);
      const plain = opened.files.map((one) => ({ path: one.path, bytes: Array.from(one.bytes) }));
      assert.deepEqual(
        plain,
        files.map((one) => ({ path: one.path, bytes: Array.from(one.bytes) })),
      );
    }),
    { numRuns: 20 },
  );
});

test('a backup that is changed anywhere, of another bot or for other words is refused', async () => {
  const bytes = await sealed([{ path: 'bot.json', bytes: Buffer.from('secret text') }]);
  assert.ok(!Buffer.from(bytes).includes('secret text'));
  const refused = { code: 'BOT_BACKUP_INVALID' };
  for (let at = 0; at < bytes.length; at += 7) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.notEqual(backupHash(changed), backupHash(bytes));
    await assert.rejects(openBackup(changed, seal, name), refused, `byte ${at}`);
  }
  for (const length of [0, 10, 20, bytes.length - 1]) {
    await assert.rejects(openBackup(bytes.subarray(0, length), seal, name), refused);
  }
  await assert.rejects(openBackup(bytes, SealingKey.generate(), name), refused);
  await assert.rejects(openBackup(bytes, seal, { ...name, bot: `bot:${'C'.repeat(43)}` }), refused);
  await assert.rejects(openBackup(bytes, seal, { ...name, log: 'M'.repeat(43) }), refused);
});

test('a backup with a path that leads outside is refused', async () => {
  for (const path of ['../x', 'a/../../x', '/etc/x', 'a//b', '.']) {
    const bytes = await sealed([{ path, bytes: Buffer.from('x') }]);
    await assert.rejects(openBackup(bytes, seal, name), { code: 'BOT_BACKUP_INVALID' }, path);
  }
});
