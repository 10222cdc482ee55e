// Runs inside the hidden frame of a prompt=none renewal and hands the answer to the page around it.
import { UserManager } from 'oidc-client-ts';
import { oidcSettings } from './settings';

void new UserManager(oidcSettings(window.location.origin)).signinSilentCallback();
