import assert from 'node:assert/strict';
import { hash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';

import { hasCode, tempFolder } from '@commongrid/base/testing';
import { generateWords, SealingKey, SigningKey, wordsToEntropy } from '@commongrid/crypto';

import { BackupKeys, openKeys, readPlace, writePlace } from '../src/backup/backup-keys.ts';
import { backupNames, readManifest, timeOf, writeManifest } from '../src/backup/backup-manifest.ts';
import type { BackupManifest } from '../src/backup/backup-manifest.ts';
import type { BackupPlace } from '../src/backup/backup-place.ts';
import { chunkBytes, ChunkWriter, readChunks } from '../src/backup/chunks.ts';
import { FolderPlace } from '../src/backup/folder-place.ts';
import { verifyBackup } from '../src/backup/open-backup.ts';
import { pruneBackups } from '../src/backup/prune-backups.ts';
import { openS3Place } from '../src/backup/s3-place.ts';
import { sealObject } from '../src/backup/sealed-object.ts';

const owner = SigningKey.generate();

function manifestWith(path: string): BackupManifest {
  const none = { sizeBytes: 0, sha256: hash('sha256', '', 'base64url'), chunks: [] };
  return {
    schema: 'grid.backup.1',
    atMs: Date.UTC(2026, 10, 22, 9, 8, 7, 654),
    log: 'log',
    owner: owner.publicKey.text,
    portBase: null,
    ledger: { ...none, records: 0 },
    files: [{ path, mode: 0o600, ...none }],
  };
}

async function* piecesOf(content: Buffer, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += pieceBytes) {
    yield content.subarray(at, at + pieceBytes);
  }
}

async function whole(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  return Buffer.concat(pieces);
}

test('words and passphrase open a place, others do not, and another grid may not use it', async () => {
  await using folder = await tempFolder('backup');
  const place = new FolderPlace(folder.path);
  const keys = new BackupKeys(randomBytes(32));
  const words = generateWords();
  const seal = SealingKey.derive(wordsToEntropy(words)).publicKey;
  assert.equal(await readPlace(place), undefined);
  await writePlace(place, keys, [await keys.sealTo(seal), await keys.lockBy('pass')]);
  const facts = await readPlace(place);
  assert.ok(facts !== undefined);
  for (const opener of [
    { kind: 'words', words },
    { kind: 'passphrase', passphrase: 'pass' },
  ] as const) {
    assert.deepEqual((await openKeys(place, facts, opener)).content, keys.content);
  }
  for (const opener of [
    { kind: 'words', words: generateWords() },
    { kind: 'passphrase', passphrase: 'Pass' },
  ] as const) {
    await assert.rejects(openKeys(place, facts, opener), hasCode('GRID_BACKUP_LOCKED'));
  }
  const others = { kind: 'key', key: randomBytes(32) } as const;
  await assert.rejects(openKeys(place, facts, others), hasCode('GRID_BACKUP_FOREIGN'));
});

test('a folder with something else in it takes no backups', async () => {
  await using folder = await tempFolder('backup');
  await writeFile(join(folder.path, 'letter'), 'to Anna');
  await assert.rejects(readPlace(new FolderPlace(folder.path)), hasCode('GRID_BACKUP_FOREIGN'));
  await writeFile(join(folder.path, 'grid-backup.json'), '{"schema":"grid.backup.place.2"}');
  await assert.rejects(readPlace(new FolderPlace(folder.path)), hasCode('GRID_BACKUP_FOREIGN'));
});

test('files of all sizes come back, and a chunk that is there is not stored again', async () => {
  await using folder = await tempFolder('backup');
  const place = new FolderPlace(folder.path);
  const keys = new BackupKeys(randomBytes(32));
  const writer = new ChunkWriter(place, keys, []);
  const content = Buffer.concat([randomBytes(chunkBytes + 1), Buffer.alloc(chunkBytes)]);
  const sizes = [0, 1, chunkBytes - 1, chunkBytes, chunkBytes + 1, content.length];
  for (const sizeBytes of sizes) {
    const part = content.subarray(0, sizeBytes);
    const stored = await writer.write(piecesOf(part, 1_000_003));
    await writer.settle();
    assert.equal(stored.sizeBytes, sizeBytes);
    assert.ok((await whole(readChunks(place, keys, stored))).equals(part));
  }
  const known = await writer.write(piecesOf(content, chunkBytes));
  const again = new ChunkWriter(place, keys, known.chunks);
  assert.deepEqual(await again.write(piecesOf(content, 77_777)), known);
  await again.settle();
  assert.equal(again.storedBytes, 0);
});

test('a chunk that was changed, exchanged or taken away is told, and gives nothing', async () => {
  await using folder = await tempFolder('backup');
  const place = new FolderPlace(folder.path);
  const keys = new BackupKeys(randomBytes(32));
  const writer = new ChunkWriter(place, keys, []);
  const stored = await writer.write(piecesOf(randomBytes(2 * chunkBytes), chunkBytes));
  await writer.settle();
  const [first = '', second = ''] = stored.chunks.map((id) => {
    return join(folder.path, 'chunks', id.slice(0, 2), id);
  });
  const bytes = await readFile(first);
  const refused = async (): Promise<void> => {
    await assert.rejects(whole(readChunks(place, keys, stored)), hasCode('GRID_BACKUP_DAMAGED'));
  };
  for (const at of [0, 8, 9, 30, bytes.length - 1]) {
    const changed = Buffer.from(bytes);
    changed.writeUInt8(changed.readUInt8(at) ^ 4, at);
    await writeFile(first, changed);
    await refused();
  }
  await writeFile(first, bytes.subarray(0, 20));
  await refused();
  await cp(second, first);
  await refused();
  await writeFile(first, bytes);
  assert.equal((await whole(readChunks(place, keys, stored))).length, 2 * chunkBytes);
  const shorter = { ...stored, chunks: stored.chunks.slice(1) };
  await assert.rejects(whole(readChunks(place, keys, shorter)), hasCode('GRID_BACKUP_DAMAGED'));
});

test('a manifest counts as its owner signed it, under its own name, and names files of the grid only', async () => {
  await using folder = await tempFolder('backup');
  const place = new FolderPlace(folder.path);
  const keys = new BackupKeys(randomBytes(32));
  const manifest = manifestWith('identity/owner-key');
  const name = await writeManifest(place, keys, manifest, { owner });
  assert.deepEqual(await backupNames(place), [name]);
  assert.equal(timeOf(name), manifest.atMs);
  assert.deepEqual(await readManifest(place, keys, name, owner.publicKey.text), manifest);
  const other = SigningKey.generate();
  await assert.rejects(
    readManifest(place, keys, name, other.publicKey.text),
    hasCode('GRID_BACKUP_DAMAGED'),
  );
  const forged = await writeManifest(place, keys, manifestWith('identity/other'), { owner: other });
  await assert.rejects(
    readManifest(place, keys, forged, undefined),
    hasCode('GRID_BACKUP_DAMAGED'),
  );
  const later = name.replace('2026', '2027');
  const at = (one: string): string => join(folder.path, 'backups', `${one}.manifest`);
  await cp(at(name), at(later));
  await assert.rejects(readManifest(place, keys, later, undefined), hasCode('GRID_BACKUP_DAMAGED'));
  const outside = await writeManifest(place, keys, manifestWith('../elsewhere'), { owner });
  await assert.rejects(
    readManifest(place, keys, outside, undefined),
    hasCode('GRID_BACKUP_DAMAGED'),
  );
  await assert.rejects(
    readManifest(place, keys, name.replace('2026', '2025'), undefined),
    hasCode('GRID_BACKUP_MISSING'),
  );
  assert.equal((await readdir(join(folder.path, 'backups'))).length, 4);
});

test('a manifest that nobody would read is not written', async () => {
  await using folder = await tempFolder('backup');
  const place = new FolderPlace(folder.path);
  const keys = new BackupKeys(randomBytes(32));
  const ids = Array.from({ length: 1_000 }, () => randomBytes(32).toString('hex'));
  const manifest = manifestWith('identity/owner-key');
  const large = { ...manifest, ledger: { ...manifest.ledger, chunks: ids } };
  for (const bytesMax of [10_000, JSON.stringify(large).length - 1]) {
    const writing = writeManifest(place, keys, large, { owner, bytesMax });
    await assert.rejects(writing, hasCode('GRID_BACKUP_TOO_LARGE'));
  }
  assert.deepEqual(await backupNames(place), []);
  await writeManifest(place, keys, large, { owner, bytesMax: JSON.stringify(large).length });
  assert.equal((await backupNames(place)).length, 1);
});

/** A place with a backup a day, each with a file of its own beside one that all have. */
async function daily(place: BackupPlace, keys: BackupKeys, days: number): Promise<string[]> {
  const names: string[] = [];
  const common = randomBytes(1_000);
  for (let day = 0; day < days; day += 1) {
    const writer = new ChunkWriter(place, keys, []);
    const contents = [common, randomBytes(1_000)];
    const stored = await Promise.all(contents.map((each) => writer.write(piecesOf(each, 300))));
    await writer.settle();
    const { files: _none, ...facts } = manifestWith('a');
    const files = stored.map(({ chunks, ...rest }, at) => {
      return { path: `file-${at}`, mode: 0o600, ...rest, chunks: [...chunks] };
    });
    const manifest = { ...facts, atMs: facts.atMs + day * 86_400_000, files };
    names.push(await writeManifest(place, keys, manifest, { owner }));
  }
  return names;
}

async function chunksIn(place: BackupPlace): Promise<number> {
  const fans = await place.list('chunks');
  const lists = await Promise.all(fans.map((fan) => place.list(`chunks/${fan}`)));
  return lists.flat().length;
}

test('older backups go with what they alone need, and those that stay are whole', async () => {
  await using folder = await tempFolder('backup');
  const place = new FolderPlace(folder.path);
  const keys = new BackupKeys(randomBytes(32));
  const [first = '', second = '', third = '', fourth = ''] = await daily(place, keys, 4);
  // One that was broken off left this.
  const broken = new ChunkWriter(place, keys, []);
  await broken.write(piecesOf(randomBytes(1_000), 1_000));
  await broken.settle();
  assert.equal(await chunksIn(place), 6);
  const by = { owner: owner.publicKey };
  // The clock was wrong when the others were made: what was just made stays all the same.
  assert.deepEqual(await pruneBackups(place, keys, { ...by, made: first, keep: 3 }), {
    backups: 1,
    chunks: 2,
  });
  assert.deepEqual(await backupNames(place), [fourth, third, first]);
  assert.equal(await chunksIn(place), 4);
  for (const name of [first, third, fourth]) {
    const manifest = await readManifest(place, keys, name, owner.publicKey.text);
    await verifyBackup({ place, keys, name, manifest });
  }
  const again = await pruneBackups(place, keys, { ...by, made: fourth, keep: 3 });
  assert.deepEqual(again, { backups: 0, chunks: 0 });
  const one = await pruneBackups(place, keys, { ...by, made: fourth, keep: 1 });
  assert.deepEqual(one, { backups: 2, chunks: 2 });
  await assert.rejects(
    readManifest(place, keys, second, undefined),
    hasCode('GRID_BACKUP_MISSING'),
  );
});

test('where one that is to stay cannot be read nothing is removed', async () => {
  await using folder = await tempFolder('backup');
  const place = new FolderPlace(folder.path);
  const keys = new BackupKeys(randomBytes(32));
  const names = await daily(place, keys, 3);
  const made = names.at(-1) ?? '';
  await writeFile(join(folder.path, 'backups', `${names[1]}.manifest`), 'damaged');
  const by = { owner: owner.publicKey, made };
  const pruning = pruneBackups(place, keys, { ...by, keep: 2 });
  await assert.rejects(pruning, hasCode('GRID_BACKUP_DAMAGED'));
  assert.equal((await backupNames(place)).length, 3);
  assert.equal(await chunksIn(place), 4);
  assert.deepEqual(await pruneBackups(place, keys, { ...by, keep: 1 }), { backups: 2, chunks: 2 });
});

test('what is in place of a manifest is told as damage, whatever it is', async () => {
  await using folder = await tempFolder('backup');
  const place = new FolderPlace(folder.path);
  const keys = new BackupKeys(randomBytes(32));
  const name = '2026-11-22T09-08-07-654Z-00000000';
  const file = join(folder.path, 'backups', `${name}.manifest`);
  await mkdir(join(folder.path, 'backups'));
  const refused = async (): Promise<void> => {
    for (const by of [undefined, owner.publicKey.text]) {
      const reading = readManifest(place, keys, name, by);
      await assert.rejects(reading, hasCode('GRID_BACKUP_DAMAGED'));
    }
  };
  const nobodys = JSON.stringify({ ...manifestWith('a'), owner: 'nobody' });
  for (const content of ['{"schema"', nobodys]) {
    const path = `backups/${name}.manifest`;
    const sealed = await sealObject(keys.content, path, Buffer.from(content));
    const signature = owner.sign('commongrid/backup/1', hash('sha256', sealed, 'buffer'));
    await writeFile(file, Buffer.concat([sealed, signature]));
    await refused();
  }
  await writeFile(file, 'short');
  await refused();
  // It takes no room on the disk.
  await truncate(file, 2 ** 33);
  await refused();
});

test('no more is read of an object than it may have, out of a folder and out of S3', async () => {
  await using folder = await tempFolder('backup');
  await writeFile(join(folder.path, 'object'), 'twelve bytes');
  await using stack = new AsyncDisposableStack();
  let asked = 0;
  const s3 = await s3Answering(stack, (request, response) => {
    asked += 1;
    if (request.url?.includes('list-type') === true) response.writeHead(403).end();
    else response.end('twelve bytes');
  });
  for (const place of [new FolderPlace(folder.path), s3]) {
    assert.equal((await place.get('object', 12))?.length, 12);
    await assert.rejects(place.get('object', 11), hasCode('GRID_BACKUP_DAMAGED'));
  }
  asked = 0;
  await assert.rejects(s3.list('backups'), { code: 'GRID_BACKUP_PLACE_FAILED', retryable: false });
  assert.equal(asked, 1);
});

async function s3Answering(
  stack: AsyncDisposableStack,
  answer: RequestListener,
): Promise<BackupPlace> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  stack.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const keys = { region: 'us-east-1', accessKey: 'key', secretKey: 'secret' };
  return openS3Place('s3://bucket/prefix', { endpoint: `http://127.0.0.1:${port}`, ...keys });
}
