import { GridError } from '@commongrid/base';
import { permissions } from '../actors/caller.ts';
import type { Caller, Permission } from '../actors/caller.ts';
import type { BotErrorCode } from '../errors.ts';
import { gridScheme, isWithin } from './grid-address.ts';

export type DataRight = 'read' | 'write';

/** From whom on a path and all below it may be read. */
export interface Share {
  readonly path: string;
  readonly readers: Permission;
}

/** What an app or a bot may do below a path. */
export interface PathRight {
  readonly path: string;
  readonly rights: readonly DataRight[];
}

/** What the owner said about who may do what. */
export interface DataRules {
  readonly shares: readonly Share[];
  /** Rights of an app; none for one that is not, or not any more. */
  readonly rightsOf: (app: string) => readonly PathRight[];
  /** What a single bot was given, besides what is shared. */
  readonly grantsTo: (bot: string) => readonly PathRight[];
}

/**
 * Whether a caller has a right on an object. The owner may do everything; an app what it was given;
 * others what they were given by name, and to read what is shared: the narrowest share decides.
 */
export function mayUse(caller: Caller, right: DataRight, path: string, rules: DataRules): boolean {
  const { app, standing } = caller;
  if (app !== undefined) {
    return isGiven(rules.rightsOf(app), right, path);
  }
  if (standing === 'owner' || hasGrant(caller, right, path, rules)) return true;
  return right === 'read' && isReader(standing, narrowest(path, rules.shares));
}

/** The same for a path and all below it, also where a narrower share says otherwise. */
export function mayUseAll(
  caller: Caller,
  right: DataRight,
  path: string,
  rules: DataRules,
): boolean {
  if (!mayUse(caller, right, path, rules)) return false;
  if (caller.app !== undefined || caller.standing === 'owner') return true;
  if (hasGrant(caller, right, path, rules)) return true;
  const below = rules.shares.filter((share) => isWithin(share.path, path));
  return below.every(({ readers }) => isReader(caller.standing, readers));
}

/**
 * Whether a caller may use this bot to reach an object of another one, which judges the bot then. Only the
 * owner may, and an app what it was given below `grid://<id of the bot>`.
 */
export function mayReach(
  { app, standing }: Caller,
  right: DataRight,
  { bot, path }: { readonly bot: string; readonly path: string },
  rules: DataRules,
): boolean {
  if (app === undefined) return standing === 'owner';
  return isGiven(rules.rightsOf(app), right, rightPath({ bot, path }));
}

/** How rights of apps name what another bot has. @param bot its id */
export function rightPath({ bot, path }: { readonly bot: string; readonly path: string }): string {
  return path === '' ? `${gridScheme}${bot}` : `${gridScheme}${bot}/${path}`;
}

/** What one bot was given is no right of all bots: whoever had its key may have lost it since. */
function hasGrant(
  { bot, isOld = false }: Caller,
  right: DataRight,
  path: string,
  rules: DataRules,
): boolean {
  return bot !== undefined && !isOld && isGiven(rules.grantsTo(bot), right, path);
}

function isGiven(given: readonly PathRight[], right: DataRight, path: string): boolean {
  return given.some((one) => one.rights.includes(right) && isWithin(path, one.path));
}

/** @throws BOT_NOT_PERMITTED, whether there is such an object or not */
export function requireRight(isGranted: boolean, right: DataRight, path: string): void {
  if (isGranted) return;
  throw new GridError<BotErrorCode>('BOT_NOT_PERMITTED', `you may not ${right} ${path} here`, {
    hint: 'the owner of the bot shares it: data.share and data.grant for bots, data.allow for apps',
    details: { path, right },
  });
}

function narrowest(path: string, shares: readonly Share[]): Permission {
  const above = shares.filter((share) => isWithin(path, share.path));
  const [first] = above.toSorted((a, b) => b.path.length - a.path.length);
  return first?.readers ?? 'owner';
}

function isReader(standing: Permission, readers: Permission): boolean {
  return permissions.indexOf(standing) >= permissions.indexOf(readers);
}
