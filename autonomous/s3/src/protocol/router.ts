import type { Address } from './address.ts';
import { operations, refusedOperations } from './operations.ts';
import type { Operation, RefusedOperation, Resource, Rule } from './operations.ts';
import type { Query } from './query.ts';
import { S3Error } from './s3-error.ts';

type Headers = Readonly<Record<string, string | string[] | undefined>>;

interface Route {
  readonly rule: Rule;
  readonly operation: Operation | undefined;
  readonly name: Operation | RefusedOperation;
}

const routes = routeTable();
/** Parameters that choose an operation. */
const subresources = new Set(
  [...routes.values()].flat().flatMap(({ rule }) => (rule.sub === undefined ? [] : [rule.sub])),
);

/**
 * The operation that a request asks for.
 * @throws S3Error NotImplemented for those of S3 that are not here, MethodNotAllowed for none of
 *   S3, InvalidArgument for two at once
 */
export function routeOf(
  method: string,
  address: Pick<Address, 'bucket' | 'key'>,
  query: Query,
  headers: Headers,
): Operation {
  const resource = resourceOf(address);
  const given = query.entries
    .map(([name]) => name)
    .filter((name, index, all) => subresources.has(name) && all.indexOf(name) === index);
  const candidates = routes.get(`${method} ${resource}`) ?? [];
  // A subresource of other methods or resources is no choice here: GET takes `list-type`.
  const fitting = given.filter((name) => candidates.some(({ rule }) => rule.sub === name));
  if (fitting.length > 1) {
    throw new S3Error('InvalidArgument', `Conflicting query parameters: ${fitting.join(', ')}`);
  }
  const route = candidates.find(({ rule }) => isMet(rule, fitting[0], query, headers));
  const isForeign = fitting.length === 0 && given.some((name) => name !== 'list-type');
  if (route === undefined || isForeign) {
    throw new S3Error('MethodNotAllowed', undefined, {
      elements: { Method: method, ResourceType: (given[0] ?? resource).toUpperCase() },
    });
  }
  if (route.operation === undefined) {
    throw new S3Error('NotImplemented', `${route.name} is not implemented.`);
  }
  return route.operation;
}

function resourceOf({ bucket, key }: Pick<Address, 'bucket' | 'key'>): Resource {
  if (bucket === undefined) return 'service';
  return key === undefined ? 'bucket' : 'object';
}

function isMet(rule: Rule, sub: string | undefined, query: Query, headers: Headers): boolean {
  if (rule.value !== undefined) {
    if (sub !== rule.sub || query.get(sub ?? '') !== rule.value) return false;
  } else if (rule.sub !== sub && !(rule.sub === undefined && sub === 'list-type')) {
    return false;
  }
  if (rule.with !== undefined && !query.has(rule.with)) return false;
  return rule.header === undefined || headers[rule.header] !== undefined;
}

function routeTable(): ReadonlyMap<string, readonly Route[]> {
  const table = new Map<string, Route[]>();
  const add = (route: Route): void => {
    const name = `${route.rule.method} ${route.rule.resource}`;
    const listed = table.get(name);
    if (listed === undefined) table.set(name, [route]);
    else listed.push(route);
  };
  for (const [name, rule] of Object.entries(operations)) {
    add({ rule, operation: name as Operation, name: name as Operation });
  }
  for (const [name, rule] of Object.entries(refusedOperations)) {
    add({ rule, operation: undefined, name: name as RefusedOperation });
  }
  return table;
}
