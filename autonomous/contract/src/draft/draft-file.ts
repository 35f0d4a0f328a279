import { GridError, isGridError } from '@commongrid/base';
import { canonicalText } from '@commongrid/crypto';
import { contractIdOf, openingHash, parse, parseRole, secretCommit } from '@commongrid/model';
import type {
  Contract,
  ContractDraft,
  ContractId,
  ContractRoleOpening,
  SecretOpening,
} from '@commongrid/model';
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

/** A built contract as its file has it. */
export function draftFileOf({ draft, shards }: BuiltContract): DraftFile {
  const { id, header, openings } = draft;
  return {
    ...{ schema: draftSchema, id, header, openings },
    shards: Object.fromEntries(shards),
  };
}

/** Canonical JSON, and the end of a line. */
export function draftText(built: BuiltContract): string {
  return `${canonicalText(draftFileOf(built))}\n`;
}

/** Values and salts of its secrets, for a file of mode 600; undefined where it has none. */
export function secretsText({ draft }: BuiltContract): string | undefined {
  const file = secretsFile(draft);
  return file && `${canonicalText(file)}\n`;
}

/** The same as JSON. */
export function secretsFile({ id, secrets }: Pick<ContractDraft, 'id' | 'secrets'>) {
  if (secrets.size === 0) return undefined;
  const all: Readonly<Record<string, SecretOpening>> = Object.fromEntries(secrets);
  return { schema: secretsSchema, id, secrets: all };
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

/**
 * Values and salts in a file of secrets, once all of them are those that the contract commits to.
 * @throws CONTRACT_DRAFT_INVALID
 */
export function readSecrets(
  value: unknown,
  { id, header }: Pick<DraftFile, 'id' | 'header'>,
): ReadonlyMap<string, SecretOpening> {
  if (typeof value !== 'object' || value === null) throw invalid('it holds no secrets');
  const file = value as Readonly<Record<string, unknown>>;
  if (file['schema'] !== secretsSchema || file['id'] !== id) {
    throw invalid('its secrets are of another contract');
  }
  const given = new Map(Object.entries(file['secrets'] ?? {}) as [string, unknown][]);
  const openings = header.secrets.map(({ name, commit }) => {
    const opening = given.get(name);
    if (isOpening(opening) && secretCommit(opening) === commit) return [name, opening] as const;
    throw invalid(`secret ${name} is missing, or not the one that the header commits to`);
  });
  return new Map(openings);
}

function isOpening(value: unknown): value is SecretOpening {
  if (typeof value !== 'object' || value === null) return false;
  const { salt, value: secret } = value as Partial<Record<keyof SecretOpening, unknown>>;
  return typeof salt === 'string' && typeof secret === 'string';
}

function invalid(why: string): GridError<ContractErrorCode> {
  return new GridError('CONTRACT_DRAFT_INVALID', `the file is no contract: ${why}`, {
    hint: 'build it again: grid contract build',
  });
}
