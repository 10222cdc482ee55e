// Passkeys: shows the forms that need this script, asks the browser, and sends what it answers with the form.
(() => {
  'use strict';
  const forms = [...document.querySelectorAll('form[data-passkey]')];
  if (!window.PublicKeyCredential || !navigator.credentials) return;

  const bytes = (text) => {
    const plain = atob(text.replace(/-/g, '+').replace(/_/g, '/'));
    return Uint8Array.from(plain, (letter) => letter.charCodeAt(0)).buffer;
  };
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');

  const question = async (form) => {
    const body = new URLSearchParams({ for: form.dataset.passkey });
    for (const name of ['form_token', 'level']) if (form.elements[name]) body.set(name, form.elements[name].value);
    const response = await fetch('/passkeys/options', { method: 'POST', body });
    if (!response.ok) throw new Error(`options: ${response.status}`);
    const { ceremony, options } = await response.json();
    const asked = options.publicKey;
    asked.challenge = bytes(asked.challenge);
    if (asked.user) asked.user.id = bytes(asked.user.id);
    for (const list of [asked.allowCredentials, asked.excludeCredentials]) for (const known of list || []) known.id = bytes(known.id);
    return { ceremony, publicKey: asked };
  };

  const answer = (credential) => {
    const { response } = credential;
    const said = { clientDataJSON: text(response.clientDataJSON) };
    for (const name of ['attestationObject', 'authenticatorData', 'signature', 'userHandle']) if (response[name]) said[name] = text(response[name]);
    if (response.signature && !said.userHandle) said.userHandle = null;
    if (response.getTransports) said.transports = response.getTransports();
    return JSON.stringify({ id: credential.id, rawId: text(credential.rawId), type: credential.type, response: said, extensions: {} });
  };

  const send = (form, ceremony, credential) => {
    for (const [name, value] of Object.entries({ ceremony, credential: answer(credential) })) {
      const input = document.createElement('input');
      Object.assign(input, { type: 'hidden', name, value });
      form.append(input);
    }
    form.submit();
  };

  let waiting = null;
  for (const form of forms) {
    form.hidden = false;
    const failed = form.querySelector('[data-failed]');
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      if (waiting) waiting.abort();
      failed.hidden = true;
      try {
        const { ceremony, publicKey } = await question(form);
        const how = form.dataset.passkey === 'register' ? 'create' : 'get';
        send(form, ceremony, await navigator.credentials[how]({ publicKey }));
      } catch (error) {
        failed.hidden = false;
      }
    });
  }

  // The browser offers passkeys among the addresses it fills in.
  const signIn = forms.find((form) => form.dataset.passkey === 'sign_in');
  const able = window.PublicKeyCredential.isConditionalMediationAvailable;
  if (signIn && able) {
    able.call(window.PublicKeyCredential).then(async (there) => {
      if (!there) return;
      waiting = new AbortController();
      const { ceremony, publicKey } = await question(signIn);
      send(signIn, ceremony, await navigator.credentials.get({ publicKey, mediation: 'conditional', signal: waiting.signal }));
    }).catch(() => {});
  }
})();
