import { isGridError, repeat, silentLogger } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import { boxFromText } from '@commongrid/crypto';
import { actorClient } from '../actors/typed-client.ts';
import type { MethodCaller } from '../actors/typed-client.ts';
import type { Inbox } from './inbox.ts';
import type { relayActor } from './relay-actor.ts';

export interface RelayVisitsOptions {
  /** Ids of the bots that keep messages for this one. */
  readonly relays: readonly string[];
  readonly linkTo: (bot: string) => Promise<MethodCaller>;
  readonly inbox: Inbox;
  /** The definition, for its types and names. */
  readonly actor: ReturnType<typeof relayActor>;
  readonly logger?: Logger;
}

/** From one visit to the next, ms. */
const visitEveryMs = 2_000;

/** Fetches from each relay what it keeps for this bot, again and again. */
export function visitRelays(options: RelayVisitsOptions, signal: AbortSignal): Promise<void> {
  const { relays, logger = silentLogger } = options;
  return repeat(
    visitEveryMs,
    async () => {
      for (const relay of relays) {
        await visit(options, relay).catch((error: unknown) => {
          if (!isGridError(error)) throw error;
          logger.debug({ relay, code: error.code }, 'a relay was not reached');
        });
      }
    },
    { signal },
  );
}

async function visit({ linkTo, inbox, actor }: RelayVisitsOptions, relay: string): Promise<void> {
  const client = actorClient(actor, await linkTo(relay));
  for (;;) {
    const { boxes } = await client.fetch({});
    const done: number[] = [];
    for (const { seq, box } of boxes) {
      if (await isDone(inbox, box, relay)) done.push(seq);
    }
    if (done.length > 0) await client.drop({ seqs: done });
    if (done.length === 0 || done.length < boxes.length) return;
  }
}

/** Whether the relay need not keep it: it was taken, or never will be. */
async function isDone(inbox: Inbox, box: string, relay: string): Promise<boolean> {
  try {
    await inbox.take(boxFromText(box), relay);
    return true;
  } catch (error) {
    if (!isGridError(error)) throw error;
    // Its sender has it still, and is told the reason when it brings it itself.
    return !error.retryable;
  }
}
