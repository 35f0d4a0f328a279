import { GridError } from '@commongrid/base';
import { idPatterns, isName } from '@commongrid/model';
import type { BotErrorCode } from '../errors.ts';

/** Longest path of a record or file, characters. */
export const dataPathMax = 512;

/** Under this name are the files of a bot; other first parts are its collections. */
export const filesRoot = 'files';

/** An object of a bot. */
export interface GridAddress {
  /** Name or id of the bot. */
  readonly bot: string;
  /** `notes/1`, `files/photos/cat.jpg`; empty for all that there is. */
  readonly path: string;
}

/** Addresses begin with it. */
export const gridScheme = 'grid://';
const botIdPattern = new RegExp(`^${idPatterns.bot}$`);
const collectionPattern = /^[a-z][a-z0-9-]{0,31}$/;

/**
 * Reads `grid://<bot>/<path>`. Parts of the path may be escaped as in other URLs.
 * @throws BOT_ADDRESS_INVALID
 */
export function parseGridAddress(text: string): GridAddress {
  if (!text.startsWith(gridScheme)) throw invalid(text, `it does not begin with ${gridScheme}`);
  const [bot = '', ...rest] = text.slice(gridScheme.length).split('/');
  if (!isName(bot) && !botIdPattern.test(bot)) throw invalid(text, 'it names no bot');
  const path = rest.map((part) => unescape(text, part)).join('/');
  if (path !== '') requireDataPath(path);
  return { bot, path };
}

/** @throws BOT_ADDRESS_INVALID */
export function formatGridAddress({ bot, path }: GridAddress): string {
  if (path !== '') requireDataPath(path);
  const escaped = path.split('/').map((part) => encodeURIComponent(part).replaceAll('%40', '@'));
  return `${gridScheme}${bot}/${escaped.join('/')}`;
}

/**
 * Holds a path to its form: a collection or `files`, then parts that are neither empty nor `.` or `..`,
 * which would name something else once the path is part of a URL.
 * @throws BOT_ADDRESS_INVALID
 */
export function requireDataPath(path: string): void {
  if (path.length > dataPathMax) throw invalid(path, `it is longer than ${dataPathMax}`);
  const [root = '', ...parts] = path.split('/');
  if (!collectionPattern.test(root)) throw invalid(path, 'it begins with no collection');
  const isWrong = parts.some((part) => /^(?:|\.|\.\.)$/.test(part) || hasControls(part));
  if (isWrong) throw invalid(path, 'a part of it is empty, a dot, or holds control characters');
}

/** Where a path begins, and the rest of it: the id of a record, or the key of a file. */
export function splitDataPath(path: string): { readonly root: string; readonly rest: string } {
  const end = path.indexOf('/');
  if (end < 0) return { root: path, rest: '' };
  return { root: path.slice(0, end), rest: path.slice(end + 1) };
}

/** Whether a path is another one, or below it. */
export function isWithin(path: string, above: string): boolean {
  return path === above || path.startsWith(`${above}/`);
}

function hasControls(text: string): boolean {
  // oxlint-disable-next-line no-control-regex
  return /[\u0000-\u001f\u007f]/.test(text) || !text.isWellFormed();
}

function unescape(text: string, part: string): string {
  try {
    const decoded = decodeURIComponent(part);
    if (!decoded.includes('/')) return decoded;
  } catch {
    // Told below.
  }
  throw invalid(text, 'it is escaped wrongly');
}

function invalid(text: string, why: string): GridError<BotErrorCode> {
  return new GridError('BOT_ADDRESS_INVALID', `${text.slice(0, dataPathMax)}: ${why}`, {
    hint: 'give grid://NAME/COLLECTION/ID or grid://NAME/files/KEY',
  });
}
