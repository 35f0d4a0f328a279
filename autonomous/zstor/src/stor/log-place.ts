import { GridError } from '@commongrid/base';
import { nameOfBackend } from '../backends/backends-file.ts';
import type { BackendSpec } from '../backends/backends-file.ts';
import { everyMemberMs } from '../catalog/found-log.ts';
import type { LogPlace } from '../catalog/found-log.ts';
import { identityKey } from '../catalog/tlog-member.ts';
import { ZdbMember } from '../catalog/zdb-member.ts';
import type { ZstorErrorCode } from '../errors.ts';

/** Opens the namespaces that the backends file, as it is then, names as `log`. */
export function openMemberOf(specs: () => readonly BackendSpec[]): LogPlace['openMember'] {
  return (name, timeoutMs) => {
    const limit = timeoutMs === undefined ? {} : { timeoutMs };
    const spec = specs().find((each) => logNameOf(each) === name);
    // Who has left the file is still asked, at its address: the log itself says who keeps it.
    if (spec === undefined) return new ZdbMember({ name, ...addressIn(name), ...limit });
    const { host, port, log = '', password, tlsFingerprint } = spec;
    return new ZdbMember({
      ...{ name, host, port, namespace: log, ...limit },
      ...(password === undefined ? {} : { password }),
      ...(tlsFingerprint === undefined ? {} : { tls: { fingerprint256: tlsFingerprint } }),
    });
  };
}

/** The names of all namespaces that may keep the log. */
export function logNamesOf(specs: readonly BackendSpec[]): string[] {
  return specs.map(logNameOf).filter((name) => name !== undefined);
}

/**
 * Who keeps a log that is new: 2m + 1 of them, each on another node, in the order of the file.
 * @throws ZSTOR_BACKENDS_INVALID
 */
export function firstMembersOf(specs: readonly BackendSpec[], parityShards: number): string[] {
  const onNodes = new Map(
    specs
      .filter(({ log }) => log !== undefined)
      .toReversed()
      .map((spec) => [spec.node, spec]),
  );
  const members = [...onNodes.values()].toReversed().slice(0, 2 * parityShards + 1);
  if (members.length === 2 * parityShards + 1) return logNamesOf(members);
  throw new GridError<ZstorErrorCode>(
    'ZSTOR_BACKENDS_INVALID',
    `${2 * parityShards + 1} nodes with a log are needed to survive ${parityShards}, ` +
      `the backends file has ${members.length}`,
    {
      hint: 'give more entries a log, or take fewer parity shards',
      details: { nodes: [...onNodes.keys()] },
    },
  );
}

/**
 * Whether a log is kept there already. That there is none is known only when all answer.
 * @throws ZSTOR_CATALOG_MEMBER_FAILED
 */
export async function keepsLog(place: LogPlace): Promise<boolean> {
  // That there is one, any of them tells soon; whether there is none, the slowest.
  const { isKept, silent } = await askForLog(place);
  if (isKept || silent === undefined) return isKept;
  const patient = await askForLog(place, everyMemberMs);
  if (patient.isKept || patient.silent === undefined) return patient.isKept;
  throw patient.silent.reason;
}

interface LogAnswers {
  readonly isKept: boolean;
  /** One that did not answer. */
  readonly silent: PromiseRejectedResult | undefined;
}

async function askForLog(
  { members, openMember }: LogPlace,
  timeoutMs?: number,
): Promise<LogAnswers> {
  await using stack = new AsyncDisposableStack();
  const opened = members.map((name) => stack.use(openMember(name, timeoutMs)));
  const answers = await Promise.allSettled(opened.map((member) => member.get([identityKey])));
  return {
    isKept: answers.some(
      (answer) => answer.status === 'fulfilled' && answer.value[0] !== undefined,
    ),
    silent: answers.find((answer) => answer.status === 'rejected'),
  };
}

/** The name of the namespace for the log of an entry. */
export function logNameOf({ log, ...spec }: BackendSpec): string | undefined {
  return log === undefined ? undefined : nameOfBackend({ ...spec, namespace: log });
}

/** A namespace that the backends file does not have any more, by its name. */
export function placeOf(name: string): BackendSpec {
  const where = { node: name, farm: '', country: '', isSpare: false };
  return { ...addressIn(name), ...where, password: undefined, tlsFingerprint: undefined };
}

/** Of `HOST:PORT/NAMESPACE`. */
function addressIn(name: string): { host: string; port: number; namespace: string } {
  const [, host = '', port = '', namespace = ''] = /^(.*):(\d+)\/(.*)$/s.exec(name) ?? [];
  return { host, port: Number(port), namespace };
}
