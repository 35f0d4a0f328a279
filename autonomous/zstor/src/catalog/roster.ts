import { closeOnce } from '@commongrid/base';
import type { MemberName, Membership } from './chain.ts';
import { MemberLink } from './member-link.ts';
import type { TlogMember } from './tlog-member.ts';

/**
 * Opens a member by its name. Called again for the same name once the former is closed.
 * @param timeoutMs how long it may take for an answer; default: what the log, which a majority keeps, waits
 */
export type OpenMember = (name: string, timeoutMs?: number) => TlogMember;

/** The links to all members that were ever needed, one for each id. */
export class Roster implements AsyncDisposable {
  readonly #open: OpenMember;
  readonly #logId: Buffer;
  readonly #links = new Map<string, MemberLink>();

  constructor(open: OpenMember, logId: Buffer) {
    this.#open = open;
    this.#logId = logId;
  }

  link(who: MemberName): MemberLink {
    let link = this.#links.get(who.id);
    if (link === undefined) {
      link = new MemberLink(who, this.#open(who.name), this.#logId);
      this.#links.set(who.id, link);
    }
    return link;
  }

  group(membership: Membership): readonly MemberLink[] {
    return membership.members.map((who) => this.link(who));
  }

  readonly close: () => Promise<void> = closeOnce(async () => {
    await Promise.all([...this.#links.values()].map((link) => link.member.close()));
  });

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
