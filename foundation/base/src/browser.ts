export { GridError, isGridError } from './errors.ts';
export type { GridErrorOptions } from './errors.ts';
