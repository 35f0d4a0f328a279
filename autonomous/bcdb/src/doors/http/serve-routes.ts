import { Readable } from 'node:stream';
import { Compile } from 'typebox/compile';
import { Convert } from 'typebox/value';
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { GridError, isGridError, networkOf } from '@commongrid/base';
import type { BcdbErrorCode } from '../../errors.ts';
import { anyone } from '../access/identity.ts';
import type { Identity } from '../access/identity.ts';
import type { DoorContext } from './door-context.ts';
import { httpStatusOf } from './http-status.ts';
import { packAnswer } from './packed-answer.ts';
import { internalFault } from './record-routes.ts';
import type { Route } from './route.ts';
import { errorReply } from './shapes.ts';

/** Teaches a server its routes. */
export function serveRoutes(
  app: FastifyInstance,
  routes: readonly Route[],
  context: DoorContext,
): void {
  app.setValidatorCompiler(compileCheck);
  app.setErrorHandler((error, _request, reply) => sendError(context, reply, error));
  app.setNotFoundHandler((request, reply) =>
    sendError(context, reply, noRoute(`${request.method} ${request.url.split('?')[0] ?? ''}`), 404),
  );
  for (const one of routes) serveRoute(app, one, context);
}

function serveRoute(app: FastifyInstance, one: Route, context: DoorContext): void {
  const { params, query, body, reply: shape, media } = one;
  app.route({
    method: one.method,
    url: one.path.replace(restPattern, '*'),
    exposeHeadRoute: false,
    schema: {
      ...(params === undefined ? {} : { params }),
      ...(query === undefined ? {} : { querystring: query }),
      ...(body === undefined ? {} : { body }),
      response: {
        ...(media === undefined ? { 200: shape } : {}),
        '4xx': errorReply,
        '5xx': errorReply,
      },
    },
    ...(one.isPacked === true ? { onSend: packAnswer } : {}),
    preValidation: async (request) => {
      const name = restPattern.exec(one.path)?.groups?.['name'];
      if (name === undefined) return;
      const { '*': rest, ...others } = request.params as Readonly<Record<string, string>>;
      request.params = { ...others, [name]: rest };
    },
    handler: async (request, reply) => {
      const signal = signalOf(reply);
      const who = await identityOf(context, request, signal);
      const answer = await one.handle({
        who,
        address: addressOf(request),
        params: request.params,
        query: request.query,
        body: request.body,
        header: (name) => headerOf(request, name),
        signal,
      });
      if (media !== undefined) reply.type(media);
      const isKept = one.isImmutable?.(request.params) === true;
      reply.header('cache-control', isKept ? 'public, max-age=31536000, immutable' : 'no-store');
      // An answer without an end must not leave a connection open behind it.
      if (answer instanceof Readable) reply.header('connection', 'close');
      return answer;
    },
  });
}

/** Who the `Authorization` header says it is, after it was shown to be true. */
async function identityOf(
  { gate }: DoorContext,
  request: FastifyRequest,
  signal: AbortSignal,
): Promise<Identity> {
  const header = headerOf(request, 'authorization');
  if (header === undefined) return anyone;
  const token = /^Bearer (?<token>[A-Za-z0-9_.-]{1,256})$/.exec(header)?.groups?.['token'] ?? '';
  return gate.identify(token, { address: addressOf(request), signal });
}

/** Whose failures slow each other. */
function addressOf(request: FastifyRequest): string {
  return networkOf(request.socket.remoteAddress ?? '');
}

function headerOf(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}

function signalOf(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}

/** The name of the rest of a path, which fastify calls `*`. */
const restPattern = /\*(?<name>[a-z]+)$/;

/** Bodies must fit as they are; texts of a path or a query become the numbers they stand for. */
const compileCheck: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const check = Compile(schema);
  return (data: unknown) => {
    const value = httpPart === 'body' ? data : Convert(schema, data);
    if (check.Check(value)) return { value };
    const [first] = check.Errors(value);
    const place = `${httpPart ?? 'request'}${first?.instancePath ?? ''}`;
    return { error: invalid(`${place} ${first?.message ?? 'is not as it should be'}`) };
  };
};

function sendError(
  { metrics, logger }: DoorContext,
  reply: FastifyReply,
  error: unknown,
  status?: number,
): FastifyReply {
  const known = gridErrorOf(error);
  if (known.code === 'BCDB_INTERNAL') logger.error({ err: error }, 'a request failed');
  metrics.refused(known.code);
  const answer = reply
    .code(status ?? httpStatusOf(known))
    .type('application/json; charset=utf-8')
    .header('cache-control', 'no-store');
  if (answer.statusCode === 401) answer.header('www-authenticate', 'Bearer');
  return answer.send(known.toJSON());
}

function gridErrorOf(error: unknown): GridError {
  if (isGridError(error)) return error;
  if (!(error instanceof Error)) return internalFault(error);
  const { statusCode, code = '' } = error as ServerFault;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new GridError<BcdbErrorCode>('BCDB_TOO_LARGE', 'the body is above its limit', {
      hint: 'send less at a time',
    });
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return invalid(error.message, error);
  }
  return internalFault(error);
}

/** What fastify's own errors have besides a message. */
interface ServerFault extends Error {
  readonly statusCode?: number;
  readonly code?: string;
}

function invalid(message: string, cause?: unknown): GridError<BcdbErrorCode> {
  return new GridError('BCDB_REQUEST_INVALID', message, {
    hint: 'GET /openapi.json says what each request takes',
    cause,
  });
}

function noRoute(what: string): GridError<BcdbErrorCode> {
  return invalid(`there is nothing at ${what}`);
}
