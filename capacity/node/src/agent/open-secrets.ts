import { GridError, isGridError } from '@commongrid/base';
import { boxFromText, openBox } from '@commongrid/crypto';
import type { SealingKey } from '@commongrid/crypto';
import { secretBoxInfo, secretCommit } from '@commongrid/model';
import type { SealedAssignment, SecretOpening } from '@commongrid/model';
import type { NodeErrorCode } from '../errors.ts';

/**
 * Opens what is sealed to this node, and holds it to what the contract committed to.
 * @returns values by the name of the secret @throws NODE_SECRET_MISMATCH
 */
export async function openSecrets(
  key: SealingKey,
  log: string,
  { contract, secrets }: Pick<SealedAssignment, 'contract' | 'secrets'>,
): Promise<ReadonlyMap<string, string>> {
  const values = new Map<string, string>();
  for (const { name, box, commit } of secrets) {
    const opening = await open(key, box, secretBoxInfo(log, contract, name), name);
    if (secretCommit(opening) !== commit) throw mismatch(name, 'it is not what was signed for');
    values.set(name, opening.value);
  }
  return values;
}

async function open(
  key: SealingKey,
  box: string,
  info: Uint8Array,
  name: string,
): Promise<SecretOpening> {
  try {
    const bytes = await openBox(key, boxFromText(box), { info });
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (isOpening(value)) return value;
  } catch (error) {
    // What the box held must be in no message.
    throw mismatch(name, isGridError(error) ? error.code : 'it holds no secret');
  }
  throw mismatch(name, 'it holds no secret');
}

function isOpening(value: unknown): value is SecretOpening {
  if (typeof value !== 'object' || value === null) return false;
  const { salt, value: text } = value as Partial<Record<string, unknown>>;
  return typeof salt === 'string' && typeof text === 'string';
}

function mismatch(name: string, why: string): GridError<NodeErrorCode> {
  return new GridError('NODE_SECRET_MISMATCH', `secret ${name} cannot be used: ${why}`, {
    hint: 'seal it again to the key of this node',
    details: { name },
  });
}
