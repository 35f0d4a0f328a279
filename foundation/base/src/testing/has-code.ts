import assert from 'node:assert/strict';
import { isGridError } from '../errors.ts';

/** For `assert.rejects` and `assert.throws`: a GridError with this code, or its message says why. */
export function hasCode(code: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isGridError(error), String(error));
    assert.equal(error.code, code, error.message);
    return true;
  };
}
