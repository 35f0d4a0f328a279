import type { Container, ContractRole } from '@commongrid/model';
import type { ImageConfig } from '@commongrid/flist';
import type { Assignment } from '../assignment.ts';

/** The container that a role is. */
export function containerOf({ workload: { container } }: ContractRole): Container {
  if (container !== undefined) return container;
  throw new Error('the role is no container');
}

/** What runs: the role's words, and the image's where it leaves them out, as Docker joins them. */
export function commandOf(
  { entrypoint, args }: Pick<Container, 'entrypoint' | 'args'>,
  image: Pick<ImageConfig, 'entrypoint' | 'cmd'>,
): readonly string[] {
  const ownArgs = args ?? (entrypoint === undefined ? image.cmd : []);
  return [...(entrypoint ?? image.entrypoint), ...ownArgs];
}

/**
 * What a program is told of where it runs; variables of the image over that, the role's over these, and
 * secrets over all.
 */
export function variablesOf(
  {
    role,
    secrets,
    contract,
    replica,
  }: Pick<Assignment, 'role' | 'secrets' | 'contract' | 'replica'>,
  image: Pick<ImageConfig, 'env'>,
  home: string | undefined,
  ofNode: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const { env, secretEnv } = containerOf(role);
  const ofImage = image.env.map((text) => {
    const at = text.indexOf('=');
    return [text.slice(0, at), text.slice(at + 1)] as const;
  });
  return {
    PATH: pathDefault,
    ...(home === undefined ? {} : { HOME: home }),
    ...ofNode,
    COMMONGRID_CONTRACT: contract,
    COMMONGRID_ROLE: role.name,
    COMMONGRID_REPLICA: String(replica),
    ...Object.fromEntries(ofImage),
    ...Object.fromEntries(env.map(({ name, value }) => [name, value])),
    ...Object.fromEntries(secretEnv.map(({ name, secret }) => [name, secrets.get(secret) ?? ''])),
  };
}

const pathDefault = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
