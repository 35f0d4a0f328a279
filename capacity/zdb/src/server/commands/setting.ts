import type { Request } from '@commongrid/resp';
import {
  DEFAULT_NAMESPACE,
  type Namespace,
  type NamespaceSettings,
} from '../../engine/namespace.ts';
import type { CommandDefinition } from '../command.ts';
import { canReserve } from '../disk-space.ts';
import { parseHistory } from '../history-policy.ts';
import { replyTexts } from '../reply-texts.ts';
import type { Session } from '../session.ts';
import { named } from './namespace.ts';

/** Longest value of a property, as in 0-db. */
const VALUE_BYTES_MAX = 63;

export const settingCommands: readonly CommandDefinition[] = [
  {
    name: 'NSSET',
    access: 'open',
    isAdmin: true,
    least: 3,
    most: 3,
    summary: 'Changes a property of a namespace: NSSET namespace property value.',
    run: change,
  },
];

type Changes = Partial<NamespaceSettings>;
/** Reads a value; a text is the error. */
type Property = (value: string, namespace: Namespace, session: Session) => Changes | string;

const properties = new Map<string, Property>([
  ['maxsize', reserve],
  ['password', changePassword],
  ['public', flag((isPublic) => ({ isPublic }))],
  ['worm', flag((isWorm) => ({ isWorm }))],
  ['lock', flag((isLocked) => ({ isLocked }))],
  ['freeze', flag((isFrozen) => ({ isFrozen }))],
  ['mode', changeMode],
  ['epoch', raiseEpoch],
  [
    'history',
    (value) => {
      const history = parseHistory(value);
      return history === undefined ? expected('latest, all, versions:N, age:SECONDS') : { history };
    },
  ],
]);

/** What may be set on the namespace that everybody begins in. */
const propertiesOfDefault = new Set(['mode', 'lock', 'freeze', 'epoch', 'history']);

function change(session: Session, request: Request): void | Promise<void> {
  if (request.lengthOf(3) > VALUE_BYTES_MAX) return session.refuse(replyTexts.invalidValue);
  const namespace = named(session, request);
  if (namespace === undefined) return undefined;
  const name = request.text(2);
  const property = properties.get(name);
  if (property === undefined) return session.refuse(replyTexts.invalidProperty);
  if (namespace.id === DEFAULT_NAMESPACE && !propertiesOfDefault.has(name)) {
    return session.refuse(replyTexts.cannotUpdateDefault);
  }
  const value = request.text(3);
  // What is no UTF-8 could never be given again: a password would lock everybody out.
  if (!request.view(3).equals(Buffer.from(value))) return session.refuse(replyTexts.invalidValue);
  const changes = property(value, namespace, session);
  if (typeof changes === 'string') return session.refuse(changes);
  const { writeProblem } = session.context;
  if (writeProblem !== undefined) return session.refuse(writeProblem);
  session.context.putSettings({ ...namespace.settings, ...changes });
  if (changes.epoch !== undefined) return session.answerDurably();
  session.connection.reply.ok();
  return undefined;
}

function flag(set: (is: boolean) => Changes): Property {
  return (value) => (value === '1' || value === '0' ? set(value === '1') : expected('0, 1'));
}

/** An empty text is no password: it would open what was meant to be closed. */
function changePassword(value: string): Changes | string {
  if (value === '') return expected('a password, or * for none');
  return { password: value === '*' ? '' : value };
}

function reserve(value: string, namespace: Namespace, { store }: Session): Changes | string {
  const maxBytes = wholeNumber(value);
  if (maxBytes === undefined) return expected('a number of bytes');
  const { name, maxBytes: before } = namespace.settings;
  const isMore = maxBytes > before;
  return isMore && !canReserve(store, name, maxBytes) ? replyTexts.noSpaceToReserve : { maxBytes };
}

function changeMode(value: string, namespace: Namespace, session: Session): Changes | string {
  if (value !== 'user' && value !== 'seq') return expected('user, seq');
  if (session.context.config.mode !== 'mixed') return replyTexts.modeFixed;
  if (value === namespace.settings.mode) return {};
  const { index, usedBytes } = namespace;
  const isUsed = usedBytes > 0 || index.liveCount > 0 || index.deletedCount > 0;
  return isUsed ? replyTexts.modeUsed : { mode: value };
}

/** Epochs only rise: an old writer must never pass again. */
function raiseEpoch(value: string, { settings }: Namespace): Changes | string {
  const epoch = wholeNumber(value);
  if (epoch === undefined) return expected('a whole number');
  return epoch > settings.epoch ? { epoch } : replyTexts.fenced;
}

function wholeNumber(text: string): number | undefined {
  if (!/^\d{1,16}$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

function expected(values: string): string {
  return `Invalid property value (expected: ${values})`;
}
