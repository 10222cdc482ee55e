// A live topic over Socket.IO: subscribes from the last offset, passes each event on once, asks for a reload when some are lost.
import type { Socket } from 'socket.io-client';
import { session } from '../auth/session.svelte';
import { judge, type Offset, type TopicEvent } from './day';

type Ack = { ok: true; offset: Offset; recovered: boolean } | { ok: false; error: { code: string; message: string } };
export interface Handlers { onevent: (event: TopicEvent) => void; onreload: () => void }

const ACK_MS = 10_000;
const RECONNECT_MS = 3_000;

export class LiveTopic {
  state = $state<'connecting' | 'live' | 'lost'>('connecting');
  #socket: Socket | null = null;
  #offset: Offset | null = null;
  #closed = false;
  #forget: () => void = () => undefined;
  #topic: string;
  #handlers: Handlers;
  #subscribed!: () => void;
  /** Resolves at the first subscription, so that a screen subscribes first and fetches second. */
  readonly subscribed = new Promise<void>((done) => (this.#subscribed = done));

  constructor(topic: string, handlers: Handlers) {
    this.#topic = topic;
    this.#handlers = handlers;
  }

  async open(): Promise<void> {
    const { io } = await import('socket.io-client');
    if (this.#closed) return;
    const socket = io({ auth: (send) => send({ token: session.token() }), transports: ['websocket', 'polling'], autoConnect: false });
    this.#socket = socket;
    this.#forget = session.onToken(() => this.#renewed(socket));
    socket.on('connect', () => void this.#subscribe(socket, this.#offset));
    socket.on('event', (message: TopicEvent) => this.#receive(message));
    socket.on('reload', (message: { topic: string }) => {
      if (message.topic === this.#topic) void this.#subscribe(socket, null);
    });
    socket.on('expired', () => void session.renew().catch(() => undefined));
    socket.on('disconnect', () => this.#lost(socket));
    socket.on('connect_error', () => this.#lost(socket));
    window.addEventListener('offline', this.#offline);
    window.addEventListener('online', this.#online);
    // On a fresh page the sign-in is still under way; its token opens the connection.
    if (session.token()) socket.connect();
  }

  close(): void {
    this.#closed = true;
    this.#forget();
    window.removeEventListener('offline', this.#offline);
    window.removeEventListener('online', this.#online);
    this.#socket?.disconnect();
  }

  // A cut network leaves the old connection hanging for most of a minute; the browser knows earlier.
  #offline = () => {
    this.state = 'lost';
    this.#socket?.disconnect();
  };
  #online = () => void this.#socket?.connect();

  async #subscribe(socket: Socket, after: Offset | null): Promise<void> {
    try {
      const ack = (await socket.timeout(ACK_MS).emitWithAck('subscribe', { topic: this.#topic, after })) as Ack;
      if (!ack.ok) {
        this.state = 'lost';
        return;
      }
      const missed = after === null || !ack.recovered;
      if (missed || !this.#offset || judge(this.#offset, ack.offset) === 'apply') this.#offset = ack.offset;
      this.state = 'live';
      this.#subscribed();
      if (missed) this.#handlers.onreload();
    } catch {
      // No acknowledgement in time: begin again with a fresh connection.
      socket.disconnect();
      this.#lost(socket);
    }
  }

  #receive(message: TopicEvent): void {
    if (message.topic !== this.#topic) return;
    const verdict = judge(this.#offset, message.offset);
    if (verdict === 'drop') return;
    this.#offset = message.offset;
    if (verdict === 'reload') this.#handlers.onreload();
    else this.#handlers.onevent(message);
  }

  /** Socket.IO reconnects by itself after a network fault, but not after the server closed or refused the connection. */
  #lost(socket: Socket): void {
    if (this.#closed) return;
    this.state = 'lost';
    if (socket.active) return;
    setTimeout(() => {
      if (this.#closed || socket.connected) return;
      void session.renew().catch(() => undefined).then(() => socket.connect());
    }, RECONNECT_MS);
  }

  #renewed(socket: Socket): void {
    if (socket.connected) socket.emit('authenticate', { token: session.token() }, () => undefined);
    else if (!socket.active) socket.connect();
  }
}
