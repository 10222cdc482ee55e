// Whether the teacher wants to see a summary before each save; kept on the phone.
const KEY = 'hitaji.register.ask';

export const askBeforeSaving = (): boolean => localStorage.getItem(KEY) === 'yes';
export const setAskBeforeSaving = (ask: boolean): void => localStorage.setItem(KEY, ask ? 'yes' : 'no');
