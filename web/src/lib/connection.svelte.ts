// Whether the phone has a network, as far as the browser can tell, together with the state of the sign-in.
import { session } from '../auth/session.svelte';

class Connection {
  #online = $state(navigator.onLine);

  start(): void {
    window.addEventListener('online', () => (this.#online = true));
    window.addEventListener('offline', () => (this.#online = false));
  }

  get state(): 'online' | 'connecting' | 'offline' {
    if (!this.#online || session.status === 'offline' || session.status === 'unreachable') return 'offline';
    return session.status === 'signed_in' ? 'online' : 'connecting';
  }
}

export const connection = new Connection();
