import { BotFolder } from '../commands/bot/bot-folder.ts';
import type { GridHome } from '../home.ts';

/**
 * The 3Bots that a grid runs on its own machine: that of its owner, who has the farm, and one that buys. By these
 * names commands call them.
 */
export const homeBots = ['farmer', 'buyer'] as const;
export type HomeBotName = (typeof homeBots)[number];

export type HomeBotService = `bot-${HomeBotName}`;

/** The service that runs a bot. */
export function homeBotService(name: HomeBotName): HomeBotService {
  return `bot-${name}`;
}

export function homeBotFolder(home: GridHome, name: HomeBotName): BotFolder {
  return BotFolder.named(home.path, name);
}
