import { GridError, isGridError } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';
import { checkMemberNames } from './chain.ts';
import type { Membership, SnapshotNote } from './chain.ts';
import { memberIdBytes, notEmpty } from './join-member.ts';
import { extentEntry, membershipEntry, openMembership, snapshotsEntry } from './notes.ts';
import type { OpenMember } from './roster.ts';
import { nextFence } from './take-over.ts';
import { TlogCipher } from './tlog-cipher.ts';
import { extentKey, identityKey, identityOf, membershipKey, snapshotsKey } from './tlog-member.ts';
import type { TlogMember } from './tlog-member.ts';

/** How long each member may take where all have to answer. */
export const everyMemberMs = 30_000;
/** Bytes of the id of a log. */
const logIdBytes = 16;

export interface LogPlace {
  /** 32 bytes: everything in the log is encrypted with keys that are made from it. */
  readonly metadataKey: Uint8Array;
  /** 2m + 1 names of members. */
  readonly members: readonly string[];
  readonly openMember: OpenMember;
}

/**
 * Begins a log in namespaces that are empty, all of which must answer. Two that do so at the same time
 * fence each other, so that one of them fails.
 * @param snapshot what it begins with, instead of nothing
 * @throws ZSTOR_CATALOG_NOT_EMPTY, ZSTOR_CATALOG_FENCED, ZSTOR_CATALOG_MEMBER_FAILED
 */
export async function foundLog(
  place: LogPlace,
  random: Random,
  snapshot?: SnapshotNote,
): Promise<void> {
  checkMemberNames(place.members);
  const logId = Buffer.from(random.bytes(logIdBytes));
  const cipher = new TlogCipher(place.metadataKey, logId);
  await using stack = new AsyncDisposableStack();
  const members = place.members.map((name) => stack.use(place.openMember(name, everyMemberMs)));
  const fences = await Promise.all(members.map((member) => member.fence()));
  const fence = nextFence(Math.max(...fences), random);
  await Promise.all(members.map((member) => bindEmpty(member, fence)));
  const who = members.map(({ name }) => {
    return { name, id: Buffer.from(random.bytes(memberIdBytes)).toString('hex') };
  });
  const index = snapshot?.index ?? 0;
  const note = membershipEntry(cipher, { index, members: who });
  const extent = extentEntry(cipher, { removedTo: index, filledTo: index });
  const begin = snapshot === undefined ? [] : [snapshotsEntry(cipher, [snapshot])];
  await Promise.all(
    members.map((member, i) => {
      const identity = { key: identityKey, value: identityOf(logId, who[i]?.id ?? '') };
      return member.put([identity, note, extent, ...begin]);
    }),
  );
}

/**
 * Goes on with a log whose founder ended on its way: members that are still empty get what the others
 * have. Only for a log that no head has served: of one that lost most of its members this would go on with
 * what the rest knows. Does nothing where a majority has begun: a take-over fills the others.
 * @throws ZSTOR_CATALOG_NOT_EMPTY, ZSTOR_CATALOG_FENCED, ZSTOR_CATALOG_MEMBER_FAILED
 */
export async function finishFounding(place: LogPlace, random: Random): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const members = place.members.map((name) => stack.use(place.openMember(name, everyMemberMs)));
  const notes = [membershipKey, extentKey, snapshotsKey];
  const answers = await Promise.allSettled(
    members.map((member) => member.get([identityKey, ...notes])),
  );
  const begun = answers
    .filter((answer) => answer.status === 'fulfilled')
    .map(({ value }) => value)
    .filter(([identity]) => identity !== undefined);
  const [identity, ...values] = begun[0] ?? [];
  const [membership] = values;
  if (identity === undefined || membership === undefined) return;
  if (begun.length > members.length / 2) return;
  const silent = answers.find((answer) => answer.status === 'rejected');
  if (silent !== undefined) throw silent.reason;
  const logId = identity.subarray(0, logIdBytes);
  const who = openMembership(new TlogCipher(place.metadataKey, logId), membership).members;
  const ids = new Map(who.map(({ name, id }) => [name, id]));
  const same = notes.flatMap((key, i) => {
    const value = values[i];
    return value === undefined ? [] : [{ key, value }];
  });
  const empty = members.filter((_, i) => {
    const answer = answers[i];
    return answer?.status === 'fulfilled' && answer.value[0] === undefined;
  });
  const fences = await Promise.all(members.map((member) => member.fence()));
  const fence = nextFence(Math.max(...fences), random);
  await Promise.all(empty.map((member) => bindEmpty(member, fence)));
  await Promise.all(
    empty.map((member) => {
      const value = identityOf(logId, ids.get(member.name) ?? '');
      return member.put([{ key: identityKey, value }, ...same]);
    }),
  );
}

export interface FoundLog {
  readonly logId: Buffer;
  /** The newest members that those who answered know. */
  readonly membership: Membership;
}

/**
 * Asks all members that are named for the log that they keep, and by whom else. One answer is enough
 * to begin with: a take-over finds newer members by itself.
 * @throws ZSTOR_CATALOG_LOG_FOREIGN when they keep different logs, or none;
 *   ZSTOR_CATALOG_NO_MAJORITY when nobody answers
 */
export async function findLog(place: LogPlace): Promise<FoundLog> {
  await using stack = new AsyncDisposableStack();
  const members = place.members.map((name) => stack.use(place.openMember(name)));
  const answers = await Promise.allSettled(
    members.map((member) => member.get([identityKey, membershipKey])),
  );
  let found: FoundLog | undefined;
  let answered = 0;
  for (const answer of answers) {
    if (answer.status === 'rejected') continue;
    answered++;
    const [identity, note] = answer.value;
    if (identity === undefined || note === undefined) continue;
    const logId = identity.subarray(0, logIdBytes);
    if (found !== undefined && !found.logId.equals(logId)) throw foreign('keep different logs');
    const membership = openMembership(new TlogCipher(place.metadataKey, logId), note);
    if (membership.index >= (found?.membership.index ?? 0)) found = { logId, membership };
  }
  if (found !== undefined) return found;
  if (answered > 0) throw foreign('keep no log yet');
  throw nobody(answers.find((answer) => answer.status === 'rejected')?.reason);
}

async function bindEmpty(member: TlogMember, fence: number): Promise<void> {
  try {
    await member.bind({ fence, identity: undefined, isNew: true });
  } catch (error) {
    throw isGridError(error, 'ZSTOR_CATALOG_MEMBER_WIPED') ? notEmpty(member.name) : error;
  }
}

function foreign(what: string): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_CATALOG_LOG_FOREIGN', `the members that are named ${what}`, {
    hint: 'correct their names, or begin a log in them',
  });
}

function nobody(cause: unknown): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_CATALOG_NO_MAJORITY', 'no member of the log answers', {
    hint: 'see whether their nodes are up',
    retryable: true,
    cause,
  });
}
