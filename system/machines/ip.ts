import { execFileSync } from 'node:child_process';

/** Runs `ip`, as root. @throws what it says on stderr */
export function ip(...words: readonly string[]): void {
  execFileSync('env', ['ip', ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Runs several commands of `ip` in one process; the first that fails is the last. */
export function ipBatch(commands: readonly string[]): void {
  const stdio: ['pipe', 'ignore', 'pipe'] = ['pipe', 'ignore', 'pipe'];
  execFileSync('env', ['ip', '-batch', '-'], { input: `${commands.join('\n')}\n`, stdio });
}

/** What `ip -json` prints. */
export function ipJson(...words: readonly string[]): unknown {
  const text = execFileSync('env', ['ip', '-json', ...words], { encoding: 'utf8' });
  return text.trim() === '' ? [] : JSON.parse(text);
}
