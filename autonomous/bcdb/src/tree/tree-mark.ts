import path from 'node:path';
import { errorCode } from '@commongrid/base';
import { makeFile, readWhole } from '@commongrid/files';
import type { Files } from '@commongrid/files';
import type { LogHead } from '../log/log-engine.ts';
import { fromBase64url, toBase64url } from './base64.ts';
import { hashBytes } from './merkle.ts';

const nameOfMark = 'synced';

/** Says up to where the hashes are on disk: `commongrid-bcdb-tree 1 <size> <root>`. */
export async function writeMark(files: Files, folder: string, head: LogHead): Promise<void> {
  const line = `commongrid-bcdb-tree 1 ${head.size} ${toBase64url(head.root)}\n`;
  await makeFile(files, path.join(folder, nameOfMark), Buffer.from(line, 'latin1'));
}

/** Makes the next start read the whole log. */
export function removeMark(files: Files, folder: string): void {
  try {
    files.unlinkSync(path.join(folder, nameOfMark));
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

/** Undefined where there is none, or none that this program knows. */
export function readMark(files: Files, folder: string): LogHead | undefined {
  const fields = pattern.exec(readText(files, path.join(folder, nameOfMark)))?.groups;
  const size = Number(fields?.['size']);
  const root = fromBase64url(fields?.['root'] ?? '');
  if (!Number.isSafeInteger(size) || root?.length !== hashBytes) return undefined;
  return { size, root };
}

const pattern = /^commongrid-bcdb-tree 1 (?<size>0|[1-9]\d{0,15}) (?<root>[\w-]{43})\n$/;

function readText(files: Files, target: string): string {
  try {
    return readWhole(files, target).toString('latin1');
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    return '';
  }
}
