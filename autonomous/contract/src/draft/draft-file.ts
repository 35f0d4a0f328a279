import { GridError, isGridError } from '@commongrid/base';
import { canonicalText } from '@commongrid/crypto';
import { contractIdOf, openingHash, parse, parseRole } from '@commongrid/model';
import type { Contract, ContractId, ContractRoleOpening, SecretOpening } from '@commongrid/model';
import type { ShardCode } from '../definition/read-role.ts';
import type { ContractErrorCode } from '../errors.ts';
import type { BuiltContract } from './build-contract.ts';

/** A contract in a file: all that its stakeholders have to see, and no secret. */
export interface DraftFile {
  readonly schema: typeof draftSchema;
  readonly id: ContractId;
  readonly header: Contract;
  readonly openings: readonly ContractRoleOpening[];
  /** What its author said of roles whose replicas are shards. */
  readonly shards: Readonly<Record<string, ShardCode>>;
}

const draftSchema = 'grid.contract.draft.1';
const secretsSchema = 'grid.contract.secrets.1';

/** Canonical JSON, and the end of a line. */
export function draftText({ draft, shards }: BuiltContract): string {
  const { id, header, openings } = draft;
  const file: DraftFile = {
    ...{ schema: draftSchema, id, header, openings },
    shards: Object.fromEntries(shards),
  };
  return `${canonicalText(file)}\n`;
}

/** Values and salts of its secrets, for a file of mode 600; undefined where it has none. */
export function secretsText({ draft: { id, secrets } }: BuiltContract): string | undefined {
  if (secrets.size === 0) return undefined;
  const all: Readonly<Record<string, SecretOpening>> = Object.fromEntries(secrets);
  return `${canonicalText({ schema: secretsSchema, id, secrets: all })}\n`;
}

/** Whether a value claims to be such a file, so that it is no definition. */
export function isDraftFile(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && Reflect.get(value, 'schema') === draftSchema
  );
}

/**
 * The contract in a file, once it is what its id says: header and roles as they were hashed.
 * @throws CONTRACT_DRAFT_INVALID
 */
export function readDraft(value: unknown): DraftFile {
  try {
    return checkedDraft(value);
  } catch (error) {
    if (!isGridError(error, 'MODEL_RECORD_INVALID')) throw error;
    throw invalid(error.message);
  }
}

function checkedDraft(value: unknown): DraftFile {
  if (!isDraftFile(value)) throw invalid('it is no built contract');
  const { id, header: given, openings, shards = {} } = value as Partial<DraftFile>;
  const header = parse('grid.contract.1', given);
  if (contractIdOf(header) !== id) throw invalid('its header has another hash than its id');
  if (!Array.isArray(openings) || openings.length !== header.roles.length) {
    throw invalid('it does not have all of its roles');
  }
  for (const [index, opening] of (openings as ContractRoleOpening[]).entries()) {
    const { name = '', hash } = header.roles[index] ?? {};
    const role = parseRole(opening.role);
    if (openingHash(opening) === hash && role.name === name) continue;
    throw invalid(`role ${name} has another hash than the header says`);
  }
  return { schema: draftSchema, id, header, openings, shards };
}

function invalid(why: string): GridError<ContractErrorCode> {
  return new GridError('CONTRACT_DRAFT_INVALID', `the file is no contract: ${why}`, {
    hint: 'build it again: grid contract build',
  });
}
