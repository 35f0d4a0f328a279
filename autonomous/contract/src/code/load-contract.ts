import { readFile } from 'node:fs/promises';
import { dirname, extname } from 'node:path';

import { errorCode } from '@commongrid/base';
import { isDraftFile, readDraft } from '../draft/draft-file.ts';
import type { DraftFile } from '../draft/draft-file.ts';
import { runContractCode, unreadable } from './run-contract-code.ts';
import type { RunCodeOptions } from './run-contract-code.ts';

/** What a file of a contract has: one that was built, or what is still to be built. */
export type LoadedContract =
  | { readonly is: 'draft'; readonly draft: DraftFile }
  | {
      readonly is: 'definition';
      readonly value: unknown;
      /** Where files that it names are looked for. */
      readonly folder: string;
      readonly printed: string;
    };

const codeEndings: ReadonlySet<string> = new Set(['.ts', '.mts', '.js', '.mjs']);

/**
 * Reads a contract out of JSON, or runs its code.
 * @throws CONTRACT_FILE_UNREADABLE, CONTRACT_DRAFT_INVALID, and what `runContractCode` throws
 */
export async function loadContract(
  path: string,
  options: RunCodeOptions = {},
): Promise<LoadedContract> {
  const folder = dirname(path);
  if (codeEndings.has(extname(path))) {
    return { is: 'definition', folder, ...(await runContractCode(path, options)) };
  }
  const value = await readJson(path);
  if (isDraftFile(value)) return { is: 'draft', draft: readDraft(value) };
  return { is: 'definition', value, folder, printed: '' };
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as unknown;
  } catch (cause) {
    const why = errorCode(cause) ?? (cause instanceof Error ? cause.message : String(cause));
    throw unreadable(path, why, cause);
  }
}
