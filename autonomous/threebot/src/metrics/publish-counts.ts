import type { MetricsRegistry } from '@commongrid/base';
import type { Links } from '../links/links.ts';
import type { LogView } from '../log-view.ts';
import { heldCount } from '../mailbox/held-boxes.ts';
import type { Outbox } from '../mailbox/outbox.ts';
import type { BackupKeeper } from '../recovery/backup-keeper.ts';
import type { BotStore } from '../store/bot-store.ts';
import type { BotCounts, Tally } from './bot-counts.ts';

export interface MeasuredBot {
  readonly counts: BotCounts;
  readonly links: Links;
  readonly outbox: Outbox;
  readonly store: BotStore;
  readonly view: LogView;
  readonly keeper: BackupKeeper | undefined;
  readonly nowMs: () => number;
}

/** Publishes what a bot has done, and how it stands: docs/operate/bots.md says what each metric means. */
export function publishCounts(registry: MetricsRegistry, bot: MeasuredBot): void {
  publishTraffic(registry, bot);
  publishMailbox(registry, bot);
  publishState(registry, bot);
  if (bot.keeper !== undefined) publishBackups(registry, bot, bot.keeper);
}

function publishTraffic(registry: MetricsRegistry, { counts, links }: MeasuredBot): void {
  const { calls, callTimes, methodFaults, linksRefused, marketSteps } = counts;
  tally(registry, calls, ['way', 'outcome'], {
    name: 'bot_calls_total',
    help: 'Calls of methods of this bot, by how they came and ended.',
  });
  registry.latency({
    name: 'bot_call_seconds',
    help: 'Time from a call to its answer.',
    *series() {
      for (const [way, histogram] of callTimes) yield { labels: { way }, histogram };
    },
  });
  tally(registry, methodFaults, ['method'], {
    name: 'bot_method_faults_total',
    help: 'Faults in the code of methods; the log says more.',
  });
  tally(registry, linksRefused, ['code'], {
    name: 'bot_links_refused_total',
    help: 'Links of others that were not taken.',
  });
  tally(registry, marketSteps, ['side', 'step'], {
    name: 'bot_market_steps_total',
    help: 'What was said in deals, on both sides.',
  });
  gauge(registry, 'bot_links', 'Links to other bots, both ways.', () => links.size);
  gauge(
    registry,
    'bot_greetings',
    'Connections that have not said who they are.',
    () => links.arrivingCount,
  );
}

function publishMailbox(registry: MetricsRegistry, { counts, outbox, store }: MeasuredBot): void {
  tally(registry, counts.letters, ['outcome'], {
    name: 'bot_messages_sent_total',
    help: 'Messages that receivers took or refused, or relays hold.',
  });
  tally(registry, counts.arrivals, ['outcome'], {
    name: 'bot_messages_arrived_total',
    help: 'Messages that came to this bot.',
  });
  registry.gauge({
    name: 'bot_outbox_messages',
    help: 'Messages that are not known to have come.',
    labels: ['state'],
    collect: (one) => {
      for (const [state, count] of outbox.counts()) one.set({ state }, count);
    },
  });
  gauge(registry, 'bot_relayed_messages', 'Messages that are kept for other bots.', () =>
    heldCount(store.db),
  );
}

function publishState(registry: MetricsRegistry, { store, view }: MeasuredBot): void {
  gauge(registry, 'bot_database_up', 'Whether the database answered last; 0 or 1.', () =>
    Number(view.database.state === 'there'),
  );
  gauge(registry, 'bot_halted', 'Whether nothing new starts, since the log was forked.', () =>
    Number(store.halt !== undefined),
  );
}

function publishBackups(
  registry: MetricsRegistry,
  { counts, nowMs }: MeasuredBot,
  keeper: BackupKeeper,
): void {
  tally(registry, counts.backups, ['outcome'], {
    name: 'bot_backups_total',
    help: 'Backups that were made, or failed.',
  });
  registry.gauge({
    name: 'bot_backup_age_seconds',
    help: 'Age of the newest backup; there is none of a bot that has no backup.',
    collect: async (one) => {
      const last = await keeper.last();
      if (last !== undefined) one.set((nowMs() - last.atMs) / 1_000);
      else one.remove();
    },
  });
}

function tally<L extends string>(
  registry: MetricsRegistry,
  counted: Tally<L>,
  labels: readonly L[],
  { name, help }: { readonly name: string; readonly help: string },
): void {
  registry.counter({
    ...{ name, help, labels },
    collect: (counter) => {
      for (const one of counted.entries()) counter.inc(one.labels, one.count);
    },
  });
}

function gauge(registry: MetricsRegistry, name: string, help: string, value: () => number): void {
  registry.gauge({ name, help, collect: (one) => one.set(value()) });
}
