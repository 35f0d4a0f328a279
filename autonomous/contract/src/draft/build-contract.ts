import { boxToText, canonicalBytes, sealBox, SealingPublicKey } from '@commongrid/crypto';
import {
  contractIdOf,
  deriveSlice,
  draftContract,
  isFeasible,
  keeperBoxInfo,
  parse,
  replaceAfterMsMin,
} from '@commongrid/model';
import type {
  BotId,
  Contract,
  ContractDraft,
  ContractRole,
  ContractTerms,
  ControllerId,
  FlistDigest,
  KeyText,
  NodeId,
  SealingKeyText,
} from '@commongrid/model';
import { GridError, isGridError } from '@commongrid/base';
import type { DecidedAction } from '../definition/contract-definition.ts';
import { definitionFault, pathIn } from '../definition/fault.ts';
import type { ShardCode } from '../definition/read-role.ts';
import { readDefinition } from '../definition/read-definition.ts';
import type { ReadDefinition } from '../definition/read-definition.ts';
import type { ContractErrorCode } from '../errors.ts';
import { readSecretValues } from './secret-values.ts';

/** What a definition needs from around it to become a contract. */
export interface BuildParties {
  readonly log: string;
  /** Whoever builds it: the owner, and the bot or key that places for him, where it names no other. */
  readonly owner: BotId;
  readonly controller: ControllerId;
  /** Log time, ms since 1970. */
  readonly at: number;
  /** Folder of the definition: files of secrets are looked for from there. */
  readonly folder: string;
  /** So many random bytes. */
  readonly draw: (count: number) => Uint8Array;
  /** Digest of an image by its name in a hub. */
  readonly resolveImage: (name: string) => Promise<string>;
  /** The bot of that name or id; undefined where there is none. */
  readonly findBot: (name: string) => Promise<BotId | undefined>;
  /** To what secrets for this key of a bot are sealed; undefined where nobody lists it. */
  readonly findSeal: (key: string) => Promise<SealingKeyText | undefined>;
  /** What nodes hold a role to before they run it; throws what they would refuse it with. */
  readonly checkRole?: (wanted: {
    readonly role: ContractRole;
    readonly secrets: ReadonlyMap<string, string>;
  }) => void;
}

/** A contract that can be signed, and what its author said beside it. */
export interface BuiltContract {
  readonly draft: ContractDraft;
  /** Of roles whose replicas are shards: which of them give the data back. */
  readonly shards: ReadonlyMap<string, ShardCode>;
}

/** Log time may be behind the clock of whoever builds a contract, ms. */
const clockToleranceMs = 60_000;
const healDefault: Contract['heal'] = {
  ...{ suspectAfterMs: 3_000, replaceAfterMs: 10_000, maxPerHour: 8, mayMoveTo: {} },
};

/**
 * Makes a contract of what its author wrote. With the same bytes from `draw` it is the same, to its
 * id, unless secrets have keepers: those are sealed anew each time.
 * @throws CONTRACT_DEFINITION_INVALID, CONTRACT_PARTY_UNKNOWN, CONTRACT_FILE_UNREADABLE
 */
export async function buildContract(
  written: unknown,
  parties: BuildParties,
): Promise<BuiltContract> {
  const definition = readDefinition(written);
  const { name, fromMs = parties.at - clockToleranceMs, termMs, graceMs } = definition;
  const values = await readSecretValues(definition.secrets, parties);
  const roles = await Promise.all(
    definition.roles.map(({ role, image }) => withImage(role, image, parties)),
  );
  checkRoles(roles, values, parties);
  const heal = healOf(definition.heal, roles);
  const terms = await readTerms({ ...definition, heal }, parties);
  const draft = await withKeepers(
    draftContract({
      ...{ log: parties.log, name, controller: parties.controller, roles, secrets: values, terms },
      owner: await botOf(definition.owner, parties),
      term: { fromMs, untilMs: fromMs + termMs, graceMs },
      draw: parties.draw,
    }),
    definition.keepers,
    parties,
  );
  checkHeader(draft);
  const shards = definition.roles.flatMap(({ role, shards: code }) => {
    return code === undefined ? [] : [[role.name, code] as const];
  });
  return { draft, shards: new Map(shards) };
}

async function withImage(
  role: ContractRole,
  image: string | undefined,
  { resolveImage }: BuildParties,
): Promise<ContractRole> {
  const { container } = role.workload;
  if (image === undefined || container === undefined) return role;
  const flist = (await resolveImage(image)) as FlistDigest;
  return { ...role, workload: { ...role.workload, container: { ...container, flist } } };
}

function checkRoles(
  roles: readonly ContractRole[],
  secrets: ReadonlyMap<string, string>,
  { checkRole }: BuildParties,
): void {
  for (const [index, role] of roles.entries()) {
    try {
      checkRole?.({ role, secrets });
    } catch (error) {
      if (!isGridError(error)) throw error;
      throw definitionFault(`/roles/${index}`, error.message);
    }
  }
}

async function readTerms(
  definition: ReadDefinition & Pick<Contract, 'heal'>,
  parties: BuildParties,
): Promise<Partial<ContractTerms>> {
  const { networks, budget, heal, replaces, mayRollBack } = definition;
  const controllers = definition.controllers?.map((who) => controllerOf(who, parties));
  const policy = definition.policy && (await policyOf(definition.policy, parties));
  return {
    ...{ networks, heal },
    ...(controllers === undefined ? {} : { controllers: await Promise.all(controllers) }),
    ...(policy === undefined ? {} : { policy }),
    ...(budget === undefined ? {} : { budget }),
    ...(replaces === undefined ? {} : { replaces }),
    ...(mayRollBack === undefined ? {} : { mayRollBack }),
  };
}

/** A role that stops when it is cut off needs time for that before it is replaced. */
function healOf(given: ReadDefinition['heal'], roles: readonly ContractRole[]): Contract['heal'] {
  const heal = { ...healDefault, ...given };
  const least = new Map(
    roles
      .filter(({ onIsolation }) => onIsolation === 'stop')
      .map((role) => [role.name, replaceAfterMsMin(role)]),
  );
  if (given.replaceAfterMs === undefined) {
    return { ...heal, replaceAfterMs: Math.max(heal.replaceAfterMs, ...least.values()) };
  }
  for (const [name, ms] of least) {
    if (heal.replaceAfterMs >= ms) continue;
    const why = `role ${name} stops when it is cut off: it needs ${ms} at least, or less grace`;
    throw definitionFault('/heal/replaceAfterMs', why);
  }
  return heal;
}

async function policyOf(
  policy: NonNullable<ReadDefinition['policy']>,
  parties: BuildParties,
): Promise<Contract['policy']> {
  const linesOf = async (action: DecidedAction) => {
    const lines = await Promise.all(
      policy[action].map(async ({ role, signers, min }) => {
        return { role, min, signers: await Promise.all(signers.map((who) => botOf(who, parties))) };
      }),
    );
    const sets = lines.map(({ signers, ...line }) => ({ ...line, signers: new Set(signers) }));
    const hasTwins = new Set(lines.map(({ role }) => role)).size < lines.length;
    if (!hasTwins && isFeasible(sets)) return lines;
    throw definitionFault(`/policy/${action}`, 'these lines can never be met together');
  };
  const [provision = [], upgrade = [], remove = []] = await Promise.all([
    ...[linesOf('provision'), linesOf('upgrade'), linesOf('remove')],
  ]);
  return { provision, upgrade, remove };
}

async function botOf(name: string | undefined, { owner, findBot }: BuildParties): Promise<BotId> {
  if (name === undefined) return owner;
  const found = await findBot(name);
  if (found !== undefined) return found;
  throw unknownParty(`no bot is called ${name}`, name);
}

async function controllerOf(who: string, parties: BuildParties): Promise<ControllerId> {
  return who.startsWith('ed25519:') ? (who as KeyText) : botOf(who, parties);
}

async function withKeepers(
  draft: ContractDraft,
  keepers: readonly string[],
  { findSeal }: BuildParties,
): Promise<ContractDraft> {
  if (keepers.length === 0) return draft;
  const { log, nonce } = draft.header;
  const seals = await Promise.all(
    keepers.map(async (key) => {
      const seal = await findSeal(key);
      if (seal !== undefined) return { key: key as KeyText, seal: SealingPublicKey.fromText(seal) };
      throw unknownParty(`no bot lists a key ${key} to which can be sealed`, key);
    }),
  );
  const secrets = draft.header.secrets.map(async (secret) => {
    const opening = canonicalBytes({ ...draft.secrets.get(secret.name) });
    const info = keeperBoxInfo(log, nonce, secret.name);
    const boxes = seals.map(async ({ key, seal }) => {
      return { key, box: boxToText(await sealBox(seal, opening, { info })) };
    });
    return { ...secret, keepers: await Promise.all(boxes) };
  });
  const header = { ...draft.header, secrets: await Promise.all(secrets) };
  return { ...draft, header, id: contractIdOf(header) };
}

/** The record would be refused, or a replica get no address: better said now. */
function checkHeader({ header, openings, id }: ContractDraft): void {
  try {
    parse('grid.contract.1', header);
  } catch (error) {
    if (!isGridError(error, 'MODEL_RECORD_INVALID')) throw error;
    throw definitionFault(pathIn(error), error.message);
  }
  // Addresses do not depend on the node.
  const node = `node:${header.nonce}` as NodeId;
  for (const [index, opening] of openings.entries()) {
    const replica = opening.role.replicas - 1;
    if (deriveSlice(header, opening, { replica, node, revision: 1 }, id) !== undefined) continue;
    throw definitionFault(`/roles/${index}/networks`, 'a network has too few addresses for all');
  }
}

function unknownParty(message: string, name: string): GridError<ContractErrorCode> {
  return new GridError('CONTRACT_PARTY_UNKNOWN', message, {
    hint: 'correct the name, or let that bot append its record first',
    details: { name },
  });
}
