// Starts the page of the people who run the platform; loaded only at /console.
import { mount } from 'svelte';
import Console from './Console.svelte';
import { operator } from './session.svelte';

export async function start(): Promise<void> {
  mount(Console, { target: document.getElementById('app')! });
  await operator.start();
}
