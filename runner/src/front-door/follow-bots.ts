import { readdir } from 'node:fs/promises';

import { askControl, delay, errorCode, isGridError, repeat } from '@commongrid/base';
import type { Logger } from '@commongrid/base';

import type { GridHome } from '../home.ts';
import type { EndpointNews } from './endpoint.ts';

export interface FollowBotsOptions {
  readonly home: GridHome;
  readonly signal: AbortSignal;
  readonly logger: Logger;
  /** Gets what a bot says, each time that it is something else. */
  readonly onNews: (bot: string, news: EndpointNews) => Promise<void>;
  /** Gets the names of the bots that there are. */
  readonly onBots: (names: readonly string[]) => Promise<void>;
}

/** How long a bot may wait with its answer until something is new, ms. */
const waitMs = 10_000;
/** Time for that answer, ms. */
const answerMs = 30_000;
/** How often it is looked for other bots, and pause after a bot that did not answer, ms. */
const botsEveryMs = 2_000;
const againMs = 1_000;
/** Bots of a machine that are followed: those that come first by name. */
const followedBotsMax = 100;

/** Asks all bots of a machine where what their owners publish is, until the signal fires. */
export async function followBots(options: FollowBotsOptions): Promise<void> {
  const { home, signal, logger, onBots } = options;
  const followed = new Map<string, { readonly stop: AbortController; over: Promise<void> }>();
  const look = async (): Promise<void> => {
    const names = (await botNames(home)).slice(0, followedBotsMax);
    for (const [name, { stop, over }] of followed) {
      if (names.includes(name)) continue;
      stop.abort();
      await over;
      followed.delete(name);
    }
    await onBots(names);
    for (const name of names.filter((one) => !followed.has(one))) {
      const stop = new AbortController();
      const ends = AbortSignal.any([signal, stop.signal]);
      followed.set(name, { stop, over: followBot(name, { ...options, signal: ends }) });
    }
  };
  const onError = (err: unknown): void =>
    logger.warn({ err }, 'bots of this machine cannot be found');
  await repeat(botsEveryMs, look, { signal, onError });
  await Promise.all([...followed.values()].map(({ over }) => over));
}

/** Folders of bots, whether they run or not. */
async function botNames({ bots }: GridHome): Promise<readonly string[]> {
  try {
    const entries = await readdir(bots, { withFileTypes: true });
    return entries.flatMap((one) => (one.isDirectory() ? one.name : [])).toSorted();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Never throws: a bot that does not answer is asked again, and what it said last counts meanwhile. */
async function followBot(
  name: string,
  { home, signal, logger, onNews }: FollowBotsOptions,
): Promise<void> {
  let version: string | undefined;
  let isToldOf = false;
  while (!signal.aborted) {
    try {
      const input = version === undefined ? {} : { version, waitMs };
      const news = (await askControl(
        home.botControlSocket(name),
        'call',
        { method: 'contracts.endpoints', input },
        { signal, timeoutMs: answerMs },
      )) as EndpointNews;
      if (news.version !== version) await onNews(name, news);
      version = news.version;
      isToldOf = false;
    } catch (err) {
      if (signal.aborted) return;
      // Bots of the machine that do not run are none of its troubles.
      const isAway = isGridError(err, 'BASE_CONTROL_ABSENT');
      if (!isToldOf && !isAway) logger.warn({ err, bot: name }, 'a bot does not say what is where');
      isToldOf = true;
      await delay(againMs, { signal }).catch(() => undefined);
    }
  }
}
