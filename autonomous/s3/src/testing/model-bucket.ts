import type { Headers } from '../protocol/object-headers.ts';

export type ModelStep =
  | {
      readonly kind: 'put';
      readonly key: string;
      readonly sizeBytes: number;
      readonly etag: string;
      readonly conditions: Headers;
    }
  | { readonly kind: 'copy'; readonly key: string; readonly from: string }
  | { readonly kind: 'delete'; readonly key: string; readonly conditions: Headers }
  /** The version that is so many behind the newest. */
  | { readonly kind: 'delete-version'; readonly key: string; readonly back: number }
  | { readonly kind: 'versioning'; readonly to: 'enabled' | 'suspended' };

interface ModelVersion {
  readonly versionId: string;
  readonly isMarker: boolean;
  readonly sizeBytes: number;
  readonly etag: string;
}

/** A bucket as S3 describes it, in lists: the newest version of each key comes first. */
export class ModelBucket {
  #versioning: 'off' | 'enabled' | 'suspended' = 'off';
  readonly #keys = new Map<string, ModelVersion[]>();

  /**
   * @param id what the other side answered: of a version that is made, the model takes its id
   * @returns what the answer has to be: a version id, the name of an error, or undefined
   */
  run(step: ModelStep, id: string | undefined): string | undefined {
    switch (step.kind) {
      case 'versioning':
        this.#versioning = step.to;
        return undefined;
      case 'put':
        return this.#refusal(step.key, step.conditions) ?? this.#add(step.key, step, id);
      case 'copy': {
        const source = this.#current(step.from);
        return source === undefined ? 'NoSuchKey' : this.#add(step.key, source, id);
      }
      case 'delete':
        return this.#refusal(step.key, step.conditions) ?? this.#hide(step.key, id);
      case 'delete-version': {
        const versions = this.#keys.get(step.key) ?? [];
        const [gone] = versions.splice(step.back, 1);
        if (gone !== undefined) return gone.versionId;
        return this.#hide(step.key, id);
      }
      default:
        return undefined;
    }
  }

  idOf(key: string, back: number): string | undefined {
    return this.#keys.get(key)?.[back]?.versionId;
  }

  versions(): unknown[] {
    return this.#sortedKeys().flatMap((key) =>
      (this.#keys.get(key) ?? []).map((version, at) => ({ key, isLatest: at === 0, ...version })),
    );
  }

  objects(): string[] {
    return this.#sortedKeys().filter((key) => this.#current(key) !== undefined);
  }

  #sortedKeys(): string[] {
    return [...this.#keys.keys()].toSorted((a, b) =>
      Buffer.compare(Buffer.from(a), Buffer.from(b)),
    );
  }

  #current(key: string): ModelVersion | undefined {
    const newest = this.#keys.get(key)?.[0];
    return newest?.isMarker === true ? undefined : newest;
  }

  #refusal(key: string, conditions: Headers): string | undefined {
    const current = this.#current(key);
    if (conditions['if-none-match'] !== undefined && current !== undefined) {
      return 'PreconditionFailed';
    }
    const match = conditions['if-match'];
    if (match === undefined) return undefined;
    if (current === undefined) return 'NoSuchKey';
    return match === '*' || match === `"${current.etag}"` ? undefined : 'PreconditionFailed';
  }

  #add(
    key: string,
    { sizeBytes, etag }: { readonly sizeBytes: number; readonly etag: string },
    id: string | undefined,
  ): string | undefined {
    return this.#push(key, { isMarker: false, sizeBytes, etag }, id);
  }

  #hide(key: string, id: string | undefined): string | undefined {
    if (this.#versioning !== 'off') {
      return this.#push(key, { isMarker: true, sizeBytes: 0, etag: '' }, id);
    }
    this.#dropNull(key);
    return undefined;
  }

  #push(
    key: string,
    version: Omit<ModelVersion, 'versionId'>,
    id: string | undefined,
  ): string | undefined {
    const isNull = this.#versioning !== 'enabled';
    if (isNull) this.#dropNull(key);
    const versionId = isNull ? 'null' : (id ?? 'an id');
    const versions = this.#keys.get(key) ?? [];
    versions.unshift({ versionId, ...version });
    this.#keys.set(key, versions);
    return this.#versioning === 'off' ? undefined : versionId;
  }

  #dropNull(key: string): void {
    const versions = this.#keys.get(key) ?? [];
    this.#keys.set(
      key,
      versions.filter(({ versionId }) => versionId !== 'null'),
    );
  }
}
