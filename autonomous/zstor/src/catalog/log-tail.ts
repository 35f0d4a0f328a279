import type { Clock } from '@commongrid/base';
import { chooseChain } from './chain.ts';
import type { Membership } from './chain.ts';
import { LogReader } from './log-reader.ts';
import { askMajority } from './majority.ts';
import { openMembership, openSnapshots } from './notes.ts';
import { Roster } from './roster.ts';
import type { OpenMember } from './roster.ts';
import { loadWhenBehind } from './take-over.ts';
import type { LogApplier } from './take-over.ts';
import type { TlogCipher } from './tlog-cipher.ts';
import { membershipKey, snapshotsKey } from './tlog-member.ts';

/** How long members may take to tell what they note. */
const notesTimeoutMs = 4_000;

/**
 * Follows the log without a part in it: applies what is known to be decided. A record says up to where
 * all before it is on a majority, and its hash says which records those are.
 */
export class LogTail implements AsyncDisposable {
  readonly #cipher: TlogCipher;
  readonly #roster: Roster;
  readonly #reader: LogReader;
  readonly #applier: LogApplier;
  readonly #clock: Clock;

  constructor(cipher: TlogCipher, openMember: OpenMember, applier: LogApplier, clock: Clock) {
    this.#cipher = cipher;
    this.#roster = new Roster(openMember, cipher.logId);
    this.#reader = new LogReader(cipher, clock);
    this.#applier = applier;
    this.#clock = clock;
  }

  /** Applies what is there. @throws ZSTOR_CATALOG_NO_MAJORITY, ZSTOR_CATALOG_HALTED */
  async advance(): Promise<void> {
    const membership = await this.#prepare();
    for (;;) {
      const { state } = this.#applier;
      const groups = [this.#roster.group(membership)];
      const window = await this.#reader.read(groups, state.index + 1);
      const chain = chooseChain(
        state,
        window.map((each) => each.map(({ record }) => record)),
      );
      const committed = Math.max(0, ...chain.map((record) => record.committed));
      const decided = chain.filter((record) => record.index <= committed);
      this.#applier.apply(decided);
      if (decided.length === 0) return;
    }
  }

  /** Who is to be read; and a snapshot when the log begins after what is applied. */
  async #prepare(): Promise<Membership> {
    let { membership } = this.#applier.state;
    const notes = await askMajority(
      [this.#roster.group(membership)],
      (link) => link.member.get([membershipKey, snapshotsKey]),
      { timeoutMs: notesTimeoutMs, what: 'reading notes', clock: this.#clock },
    );
    for (const [members, value] of notes.values()) {
      const noted = members && openMembership(this.#cipher, members);
      if (noted !== undefined && noted.index > membership.index) membership = noted;
      const snapshots = openSnapshots(this.#cipher, value);
      await loadWhenBehind(this.#applier, snapshots, membership);
    }
    return membership;
  }

  close(): Promise<void> {
    return this.#roster.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
