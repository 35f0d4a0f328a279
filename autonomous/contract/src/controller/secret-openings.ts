import { keeperBoxInfo, secretCommit, secretsOf } from '@commongrid/model';
import type { Contract, ContractRole, SecretOpening } from '@commongrid/model';
import type { ContractPaper } from './ports.ts';

/** Secrets of some roles, as far as they can be had. */
export interface SecretOpenings {
  readonly found: ReadonlyMap<string, SecretOpening>;
  /** Names of those that are neither kept here nor sealed to a keeper that is here. */
  readonly missing: readonly string[];
}

/** Takes secrets from what the bot keeps, or opens the boxes of the header; each is held to its commit. */
export async function openSecrets(
  header: Contract,
  roles: readonly ContractRole[],
  paper: ContractPaper,
): Promise<SecretOpenings> {
  const names = new Set(roles.flatMap((role) => secretsOf(role)));
  const found = new Map<string, SecretOpening>();
  for (const name of names) {
    const secret = header.secrets.find((one) => one.name === name);
    if (secret === undefined) continue;
    const kept = paper.secrets.get(name);
    const isKept = kept !== undefined && secretCommit(kept) === secret.commit;
    const opening = isKept ? kept : await openKept(header, secret, paper);
    if (opening !== undefined) found.set(name, opening);
  }
  return { found, missing: [...names].filter((name) => !found.has(name)) };
}

async function openKept(
  { log, nonce }: Contract,
  { name, commit, keepers }: Contract['secrets'][number],
  paper: ContractPaper,
): Promise<SecretOpening | undefined> {
  const info = keeperBoxInfo(log, nonce, name);
  for (const { key, box } of keepers) {
    const bytes = await paper.openKept?.(key, box, info);
    const opening = bytes && readOpening(bytes);
    if (opening !== undefined && secretCommit(opening) === commit) return opening;
  }
  return undefined;
}

function readOpening(bytes: Uint8Array): SecretOpening | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    const { salt, value: text } = value as Partial<Record<keyof SecretOpening, unknown>>;
    return typeof salt === 'string' && typeof text === 'string' ? { salt, value: text } : undefined;
  } catch {
    // Whoever made the box put something else in it.
    return undefined;
  }
}
