import { readFile } from 'node:fs/promises';
import { text as readAll } from 'node:stream/consumers';

import { errorCode, GridError } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';

import type { GridErrorCode } from '../../errors.ts';

/**
 * JSON from the command line, a file, or stdin.
 * @throws GRID_USAGE, GRID_FILE_UNREADABLE
 */
export async function readValue(
  argument: string | undefined,
  file: string | undefined,
): Promise<JsonValue> {
  if (argument !== undefined && file !== undefined) {
    throw usage('give the value or --file, not both');
  }
  return parseJson(argument ?? (await readText(file)), valueHint);
}

/** A file of JSON. @throws GRID_USAGE, GRID_FILE_UNREADABLE */
export async function readJsonFile(file: string): Promise<JsonValue> {
  return parseJson(await readText(file), `${file} is not the file that this command reads`);
}

async function readText(file: string | undefined): Promise<string> {
  if (file === undefined || file === '-') {
    if (process.stdin.isTTY) throw usage('give a value, --file, or pipe one in');
    return readAll(process.stdin);
  }
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const why = errorCode(error) ?? String(error);
    throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `cannot read ${file}: ${why}`, {
      hint: 'name a file that you may read',
      details: { file },
      cause: error,
    });
  }
}

const valueHint = `a value is JSON in quotes: '{"name":"Ada"}'`;

function parseJson(text: string, hint: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw usage(`this is no JSON: ${why}`, hint);
  }
}

function usage(message: string, hint: string = valueHint): GridError<GridErrorCode> {
  return new GridError('GRID_USAGE', message, { hint });
}
