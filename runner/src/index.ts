export { runCli } from './cli.ts';
export { commandShape } from './command-shape.ts';
export type { CommandShape } from './command-shape.ts';
