import { stat } from 'node:fs/promises';

import { errorCode, readTextIfThere } from '@commongrid/base';

import type { GridHome } from '../home.ts';
import { secretFiles } from './secret-files.ts';

/** Takes secrets out of a text. */
export type Redact = (text: string) => string;

/** Shorter lines of a key file are no secret, characters. */
const secretCharactersMin = 6;

/** No secret is as large; a key file that is has something else in it, bytes. */
const fileBytesMax = 64 * 2 ** 10;
/** Secrets of a contract, all in one file, bytes. */
const contractBytesMax = 8 * 2 ** 20;

const instead = '[secret]';

/**
 * Takes out of texts every secret that the folder of a grid holds, wherever it came from. What is handed
 * to others goes through this, though nothing of the grid writes secrets there.
 */
export async function redactorOf(home: GridHome): Promise<Redact> {
  const files = (await secretFiles(home)).filter((file) => !isOpenToRead(file));
  const found = await Promise.all(files.map(secretsIn));
  const asWritten = found.flat().flatMap((secret) => [secret, inJson(secret)]);
  const secrets = [...new Set(asWritten)].toSorted((a, b) => b.length - a.length);
  return (text) => secrets.reduce((rest, secret) => rest.replaceAll(secret, instead), text);
}

/** As it stands in a line of a log. */
function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** Papers beside secrets: contracts, hashes of invitations, certificates. */
function isOpenToRead(file: string): boolean {
  return /(?:\.json|\.nodes|cert\.pem)$/.test(file);
}

async function secretsIn(file: string): Promise<readonly string[]> {
  const bytesMax = file.endsWith('.secrets') ? contractBytesMax : fileBytesMax;
  if ((await sizeOf(file)) > bytesMax) return [];
  const text = (await readTextIfThere(file)) ?? '';
  const parts = [text.trim(), ...text.split('\n').map((line) => line.trim()), ...stringsOf(text)];
  return parts.filter((part) => part.length >= secretCharactersMin);
}

/** Zero where it is gone: what runs beside removes files of its own. */
async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 0;
    throw error;
  }
}

/** Each text in a value of JSON; none of what is no JSON. */
function stringsOf(text: string): readonly string[] {
  const strings: string[] = [];
  try {
    JSON.parse(text, (_name, value: unknown) => {
      if (typeof value === 'string') strings.push(value);
      return value;
    });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return strings;
}
