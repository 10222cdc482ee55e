// One short message at a time at the bottom of the screen, also read out by screen readers.

class Toast {
  message = $state('');
  #timer: ReturnType<typeof setTimeout> | undefined;

  show(message: string): void {
    this.message = message;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.message = ''), 5_000);
  }
}

export const toast = new Toast();
