import { expect, it } from 'vitest';
import { device } from './device';

it('names browser and system', () => {
  const chrome = 'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36';
  expect(device(chrome)).toBe('Chrome · Android');
  expect(device('Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Version/17.0 Mobile/15E148 Safari/604.1')).toBe('Safari · iOS');
  expect(device('Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0')).toBe('Edge · Windows');
  expect(device('curl/8.5.0')).toBe('curl');
  expect(device('')).toBe('');
});
