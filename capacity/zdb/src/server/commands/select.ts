import type { Request } from '@commongrid/resp';
import {
  DEFAULT_NAMESPACE,
  type Namespace,
  NAMESPACE_NAME_BYTES_MAX,
} from '../../engine/namespace.ts';
import type { CommandDefinition } from '../command.ts';
import { atPace, isPassword, refusalOfProof, refuseAttempt } from '../credentials.ts';
import { replyTexts } from '../reply-texts.ts';
import type { Rights, Session } from '../session.ts';

/** Longest password that SELECT looks at, as in 0-db. */
const SELECT_PASSWORD_BYTES_MAX = 255;

export const selectCommands: readonly CommandDefinition[] = [
  {
    name: 'SELECT',
    access: 'open',
    least: 1,
    most: 6,
    summary: 'Enters a namespace: SELECT name [password | SECURE proof] [EPOCH number [NEW]].',
    run: atPace(showsPassword, select),
  },
  {
    name: 'EPOCH',
    access: 'open',
    least: 1,
    most: 1,
    summary: 'Binds the writes of the connection to the current epoch of the namespace.',
    run(session, request) {
      const epoch = epochOf(request, 1);
      if (epoch === undefined) session.refuse(replyTexts.invalidArgument);
      else if (epoch !== session.namespace.settings.epoch) session.refuse(replyTexts.fenced);
      else {
        session.epoch = epoch;
        session.connection.reply.ok();
      }
    },
  },
];

/** Of who showed the password. */
const proven: Rights = { mayRead: true, mayWrite: true, isProven: true };

function showsPassword(request: Request): boolean {
  return request.argc > 2 && epochAt(request) !== 2;
}

/** Where EPOCH stands: before its number, and NEW behind that. */
function epochAt(request: Request): number | undefined {
  const { argc } = request;
  if (argc >= 5 && request.is(argc - 1, 'NEW') && request.is(argc - 3, 'EPOCH')) return argc - 3;
  return argc >= 4 && request.is(argc - 2, 'EPOCH') ? argc - 2 : undefined;
}

function select(session: Session, request: Request): void | Promise<void> {
  const { store } = session;
  const name = request.text(1);
  if (request.lengthOf(1) > NAMESPACE_NAME_BYTES_MAX) return session.refuse(replyTexts.nameTooLong);
  const namespace = store.namespaces.get(name);
  if (namespace === undefined) return session.refuse(replyTexts.namespaceNotFound);
  const at = epochAt(request);
  const epoch = at === undefined ? 0 : epochOf(request, at + 1);
  if (epoch === undefined) return session.refuse(replyTexts.invalidArgument);
  const rights = checkPassword(session, request, namespace, at ?? request.argc);
  if (typeof rights === 'string') return refuseAttempt(session, rights);
  if (at !== undefined) {
    const isNew = at === request.argc - 3;
    return enterWithEpoch(session, namespace, rights, { epoch, isNew });
  }
  session.enter(namespace, rights, 0);
  session.connection.reply.ok();
  return undefined;
}

/**
 * Epochs only rise; whoever may write may raise, and is bound to what it raised. Of several that bring
 * one number as a new one, the first alone is let in.
 */
function enterWithEpoch(
  session: Session,
  namespace: Namespace,
  rights: Rights,
  { epoch, isNew }: { readonly epoch: number; readonly isNew: boolean },
): void | Promise<void> {
  const { settings } = namespace;
  if (isNew ? epoch <= settings.epoch : epoch < settings.epoch)
    return session.refuse(replyTexts.fenced);
  if (epoch === settings.epoch) {
    session.enter(namespace, rights, epoch);
    session.connection.reply.ok();
    return undefined;
  }
  if (!rights.mayWrite) return session.refuse(replyTexts.readOnly);
  const { writeProblem } = session.context;
  if (writeProblem !== undefined) return session.refuse(writeProblem);
  session.context.putSettings({ ...settings, epoch });
  session.enter(namespace, rights, epoch);
  return session.answerDurably();
}

/** The rights that the arguments before `end` give, or the error. */
function checkPassword(
  session: Session,
  request: Request,
  namespace: Namespace,
  end: number,
): Rights | string {
  const { adminPassword, isProtected } = session.context.config;
  const isDefault = namespace.id === DEFAULT_NAMESPACE;
  const password = isDefault ? (adminPassword ?? '') : namespace.settings.password;
  if (end > 4 || (end === 4 && !request.is(2, 'SECURE'))) return replyTexts.tooManyArguments;
  if (password === '') return { mayRead: true, mayWrite: true, isProven: false };
  if (end === 2) {
    if (isDefault && session.isAdmin && !isProtected) return proven;
    const isPublic = isDefault ? isProtected : namespace.settings.isPublic;
    if (!isPublic) return replyTexts.namespacePrivate;
    return { mayRead: true, mayWrite: false, isProven: false };
  }
  if (end === 4) {
    const problem = refusalOfProof(session, request, 3, password);
    return problem ?? proven;
  }
  if (request.lengthOf(2) > SELECT_PASSWORD_BYTES_MAX) return replyTexts.passwordTooLong;
  if (!isPassword(request.view(2), password)) return replyTexts.accessDenied;
  return proven;
}

function epochOf(request: Request, i: number): number | undefined {
  const epoch = request.integer(i);
  return epoch === undefined || epoch < 0 ? undefined : epoch;
}
