import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { errorCode, GridError } from '@commongrid/base';
import { secretCharactersMax } from '@commongrid/model';
import type { SecretDefinition } from '../definition/contract-definition.ts';
import { definitionFault } from '../definition/fault.ts';
import type { ContractErrorCode } from '../errors.ts';

/** Values of secrets by name: as they were written, out of files, or drawn. */
export async function readSecretValues(
  secrets: ReadonlyMap<string, SecretDefinition>,
  { folder, draw }: { readonly folder: string; readonly draw: (count: number) => Uint8Array },
): Promise<ReadonlyMap<string, string>> {
  const values = new Map<string, string>();
  // One after another: what is drawn comes in the order in which it is written.
  for (const [name, secret] of secrets) {
    if (typeof secret === 'string') values.set(name, secret);
    else if ('file' in secret) values.set(name, await valueIn(resolve(folder, secret.file), name));
    else values.set(name, drawn(secret.generate, draw));
  }
  return values;
}

/** Without the end of its line. */
async function valueIn(path: string, name: string): Promise<string> {
  let value: string;
  try {
    value = (await readFile(path, 'utf8')).replace(/\n$/, '');
  } catch (cause) {
    const why = errorCode(cause) ?? String(cause);
    throw new GridError<ContractErrorCode>(
      'CONTRACT_FILE_UNREADABLE',
      `cannot read ${path}, which has the secret ${name}: ${why}`,
      { hint: `put the secret into ${path}, or name another file`, details: { path }, cause },
    );
  }
  if (value.length <= secretCharactersMax) return value;
  throw definitionFault(
    `/secrets/${name}`,
    `${path} has ${value.length} characters, ${secretCharactersMax} at most are a secret`,
  );
}

function drawn(characters: number, draw: (count: number) => Uint8Array): string {
  const bytes = draw(Math.ceil((characters * 3) / 4));
  return bytes.toBase64({ alphabet: 'base64url', omitPadding: true }).slice(0, characters);
}
