import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface PeerOrder {
  readonly number: number;
  readonly action: 'listen' | 'ask' | 'heard';
  readonly protocol: 'tcp' | 'udp';
  readonly host: string;
  readonly port: number;
  readonly from: AskFrom;
  /** How long an answer may take. */
  readonly waitMs: number;
}

/** Where one asks from. */
export interface AskFrom {
  readonly address?: string;
  readonly port?: number;
}

export interface PeerAnswer {
  readonly number: number;
  readonly result?: string;
  readonly error?: string;
}

/** A process in a network namespace that listens and asks there. */
export class NetworkPeer implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<string>>();
  #number = 0;

  /** @param namespacePath none: the namespace of the test itself */
  constructor(namespacePath?: string) {
    const program = new URL('network-peer-program.ts', import.meta.url).pathname;
    const command = [process.execPath, program];
    if (namespacePath !== undefined) command.unshift('nsenter', `--net=${namespacePath}`);
    const [first = '', ...rest] = command;
    this.#child = spawn(first, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('a peer has no output');
    createInterface({ input: stdout }).on('line', (line) => {
      const { number, result, error }: PeerAnswer = JSON.parse(line);
      const waiting = this.#waiting.get(number);
      this.#waiting.delete(number);
      if (result === undefined) waiting?.reject(new Error(error));
      else waiting?.resolve(result);
    });
  }

  /** Answers who asks at this port with the address from where it asks. */
  async listen(protocol: 'tcp' | 'udp', port: number, host = '0.0.0.0'): Promise<void> {
    await this.#order({ action: 'listen', protocol, host, port, from: {}, waitMs: 0 });
  }

  /** The address that the one that is asked sees. */
  async ask(
    protocol: 'tcp' | 'udp',
    host: string,
    port: number,
    from: AskFrom = {},
  ): Promise<string> {
    return this.#order({ action: 'ask', protocol, host, port, from, waitMs: answerMs });
  }

  /** Sees to it that nobody answers. */
  async askInVain(
    protocol: 'tcp' | 'udp',
    host: string,
    port: number,
    from: AskFrom = {},
  ): Promise<void> {
    const asked = this.#order({ action: 'ask', protocol, host, port, from, waitMs: silenceMs });
    await assert.rejects(asked, nobody, `${protocol} to ${host}:${port}`);
  }

  /** The addresses from which something came over UDP, answered or not. */
  async heard(): Promise<readonly string[]> {
    const text = await this.#order({ ...nothing, action: 'heard' });
    return text === '' ? [] : text.split(' ');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  #order(order: Omit<PeerOrder, 'number'>): Promise<string> {
    const number = this.#number++;
    const waiting = Promise.withResolvers<string>();
    this.#waiting.set(number, waiting);
    this.#child.stdin?.write(`${JSON.stringify({ ...order, number })}\n`);
    return waiting.promise;
  }
}

const nothing = { protocol: 'udp', host: '', port: 0, from: {}, waitMs: 0 } as const;

/** Far more than an answer takes on a busy machine. */
const answerMs = 10_000;

/** What is dropped is told from what is slow by that alone. */
const silenceMs = 500;

/** What a peer says that gets no answer. */
const nobody = /ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EACCES|nobody answers|AbortError/;
