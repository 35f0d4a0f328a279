import { GridError } from '@commongrid/base/browser';
import { Type } from 'typebox';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { ModelErrorCode } from './errors.ts';
import { closed, currency, labelText } from './fields.ts';
import { contractRole } from './records/contract-role.ts';

/** What people write: a contract whose rarely used parts are left out. */
export interface DeploymentFile {
  readonly name: string;
  readonly roles: readonly RoleFile[];
  /** Values of secrets by name; `{"file": PATH}` reads one. */
  readonly secrets?: Readonly<Record<string, string | { readonly file: string }>>;
  /** For how long, days. Default 365. */
  readonly days?: number;
  /** Without one it runs on machines of its owner alone. */
  readonly budget?: DeploymentBudget;
}

/** What places of others may cost. Whole numbers in the smallest unit of the currency. */
export interface DeploymentBudget {
  readonly currency: string;
  readonly perMonth: number | string;
  readonly total: number | string;
}

/** A role: the kind of workload is whichever of the three is there. Sizes are text such as `256MiB`. */
export interface RoleFile {
  readonly name: string;
  readonly container?: Readonly<Record<string, unknown>>;
  readonly volume?: Readonly<Record<string, unknown>>;
  readonly zdb?: Readonly<Record<string, unknown>>;
  readonly cpu?: number;
  readonly memory?: string | number;
  readonly [field: string]: unknown;
}

const role = contractRole.properties;
const kinds = role.workload.properties;

/** Bytes, as people write them: what `parseBytes` reads. */
const size = Type.Union([
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  Type.String({ pattern: '^[0-9]+(\\.[0-9]+)? ?(B|[kKMGTP]B|[KMGTP]iB)?$' }),
]);

const { flist, ...ofContainer } = kinds.container.properties;
const container = Type.Object(
  {
    image: Type.Optional(said(Type.String({ minLength: 1, maxLength: 256 }), 'name at the hub')),
    flist: Type.Optional(said(flist, 'digest of the image, instead of its name')),
    ...optional(ofContainer),
    rootBytes: Type.Optional(said(size, 'what may be written over the image')),
  },
  { ...closed, ...justOneOf('image', 'flist') },
);

const volume = disk(kinds.volume.properties, {});
const { password, ...ofZdb } = kinds.zdb.properties;
const zdb = disk(ofZdb, { password: said(password, 'name of a secret') });

const { name, workload: _workload, resources: _resources, ...ofRole } = role;
const fileRole = Type.Object(
  {
    name,
    container: Type.Optional(container),
    volume: Type.Optional(volume),
    zdb: Type.Optional(zdb),
    cpu: Type.Optional(said(Type.Number({ minimum: 0, maximum: 1_000_000 }), 'cores')),
    memory: Type.Optional(size),
    ...optional(ofRole),
  },
  { ...closed, ...justOneOf('container', 'volume', 'zdb') },
);

const secret = Type.Union([
  Type.String(),
  Type.Object({ file: said(Type.String({ minLength: 1 }), 'path of a file that has it') }, closed),
]);

const units = said(
  Type.Union([
    Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
    Type.String({ pattern: '^(0|[1-9][0-9]{0,37})$' }),
  ]),
  'in the smallest unit of the currency',
);
const budget = Type.Object({ currency, perMonth: units, total: units }, closed);

const file = Type.Object(
  {
    $schema: Type.Optional(said(Type.String(), 'for editors')),
    name: Type.String({ minLength: 1, maxLength: 100 }),
    roles: Type.Array(fileRole, { minItems: 1 }),
    secrets: Type.Optional(said(Type.Record(labelText, secret, closed), 'by name')),
    days: Type.Optional(said(Type.Number({ exclusiveMinimum: 0 }), 'for how long; default 365')),
    budget: Type.Optional(said(budget, 'what places of others may cost; default: nothing')),
  },
  closed,
);

const dialect = { $schema: 'https://json-schema.org/draft/2020-12/schema' };

/** JSON Schema of the file that `grid deploy` takes. */
export const deploymentSchema: object = {
  ...dialect,
  title: 'Deployment of Commongrid: grid deploy FILE',
  ...file,
};

const { kind: _kind, ...workloads } = kinds;

/** JSON Schema of a role as contracts have it, and of each type of workload: `#/$defs/container`. */
export const roleSchema: object = {
  ...dialect,
  title: 'Role of a contract of Commongrid',
  ...contractRole,
  $defs: workloads,
};

let validator: ReturnType<typeof Compile<typeof file>> | undefined;

/** @throws MODEL_RECORD_INVALID with the place of the first fault in `details.path` */
export function parseDeploymentFile(value: unknown): DeploymentFile {
  validator ??= Compile(file);
  if (validator.Check(value)) return value;
  const faults = validator.Errors(value);
  const path = faults.at(0)?.instancePath ?? '';
  const here = faults.filter(({ instancePath }) => instancePath === path);
  // Properties that are not named have the schema `false`.
  const why = here.map(({ keyword, message }) =>
    keyword === 'boolean' ? 'is not known' : message,
  );
  throw new GridError<ModelErrorCode>(
    'MODEL_RECORD_INVALID',
    `${path || 'it'} ${[...new Set(why)].join(', or ')}`,
    {
      details: { path },
    },
  );
}

/** A disk whose size may be text. */
function disk(properties: Readonly<Record<string, TSchema>>, more: Record<string, TSchema>) {
  return Type.Object(
    { size: Type.Optional(size), ...optional(properties), ...more },
    { ...closed, ...justOneOf('size', 'sizeBytes') },
  );
}

function optional<T extends Readonly<Record<string, TSchema>>>(
  properties: T,
): { [Name in keyof T]: TSchema } {
  const all = Object.entries(properties).map(([key, schema]) => [key, Type.Optional(schema)]);
  return Object.fromEntries(all) as { [Name in keyof T]: TSchema };
}

function justOneOf(...names: readonly string[]): { readonly oneOf: readonly object[] } {
  return { oneOf: names.map((one) => ({ required: [one] })) };
}

function said<S extends TSchema>(schema: S, description: string): S {
  return { ...schema, description };
}
