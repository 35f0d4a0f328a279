import type { TSchema } from 'typebox';
import type { Route } from './route.ts';
import { errorReply } from './shapes.ts';

/** The API as an OpenAPI 3.1 document, made from the routes that serve it. */
export function openApiDocument(routes: readonly Route[], log: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const one of routes) {
    const methods = (paths[openApiPath(one.path)] ??= {});
    methods[one.method.toLowerCase()] = operation(one);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'BCDB',
      version: '1',
      description: `The blockchain database of log ${log}. Hashes and bytes are base64url without padding.`,
    },
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: { Error: errorReply },
    },
    security: [{}, { token: [] }],
  };
}

/** `/v1/proof/:seq` as `/v1/proof/{seq}`. */
function openApiPath(path: string): string {
  return path.replaceAll(/[:*]([a-z]+)/gi, '{$1}');
}

function operation({ method, path, summary, params, query, body, reply, media }: Route): object {
  const name = `${method.toLowerCase()}${path.replaceAll(/[^a-z]+(?<letter>[a-z]?)/gi, upper)}`;
  const content = { [media ?? 'application/json']: { schema: reply } };
  const error = { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } };
  return {
    operationId: name,
    summary,
    parameters: [...parameters(params, 'path'), ...parameters(query, 'query')],
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: body } } } }),
    responses: {
      '200': { description: 'done', content },
      default: { description: 'refused: `code` says why', content: error },
    },
  };
}

function upper(_match: string, letter: string): string {
  return letter.toUpperCase();
}

function parameters(schema: TSchema | undefined, place: 'path' | 'query'): readonly object[] {
  const { properties = {}, required = [] }: ObjectSchema = schema ?? {};
  return Object.entries(properties).map(([name, shape]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: shape,
  }));
}

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly required?: readonly string[];
}
