import type { DatabaseSync } from 'node:sqlite';
import { inTransaction } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { Outgoing } from './actors/actor.ts';
import type { RunEffect } from './actors/dispatcher.ts';
import type { BotLimits } from './config.ts';
import type { InboxOptions } from './mailbox/inbox.ts';
import { requireMessage } from './mailbox/message.ts';
import type { Outbox } from './mailbox/outbox.ts';
import { CommitGroup } from './store/commit-group.ts';

export interface EffectParts {
  readonly db: DatabaseSync;
  readonly outbox: Outbox;
  readonly limits: BotLimits;
  readonly clock: Clock;
  readonly id: string;
  readonly log: string;
}

/**
 * Ways to run an effect: at once in a transaction of its own, or with others of the same turn.
 * @param wake is called for each receiver of its messages once it is committed
 */
export function effectsOf(
  { db, outbox, limits, clock, id, log }: EffectParts,
  wake: (receiver: string) => void,
) {
  const group = new CommitGroup(db);
  const contextOf = (receivers: Set<string>) => {
    const send = (message: Outgoing): string => {
      const nowMs = clock.nowMs();
      const { to, kind, body } = message;
      const name = { log, to, from: id, id: anyMessageId, expMs: nowMs };
      requireMessage({ ...name, kind, body }, limits.messageBytesMax);
      receivers.add(to);
      return outbox.add(message, nowMs);
    };
    return { db, send };
  };
  const runEffect: RunEffect = (work) => {
    const receivers = new Set<string>();
    const result = inTransaction(db, () => work(contextOf(receivers)));
    receivers.forEach(wake);
    return result;
  };
  const commit: InboxOptions['commit'] = async (work) => {
    const receivers = new Set<string>();
    const result = await group.run(() => work(contextOf(receivers)));
    receivers.forEach(wake);
    return result;
  };
  return { runEffect, commit };
}

/** As long as those that are given. */
const anyMessageId = 'A'.repeat(22);
