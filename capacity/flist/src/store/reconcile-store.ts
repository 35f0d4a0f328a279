import { readFile, rm } from 'node:fs/promises';

import { isHashText } from '../sources/hash-text.ts';
import { fannedNames } from './fanned-folder.ts';
import type { ObjectFiles } from './object-files.ts';
import { ObjectLedger } from './object-ledger.ts';
import type { Entry, EntryKey } from './object-ledger.ts';
import type { ObjectId } from '../format/object-id.ts';

/** Bytes that are read again when a store is opened after a crash; what is beyond is removed. */
const rereadBytesMax = 1024 * 1024 * 1024;

const entriesAtOnce = 1_000;

/** Opens the ledger; begins a new one when it is damaged: then all files are judged anew. */
export async function openLedger(file: string): Promise<ObjectLedger> {
  try {
    return ObjectLedger.open(file);
  } catch {
    for (const ending of ['', '-wal', '-shm']) await rm(`${file}${ending}`, { force: true });
    return ObjectLedger.open(file);
  }
}

/**
 * Makes ledger and files agree after a crash; does nothing after a clean end.
 *
 * 1. After a crash of the machine, a file that was not synced may have other bytes: it is doubted.
 * 2. A file that is doubted, unknown, or not what it was, is verified, or removed.
 * 3. What the ledger knows and is not there is forgotten.
 *
 * @returns what the ledger knew and had other bytes: it was removed
 */
export async function reconcile(
  ledger: ObjectLedger,
  files: ObjectFiles,
  nowMs: number,
): Promise<readonly EntryKey[]> {
  const damaged: EntryKey[] = [];
  const boot = await bootId();
  const isSameBoot = ledger.getNote('boot') === boot;
  const wasClean = ledger.getNote('clean') === 'yes';
  ledger.setNote('clean', 'no');
  if (isSameBoot && wasClean) return damaged;
  if (!isSameBoot) ledger.doubtUnsettled();
  ledger.setNote('boot', boot);
  let rereadBytes = 0;
  for (const kind of ['object', 'chunk'] as const) {
    for await (const { name } of fannedNames(files.folders[kind])) {
      const key: EntryKey = { kind, name };
      const found = files.look(key);
      const isName = isHashText(name);
      if (isName && found !== undefined && ledger.get(key)?.stamp === found.stamp) continue;
      rereadBytes += found?.sizeBytes ?? 0;
      const isRead = isName && rereadBytes <= rereadBytesMax;
      if (isRead && (await adopt(ledger, files, key, nowMs))) continue;
      if (isRead && ledger.has(key)) damaged.push(key);
      files.remove(key);
      if (isName) ledger.remove(key);
    }
  }
  forgetMissing(ledger, files);
  return damaged;
}

/** Verifies a file and knows it from now on. False when it is not what its name says. */
async function adopt(
  ledger: ObjectLedger,
  files: ObjectFiles,
  key: EntryKey,
  lastUsedMs: number,
): Promise<boolean> {
  const before = files.look(key);
  const hashes = await files.verify(key);
  if (hashes === undefined || before === undefined) return false;
  ledger.transaction(() => {
    ledger.remove(key);
    ledger.put({ ...key, ...before, lastUsedMs });
    if (key.kind === 'chunk') return;
    const object = key.name as ObjectId;
    for (const [number, hash] of hashes.entries()) ledger.hold(hash, { object, number });
  });
  return true;
}

function forgetMissing(ledger: ObjectLedger, files: ObjectFiles): void {
  let page: Entry[] = ledger.page(undefined, entriesAtOnce);
  while (page.length > 0) {
    const missing = page.filter((entry) => files.look(entry)?.stamp !== entry.stamp);
    ledger.transaction(() => missing.forEach((entry) => ledger.remove(entry)));
    page = ledger.page(page.at(-1), entriesAtOnce);
  }
}

/** Changes with each start of the machine. */
async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}
