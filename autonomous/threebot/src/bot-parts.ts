import { join } from 'node:path';
import { inTransaction, repeat, silentLogger, systemClock, TaskGroup } from '@commongrid/base';
import { aboutActor } from './about-actor.ts';
import type { Permission } from './actors/caller.ts';
import { CallLimits } from './actors/call-limits.ts';
import { Catalog } from './actors/catalog.ts';
import { Dispatcher } from './actors/dispatcher.ts';
import { openBase } from './bot-base.ts';
import type { BotOptions } from './bot-options.ts';
import { defaultLimits } from './config.ts';
import { effectsOf } from './effects.ts';
import { Tokens } from './doors/tokens.ts';
import { makeCredentials } from './keys/certificate.ts';
import { ownData } from './data/own-data.ts';
import { Links } from './links/links.ts';
import type { Link } from './links/link.ts';
import { Delivery } from './mailbox/delivery.ts';
import { HeldBoxes } from './mailbox/held-boxes.ts';
import { Inbox } from './mailbox/inbox.ts';
import { mailboxActor } from './mailbox/mailbox-actor.ts';
import { Outbox } from './mailbox/outbox.ts';
import { relayActor } from './mailbox/relay-actor.ts';
import { visitRelays } from './mailbox/relay-visits.ts';
import { ReplayGuard } from './mailbox/replay-guard.ts';
import { Market } from './market/market.ts';
import { marketActor } from './market/market-actor.ts';
import { messagesActor } from './messages-actor.ts';
import { NoticeBook } from './notices/notice-book.ts';
import { noticesActor } from './notices/notices-actor.ts';
import { Gatekeeper } from './phonebook/gatekeeper.ts';
import { peopleActor } from './people/people-actor.ts';
import { People } from './people/people.ts';
import { backupActor } from './recovery/backup-actor.ts';
import { keepBacking } from './recovery/keep-backing.ts';
import type { LogView } from './log-view.ts';
import type { BotStore } from './store/bot-store.ts';

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
  const { store, db, view, phonebook, keeper, counts } = base;
  const gatekeeper = new Gatekeeper(phonebook, limits, clock);
  const market = marketOf(options, { ...base, linkTo, standingOf });
  const notices = new NoticeBook(db);
  const relay = relayActor({ limits, standingOf, clock });
  const own = [
    aboutActor({
      id,
      log: trust.log,
      linkTo,
      status: () => statusOf(late.links, base, outbox, notices),
    }),
    mailboxActor((box, bringer) => must(late.inbox).take(box, bringer)),
    ...[relay, messagesActor(clock), peopleActor(id), marketActor(market)],
    noticesActor(notices, clock),
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
    ...{ catalog, runEffect, counts, logger, requireSound: view.requireSound },
    ...{ limits: new CallLimits(limits, clock), callMs: limits.callMs },
  });
  const credentials = await makeCredentials(key);
  const { ownerToken, sealingKeys } = options;
  const appHash = (app: string) => base.book.appHash(app);
  const tokens = new Tokens({ self: id, ownerToken, appHash, clock });
  const tasks = new TaskGroup({
    maxTasks: tasksMax,
    onError: (error, name) => logger.error({ err: error, task: name }, 'a task of the bot failed'),
  });
  const shared = { self: id, phonebook, gatekeeper, standingOf, dispatcher, counts, logger, clock };
  const links = new Links({
    ...{ ...shared, credentials, view, limits },
    onLink: (bot) => late.delivery?.wake(bot),
  });
  const ofMessages = { ...shared, ...limits, log: trust.log };
  const inbox = new Inbox({ ...ofMessages, sealingKeys, guard, commit });
  const ofLetters = { db, outbox, linkTo, key, tasks, letters: counts.letters };
  const delivery = new Delivery({ ...ofMessages, ...ofLetters });
  Object.assign(late, { links, inbox, delivery });
  stack.defer(async () => {
    // Tasks wait for answers that come no more once the links are gone.
    await Promise.all([tasks.close(), links.close()]);
    await view.settle().catch(() => {});
  });
  return {
    ...{ ...base, id, outbox, guard, gatekeeper, people, dispatcher, links, tasks, limits, clock },
    ...{ credentials, runEffect, relay, inbox, delivery, tokens, market, notices },
    relays: options.relays ?? [],
  };
}

type MarketParts = Awaited<ReturnType<typeof openBase>> & {
  readonly linkTo: (bot: string) => Promise<Link>;
  readonly standingOf: (bot: string) => Permission;
};

function marketOf(options: BotOptions, parts: MarketParts): Market {
  const { id, folder, trust, farmerFile, clock = systemClock, logger = silentLogger } = options;
  const { db, phonebook, use, counts, linkTo, standingOf } = parts;
  return new Market({
    ...{ self: id, logHash: trust.log, db, phonebook, use, linkTo, clock, logger },
    isInCircle: (bot) => standingOf(bot) !== 'known',
    rulesFile: farmerFile ?? join(folder, 'farmer.json'),
    ...{ answerMs: farmerAnswerMs, seenMs: lockSeenMs, steps: counts.marketSteps },
  });
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

function statusOf(
  links: Links | undefined,
  { store: { halt }, view }: { readonly store: BotStore; readonly view: LogView },
  outbox: Outbox,
  notices: NoticeBook,
) {
  const refused = outbox.refused(refusedShownMax);
  return {
    ...{ links: links?.size ?? 0, letters: outbox.size, halt: halt ?? null },
    refused: refused.map(({ to, id, why = '' }) => ({ to, id, why })),
    database: { state: view.database.state, answeredMs: view.database.answeredMs ?? null },
    notices: { ...notices.counts },
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
function forgetEnded({ db, guard, outbox, market, kept, limits, clock }: Parts): void {
  const nowMs = clock.nowMs();
  kept.forget(nowMs - limits.recordKeptMs);
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
