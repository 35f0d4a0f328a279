import { GridError } from '@commongrid/base';
import type { ContractErrorCode } from '../errors.ts';

/** What is wrong in a definition, and where. @param path such as `/roles/0/container/ports` */
export function definitionFault(path: string, why: string): GridError<ContractErrorCode> {
  const place = path === '' ? 'the contract' : path;
  return new GridError('CONTRACT_DEFINITION_INVALID', `${place}: ${why}`, {
    hint: `correct ${place}; autonomous/contract/README.md says what a contract has`,
    details: { path },
  });
}

export type Members = Readonly<Record<string, unknown>>;

/** @throws CONTRACT_DEFINITION_INVALID unless it is an object with no other members than these */
export function membersOf(value: unknown, path: string, known: readonly string[]): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw definitionFault(path, 'it is no object');
  }
  const strange = Object.keys(value).find((key) => !known.includes(key));
  if (strange === undefined) return value as Members;
  throw definitionFault(
    `${path}/${strange}`,
    `there is no such member; there are ${known.join(', ')}`,
  );
}

/** The list under a member; none where it is not there. @throws CONTRACT_DEFINITION_INVALID */
export function listOf(value: unknown, path: string): readonly unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  throw definitionFault(path, 'it is no list');
}

/** @throws CONTRACT_DEFINITION_INVALID */
export function textOf(value: unknown, path: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw definitionFault(path, 'a text is missing');
}

/** @throws CONTRACT_DEFINITION_INVALID */
export function wholeOf(value: unknown, path: string, min: number, max: number): number {
  if (Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max) {
    return Number(value);
  }
  throw definitionFault(path, `give a whole number from ${min} to ${max}`);
}

/** Where the model found a fault in a value, as it says itself. */
export function pathIn({ details: { path } }: GridError): string {
  return typeof path === 'string' ? path : '';
}
