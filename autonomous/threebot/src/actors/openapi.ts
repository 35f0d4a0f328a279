import type { TSchema } from 'typebox';
import { permissions } from './caller.ts';
import type { Catalog, CatalogMethod } from './catalog.ts';

/** Path of a method over HTTP. */
export function methodPath(name: string): string {
  return `/actors/${name.replace('.', '/')}`;
}

/** All methods as an OpenAPI 3.1 document, made from the definitions that serve them. */
export function openApiDocument(catalog: Catalog, bot: string): object {
  const paths = Object.fromEntries(
    [...catalog.methods.values()].map((one) => [methodPath(one.name), { post: operation(one) }]),
  );
  return {
    openapi: '3.1.0',
    info: {
      title: '3Bot',
      version: '1',
      description: `What ${bot} can be asked. The same methods are commands of the Redis protocol and calls over links.`,
    },
    paths,
    components: {
      securitySchemes: {
        owner: { type: 'http', scheme: 'bearer' },
        bot: { type: 'mutualTLS', description: 'the certificate of a key of the phonebook' },
      },
      schemas: { Error: errorShape },
    },
  };
}

function operation({ actor, name, method }: CatalogMethod): object {
  const { summary, permission } = method;
  const [input, output] = [method.input as TSchema, method.output as TSchema];
  const error = { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } };
  return {
    operationId: name,
    tags: [actor],
    summary,
    description: `For: ${permission}.`,
    requestBody: { required: true, content: { 'application/json': { schema: plain(input) } } },
    responses: {
      '200': { description: 'done', content: { 'application/json': { schema: plain(output) } } },
      default: { description: 'refused: `code` says why', content: error },
    },
    security: permission === permissions[0] ? [{}] : [{ owner: [] }, { bot: [] }],
  };
}

/** JSON alone: what TypeBox keeps for itself is no part of it. */
function plain(schema: TSchema): unknown {
  return JSON.parse(JSON.stringify(schema));
}

const errorShape = {
  type: 'object',
  required: ['schema', 'code', 'message', 'retryable', 'details'],
  properties: {
    schema: { const: 'grid.error.1' },
    code: { type: 'string' },
    message: { type: 'string' },
    hint: { type: 'string' },
    retryable: { type: 'boolean' },
    details: { type: 'object' },
  },
};
