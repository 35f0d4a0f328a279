import { GridError } from '@commongrid/base';

import type { NodeErrorCode } from '../errors.ts';
import { readSeccompProfile, seccompFilter } from '../sys/seccomp-profile.ts';
import type { SeccompFilter, SeccompProfile } from '../sys/seccomp-profile.ts';
import { capabilitiesOf } from './capabilities.ts';
import type { ContainerSpec } from './container-spec.ts';

/** A seccomp filter for each kind of container, out of the profile of the machine. */
export class SeccompFilters {
  readonly #profile: SeccompProfile;
  readonly #architecture: 'x64' | 'arm64';
  readonly #made = new Map<string, SeccompFilter>();

  private constructor(profile: SeccompProfile, architecture: 'x64' | 'arm64') {
    this.#profile = profile;
    this.#architecture = architecture;
  }

  /** @throws NODE_FEATURE_MISSING */
  static async open(): Promise<SeccompFilters> {
    const { arch } = process;
    if (arch === 'x64' || arch === 'arm64') {
      return new SeccompFilters(await readSeccompProfile(), arch);
    }
    const message = `containers are not held in check on machines of type ${arch}`;
    throw new GridError<NodeErrorCode>('NODE_FEATURE_MISSING', message, {
      hint: 'use a machine of type x64 or arm64',
    });
  }

  of({ isElevated, isImageOnly }: ContainerSpec): SeccompFilter {
    const kind = `${isElevated} ${isImageOnly}`;
    const made =
      this.#made.get(kind) ??
      seccompFilter(this.#profile, {
        architecture: this.#architecture,
        capabilities: capabilitiesOf(isElevated),
        mayMount: isElevated,
        isImageOnly,
      });
    this.#made.set(kind, made);
    return made;
  }
}
