import type { Request } from '@commongrid/resp';
import { type Namespace, NAMESPACE_NAME_BYTES_MAX } from '../../engine/namespace.ts';
import type { CommandDefinition } from '../command.ts';
import { namespaceInfo } from '../namespace-info.ts';
import { replyTexts } from '../reply-texts.ts';
import type { Session } from '../session.ts';

export const namespaceCommands: readonly CommandDefinition[] = [
  {
    name: 'NSNEW',
    access: 'open',
    isAdmin: true,
    least: 1,
    most: 1,
    summary: 'Makes a namespace.',
    run: create,
  },
  {
    name: 'NSDEL',
    access: 'open',
    isAdmin: true,
    least: 1,
    most: 1,
    summary: 'Removes a namespace and all that is in it.',
    run: remove,
  },
  {
    name: 'NSLIST',
    access: 'open',
    least: 0,
    most: 0,
    summary: 'Answers the names of all namespaces.',
    run({ store, connection }) {
      const namespaces = store.namespaces.list();
      connection.reply.array(namespaces.length);
      for (const { settings } of namespaces) connection.reply.bulkText(settings.name);
    },
  },
  {
    name: 'NSINFO',
    access: 'open',
    least: 1,
    most: 1,
    summary: 'Describes a namespace.',
    run(session, request) {
      const namespace = named(session, request);
      if (namespace === undefined) return;
      session.reveal(namespace.lastSequence);
      session.connection.reply.bulkText(namespaceInfo(session, namespace));
    },
  },
  {
    name: 'DBSIZE',
    access: 'read',
    least: 0,
    most: 0,
    summary: 'Answers the number of keys in the namespace.',
    run(session) {
      const { namespace } = session;
      session.reveal(namespace.lastSequence);
      session.connection.reply.integer(namespace.index.liveCount);
    },
  },
  {
    name: 'FLUSH',
    access: 'write',
    least: 0,
    most: 0,
    summary: 'Empties the namespace, when it is private and has a password.',
    run: flush,
  },
  {
    name: 'RELOAD',
    access: 'open',
    isAdmin: true,
    least: 1,
    most: 1,
    summary: 'Answers OK for a namespace that exists: the index never differs from the log.',
    run(session, request) {
      if (named(session, request) !== undefined) session.connection.reply.ok();
    },
  },
];

/** The namespace that argument 1 names; undefined when there is none, which is answered then. */
export function named(session: Session, request: Request): Namespace | undefined {
  if (request.lengthOf(1) > NAMESPACE_NAME_BYTES_MAX) {
    session.refuse(replyTexts.nameTooLong);
    return undefined;
  }
  const namespace = session.store.namespaces.get(request.text(1));
  if (namespace === undefined) session.refuse(replyTexts.namespaceNotFound);
  return namespace;
}

function create(session: Session, request: Request): void {
  const { context, store } = session;
  const name = request.text(1);
  if (request.lengthOf(1) > NAMESPACE_NAME_BYTES_MAX) session.refuse(replyTexts.nameTooLong);
  else if (!isAllowedName(name)) session.refuse(replyTexts.nameNotAllowed);
  else if (store.namespaces.get(name) !== undefined) session.refuse(replyTexts.nameTaken);
  else if (context.writeProblem !== undefined) session.refuse(context.writeProblem);
  else {
    store.createNamespace(name, context.config.mode === 'seq' ? 'seq' : 'user');
    context.settingsChanged();
    session.connection.reply.ok();
  }
}

/** Names go into JSON, logs and lines of text; a text that is no UTF-8 could not be found again. */
function isAllowedName(name: string): boolean {
  if (name === '' || name === '.' || name === '..' || name === 'default') return false;
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return !/[/\u0000-\u001f\u007f\ufffd]/.test(name);
}

function remove(session: Session, request: Request): void {
  const { context, store } = session;
  const name = request.text(1);
  const namespace = store.namespaces.get(name);
  if (request.lengthOf(1) > NAMESPACE_NAME_BYTES_MAX) session.refuse(replyTexts.nameTooLong);
  else if (name === 'default') session.refuse(replyTexts.cannotRemoveDefault);
  else if (namespace === undefined) session.refuse(replyTexts.namespaceUnknown);
  else if (namespace === session.namespace) session.refuse(replyTexts.namespaceInUse);
  else if (context.writeProblem !== undefined) session.refuse(context.writeProblem);
  else {
    store.removeNamespace(namespace);
    context.settingsChanged();
    session.connection.reply.ok();
  }
}

function flush(session: Session): void {
  const { context, store, namespace } = session;
  const { isPublic, password, isWorm } = namespace.settings;
  if (isPublic || password === '') {
    session.refuse(replyTexts.flushDenied);
  } else if (isWorm) {
    session.refuse(replyTexts.worm);
  } else {
    const emptied = store.flushNamespace(namespace);
    context.successors.set(namespace, emptied);
    session.namespace = emptied;
    context.settingsChanged();
    session.connection.reply.ok();
  }
}
