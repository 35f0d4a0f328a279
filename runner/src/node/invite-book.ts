import { timingSafeEqual } from 'node:crypto';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { errorCode, GridError, isAtomicTemp, writeFileAtomic } from '@commongrid/base';
import type { FarmId, NodeId } from '@commongrid/model';

import type { GridErrorCode } from '../errors.ts';
import { inviteProof } from './join-token.ts';

/** What the owner keeps of an invitation: with it nobody can make the token again. */
export interface Invite {
  readonly schema: 'grid.invite.1';
  /** SHA-256 of the secret, base64url. */
  readonly secretHash: string;
  readonly log: string;
  readonly farm: FarmId;
  readonly expiresMs: number;
  /** The node that came by it: no other one can. */
  readonly node?: NodeId;
}

/** A node that wants to belong to a farm, and what it shows. */
export interface InvitedNode {
  readonly id: NodeId;
  readonly farm: string;
  readonly invite?: string | undefined;
}

/** Invitations of one owner, a file each. */
export class InviteBook {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async add(invite: Invite): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await writeFileAtomic(this.#pathOf(invite), `${JSON.stringify(invite)}\n`, { mode: 0o600 });
  }

  /** All of them, by their hash. @throws GRID_FILE_UNREADABLE */
  async list(): Promise<readonly Invite[]> {
    const names = await readdir(this.#folder).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return [];
      throw error;
    });
    const files = names.filter((name) => name.endsWith('.json') && !isAtomicTemp(name)).toSorted();
    return Promise.all(files.map((name) => readInvite(join(this.#folder, name))));
  }

  /**
   * The invitation by which a node came: of this log, for the farm that it names, not expired, and
   * not that of another node.
   */
  async inviteOf(node: InvitedNode, log: string, nowMs: number): Promise<Invite | undefined> {
    const { invite: proof } = node;
    if (proof === undefined) return undefined;
    return (await this.list()).find((invite) => {
      const isOwn = invite.node === undefined || invite.node === node.id;
      const isHere = invite.log === log && invite.farm === node.farm;
      return isOwn && isHere && invite.expiresMs > nowMs && isProofBy(invite, node.id, proof);
    });
  }

  /** Gives an invitation to a node, for good. Call it before the node is adopted. */
  async settle(invite: Invite, node: NodeId): Promise<void> {
    await this.add({ ...invite, node });
  }

  #pathOf({ secretHash }: Invite): string {
    return join(this.#folder, `${secretHash}.json`);
  }
}

function isProofBy({ secretHash, log }: Invite, node: NodeId, proof: string): boolean {
  const expected = Buffer.from(inviteProof(Buffer.from(secretHash, 'base64url'), log, node));
  const given = Buffer.from(proof);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

async function readInvite(path: string): Promise<Invite> {
  try {
    const invite: Invite = JSON.parse(await readFile(path, 'utf8'));
    if (invite.schema === 'grid.invite.1') return invite;
    throw new TypeError('it is of another version');
  } catch (error) {
    const why = errorCode(error) ?? (error instanceof Error ? error.message : String(error));
    throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `cannot read ${path}: ${why}`, {
      hint: 'remove it, and invite the node again: grid node invite',
      details: { path },
      cause: error,
    });
  }
}
