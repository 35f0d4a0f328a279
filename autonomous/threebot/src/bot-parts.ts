import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { inTransaction, repeat, silentLogger, systemClock, TaskGroup } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import { aboutActor } from './about-actor.ts';
import type { Outgoing } from './actors/actor.ts';
import { CallLimits } from './actors/call-limits.ts';
import { Catalog } from './actors/catalog.ts';
import { Dispatcher } from './actors/dispatcher.ts';
import type { RunEffect } from './actors/dispatcher.ts';
import { openBase } from './bot-base.ts';
import type { BotOptions } from './bot-options.ts';
import { defaultLimits } from './config.ts';
import type { BotLimits } from './config.ts';
import { Tokens } from './doors/tokens.ts';
import { makeCredentials } from './keys/certificate.ts';
import { ownData } from './data/own-data.ts';
import { Links } from './links/links.ts';
import type { Link } from './links/link.ts';
import { Delivery } from './mailbox/delivery.ts';
import { HeldBoxes } from './mailbox/held-boxes.ts';
import { Inbox } from './mailbox/inbox.ts';
import type { InboxOptions } from './mailbox/inbox.ts';
import { mailboxActor } from './mailbox/mailbox-actor.ts';
import { requireMessage } from './mailbox/message.ts';
import { Outbox } from './mailbox/outbox.ts';
import { relayActor } from './mailbox/relay-actor.ts';
import { visitRelays } from './mailbox/relay-visits.ts';
import { ReplayGuard } from './mailbox/replay-guard.ts';
import { Market } from './market/market.ts';
import { marketActor } from './market/market-actor.ts';
import { messagesActor } from './messages-actor.ts';
import { peopleActor } from './people/people-actor.ts';
import { People } from './people/people.ts';
import { backupActor } from './recovery/backup-actor.ts';
import { keepBacking } from './recovery/keep-backing.ts';
import type { BotStore } from './store/bot-store.ts';
import { CommitGroup } from './store/commit-group.ts';

/** What a bot is made of. */
export type Parts = Awaited<ReturnType<typeof makeParts>>;

/**
 * Puts the parts of a bot together. What has to be ended is put on the stack: first the tasks and links,
 * then the tables.
 */
export async function makeParts(options: BotOptions, stack: AsyncDisposableStack) {
  const { id, key, trust, clock = systemClock, logger = silentLogger } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const late: { links?: Links; delivery?: Delivery; inbox?: Inbox } = {};
  const linkTo = (bot: string): Promise<Link> => must(late.links).to(bot);
  const standingOf = (bot: string) => people.standingOf(bot);
  const base = await openBase(options, limits, stack);
  const { store, db, view, phonebook, keeper } = base;
  const market = new Market({
    ...{ self: id, logHash: trust.log, db, phonebook, linkTo, clock, logger },
    use: base.use,
    isInCircle: (bot) => standingOf(bot) !== 'known',
    rulesFile: options.farmerFile ?? join(options.folder, 'farmer.json'),
    ...{ answerMs: farmerAnswerMs, seenMs: lockSeenMs },
  });
  const relay = relayActor({ limits, standingOf, clock });
  const own = [
    aboutActor({ id, log: trust.log, linkTo, status: () => statusOf(late.links, store, outbox) }),
    mailboxActor((box) => must(late.inbox).take(box)),
    relay,
    messagesActor(clock),
    peopleActor(id),
    marketActor(market),
    ownData({ ...base, id, linkTo }),
    ...(keeper === undefined ? [] : [backupActor(keeper)]),
  ];
  const catalog = new Catalog([...own, ...(options.actors ?? [])]);
  store.addTables(catalog.actors);
  const people = new People(db, id);
  const outbox = new Outbox(db, limits);
  const guard = new ReplayGuard(db, limits.messageMsMax);
  const { runEffect, commit } = effectsOf(
    { db, outbox, limits, clock, id, log: trust.log },
    (receiver) => late.delivery?.wake(receiver),
  );
  const dispatcher = new Dispatcher({
    ...{ catalog, runEffect, logger, requireSound: view.requireSound },
    ...{ limits: new CallLimits(limits, clock), callMs: limits.callMs },
  });
  const credentials = await makeCredentials(key);
  const appHash = (app: string) => base.book.appHash(app);
  const tokens = new Tokens({ self: id, ownerToken: options.ownerToken, appHash, clock });
  const tasks = new TaskGroup({
    maxTasks: tasksMax,
    onError: (error, name) => logger.error({ err: error, task: name }, 'a task of the bot failed'),
  });
  const links = new Links({
    ...{ self: id, credentials, view, phonebook, dispatcher, standingOf, limits, logger },
    onLink: (bot) => late.delivery?.wake(bot),
  });
  late.links = links;
  late.inbox = new Inbox({
    ...{ log: trust.log, self: id, sealingKeys: options.sealingKeys, phonebook, guard },
    ...{ messageBytesMax: limits.messageBytesMax, dispatcher, commit, standingOf, clock },
  });
  late.delivery = new Delivery({
    ...{ db, outbox, phonebook, linkTo, log: trust.log, self: id, key, tasks, logger, clock },
    messageBytesMax: limits.messageBytesMax,
  });
  stack.defer(async () => {
    // Tasks wait for answers that come no more once the links are gone.
    await Promise.all([tasks.close(), links.close()]);
    await view.settle().catch(() => {});
  });
  return {
    ...{ id, db, outbox, guard, view, phonebook, people, dispatcher, links, tasks, limits, clock },
    ...{ credentials, runEffect, relay, inbox: late.inbox, delivery: late.delivery },
    ...{ tokens, market, keeper, relays: options.relays ?? [] },
  };
}

/** From one clearing away of what has ended to the next, ms. */
const careEveryMs = 30_000;

/** Time for one answer of a farmer, ms. */
const farmerAnswerMs = 20_000;

/** How long a lock that a farmer says is there may take to be seen, ms. */
const lockSeenMs = 10_000;

/** Letters that were refused which its status shows. */
const refusedShownMax = 20;

/** Receivers of letters at a time, and what else runs. */
const tasksMax = 10_000;

interface EffectParts {
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
function effectsOf(
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

function statusOf(links: Links | undefined, { halt }: BotStore, outbox: Outbox) {
  const refused = outbox.refused(refusedShownMax);
  return {
    ...{ links: links?.size ?? 0, letters: outbox.size, halt: halt ?? null },
    refused: refused.map(({ to, id, why = '' }) => ({ to, id, why })),
  };
}

/** What goes on by itself. */
export function startTasks({ logger = silentLogger }: BotOptions, parts: Parts): void {
  const { tasks, relays, inbox, relay, links, delivery, view, keeper } = parts;
  const linkTo = (bot: string): Promise<Link> => links.to(bot);
  delivery.wakeAll();
  tasks.start('care', (signal) =>
    repeat(
      careEveryMs,
      async () => {
        forgetEnded(parts);
        await view.settle();
      },
      { signal, onError: (error) => logger.warn({ err: error }, 'the care of a bot failed') },
    ),
  );
  if (keeper !== undefined) tasks.start('backups', (signal) => keepBacking(keeper, logger, signal));
  if (relays.length === 0) return;
  tasks.start('relays', (signal) =>
    visitRelays({ ...{ relays, linkTo, inbox, logger }, actor: relay }, signal),
  );
}

/** Clears away messages and deals that have ended. */
function forgetEnded({ db, guard, outbox, market, limits, clock }: Parts): void {
  const nowMs = clock.nowMs();
  inTransaction(db, () => {
    guard.forget(nowMs);
    outbox.forget(nowMs);
    new HeldBoxes(db, limits).forget(nowMs);
    market.forget();
  });
}

function must<T>(part: T | undefined): T {
  if (part === undefined) throw new TypeError('a part of the bot is used before it is made');
  return part;
}
