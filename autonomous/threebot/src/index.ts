export type { BotErrorCode } from './errors.ts';
