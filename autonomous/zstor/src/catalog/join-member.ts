import { GridError } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';
import type { Membership } from './chain.ts';
import type { MemberLink } from './member-link.ts';
import { extentEntry } from './notes.ts';
import type { OpenMember, Roster } from './roster.ts';
import type { TlogCipher } from './tlog-cipher.ts';
import { identityKey, identityOf } from './tlog-member.ts';

/** Bytes of the id of a member. */
export const memberIdBytes = 16;

interface Joining {
  readonly name: string;
  readonly fence: number;
  /** The log begins after this. */
  readonly removedTo: number;
  readonly known: Membership;
}

/**
 * Makes a namespace ready to be a member: it gets an id of its own. What is in it must be nothing,
 * or of a former member of this log.
 * @throws ZSTOR_CATALOG_NOT_EMPTY, ZSTOR_CATALOG_MEMBER_FAILED
 */
export async function joinMember(
  options: {
    readonly cipher: TlogCipher;
    readonly openMember: OpenMember;
    readonly random: Random;
  },
  roster: Roster,
  { name, fence, removedTo, known }: Joining,
): Promise<MemberLink> {
  const { cipher, random } = options;
  const { logId } = cipher;
  const id = Buffer.from(random.bytes(memberIdBytes)).toString('hex');
  await using namespace = options.openMember(name);
  const [found] = await namespace.get([identityKey]);
  const isMember = known.members.some((who) => found?.equals(identityOf(logId, who.id)));
  if (isMember || (found !== undefined && !found.subarray(0, logId.length).equals(logId))) {
    throw notEmpty(name);
  }
  await namespace.bind({ fence, identity: found });
  await namespace.put([
    { key: identityKey, value: identityOf(logId, id) },
    extentEntry(cipher, { removedTo, filledTo: removedTo }),
  ]);
  const link = roster.link({ name, id });
  await link.bind(fence);
  return link;
}

/** A namespace is in use. */
export function notEmpty(name: string): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_CATALOG_NOT_EMPTY', `${name} is in use as a member of a log`, {
    hint: 'name a namespace that is empty',
    details: { member: name },
  });
}
