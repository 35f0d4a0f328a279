import { GridError, isGridError } from '@commongrid/base';

import type { GridErrorCode } from '../../errors.ts';

interface Refusal {
  readonly text: RegExp;
  readonly code: GridErrorCode;
  readonly hint: string;
}

/** What the errors of a Zero-DB, which are sentences, mean to a script. */
const refusals: readonly Refusal[] = [
  {
    text: /^(Namespace not found|This namespace doesn't exists)$/,
    code: 'GRID_NAMESPACE_UNKNOWN',
    hint: './grid zdb ns list',
  },
  {
    text: /^This namespace is not available$/,
    code: 'GRID_NAMESPACE_EXISTS',
    hint: 'choose another name; ./grid zdb ns list shows those in use',
  },
  {
    text: /^Authentication disabled$/,
    code: 'GRID_SERVER_DENIED',
    hint: 'the server has no password: leave --password-file out',
  },
  {
    text: /^Namespace protected and private$/,
    code: 'GRID_SERVER_DENIED',
    hint: 'name the file with its password: --namespace-password-file',
  },
  {
    text: /^(Permission denied|Access denied|Password too long)$/,
    code: 'GRID_SERVER_DENIED',
    hint: 'name the file with the right password: --password-file',
  },
  {
    text: /^(Not enough free disk space|No space left)/,
    code: 'GRID_SERVER_FULL',
    hint: 'ask for less, or make room: ./grid zdb compact',
  },
  {
    text: /^(Invalid property|Invalid value|This name is not allowed|Namespace too long)/,
    code: 'GRID_USAGE',
    hint: './grid zdb ns --help',
  },
  {
    text: /^(Fenced|Namespace is |Cannot change mode|Cannot update default|not promoted)/,
    code: 'GRID_SERVER_CONFLICT',
    hint: 'look at its state: ./grid zdb info, ./grid zdb ns list',
  },
];

/** The error of a server as one with a code and a next step; any other error as it is. */
export function refusalOf(error: unknown): unknown {
  if (!isGridError(error, 'RESP_REPLY_ERROR')) return error;
  const known = refusals.find(({ text }) => text.test(error.message));
  if (known === undefined) return error;
  const { code, hint } = known;
  return new GridError<GridErrorCode>(code, error.message, { hint, cause: error });
}
